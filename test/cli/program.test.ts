// The commands that run in Node: help, version, errors. What they print goes through process.stdout, so each runs as a
// process of its own, from the sources.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { createProgram } from "../../src/cli/program.js";
import { packageRoot, packageVersion } from "../../src/host/package-root.js";

function flicker(...args: string[]) {
  const env = { ...process.env, NO_COLOR: "1" };
  const command = ["--import", "tsx", join(packageRoot, "src/cli/main.ts"), ...args];
  return spawnSync(process.execPath, command, { encoding: "utf8", env, cwd: packageRoot });
}

test("--version", () => {
  const { status, stdout } = flicker("--version");
  assert.deepEqual([status, stdout], [0, `${packageVersion()}\n`]);
});

test("help goes to standard output and names every command and option", () => {
  const general = flicker("--help");
  assert.equal(general.status, 0);
  for (const word of ["run", "doctor", "completion", "path", "help", "--version", "Examples", "125"])
    assert.match(general.stdout, new RegExp(word));
  for (const args of [
    ["run", "--help"],
    ["help", "run"],
  ]) {
    const run = flicker(...args);
    assert.equal(run.status, 0);
    for (const word of ["--stats\\[=FORMAT\\]", "--stats-file", "--no-follow-exec", "125", "126", "127"]) {
      assert.match(run.stdout, new RegExp(word));
    }
  }
});

test("no command: help on standard error, status 125", () => {
  const { status, stdout, stderr } = flicker();
  assert.deepEqual([status, stdout], [125, ""]);
  assert.match(stderr, /^Usage: flicker /);
});

test("an unknown option: one line, status 125", () => {
  const { status, stdout, stderr } = flicker("--no-such-option");
  const line = "flicker: unknown option '--no-such-option'; see flicker --help\n";
  assert.deepEqual([status, stdout, stderr], [125, "", line]);
});

test("errors name what was probably meant, what is allowed, and where to read on", () => {
  const cases: readonly [args: string[], line: string][] = [
    [["--versoin"], "unknown option '--versoin' (did you mean --version?); see flicker --help"],
    [["doctor", "--jsn"], "unknown option '--jsn' (did you mean --json?); see flicker doctor --help"],
    [["completion"], "missing required argument 'SHELL'; see flicker completion --help"],
    [["completion", "csh"], "'csh' is no 'SHELL': allowed choices are bash, zsh, fish; see flicker completion --help"],
    [["path", "x"], "too many arguments for 'path'. Expected 0 arguments but got 1; see flicker path --help"],
  ];
  for (const [args, line] of cases) {
    const { status, stdout, stderr } = flicker(...args);
    assert.deepEqual([status, stdout, stderr], [125, "", `flicker: ${line}\n`]);
  }
  assert.match(flicker("help", "pth").stderr, /^flicker: 'pth' is no 'COMMAND': allowed choices are .*\n$/);
});

test("each command's help: as `help COMMAND`, with examples, in 80 columns", () => {
  for (const command of createProgram().commands) {
    const name = command.name();
    const { status, stdout } = flicker(name, "--help");
    assert.equal(status, 0);
    assert.match(stdout, new RegExp(`^Usage: flicker ${name}`));
    if (name !== "help") {
      assert.ok(stdout.includes(`  flicker ${name}`) || stdout.includes(`$(flicker ${name}`), `${name}: no examples`);
      assert.equal(flicker("help", name).stdout, stdout);
    }
    for (const line of stdout.split("\n")) assert.ok(line.length <= 80, line);
  }
});

test("run is not Node's to start", () => {
  const { status, stderr } = flicker("run", "--", "true");
  assert.deepEqual([status, stderr], [125, "flicker: `run` is started by bin/flicker, not through Node\n"]);
});
