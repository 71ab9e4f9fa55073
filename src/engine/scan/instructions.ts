// Where the instructions of a function are: decoded from its first byte on; scan/functions.ts says where that is.
//
// A function whose bytes do not decode to its end, and exactly to it, holds something that is no code: it has no
// instructions that anybody may patch.

import { decode } from "../x86/decode";
import {
  FLOW_CALL_INDIRECT,
  FLOW_CALL_RELATIVE,
  FLOW_JUMP_RELATIVE,
  FLOW_RETURN,
  Instruction,
  PREFIX_LOCK,
} from "../x86/instruction";
import { hooksActing, hooksWanting, needsBlocks } from "../match";
import { endsFlow, isRelativeBranch } from "../patch/relocate";
import { skipsOneByte } from "../patch/skipped-prefix";
import { OF_BLOCK, branchTarget, isReadByGo, markBlocks } from "./blocks";
import { isPadding } from "./evidence";

const instruction = changetype<Instruction>(memory.data(offsetof<Instruction>(), 8));

/** Marks of a byte in `boundary`: an instruction starts there; one that matches. */
export const STARTS: u8 = 1;
export const MATCHES: u8 = 2;
/** One with a `lock` prefix that no branch of its function jumps over, but for one right in front of it. */
export const WHOLE: u8 = 16;
/** A branch of the function leads there. */
const TARGET: u8 = 32;
/** No instruction starts there, but a branch leads there: past the prefix of one. */
export const INSIDE: u8 = TARGET;

const LOCK_BYTE: u8 = 0xf0;
const INT3: u8 = 0xcc;
const NOP: u8 = 0x90;

/** Whether there is nothing but `int3` from an offset on: in Go's table a function's end is the next one's start. */
function isFilled(code: usize, at: u32, size: u32): bool {
  while (at < size && load<u8>(code + at) == INT3) at++;
  return at == size;
}

const skipping = changetype<Instruction>(memory.data(offsetof<Instruction>(), 8));

/** Whether the branch jumps over the `lock` prefix of the instruction behind it, and over nothing else. */
function skipsPrefix(branch: Instruction, code: usize, at: u32, size: u32): bool {
  const next = at + (branch.length as u32);
  if (!skipsOneByte(branch, code + at) || next >= size) return false;
  return decode(code + next, size - next, changetype<usize>(skipping)) != 0 && load<u8>(code + next) == LOCK_BYTE;
}

/**
 * glibc jumps over `lock` prefixes where there is one thread (`cmpl $0,%fs:24; je 1f; lock; 1: cmpxchg`): marks the
 * instructions with such a prefix that no branch of the function enters behind it, but for one that is right in front: then there is
 * a mark behind the prefix (patch/skipped-prefix.ts).
 */
function markWhole(code: usize, size: u32, marks: usize): void {
  let isSkipped = false;
  for (let at: u32 = 0; at < size; at += instruction.length) {
    decode(code + at, size - at, changetype<usize>(instruction));
    const wasSkipped = isSkipped;
    isSkipped = skipsPrefix(instruction, code, at, size);
    if ((instruction.prefixes & PREFIX_LOCK) == 0) continue;
    let whole: u8 = WHOLE;
    for (let i: u32 = 1; i < (instruction.length as u32); i++) if (load<u8>(marks + at + i) != 0) whole = 0;
    store<u8>(marks + at, load<u8>(marks + at) | whole);
    if (wasSkipped) store<u8>(marks + at + 1, INSIDE);
  }
}

// ---- Filling: what assemblers put between an instruction that never goes on and an aligned label. Nobody executes it.

/** Where there may be some in the function that was marked last: offsets. A function with more has the rest for instructions. */
const PLACES_MAX: u32 = 2048;
const places = memory.data(8192, 8);
let placeCount: u32 = 0;

function notePlace(code: usize, at: u32, size: u32): void {
  const flow = instruction.flow;
  if ((flow != FLOW_RETURN && flow != FLOW_JUMP_RELATIVE) || placeCount == PLACES_MAX || at >= size) return;
  const byte = load<u8>(code + at);
  if (byte != NOP && byte != 0x66 && byte != 0x0f && byte != 0x2e) return;
  store<u32>(places + (placeCount++ << 2), at);
}

