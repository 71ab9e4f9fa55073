// Random programs do what they do natively when their instructions run in trampolines: all registers, flags, vector registers,
// memory and stack after each of them (random-programs.ts makes them, random-programs.S runs them).
//
// A difference prints the seed, the function with its instructions, and what differs. FLICKER_SEED=n tries one seed,
// FLICKER_ROUNDS=n that many from it on. `npm run test:long` runs a million programs.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, test } from "node:test";
import { isNativeStandIn, launcherPath } from "../support/launcher.js";
import { buildRandomPrograms } from "./random-programs.js";

const isLong = process.env["FLICKER_TEST_LONG"] !== undefined;
const COUNT = isLong ? 4000 : 1500;
const given = process.env["FLICKER_SEED"];
const rounds = Number(process.env["FLICKER_ROUNDS"] ?? (given === undefined ? (isLong ? 250 : 5) : 1));
const seeds = Array.from({ length: rounds }, (_, i) => Number(given ?? 1) + i);
/** So many patched instructions a program, at least, or nothing was tested. */
const PATCHED_MIN = 5;

/** Each instruction costs a signal: not with every seed. */
const ONLY_TRAPS = ["--match=all", "--only-traps"];
const modes = [
  ["--match=all"],
  ...["load", "store", "jump", "call", "ret"].map((name) => [`--match=${name}`]),
  ONLY_TRAPS,
];

const REGISTERS = "rax rbx rcx rdx rsi rdi rbp r8 r9 r10 r11 r12 r13 r14 r15 rsp flags mxcsr".split(" ");
// The record of random-programs.S.
const VECTORS = 192;
const MEMORY = VECTORS + 16 * 64;
const STACK = MEMORY + 2048;
const RECORD = STACK + 2048;

function records(command: readonly [string, ...string[]], what: string): { bytes: Buffer; stderr: string } {
  const [file, ...words] = command;
  const { status, signal, stdout, stderr } = spawnSync(file, words, { maxBuffer: 1 << 28 });
  const ran = Math.floor(stdout.length / RECORD);
  assert.equal(status, 0, `${what}: status ${status}, ${signal} in program_${ran}: ${stderr.toString().slice(-500)}`);
  assert.equal(stdout.length, RECORD * COUNT);
  return { bytes: stdout, stderr: stderr.toString() };
}

/** Which part of a record the byte is in. */
function placeOf(offset: number): string {
  if (offset < VECTORS) return REGISTERS[offset >> 3] ?? `+${offset}`;
  if (offset < MEMORY) return `vector registers +${offset - VECTORS}`;
  if (offset < STACK) return `arena +${offset - MEMORY}`;
  return `stack ${offset - STACK - 1024}`;
}

function describeDifference(program: string, native: Buffer, flicker: Buffer): string {
  const first = native.findIndex((byte, at) => byte !== flicker[at]);
  const number = Math.floor(first / RECORD);
  const lines: string[] = [];
  for (let at = number * RECORD; at < (number + 1) * RECORD; at += 8) {
    const [wanted, got] = [native, flicker].map((bytes) => bytes.readBigUInt64LE(at).toString(16));
    if (wanted !== got) lines.push(`${placeOf(at % RECORD)}: natively ${wanted}, got ${got}`);
  }
  const listing = execFileSync("objdump", ["-d", `--disassemble=program_${number}`, program], { encoding: "utf8" });
  return `program_${number}\n${lines.join("\n")}\n${listing}`;
}

describe("random programs", { skip: isNativeStandIn() && "the native stand-in knows no options" }, () => {
  for (const seed of seeds) {
    test(`${COUNT} programs of seed ${seed}`, async () => {
      const directory = mkdtempSync(join(tmpdir(), "flicker-random-programs-"));
      try {
        const launcher = await launcherPath();
        const program = buildRandomPrograms(directory, seed, COUNT);
        const native = records([program], `FLICKER_SEED=${seed}`).bytes;
        for (const mode of modes) {
          if (mode === ONLY_TRAPS && seed % 4 !== 0) continue;
          const what = `FLICKER_SEED=${seed}, ${mode.join(" ")}`;
          const { bytes, stderr } = records([launcher, "run", ...mode, "--stats=json", "--", program], what);
          if (!native.equals(bytes)) assert.fail(`${what}: ${describeDifference(program, native, bytes)}`);
          if (mode[0] !== "--match=all") continue;
          const { instructions } = JSON.parse(stderr.trimEnd().split("\n").at(-1) ?? "") as {
            instructions: { jumps: number; B0: number; unplannedBytes: number };
          };
          assert.equal(instructions.unplannedBytes, 0);
          assert.ok(instructions.jumps + instructions.B0 > PATCHED_MIN * COUNT, JSON.stringify(instructions));
        }
      } finally {
        rmSync(directory, { recursive: true, force: true });
      }
    });
  }
});
