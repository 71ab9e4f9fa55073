// The decoder against iced-x86: on the code of local programs, decoded from start to end, on every entry of every opcode
// map, and on random byte strings.
//
// FLICKER_FUZZ_COUNT   random byte strings (300,000)
// FLICKER_FUZZ_SEED    where they start
// FLICKER_TEXT_BYTES   at most so much of each program's code (400,000); the rest of it is left out from the end

import assert from "node:assert/strict";
import { before, test } from "node:test";
import { DecoderModule } from "./decoder-module.js";
import { Iced, disagreement, hex } from "./iced-oracle.js";
import { codeSections, localBinaries } from "./local-binaries.js";
import { opcodeMapEntries } from "./opcode-map-entries.js";
import { Random, fillRandomCode } from "./random-code.js";

const fuzzCount = Number(process.env["FLICKER_FUZZ_COUNT"] ?? 300_000);
const fuzzSeed = Number(process.env["FLICKER_FUZZ_SEED"] ?? 20_200_615);
const textBytes = Number(process.env["FLICKER_TEXT_BYTES"] ?? 400_000);

let decoder: DecoderModule;
before(async () => {
  decoder = await DecoderModule.load();
});

const report = (seen: Map<string, number>): string =>
  [...seen].map(([name, count]) => `${name} ${count}`).join(", ") || "none";

test("programs: every instruction agrees with iced", (t) => {
  const { present, absent } = localBinaries();
  for (const file of absent) t.diagnostic(`not here: ${file}`);
  const seen = new Map<string, number>();
  let instructions = 0;
  let size = 0;
  for (const file of present) {
    let left = textBytes;
    for (const section of codeSections(file)) {
      for (let start = 0; start < section.bytes.length && left > 0; start += decoder.codeSize) {
        const window = section.bytes.subarray(start, start + Math.min(left, decoder.codeSize));
        left -= window.length;
        size += window.length;
        instructions += compareLinearly(window, section.file, section.address + start, seen);
      }
    }
  }
  t.diagnostic(`${instructions} instructions in ${size} bytes; exceptions: ${report(seen)}`);
});

/** Both decoders go through `code` on their own; an invalid instruction is one byte for both. */
function compareLinearly(code: Uint8Array, file: string, address: number, seen: Map<string, number>): number {
  const iced = new Iced(code);
  decoder.memory.set(code, decoder.code);
  let offset = 0;
  let instructions = 0;
  const batch = 100_000;
  while (offset < code.length) {
    const count = decoder.exports.decodeRun(offset, code.length, batch);
    for (let i = 0; i < count; i++) {
      const fields = decoder.field(i, "length") === 0 ? null : decoder.read(i);
      const bytes = code.subarray(offset, offset + (fields?.length ?? 15));
      const problem = disagreement(bytes, fields, iced.decode(offset), seen);
      if (problem) assert.fail(`${file} at 0x${(address + offset).toString(16)}: ${hex(bytes)}: ${problem}`);
      offset += fields?.length ?? 1;
    }
    instructions += count;
  }
  iced.free();
  return instructions;
}

/** What is wrong with `bytes` taken as one instruction, or null. */
function problemWith(bytes: Uint8Array, seen = new Map<string, number>()): string | null {
  const iced = new Iced(bytes);
  const problem = disagreement(bytes, decoder.decode(bytes), iced.decode(0), seen);
  iced.free();
  return problem;
}

/** Leaves out bytes and clears bits for as long as the two decoders disagree. */
function smallest(bytes: Uint8Array): Uint8Array {
  for (let changed = true; changed;) {
    changed = false;
    const candidates = [...bytes].flatMap((byte, i) => [
      bytes.filter((_, j) => j !== i),
      ...[0, 1, 2, 3, 4, 5, 6, 7]
        .filter((bit) => byte & (1 << bit))
        .map((bit) => bytes.map((value, j) => (j === i ? value & ~(1 << bit) : value))),
    ]);
    const next = candidates.find((candidate) => candidate.length > 0 && problemWith(candidate) !== null);
    if (next) {
      bytes = next;
      changed = true;
    }
  }
  return bytes;
}

const SLOT = 16;

/**
 * Compares the instructions at the start of each 16-byte slot of `code`.
 * @returns how many are valid; fails with the smallest input that still disagrees
 */
function compareSlots(code: Uint8Array, context: string, seen: Map<string, number>): number {
  let valid = 0;
  const iced = new Iced(code);
  for (let at = 0; at < code.length; at += SLOT) {
    const bytes = code.subarray(at, at + 15);
    const fields = decoder.decode(bytes);
    if (fields) valid++;
    const problem = disagreement(bytes, fields, iced.decode(at), seen);
    if (problem) {
      const small = smallest(bytes.slice());
      assert.fail(`${context}: ${hex(bytes)}: ${problem}; smallest: ${hex(small)}: ${problemWith(small)}`);
    }
  }
  iced.free();
  return valid;
}

test("every opcode map entry: validity and every field agree with iced", (t) => {
  const seen = new Map<string, number>();
  let count = 0;
  let valid = 0;
  let used = 0;
  const code = new Uint8Array(SLOT * 1000).fill(0x24);
  for (const start of opcodeMapEntries()) {
    code.fill(0x24, used, used + SLOT).set(start, used);
    used += SLOT;
    count++;
    if (used === code.length) {
      valid += compareSlots(code, "opcode maps", seen);
      used = 0;
    }
  }
  valid += compareSlots(code.subarray(0, used), "opcode maps", seen);
  t.diagnostic(`${valid} of ${count} are valid; exceptions: ${report(seen)}`);
});

test("random byte strings: validity and every field agree with iced", (t) => {
  const random = new Random(fuzzSeed);
  const code = new Uint8Array(SLOT * 1000);
  const seen = new Map<string, number>();
  let valid = 0;
  for (let done = 0; done < fuzzCount; done += code.length / SLOT) {
    for (let at = 0; at < code.length; at += SLOT) fillRandomCode(random, code.subarray(at, at + SLOT));
    valid += compareSlots(code, `seed ${fuzzSeed}`, seen);
  }
  t.diagnostic(`${valid} of ${fuzzCount} are valid; exceptions: ${report(seen)}`);
  assert.ok(valid > fuzzCount / 5, "random byte strings hardly reach the decoder's tables");
});