/** Compilers align labels to 8 or 16 bytes. */
const ALIGNMENT: u64 = 8;
/** Where the function is in the file's own terms. */
let markedAddress: u64 = 0;

/**
 * Where filling from an offset on ends: where a branch leads, or at an aligned address, which one of another function or a table may
 * lead to. 0 when it is none: one-byte `nop`s are no assembler's choice where there is room for longer ones, and may be there for
 * a jump to be computed into.
 */
function endOfFilling(code: usize, from: u32, size: u32, marks: usize): u32 {
  let short: u32 = 0;
  for (let at = from; at < size; at += instruction.length) {
    const isEnd = (load<u8>(marks + at) & TARGET) != 0;
    if (isEnd || decode(code + at, size - at, changetype<usize>(instruction)) == 0) return isEnd && short <= 1 ? at : 0;
    if (!isPadding(code + at, instruction) || load<u8>(code + at) == INT3)
      return (markedAddress + (at as u64)) % ALIGNMENT == 0 && short <= 1 ? at : 0;
    if (instruction.length == 1) short += 1;
  }
  return 0;
}

/** Calls `visit` with each piece of filling inside of the function that was marked last: [from, to), offsets in the function. */
export function forEachFilling(
  code: usize,
  marks: usize,
  context: usize,
  visit: (context: usize, from: u32, to: u32) => void,
): void {
  for (let i: u32 = 0; i < placeCount; i++) {
    const from = load<u32>(places + (i << 2));
    const to = endOfFilling(code, from, instructionsEnd, marks);
    if (to > from) visit(context, from, to);
  }
}

/** Where the instructions of the function that was marked last end, in bytes from its start; and whether nothing goes on from there. */
export let instructionsEnd: u32 = 0;
export let neverGoesOn: bool = false;

/**
 * Marks the instructions of the function at `code`.
 * @param marks a byte for each of `size`
 * @param hooks likewise, for the hooks that are called in front of an instruction (bit n for hook n), or 0: there are none
 * @param address where it is in the file's own terms
 * @param offset where it is in the file
 * @returns false, and no marks, when there is data in it
 */
export function markFunction(code: usize, size: u32, marks: usize, hooks: usize, address: u64, offset: u64): bool {
  let isAfterCall = false;
  let hasLocks = false;
  let at: u32 = 0;
  placeCount = 0;
  markedAddress = address;
  if (needsBlocks()) {
    markBlocks(code, size, marks, address);
    for (let i: u32 = 0; i < size; i++) store<u8>(marks + i, load<u8>(marks + i) & OF_BLOCK);
  }
  while (at < size) {
    const length = decode(code + at, size - at, changetype<usize>(instruction));
    if (isFilled(code, at, size)) break;
    if (length == 0) {
      memory.fill(marks, 0, size);
      return false;
    }
    const marked = load<u8>(marks + at);
    const place = address + (at as u64);
    const wanting = hooksWanting(
      instruction,
      code + at,
      place,
      offset + (at as u64),
      address,
      (marked & OF_BLOCK) != 0,
    );
    const matches = wanting != 0 && !isReadByGo(instruction, code, at, isAfterCall);
    store<u8>(marks + at, (matches ? STARTS | MATCHES : STARTS) | (marked & TARGET));
    if (hooks != 0) store<u8>(hooks + at, hooksActing(wanting) as u8);
    if (isRelativeBranch(instruction) && !skipsPrefix(instruction, code, at, size)) {
      const target = branchTarget(instruction, code, at);
      if (target < size) store<u8>(marks + target, load<u8>(marks + target) | TARGET);
    }
    neverGoesOn = endsFlow(instruction);
    isAfterCall = instruction.flow == FLOW_CALL_RELATIVE || instruction.flow == FLOW_CALL_INDIRECT;
    if (instruction.prefixes & PREFIX_LOCK) hasLocks = true;
    at += length;
    notePlace(code, at, size);
  }
  instructionsEnd = at;
  memory.fill(marks + at, 0, size - at);
  if (hasLocks) markWhole(code, at, marks);
  return true;
}
