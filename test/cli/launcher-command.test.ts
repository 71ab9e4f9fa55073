// The launcher as the `flicker` command: it runs programs itself, without a shell in front, and becomes Node for the rest.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { createProgram } from "../../src/cli/program.js";
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
  for (const args of ["--help", "doctor", "completion bash"]) {
    const { stdout, stderr } = spawnSync("sh", ["-c", `"$0" ${args} | head -1`, launcher], { encoding: "utf8" });
    assert.equal(stderr, "", args);
    assert.match(stdout, /^[^\n]+\n$/, args);
  }
});

test("output that cannot be written: one line, status 125", () => {
  for (const args of ["--help", "doctor --json", "completion bash", "path"]) {
    const { status, stderr } = spawnSync("sh", ["-c", `"$0" ${args} >/dev/full`, launcher], { encoding: "utf8" });
    assert.equal(status, 125, args);
    assert.match(stderr, /^flicker: standard output: ENOSPC[^\n]*\n$/, args);
  }
});

test("what the launcher suggests are the commands, and the options of run's help", () => {
  const source = readFileSync(join(packageRoot, "src/engine/load/suggestion.ts"), "utf8");
  const suggested = /OPTIONS =\s+"(.*) ";/.exec(source)?.[1]?.split(" ").sort();
  const { commands } = createProgram();
  const names = /COMMANDS = "(.*) ";/.exec(source)?.[1]?.split(" ").sort();
  assert.deepEqual(names, commands.map((command) => command.name()).sort());
  const command = commands.find((candidate) => candidate.name() === "run");
  const shown = command?.createHelp().visibleOptions(command);
  assert.deepEqual(suggested, shown?.map(({ long }) => long).sort());
});

test("an option that there is not: the one that was probably meant", () => {
  const cases: readonly [option: string, line: string][] = [
    ["--stast", "unknown option '--stast' (did you mean --stats?); see flicker run --help"],
    ["--stast=json", "unknown option '--stast=json' (did you mean --stats?); see flicker run --help"],
    ["--no-folow-exec", "unknown option '--no-folow-exec' (did you mean --no-follow-exec?); see flicker run --help"],
    ["--xyzzy", "unknown option '--xyzzy'; see flicker run --help"],
    ["-x", "unknown option '-x'; see flicker run --help"],
    [`--${"x".repeat(200)}`, `unknown option '--${"x".repeat(200)}'; see flicker run --help`],
    ["--stats=xml", "--stats=xml: the format is text or json"],
  ];
  for (const [option, line] of cases) {
    const { status, stderr } = run(["run", option, "--", "true"]);
    assert.deepEqual([status, stderr], [125, `flicker: ${line}\n`]);
  }
  assert.match(run(["run", "--stats", "--help"]).stderr, /right behind run/);
  assert.match(run(["run", "--stats-file"]).stderr, /^flicker: --stats-file: [^\n]*\n$/);
});

test("a program that is not there: the command that was probably meant", () => {
  assert.equal(run(["doctr"]).stderr, "flicker: doctr: No such file or directory (did you mean doctor?)\n");
  assert.equal(run(["doctr"]).status, 127);
  for (const args of [["./doctr"], ["run", "doctr"], ["--", "doctr"], ["no-such-program"], ["xy"]]) {
    assert.match(run(args).stderr, /No such file or directory\n$/, args.join(" "));
  }
});
