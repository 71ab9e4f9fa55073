// `flicker doctor` as a command: what it prints, and its exit status.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { formatFindings, wrap } from "../../src/cli/doctor.js";
import { CHECKS, type NamedFinding } from "../../src/host/doctor/checks.js";
import { packageRoot } from "../../src/host/package-root.js";

const temporary = mkdtempSync(join(tmpdir(), "flicker-doctor-test-"));
after(() => rmSync(temporary, { recursive: true, force: true }));

const env = { ...process.env, NO_COLOR: "1", XDG_CACHE_HOME: join(temporary, "cache") };
const doctor = (root: string, ...args: string[]) =>
  spawnSync(join(root, "bin/flicker"), ["doctor", ...args], { encoding: "utf8", env });

test("text: a line for each row, 80 columns, a closing line", () => {
  const { status, stdout, stderr } = doctor(packageRoot);
  assert.deepEqual([status, stderr], [0, ""]);
  for (const { name } of CHECKS) assert.ok(stdout.includes(name), name);
  assert.match(stdout, /\nPrograms run(, \d+ notes?)?\.\n$/);
});

test("--json: all findings, and whether programs run", () => {
  const { status, stdout } = doctor(packageRoot, "--json");
  const { runs, findings } = JSON.parse(stdout) as { runs: boolean; findings: NamedFinding[] };
  assert.deepEqual([status, runs], [0, true]);
  assert.deepEqual(
    findings.map(({ name }) => name),
    CHECKS.map(({ name }) => name),
  );
});

test("status 1 when programs cannot run: a launcher that is not what was built", () => {
  const root = join(temporary, "installation");
  mkdirSync(join(root, "dist"), { recursive: true });
  for (const name of ["bin", "package.json", "dist/src"]) {
    cpSync(join(packageRoot, name), join(root, name), { recursive: true });
  }
  symlinkSync(join(packageRoot, "node_modules"), join(root, "node_modules"));
  writeFileSync(join(root, "dist/launcher"), "#!/bin/sh\n", { mode: 0o755 });
  const text = doctor(root);
  assert.equal(text.status, 1);
  assert.match(text.stdout, /problem {2}launcher +not what was built/);
  assert.match(text.stdout, /\nPrograms cannot run: 2 problems, \d+ notes\.\n$/);
  const json = doctor(root, "--json");
  assert.equal(json.status, 1);
  assert.equal((JSON.parse(json.stdout) as { runs: boolean }).runs, false);
});

test("lines are wrapped at spaces, and details stand under their row", () => {
  assert.deepEqual(wrap("aa bb cc", 5), ["aa bb", "cc"]);
  assert.deepEqual(wrap("a-very-long-word b", 5), ["a-very-long-word", "b"]);
  const finding: NamedFinding = {
    topic: "Kernel",
    name: "rseq",
    level: "note",
    found: "not there",
    cost: "some words on what it costs ".repeat(4).trim(),
    remedy: "some words on what to do ".repeat(4).trim(),
  };
  const lines = formatFindings([finding], 80).split("\n");
  for (const line of lines) assert.ok(line.length <= 80, line);
  assert.match(lines[1] as string, /^ {2}note {5}rseq +not there$/);
  assert.match(lines.at(-4), /^ {13}\S/);
});
