// bin/flicker with a stand-in for the launcher, under each shell that may be /bin/sh. The stand-in is a shell script that
// shows what it was given: a shell changes its own environment, but /proc/PID/environ keeps what execve passed.

import assert from "node:assert/strict";
import { spawnSync, type SpawnSyncReturns } from "node:child_process";
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { createProgram } from "../../src/cli/program.js";
import { packageRoot } from "../../src/host/package-root.js";

const temporary = mkdtempSync(join(tmpdir(), "flicker command "));
after(() => rmSync(temporary, { recursive: true, force: true }));

const SHELLS = [["sh"], ["dash"], ["bash"], ["busybox", "sh"]].filter(
  ([file]) => spawnSync(file as string, ["sh", "-c", ":"]).error === undefined,
);

/** An installation with a script in the launcher's place; gives the path of its bin/flicker. */
function install(launcher: string | null, folder = mkdtempSync(join(temporary, "in stall-"))): string {
  mkdirSync(join(folder, "bin"), { recursive: true });
  mkdirSync(join(folder, "dist/src/cli"), { recursive: true });
  const command = join(folder, "bin/flicker");
  cpSync(join(packageRoot, "bin/flicker"), command);
  if (launcher !== null) writeScript(join(folder, "dist/launcher"), launcher);
  return command;
}

function writeScript(path: string, body: string): void {
  writeFileSync(path, `#!/bin/sh\n${body}\n`);
  chmodSync(path, 0o755);
}

const PRINT_ARGUMENTS = `printf '%s\\0' "$@"`;
const argumentsOf = ({ stdout }: SpawnSyncReturns<string>): string[] => stdout.split("\0").slice(0, -1);

function run(command: readonly string[], options: { env?: NodeJS.ProcessEnv; cwd?: string } = {}) {
  const [file, ...args] = command;
  return spawnSync(file as string, args, { encoding: "utf8", ...options });
}

const ODD_ARGUMENTS = ["", "a b", "new\nline", "end\n", "*", "$HOME", "\\", "-x", "--", "'\"", "\u00e9\u{1f600}"];

for (const shell of SHELLS) {
  const name = shell.join(" ");

  test(`${name}: run gives the launcher its arguments as they are`, () => {
    const result = run([...shell, install(PRINT_ARGUMENTS), "run", "--stats", "--", "prog", ...ODD_ARGUMENTS]);
    assert.equal(result.stderr, "");
    assert.deepEqual(argumentsOf(result), ["run", "--stats", "--", "prog", ...ODD_ARGUMENTS]);
  });

  test(`${name}: a program's name is short for run`, () => {
    const command = install(PRINT_ARGUMENTS);
    assert.deepEqual(argumentsOf(run([...shell, command, "prog", ...ODD_ARGUMENTS])), [
      "run",
      "--",
      "prog",
      ...ODD_ARGUMENTS,
    ]);
    assert.deepEqual(argumentsOf(run([...shell, command, "", "x"])), ["run", "--", "", "x"]);
    assert.deepEqual(argumentsOf(run([...shell, command, "./path"])), ["run", "--", "./path"]);
  });

  test(`${name}: -- runs a program that has the name of a command`, () => {
    const command = install(PRINT_ARGUMENTS);
    assert.deepEqual(argumentsOf(run([...shell, command, "--", "path", "x"])), ["run", "--", "path", "x"]);
    assert.deepEqual(argumentsOf(run([...shell, command, "--", "run"])), ["run", "--", "run"]);
  });

  test(`${name}: nothing is added to the environment`, () => {
    // PWD, SHLVL and _ are the shells' own: docs/command-line.md. PWD is kept when it is right.
    const env = {
      PATH: process.env["PATH"],
      PWD: temporary,
      command: "c",
      root: "r",
      self: "s",
      launcher: "l",
      MULTI: "a\nb=c\n",
      EMPTY: "",
    };
    const result = run([...shell, install(`cat /proc/$$/environ`), "run", "--", "prog"], { env, cwd: temporary });
    const variables = argumentsOf(result).filter((variable) => !/^(_|SHLVL)=/.test(variable));
    const expected = Object.entries(env).map(([key, value]) => `${key}=${value}`);
    assert.deepEqual(variables.sort(), expected.sort());
  });

  test(`${name}: exit status and signal are the launcher's`, () => {
    assert.equal(run([...shell, install("exit 42"), "prog"]).status, 42);
    assert.equal(run([...shell, install("kill -TERM $$"), "prog"]).signal, "SIGTERM");
  });

  test(`${name}: the launcher replaces the command: no process in between`, () => {
    const command = install(`echo $PPID`);
    assert.equal(run([...shell, command, "prog"]).stdout.trim(), String(process.pid));
  });

  test(`${name}: ignored signals stay ignored, closed descriptors closed, and none is opened`, () => {
    const command = install(`grep SigIgn /proc/$$/status; ls /proc/$$/fd`);
    const caller = `trap '' HUP PIPE; exec "$@" <&- 3</dev/null`;
    const result = run(["sh", "-c", caller, "caller", ...shell, command, "prog"]);
    const [ignored, ...descriptors] = result.stdout.trimEnd().split("\n");
    const mask = BigInt(`0x${ignored?.split("\t")[1]}`);
    const bit = (signal: number): bigint => 1n << BigInt(signal - 1);
    assert.equal(mask & (bit(1) | bit(13)), bit(1) | bit(13), `ignored: ${ignored}`);
    // Descriptor 0 is closed. The shell of the stand-in holds its script at 10 or, in bash, at 255.
    assert.deepEqual(
      descriptors.filter((descriptor) => Number(descriptor) < 10),
      // sh gives the lowest free descriptor to nobody: its script is moved out of the way.
      ["1", "2", "3"],
    );
  });

  test(`${name}: a missing launcher is asked of Node, as a child, without the program's standard input`, () => {
    const command = install(null);
    const folder = dirname(dirname(command));
    writeScript(join(folder, "else where"), `${PRINT_ARGUMENTS}; cat`);
    writeFileSync(
      join(folder, "dist/src/cli/main.js"),
      `require("node:fs").readFileSync(0);
       if (process.argv[2] !== "path") process.exit(1);
       console.log(${JSON.stringify(join(folder, "else where"))});`,
    );
    const [file, ...args] = [...shell, command, "prog", "x"];
    const result = spawnSync(file, args, { encoding: "utf8", input: "input\0" });
    assert.equal(result.stderr, "");
    assert.deepEqual(argumentsOf(result), ["run", "--", "prog", "x", "input"]);
  });

  test(`${name}: Flicker's own failures have status 125 and one line`, () => {
    const command = install(null);
    const unbuilt = run([...shell, command, "prog"]);
    assert.equal(unbuilt.status, 125);
    assert.match(unbuilt.stderr, /^flicker: not built yet: run npm ci in .*\n$/);

    writeFileSync(join(dirname(dirname(command)), "dist/src/cli/main.js"), "process.exit(3)");
    assert.equal(run([...shell, command, "prog"]).status, 125);

    const shellPath = run(["sh", "-c", 'command -v "$1"', "sh", shell[0] as string]).stdout.trim();
    const nodeless = run([shellPath, ...shell.slice(1), command, "prog"], { env: { PATH: temporary } });
    assert.equal(nodeless.status, 125);
    assert.match(nodeless.stderr, /^flicker: node is not in PATH/);
  });
}

