// Hooks at system calls, in a program that knows how many calls it made and with what result: each is seen exactly once,
// whatever signals, threads and forks do, and a hook's changes are the program's to see and no others.

import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { buildProgram } from "../support/build-program.js";
import { counted, runHooked } from "./hooked.js";

const made = (stdout: string): number => Number(/made (\d+)/.exec(stdout)?.[1]);

for (const options of [[], ["--only-traps"], ["--yield-gs"], ["--exhaustive"]]) {
  const how = options.join(" ") || "jumps";
  test(`each call begins and ends once, under a storm of signals: ${how}`, async () => {
    const program = await buildProgram("hooked-calls.c", "static");
    const run = await runHooked("count.ts", [program, "storm"], {}, options);
    assert.equal(run.status, 0, run.stderr);
    assert.ok(made(run.stdout) > 1_000, run.stdout);
    assert.equal(counted(run.stderr, "getppid before"), made(run.stdout));
    assert.equal(counted(run.stderr, "getppid after"), made(run.stdout));
  });

  test(`a call that the kernel makes again is one call: ${how}`, async () => {
    const program = await buildProgram("hooked-calls.c");
    const run = await runHooked("count.ts", [program, "restarts"], {}, options);
    assert.equal(run.stdout, "reads 1000, many interrupted\n", run.stderr);
    assert.equal(counted(run.stderr, "read before"), 1000);
    assert.equal(counted(run.stderr, "read after"), 1000);
  });
}

test("beginnings alone are counted once, too", async () => {
  const program = await buildProgram("hooked-calls.c");
  const storm = await runHooked("count-before.ts", [program, "storm"]);
  assert.equal(counted(storm.stderr, "getppid"), made(storm.stdout));
  const restarts = await runHooked("count-before.ts", [program, "restarts"]);
  assert.equal(counted(restarts.stderr, "read"), 1000, restarts.stdout);
});

test("a handler that leaves by siglongjmp ends the call that it interrupted", async () => {
  const program = await buildProgram("hooked-calls.c");
  const run = await runHooked("count.ts", [program, "jumps"]);
  assert.equal(run.stdout, "left 300\n", run.stderr);
  // A timer that is over before the call leaves without one.
  const begun = counted(run.stderr, "read before");
  assert.ok(begun > 0 && begun <= 300, `${begun} calls`);
  assert.equal(counted(run.stderr, "read after"), 0);
});

test("threads: counters are atomic, a hook with globals that change runs in one thread at a time", async () => {
  const program = await buildProgram("hooked-calls.c");
  const run = await runHooked(["count.ts", "global.ts"], [program, "threads"]);
  assert.equal(run.stdout, "made 160000\n", run.stderr);
  assert.equal(counted(run.stderr, "getppid before"), 160000);
  assert.equal(counted(run.stderr, "getppid after"), 160000);
  assert.match(run.stderr, /^flicker: global\.ts: counted 160000$/m);
});

test("processes: each counts for itself, a vfork child for its parent", async () => {
  const program = await buildProgram("hooked-calls.c");
  const run = await runHooked("count.ts", [program, "forks"]);
  assert.equal(run.stdout, "made 8\n", run.stderr);
  assert.equal(counted(run.stderr, "getppid before"), 8);
  assert.equal(counted(run.stderr, "getppid after"), 8);
  assert.equal([...run.stderr.matchAll(/getppid before/g)].length, 3, run.stderr);
});

test("programs that the program executes have the same hooks", async () => {
  const program = await buildProgram("hooked-calls.c");
  const run = await runHooked("count.ts", [
    "sh",
    "-c",
    `${program} call; ${program} call & wait; exec ${program} call`,
  ]);
  assert.equal(run.status, 0, run.stderr);
  const lines = [...run.stderr.matchAll(/hooked-calls\S* \(pid \d+\) count\.ts: getppid after 1$/gm)];
  assert.equal(lines.length, 3, run.stderr);
});

