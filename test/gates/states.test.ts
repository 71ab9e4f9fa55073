// Invariant I3, driven: a target is stepped instruction by instruction through trampoline and gate with a signal on the way,
// and its handler must be given a state that the program could have natively, every byte of it (state-stepper.c, state-target.S).

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { hookedLauncher } from "../hook/hooked.js";
import { launcherPath } from "../support/launcher.js";

const folder = new URL(".", import.meta.url).pathname;

const SIGUSR1 = 10;
/** One of those that the engine never blocks. */
const SIGSEGV = 11;

/** In the engine's body a signal is only kept for the way out: not every instruction there is tried each time. */
const stride = process.env["FLICKER_TEST_LONG"] ? 1 : 31;

describe("every byte of a signal frame, at every instruction of a system call", { concurrency: 1 }, () => {
  let directory = "";
  before(() => {
    directory = mkdtempSync(join(tmpdir(), "flicker-states-"));
    execFileSync("gcc", ["-O1", "-Wall", "-o", join(directory, "state-stepper"), join(folder, "state-stepper.c")]);
    const target = [
      "-nostdlib",
      "-static",
      "-no-pie",
      "-o",
      join(directory, "state-target"),
      join(folder, "state-target.S"),
    ];
    execFileSync("gcc", target);
  });
  after(() => rmSync(directory, { recursive: true, force: true }));

  /** The states that handlers were given, and how many rounds there were. */
  function step(signal: number, every: number, launcher: readonly string[]): { states: Set<string>; rounds: number } {
    const command = [String(signal), String(every), "--", ...launcher, join(directory, "state-target")];
    const output = execFileSync(join(directory, "state-stepper"), command, { encoding: "utf8", maxBuffer: 1 << 28 });
    const lines = output.trimEnd().split("\n");
    const rounds = /^(\d+) rounds, 0 failures$/.exec(lines.pop() ?? "")?.[1];
    assert.ok(rounds, output.slice(-2000));
    return { states: new Set(lines), rounds: Number(rounds) };
  }

  function compare(signal: number, every: number, launcher: readonly string[]): void {
    const native = step(signal, 1, []);
    const flicker = step(signal, every, [...launcher, "--"]);
    for (const state of flicker.states) assert.ok(native.states.has(state), `not a state of the program's: ${state}`);
    // Under Flicker there must have been something to step through: was the site patched?
    assert.ok(flicker.rounds > 5 * native.rounds, `only ${flicker.rounds} rounds`);
  }

  for (const signal of [SIGUSR1, SIGSEGV])
    for (const options of [[], ["--only-traps"]]) {
      test(`signal ${signal}, ${["flicker run", ...options].join(" ")}`, async () => {
        compare(signal, stride, [await launcherPath(), "run", ...options]);
      });
    }

  test(`signal ${SIGUSR1}, a hook on every call`, async () => {
    compare(SIGUSR1, 3 * stride, [await hookedLauncher("nothing.ts"), "run"]);
  });
});