test("links lead to the installation: absolute, relative, several, in PATH", () => {
  const command = install(PRINT_ARGUMENTS);
  const folder = mkdtempSync(join(temporary, "links-"));
  symlinkSync(command, join(folder, "absolute"));
  mkdirSync(join(folder, "deep"));
  symlinkSync("../absolute", join(folder, "deep/flicker"));
  for (const path of [join(folder, "absolute"), join(folder, "deep/flicker")]) {
    assert.deepEqual(argumentsOf(run([path, "prog"])), ["run", "--", "prog"], path);
  }
  assert.deepEqual(argumentsOf(run(["deep/flicker", "prog"], { cwd: folder })), ["run", "--", "prog"]);
  const env = { ...process.env, PATH: `${join(folder, "deep")}:${process.env["PATH"]}` };
  assert.deepEqual(argumentsOf(run(["sh", "-c", "flicker prog"], { env })), ["run", "--", "prog"]);
  // As a script of the current folder: $0 has no slash.
  const here = { cwd: dirname(command), env: { ...process.env, PATH: `.:${process.env["PATH"]}` } };
  assert.deepEqual(argumentsOf(run(["sh", "flicker", "prog"], here)), ["run", "--", "prog"]);
  unlinkSync(join(folder, "absolute"));
});

test("an installation may have spaces, quotes and newlines in its path", () => {
  const folder = join(temporary, "a 'b' \"c\"\nd $HOME");
  assert.deepEqual(argumentsOf(run([install(PRINT_ARGUMENTS, folder), "prog"])), ["run", "--", "prog"]);
});

test("bin/flicker, the launcher and src/cli have the same list of commands", () => {
  const script = readFileSync(join(packageRoot, "bin/flicker"), "utf8");
  const pattern = /^ {2}-\* \| (.*)\) ;;$/m.exec(script)?.[1];
  const inScript = ["run", ...(pattern?.split(" | ") ?? [])].sort();
  const launcher = readFileSync(join(packageRoot, "src/engine/load/node-command.ts"), "utf8");
  const inLauncher = [...launcher.matchAll(/equalsText\(word, "([a-z]+)"\)/g)].map(([, name]) => name).sort();
  const inProgram = createProgram()
    .commands.map((command) => command.name())
    .sort();
  assert.deepEqual(inScript, inProgram);
  assert.deepEqual(inLauncher, inProgram);
});
