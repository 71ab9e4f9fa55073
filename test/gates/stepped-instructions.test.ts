// Invariant I3, driven in the trampolines of instructions: random programs are stepped with a signal behind each instruction of
// theirs and of their trampolines, and the handler must see a state that the program has natively (instruction-stepper.c).

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { buildRandomPrograms } from "../oracle/random-programs.js";
import { instrumentingLauncher } from "../hook/hooked.js";
import { isNativeStandIn } from "../support/launcher.js";

const isLong = process.env["FLICKER_TEST_LONG"] !== undefined;
const seed = Number(process.env["FLICKER_SEED"] ?? 1);

/** Which instructions, how many programs, and options and hooks: with `all` each trap is a way through the engine, stepped too. */
const modes: readonly [expression: string, count: number, ...options: string[]][] = [
  ["load", 150],
  ["store", 150],
  ["jump", 150],
  ["call", 150],
  ["ret", 150],
  ["all", 40],
  ["all", 10, "--only-traps"],
  // Behind counters; flags that nobody reads (x86/flags-dead.ts) are none of these instructions'.
  ["jump", 100, "--count-sites", "--stats-file=/dev/null"],
  ["call or ret", 100, "--count-sites", "--stats-file=/dev/null"],
  // On the way to hooks in front of instructions and behind them.
  ["load or store", 20, "count-after.ts"],
  ["jump or call or ret", 20, "count-after.ts"],
  ["all", 4, "count-after.ts", "--only-traps"],
];

const skip = isNativeStandIn() && "the native stand-in knows no options";
describe("a signal at every instruction of random programs", { skip, concurrency: 1 }, () => {
  for (const [expression, usual, ...rest] of modes) {
    test(`FLICKER_SEED=${seed}, ${[expression, ...rest].join(" ")}`, async () => {
      const options = rest.filter((word) => word.startsWith("--"));
      const hooks = rest.filter((word) => !word.startsWith("--"));
      const directory = mkdtempSync(join(tmpdir(), "flicker-stepped-instructions-"));
      try {
        const stepper = join(directory, "instruction-stepper");
        const source = new URL("instruction-stepper.c", import.meta.url).pathname;
        execFileSync("gcc", ["-O1", "-Wall", "-o", stepper, source]);
        const program = buildRandomPrograms(directory, seed, usual * (isLong ? 20 : 1), ["-DSTEPPED"]);
        // The launcher that the program runs under: the stepper looks for its mappings.
        const launcher = await instrumentingLauncher(expression, hooks);
        const command = [program, "--", launcher, "run", ...options, "--", program];
        const { stdout, stderr } = spawnSync(stepper, command, { encoding: "utf8", maxBuffer: 1 << 28 });
        const found = /^(\d+) states, (\d+) signals, 0 failures\n$/.exec(stdout);
        assert.ok(found, stdout.slice(-4000) + stderr);
        // In each trampoline there is more than one place.
        assert.ok(Number(found[2]) > Number(found[1]) + usual, stdout);
      } finally {
        rmSync(directory, { recursive: true, force: true });
      }
    });
  }
});
