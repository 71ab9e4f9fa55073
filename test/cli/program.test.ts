// The commands that run in Node: help, version, errors. What they print goes through process.stdout, so each runs as a
// process of its own, from the sources.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
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
  for (const word of ["run", "path", "help", "--version"]) assert.match(general.stdout, new RegExp(word));
  for (const args of [
    ["run", "--help"],
    ["help", "run"],
  ]) {
    const run = flicker(...args);
    assert.equal(run.status, 0);
    for (const word of ["--stats\\[=json\\]", "--stats-file", "--no-follow-exec", "125", "126", "127"]) {
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
  assert.deepEqual([status, stdout, stderr], [125, "", "flicker: unknown option '--no-such-option'\n"]);
});

test("run is not Node's to start", () => {
  const { status, stderr } = flicker("run", "--", "true");
  assert.deepEqual([status, stderr], [125, "flicker: `run` is started by bin/flicker, not through Node\n"]);
});
