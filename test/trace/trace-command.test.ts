// `flicker trace` itself beside strace: the same commands on the same files, line by line (commands.test.ts compares what is said,
// of events of a recorder in C; this has the hook, the ring and the command in it).

import assert from "node:assert/strict";
import { type SpawnSyncReturns, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { tmpdir, userInfo } from "node:os";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import { packageRoot } from "../../src/host/package-root.js";
import { commands, network } from "./commands.js";
import { buildRecorder, masked } from "./oracle.js";

const cache = join(tmpdir(), `flicker-test-hooks-${userInfo().uid}`);
const PATH = `${dirname(process.execPath)}:/usr/bin:/bin`;
const recorder = buildRecorder({ XDG_CACHE_HOME: cache, PATH });
after(() => recorder.remove());

/**
 * Without what is Flicker's memory in /proc/self/maps, and the buffer that a program needs to read that; where its heap begins decides
 * when it grows.
 */
function linesOf(text: string): string[] {
  const lines: string[] = [];
  let isInMaps = false;
  for (const line of text.split("\n")) {
    if (/^openat\(.*"\/proc\/self\/maps"/.test(line)) isInMaps = true;
    if (/^(?!openat|read|lseek|mmap|munmap|close|fstat|newfstatat|fcntl)/.test(line)) isInMaps = false;
    if (!isInMaps && !/^brk\(0x/.test(line)) lines.push(masked(line));
  }
  return lines;
}

for (const [command, input] of commands) {
  const name = `${command.slice(0, 3).join(" ").split("\n")[0]!.slice(0, 60)}${command[3] === network ? " (sockets)" : ""}`;
  test(name, () => {
    assert.deepEqual(linesOf(recorder.flicker([], command, input)), linesOf(recorder.strace([], command, input)));
  });
}

/** Runs `flicker trace`; its own standard error and output as text. */
function trace(options: readonly string[], command: readonly string[]): SpawnSyncReturns<string> {
  const launcher = join(packageRoot, "dist/launcher");
  return spawnSync(launcher, ["trace", ...options, "--", ...command], {
    encoding: "utf8",
    env: { PATH, HOME: "/", LC_ALL: "C", XDG_CACHE_HOME: cache },
    timeout: 60_000,
  });
}

test("the exit status, and the signal, are the program's", () => {
  assert.equal(trace(["-e", "none"], ["sh", "-c", "exit 7"]).status, 7);
  const killed = trace(["-e", "none"], ["sh", "-c", "kill -TERM $$"]);
  assert.equal(killed.signal, "SIGTERM");
  assert.equal(killed.stderr, "--- SIGTERM ---\n+++ killed by SIGTERM +++\n");
  const missing = trace([], ["/nowhere/at/all"]);
  assert.deepEqual([missing.status, missing.stderr], [127, "flicker: /nowhere/at/all: No such file or directory\n"]);
});

test("a wrong expression, and a file that cannot be written", () => {
  const wrong = trace(["-e", "opennat"], ["true"]);
  assert.equal(wrong.status, 125);
  assert.match(wrong.stderr, /^flicker: -e opennat: opennat: no such system call; did you mean openat\?\n$/);
  const unwritable = trace(["-o", "/nowhere/file"], ["true"]);
  assert.equal(unwritable.status, 125);
  assert.match(unwritable.stderr, /^flicker: .*\/nowhere\/file/);
});

test("-f: what each process of a pipeline does is what strace says of it", () => {
  const command = ["sh", "-c", "cat a.txt | grep w | cat; exec ls d"];
  const byProcess = (text: string): string[] => {
    const processes = new Map<string, string>();
    for (const line of text.split("\n")) {
      const [, tid = "", said = ""] = /^(\d+) +(.*)$/.exec(line) ?? [];
      if (/^---/.test(said)) continue;
      // When somebody else comes in between is chance: a call in two parts is put together again.
      const part = said.endsWith(" <unfinished ...>") ? said.slice(0, -17) : `${said.replace(/^<.*? resumed>/, "")}\n`;
      processes.set(tid, (processes.get(tid) ?? "") + part);
    }
    const lines = (process: string): string =>
      process
        .split("\n")
        .map((line) => masked(line).replace(/ += /, " = "))
        .join("\n");
    return [...processes.values()].map(lines).sort();
  };
  const options = ["-f", "-e", "openat,dup2,exit_group"];
  assert.deepEqual(byProcess(recorder.flicker(options, command)), byProcess(recorder.strace(options, command)));
});

test("-y, -s and -T", () => {
  const { stderr } = trace(["-y", "-s", "3", "-T", "-e", "openat,read"], ["cat", "/etc/passwd"]);
  assert.match(stderr, /^openat\(AT_FDCWD<[^>]*>, "\/etc\/passwd", O_RDONLY\) += 3<\/etc\/passwd> <0\.\d{6}>$/m);
  assert.match(stderr, /^read\(3<\/etc\/passwd>, "roo"\.\.\., \d+\) += \d+ <0\.\d{6}>$/m);
});

test("-c: a table", () => {
  const { stderr } = trace(["-c"], ["ls", "/nowhere"]);
  assert.match(stderr, /^% time +seconds +usecs\/call +calls +errors syscall\n/m);
  assert.match(stderr, / write$/m);
  assert.match(stderr, / total$/m);
});

test("--json: one object a line", () => {
  const { stderr } = trace(["--json", "-e", "openat"], ["cat", "/etc/hostname"]);
  const objects = stderr
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as { kind: string; call?: string; time: string });
  assert.ok(objects.length > 2);
  assert.ok(objects.slice(0, -1).every(({ kind, call }) => kind === "call" && call === "openat"));
  assert.equal(objects.at(-1)?.kind, "exited");
  assert.ok(Math.abs(Number(objects[0]?.time) - Date.now() / 1000) < 60);
});

test("a process that a signal ends is said to be killed, from what its parent hears", () => {
  const { stderr } = trace(["-f", "-e", "none"], ["sh", "-c", "sh -c 'kill -KILL $$'; exit 0"]);
  assert.match(stderr, /^\+\+\+ killed by SIGKILL \+\+\+$/m);
});

test("signals go to the program", async () => {
  const output = join(tmpdir(), `flicker-trace-signal-${process.pid}`);
  for (const [options, expected] of [
    [["-e", "none"], "SIGINT"],
    [["-e", "none", "-o", output], null],
  ] as const) {
    const child = spawn(
      join(packageRoot, "dist/launcher"),
      ["trace", ...options, "--", "sh", "-c", "echo ready; sleep 2; exit 3"],
      { env: { PATH, HOME: "/", XDG_CACHE_HOME: cache }, stdio: ["ignore", "pipe", "ignore"] },
    );
    await once(child.stdout, "data");
    child.kill("SIGINT");
    const [status, signal] = (await once(child, "exit")) as [number | null, string | null];
    // With a file for the output strace ignores what could end it.
    assert.deepEqual([status, signal], expected === null ? [3, null] : [null, expected]);
  }
  rmSync(output, { force: true });
});
