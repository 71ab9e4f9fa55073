// The contract of docs/command-line.md with the real launcher: exit statuses, arguments, standard streams, and that the
// launcher's own path leaves no mark that a shell would.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { packageRoot } from "../../src/host/package-root.js";

const command = join(packageRoot, "bin/flicker");
const temporary = mkdtempSync(join(tmpdir(), "flicker-run-test-"));
after(() => rmSync(temporary, { recursive: true, force: true }));

const run = (file: string, args: readonly string[], options: { env?: NodeJS.ProcessEnv; input?: string } = {}) =>
  spawnSync(file, args, { encoding: "utf8", ...options });
const flicker = (...args: string[]) => run(command, args);
const path = flicker("path").stdout.trimEnd();

test("arguments and standard streams are the program's", () => {
  const odd = ["", "a b", "new\nline\n", "-x", "--", "--stats"];
  const { status, stdout } = flicker("run", "--", "printf", "%s\\0", ...odd);
  assert.deepEqual([status, stdout.split("\0").slice(0, -1)], [0, odd]);
  assert.equal(run(command, ["cat"], { input: "through\n" }).stdout, "through\n");
  assert.equal(flicker("sh", "-c", "echo error >&2").stderr, "error\n");
});

test("exit status and signal are the program's", () => {
  assert.equal(flicker("sh", "-c", "exit 42").status, 42);
  assert.equal(flicker("sh", "-c", "kill -TERM $$").signal, "SIGTERM");
  assert.equal(flicker("sh", "-c", "kill -KILL $$").signal, "SIGKILL");
});

test("127: the program is not there", () => {
  for (const name of ["no-such-program-anywhere", "./no/such/file", ""]) {
    const { status, stderr } = flicker("run", "--", name);
    assert.equal(status, 127, name);
    assert.match(stderr, /^flicker: .*No such file or directory\n$/);
  }
});

test("126: the program is there and cannot be executed", () => {
  const text = join(temporary, "text");
  writeFileSync(text, "just text\n");
  const notAllowed = flicker(text);
  const isFolder = flicker(temporary);
  chmodSync(text, 0o755);
  // A shell would run this as a script; execve does not, and nor does Flicker.
  const noFormat = flicker(text);
  for (const { status, stderr } of [notAllowed, isFolder, noFormat]) {
    assert.equal(status, 126, stderr);
    assert.match(stderr, /^flicker: \/[^\n]*: [^\n]+\n$/);
  }
});

test("125: Flicker's own failures", () => {
  for (const args of [["run"], ["run", "--"], ["run", "--no-such-option", "--", "true"], ["--"]]) {
    const { status, stderr } = flicker(...args);
    assert.equal(status, 125, args.join(" "));
    assert.match(stderr, /^flicker: [^\n]*\n$/);
  }
});

test("a program that has the name of a command", () => {
  const program = join(temporary, "path");
  writeFileSync(program, "#!/bin/sh\necho the program\n", { mode: 0o755 });
  const env = { ...process.env, PATH: `${temporary}:${process.env["PATH"]}` };
  assert.equal(run(command, ["--", "path"], { env }).stdout, "the program\n");
  assert.equal(run(command, [program]).stdout, "the program\n");
});

test("the launcher's path passes the environment on, byte for byte and in order", () => {
  const env = { Z: "1", "a.b": "2", A: "new\nline", IFS: "x", "BASH_FUNC_f%%": "() { :; }", PWD: "/nowhere" };
  const natively = run("/usr/bin/env", ["-0"], { env });
  assert.ok(natively.stdout.includes("a.b=2\0"));
  assert.equal(run(path, ["run", "--", "/usr/bin/env", "-0"], { env }).stdout, natively.stdout);
});
