// Invariant I3, driven: a target is stepped instruction by instruction through trampoline and gate with a signal at
// each, and its handler must see a state that the program could have natively (test/gates/stepper.c, stepped.S).

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { launcherPath } from "../support/launcher.js";

const folder = new URL(".", import.meta.url).pathname;

// getppid passes through; rt_sigprocmask and rt_sigpending are answered in the engine; ppoll goes to the kernel from the
// gate; 1000 is no call; 65575 (0x10027) is an alias of getpid, 65550 (0x1000e) one of rt_sigprocmask.
const CALLS = [110, 14, 127, 271, 1000, 65575, 65550];

/** Around this program all addresses within 1 GiB are taken, so its site is a trap without a trampoline. */
const NO_ROOM = [join(folder, "no-room.S"), "-Wl,-Ttext-segment=0x10000", "-Wl,-z,noseparate-code"];

function build(
  directory: string,
  flags: readonly string[],
): { stepper: string; stepped: string; site: string; seen: string } {
  const stepper = join(directory, "stepper");
  const stepped = join(directory, "stepped");
  execFileSync("gcc", ["-O1", "-Wall", "-o", stepper, join(folder, "stepper.c")]);
  execFileSync("gcc", ["-nostdlib", "-static", "-no-pie", "-o", stepped, join(folder, "stepped.S"), ...flags]);
  const symbols = execFileSync("nm", [stepped], { encoding: "utf8" });
  const addressOf = (name: string): string => {
    const line = symbols.split("\n").find((row) => row.endsWith(` ${name}`));
    assert.ok(line, `no symbol ${name}`);
    return line.split(" ")[0] as string;
  };
  return { stepper, stepped, site: addressOf("call_site"), seen: addressOf("seen") };
}

for (const mode of ["natively", "under flicker", "under flicker, without room for trampolines"] as const) {
  // Without trampolines it makes little difference who has gs base.
  for (const ownsGs of mode.endsWith("trampolines") ? [false] : [false, true]) {
    const whose = ownsGs ? "of a program that owns gs, " : "";
    test(`a signal at every instruction of a system call, ${whose}${mode}`, async () => {
      const directory = mkdtempSync(join(tmpdir(), "flicker-stepped-"));
      try {
        const flags = [...(ownsGs ? ["-DOWN_GS"] : []), ...(mode.endsWith("trampolines") ? NO_ROOM : [])];
        const { stepper, stepped, site, seen } = build(directory, flags);
        const program = mode === "natively" ? [stepped] : [await launcherPath(), "run", "--", stepped];
        const command = [...(ownsGs ? ["--own-gs"] : []), site, seen, CALLS.join(","), "--", ...program];
        const output = execFileSync(stepper, command, { encoding: "utf8" });
        assert.match(output, /^\d+ rounds, 0 failures$/m);
        // Natively a system call is one instruction; under Flicker there must have been something to step through.
        const rounds = Number(/^(\d+) rounds/m.exec(output)?.[1]);
        if (mode === "natively") assert.equal(rounds, CALLS.length);
        else assert.ok(rounds > 50 * CALLS.length, `only ${rounds} rounds: was the site patched?`);
      } finally {
        rmSync(directory, { recursive: true, force: true });
      }
    });
  }
}
