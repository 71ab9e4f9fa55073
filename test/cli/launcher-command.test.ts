// The launcher as the `flicker` command: it runs programs itself, without a shell in front, and becomes Node for the rest.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { packageRoot } from "../../src/host/package-root.js";

const launcher = join(packageRoot, "dist/launcher");
const run = (args: readonly string[], env: NodeJS.ProcessEnv = process.env) =>
  spawnSync(launcher, args, { encoding: "utf8", env });

test("the environment reaches the program exactly as given", () => {
  const env = {
    PATH: process.env["PATH"] ?? "",
    "a.b": "no shell name",
    IFS: "x",
    "BASH_FUNC_f%%": "() { :; }",
    PWD: "/x",
  };
  const { stdout } = run(["run", "--", "env", "-0"], env);
  assert.deepEqual(
    stdout.split("\0").filter(Boolean),
    Object.entries(env).map(([name, value]) => `${name}=${value}`),
  );
});

test("`--` runs a program that has the name of a command", () => {
  assert.equal(run(["--", "sh", "-c", "exit 7"]).status, 7);
  assert.equal(run(["sh", "-c", "exit 8"]).status, 8);
});

test("commands that need Node are found from the launcher", () => {
  assert.equal(run(["path"]).stdout, `${launcher}\n`);
  assert.match(run(["--version"]).stdout, /^\d+\.\d+\.\d+\n$/);
  assert.match(run(["run", "--help"]).stdout, /^Usage: flicker run/);
  assert.equal(run([]).status, 125);
});

test("output that nobody reads is no error", () => {
  const { stderr } = spawnSync("sh", ["-c", `"$0" --help | head -1`, launcher], { encoding: "utf8" });
  assert.equal(stderr, "");
});
