// Where the instructions of a function are: decoded from its first byte on; scan/functions.ts says where that is.
//
// A function whose bytes do not decode to its end, and exactly to it, holds something that is no code: it has no
// instructions that anybody may patch.

import { decode } from "../x86/decode";
import { FLOW_CALL_INDIRECT, FLOW_CALL_RELATIVE, Instruction, PREFIX_LOCK } from "../x86/instruction";
import { hooksActing, hooksWanting, needsBlocks } from "../match";
import { isRelativeBranch } from "../patch/relocate";
import { skipsOneByte } from "../patch/skipped-prefix";
import { OF_BLOCK, branchTarget, isReadByGo, markBlocks } from "./blocks";

const instruction = changetype<Instruction>(memory.data(offsetof<Instruction>(), 8));

/** Marks of a byte in `boundary`: an instruction starts there; one that matches. */
export const STARTS: u8 = 1;
export const MATCHES: u8 = 2;
/** One with a `lock` prefix that no branch of its function jumps over, but for one right in front of it. */
export const WHOLE: u8 = 16;
/** No instruction starts there, but a branch leads there: past the prefix of one. */
export const INSIDE: u8 = 128;

/** Whether there is nothing but `int3` from an offset on: in Go's table a function's end is the next one's start. */
function isFilling(code: usize, at: u32, size: u32): bool {
  while (at < size && load<u8>(code + at) == INT3) at++;
  return at == size;
}

/** Takes the marks of the instructions in [0, size) off again. */
function unmark(code: usize, size: u32, marks: usize): void {
  for (let at: u32 = 0; at < size; at += instruction.length) {
    store<u8>(marks + at, 0);
    decode(code + at, size - at, changetype<usize>(instruction));
  }
}

const LOCK_BYTE: u8 = 0xf0;
const INT3: u8 = 0xcc;
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
  for (let at: u32 = 0; at < size; at += instruction.length) {
    decode(code + at, size - at, changetype<usize>(instruction));
    if (!isRelativeBranch(instruction) || skipsPrefix(instruction, code, at, size)) continue;
    const target = branchTarget(instruction, code, at);
    if (target < size && load<u8>(marks + target) == 0) store<u8>(marks + target, INSIDE);
  }
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
  if (needsBlocks()) markBlocks(code, size, marks, address);
  for (let at: u32 = 0; at < size;) {
    const length = decode(code + at, size - at, changetype<usize>(instruction));
    if (isFilling(code, at, size)) break;
    if (length == 0) {
      unmark(code, at, marks);
      return false;
    }
    const isOfBlock = (load<u8>(marks + at) & OF_BLOCK) != 0;
    const place = address + (at as u64);
    const wanting = hooksWanting(instruction, code + at, place, offset + (at as u64), address, isOfBlock);
    const matches = wanting != 0 && !isReadByGo(instruction, code, at, isAfterCall);
    store<u8>(marks + at, matches ? STARTS | MATCHES : STARTS);
    if (hooks != 0) store<u8>(hooks + at, hooksActing(wanting) as u8);
    isAfterCall = instruction.flow == FLOW_CALL_RELATIVE || instruction.flow == FLOW_CALL_INDIRECT;
    if (instruction.prefixes & PREFIX_LOCK) hasLocks = true;
    at += length;
  }
  if (hasLocks) markWhole(code, size, marks);
  return true;
}
