// What hooks are told beside calls and instructions: starts and ends of programs, threads and children, libraries; and what
// takes an instruction's place.

import assert from "node:assert/strict";
import { test } from "node:test";
import { buildProgram } from "../support/build-program.js";
import { runHooked } from "./hooked.js";

const CPUID = 'mnemonic == cpuid and file == "hooked-events"';

/** What the hook has said, libraries left out. */
function told(stderr: string): string[] {
  const lines = [...stderr.matchAll(/^flicker: events\.ts: (.*)$/gm)].map(([, line = ""]) => line);
  return lines.filter((line) => !line.startsWith("library"));
}

async function run(what: string, options: readonly string[] = []): Promise<{ status: number | null; lines: string[] }> {
  const { status, stderr } = await runHooked("events.ts", [await buildProgram("hooked-events.c"), what], {}, options);
  return { status, lines: told(stderr) };
}

test("threads, each by itself", async () => {
  const { status, lines } = await run("threads");
  assert.equal(status, 5);
  // The first thread goes on as soon as the other's word is cleared, which is behind its end.
  const pair = ["thread 1", "thread end"];
  assert.deepEqual(lines, ["start 1", ...pair, ...pair, ...pair, "end 5"]);
});

test("exit_group in a thread is the end of the program, and not of a thread", async () => {
  assert.deepEqual(await run("ended"), { status: 4, lines: ["start 1", "thread 1", "end 4"] });
});

test("the exit of the last thread is both", async () => {
  const { lines } = await run("last");
  assert.deepEqual(lines.toSorted(), ["end 7", "start 1", "thread 1", "thread end", "thread end"]);
  assert.equal(lines.at(-1), "end 7");
});

for (const options of [[], ["--yield-gs"]]) {
  test(`children and what is executed: ${options.join(" ") || "jumps"}`, async () => {
    const { status, lines } = await run("children", options);
    assert.equal(status, 0);
    const other = ["start 1", "end 0"]; // true
    // Nothing is said of the child of posix_spawn before it executes, nor of the program that is not there.
    assert.deepEqual(lines, ["start 1", "fork 1", "end 6", ...other, "executes", ...other]);
  });
}

test("libraries, once their code is there", async () => {
  const { status, stderr } = await runHooked("events.ts", [await buildProgram("hooked-events.c"), "library"]);
  assert.equal(status, 0, stderr);
  const libraries = [...stderr.matchAll(/library .*\/(\S+)$/gm)].map(([, name]) => name);
  assert.deepEqual(libraries, ["libc.so.6", "libm.so.6"]);
  assert.doesNotMatch(stderr, /odd library/);
});

for (const options of [[], ["--only-traps"], ["--yield-gs"]]) {
  test(`replace: the instruction is not executed: ${options.join(" ") || "jumps"}`, async () => {
    const program = await buildProgram("hooked-events.c");
    const { stdout, stderr } = await runHooked("replaced.ts", [program, "cpuid"], {}, options, CPUID);
    assert.equal(stdout, `${5 * 1007 + 3 * 1000 + 2 * (0x80000000 + 1000)}\n`, stderr);
    const lines = [...stderr.matchAll(/^flicker: replaced\.ts: (.*)$/gm)].map(([, line = ""]) => line);
    const site = lines.find((line) => line.startsWith("site")) ?? "";
    assert.match(site, /^site \/.*\/hooked-events\+0x[0-9a-f]+ 10$/);
    assert.deepEqual(lines, [
      ...["leaf 0x7 5", "leaf 0x0 3", "leaf 0x80000000 2"],
      site,
      ...["leaves 0..0 3", "leaves 4..7 5", "leaves 2147483648..4294967295 2"],
      "in all 10, of leaf 7 5, of none 0",
    ]);
  });
}

test("a trap in an event names it", async () => {
  const { status, stderr } = await runHooked("trap-at-start.ts", ["/bin/true"]);
  assert.equal(status, 125);
  assert.match(stderr, /^flicker: hook trap-at-start\.ts: Index out of range at \S+, in onStart, thread \d+$/m);
});
