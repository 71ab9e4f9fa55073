// The decoder and the facts against iced-x86: on the code of local programs, decoded from start to end, on every entry of
// every opcode map, and on random byte strings. `npm run test:long` takes all code of the programs and 10 million random
// byte strings; docs/decoder.md has its results.
//
// FLICKER_FUZZ_COUNT   random byte strings (200,000; long: 10,000,000)
// FLICKER_FUZZ_SEED    where they start
// FLICKER_TEXT_BYTES   at most so much of each program's code, in pieces spread over it (100,000; long: all of it)

import assert from "node:assert/strict";
import { before, test } from "node:test";
import { DecoderModule } from "./decoder-module.js";
import { Comparison, hex } from "./iced-oracle.js";
import { codeSections, localBinaries } from "./local-binaries.js";
import { opcodeMapEntries } from "./opcode-map-entries.js";
import { Random, fillRandomCode } from "./random-code.js";

const isLong = process.env["FLICKER_TEST_LONG"] !== undefined;
const fuzzCount = Number(process.env["FLICKER_FUZZ_COUNT"] ?? (isLong ? 10_000_000 : 200_000));
const fuzzSeed = Number(process.env["FLICKER_FUZZ_SEED"] ?? 20_200_615);
const textBytes = Number(process.env["FLICKER_TEXT_BYTES"] ?? (isLong ? Infinity : 100_000));

let decoder: DecoderModule;
before(async () => {
  decoder = await DecoderModule.load();
});

test("programs: every instruction agrees with iced", (t) => {
  const { present, absent } = localBinaries();
  for (const file of absent) t.diagnostic(`not here: ${file}`);
  const comparison = new Comparison(decoder);
  const repeats = new Repeats();
  let instructions = 0;
  let size = 0;
  for (const file of present) {
    const began = [instructions, size] as const;
    for (const { name, address, bytes } of codeSections(file)) {
      for (const [start, end] of windows(bytes.length)) {
        const context = `${file} ${name}, piece at 0x${(address + start).toString(16)}`;
        instructions += compareLinearly(comparison, repeats, bytes.subarray(start, end), context);
        size += end - start;
      }
    }
    if (isLong) t.diagnostic(`${file}: ${instructions - began[0]} instructions in ${size - began[1]} bytes`);
  }
  t.diagnostic(`${present.length} programs: ${instructions} instructions in ${size} bytes`);
  t.diagnostic(`fields and facts of each different instruction: ${comparison.report()}`);
  assert.ok(present.length >= 7, "there is hardly a program to try the decoder on");
});

const WINDOW = 1 << 20;
/** Pieces of a section of `size` bytes: all of it, or `textBytes` in ten pieces. A piece may begin within an instruction. */
function* windows(size: number): Generator<[start: number, end: number]> {
  if (size <= textBytes) {
    for (let start = 0; start < size; start += WINDOW) yield [start, Math.min(size, start + WINDOW)];
    return;
  }
  const pieces = 10;
  const piece = Math.floor(textBytes / pieces);
  for (let i = 0; i < pieces; i++) {
    const start = Math.floor(((size - piece) / (pieces - 1)) * i);
    yield [start, start + piece];
  }
}

/**
 * Remembers instructions that were compared. Code repeats itself: of cc1's 5 million instructions one in five is new.
 * Direct-mapped and without a list of what collides: a forgotten instruction is compared again. 52 bits of hash.
 */
class Repeats {
  private readonly slots = new Float64Array(1 << 22);

  /** Whether these bytes were seen; they are from now on. */
  seen(bytes: Uint8Array, start: number, end: number): boolean {
    let low = 0x811c9dc5;
    let high = end - start;
    for (let i = start; i < end; i++) {
      low = Math.imul(low ^ bytes[i]!, 0x01000193);
      high = Math.imul(high + bytes[i]!, 0x5bd1e995) ^ (high >>> 15);
    }
    const hash = (low >>> 0) * 0x100000 + ((high >>> 0) & 0xfffff) + 1;
    const slot = ((high >>> 10) ^ low) & (this.slots.length - 1);
    if (this.slots[slot] === hash) return true;
    this.slots[slot] = hash;
    return false;
  }
}

/** Both decoders go through `code` on their own; an invalid instruction is one byte for both. */
function compareLinearly(comparison: Comparison, repeats: Repeats, code: Uint8Array, context: string): number {
  comparison.load(code);
  let offset = 0;
  let instructions = 0;
  const batch = 100_000;
  while (offset < code.length) {
    const count = decoder.exports.decodeRun(offset, code.length, batch);
    for (let i = 0; i < count; i++) {
      const length = decoder.field(i, "length");
      if (length === 0 || !repeats.seen(code, offset, offset + length)) {
        const problem = comparison.problemWith(offset, length === 0 ? null : i);
        if (problem)
          assert.fail(`${context} + 0x${offset.toString(16)}: ${hex(code.subarray(offset, offset + 15))}: ${problem}`);
      } else if (comparison.icedLength(offset) !== length && comparison.problemWith(offset, i)) {
        assert.fail(`${context} + 0x${offset.toString(16)}: the same bytes with another length`);
      }
      offset += length === 0 ? 1 : length;
    }
    instructions += count;
  }
  return instructions;
}

const SLOT = 16;

/** What is wrong with `bytes` taken as one instruction, or null. */
function problemWith(bytes: Uint8Array): string | null {
  const comparison = new Comparison(decoder);
  comparison.load(bytes);
  return comparison.problemAt(0, bytes.length);
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

/** Compares the instructions at the start of each 16-byte slot; fails with the smallest input that still disagrees. */
function compareSlots(comparison: Comparison, code: Uint8Array, context: string): void {
  comparison.load(code);
  for (let at = 0; at < code.length; at += SLOT) {
    const problem = comparison.problemAt(at, SLOT - 1);
    if (problem === null) continue;
    const bytes = code.slice(at, at + SLOT - 1);
    const small = smallest(bytes);
    assert.fail(`${context}: ${hex(bytes)}: ${problem}; smallest: ${hex(small)}: ${problemWith(small)}`);
  }
}

test("every opcode map entry agrees with iced", (t) => {
  const comparison = new Comparison(decoder);
  let count = 0;
  let used = 0;
  const code = new Uint8Array(SLOT * 1000).fill(0x24);
  for (const start of opcodeMapEntries()) {
    code.fill(0x24, used, used + SLOT).set(start, used);
    used += SLOT;
    count++;
    if (used === code.length) {
      compareSlots(comparison, code, "opcode maps");
      used = 0;
    }
  }
  compareSlots(comparison, code.subarray(0, used), "opcode maps");
  t.diagnostic(`${count} entries: ${comparison.report()}`);
});

test("random byte strings agree with iced", (t) => {
  const random = new Random(fuzzSeed);
  const code = new Uint8Array(SLOT * 1000);
  const comparison = new Comparison(decoder);
  for (let done = 0; done < fuzzCount; done += code.length / SLOT) {
    for (let at = 0; at < code.length; at += SLOT) fillRandomCode(random, code.subarray(at, at + SLOT));
    compareSlots(comparison, code, `seed ${fuzzSeed}`);
  }
  t.diagnostic(`${fuzzCount} strings from seed ${fuzzSeed}: ${comparison.report()}`);
  assert.ok(comparison.valid > fuzzCount / 5, "random byte strings hardly reach the decoder's tables");
});