test("counters as JSON", async () => {
  const program = await buildProgram("hooked-calls.c");
  const run = await runHooked("count.ts", [program, "call"], {}, ["--stats=json"]);
  const events = run.stderr
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  const found = events.find(({ event, counter }) => event === "counter" && counter === "getppid before");
  assert.equal(found?.["value"], 1, run.stderr);
  assert.equal(found["hook"], "count.ts");
  assert.equal(found["exe"], program);
});

test("arguments, numbers and results are changed, the program's registers are not", async () => {
  const program = await buildProgram("hooked-calls.c");
  const run = await runHooked("change.ts", [program, "changed"]);
  const expected = [
    "abc",
    "write gave 3, registers 1 same 7",
    "getppid gave 4242",
    "getuid is getpid: 1",
    "lseek gave 77",
    "",
  ].join("\n");
  assert.equal(run.stdout, expected, run.stderr);
});

test("a call that is skipped is not made", async () => {
  const program = await buildProgram("hooked-calls.c");
  const folder = mkdtempSync(join(tmpdir(), "flicker-hook-"));
  try {
    const file = join(folder, "precious");
    writeFileSync(file, "");
    const run = await runHooked("refuse.ts", [program, "removal", file]);
    assert.equal(run.stdout, "unlink: Operation not permitted, file there\n");
    assert.equal(run.stderr, `flicker: refuse.ts: keeps ${file}\n`);
    const rm = await runHooked("refuse.ts", ["rm", file]);
    assert.equal(rm.status, 1);
    assert.ok(existsSync(file));
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("a call is made again as often as a hook wants", async () => {
  const program = await buildProgram("hooked-calls.c");
  const run = await runHooked("retry.ts", [program, "threads"]);
  assert.equal(counted(run.stderr, "made"), 3 * 160000, run.stderr);
});

test("a hook reads and writes the program's memory, and not the engine's", async () => {
  const program = await buildProgram("hooked-calls.c");
  const run = await runHooked("memory.ts", [program, "memories"]);
  const expected = [
    "own: 0x1122334455667788",
    "afterwards: 0x99",
    "bad: 0",
    "code: 0",
    "engine: all refused, 0 allowed",
    "",
  ].join("\n");
  assert.equal(run.stdout, expected, run.stderr);
});

const TRAPS: [call: string, expected: RegExp][] = [
  [
    "getppid",
    /^flicker: hook traps\.ts: out of bounds at traps\.ts:8:\d+, in beforeCall of system call 110 at 0x[0-9a-f]+, thread \d+$/m,
  ],
  ["getuid", /^flicker: hook traps\.ts: division by zero at traps\.ts:9:\d+, in beforeCall of system call 102 /m],
  ["getgid", /^flicker: hook traps\.ts: unreachable at traps\.ts:10:\d+, /m],
  ["geteuid", /^flicker: hook traps\.ts: zero is one at traps\.ts:11:\d+, /m],
  ["getegid", /^flicker: hook traps\.ts: Index out of range at ~lib\/staticarray\.ts:\d+:\d+, /m],
  ["getpid", /^flicker: hook traps\.ts: a call is retried outside of afterCall, /m],
  ["gettid", /^flicker: hook traps\.ts: memory outside of the hook's own is passed to flicker, /m],
];
test("what goes wrong in a hook ends the process with one line and status 125", async () => {
  const program = await buildProgram("hooked-calls.c", "static");
  for (const [call, expected] of TRAPS) {
    const run = await runHooked("traps.ts", [program, "number", String(NUMBERS[call])]);
    assert.equal(run.status, 125, `${call}: ${run.stderr}`);
    assert.match(run.stderr, expected);
  }
});
const NUMBERS: Record<string, number> = {
  ...{ getppid: 110, getuid: 102, getgid: 104, geteuid: 107, getegid: 108, getpid: 39, gettid: 186 },
};
