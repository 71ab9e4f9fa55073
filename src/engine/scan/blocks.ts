// Basic blocks of a function: pieces of code that are entered at their first byte only and left at their last. Of each, one
// instruction stands for all: the block has run when that one has, so that it may be the one that is easiest to patch.
//
// A block starts where the function does, where a direct branch or a jump table leads, at `endbr64`, and behind every instruction
// that control may not pass: jumps, returns, system calls and interrupts; calls too, as DynamoRIO has it (a callee may not return).
// Filling between blocks, `nop` and `int3` behind a jump or return to which nothing leads, is in no block.
//
// A jump table is known by its address: compilers load it with `lea table(%rip),%reg` in front of an indirect jump, and have
// distances from the table to the cases in it, or jump through it (`jmp *table(,%rax,8)`), and have the cases' addresses in it.
// Where a table ends nobody says. It is read until something leads to no code; what is read beyond makes a block two at worst.
//
// Not known: what only a pointer leads to (computed goto, landing pads), where it is in the middle of straight code. It nearly
// always lies behind a jump.

import { instructionTrampolineSize } from "../patch/instruction-trampoline";
import { JUMP_SIZE, isRelativeBranch } from "../patch/relocate";
import { decode } from "../x86/decode";
import {
  FLOW_CALL_INDIRECT,
  FLOW_CALL_RELATIVE,
  FLOW_JUMP_INDIRECT,
  FLOW_JUMP_RELATIVE,
  FLOW_NEXT,
  FLOW_RETURN,
  FLOW_STOP,
  FLOW_SYSCALL,
  INSTRUCTION_MAX,
  Instruction,
  MAP_0F,
  MAP_ONE_BYTE,
} from "../x86/instruction";
import { STARTS } from "./instructions";
import { isCodeAt, readWord, word } from "./code-file";

const instruction = changetype<Instruction>(memory.data(offsetof<Instruction>(), 8));

/** Marks beside those of scan/instructions.ts: a block starts there; an instruction that stands for its block. */
export const LEADS: u8 = 32;
export const OF_BLOCK: u8 = 64;
/** Filling between blocks. WHOLE has the same bit, and is marked when blocks do not matter any more. */
export const FILLING: u8 = 16;
/** A branch leads into the middle of it: over its prefix. */
const ENTERED: u8 = 128;

/** More cases than compilers make one table for. */
const CASES_MAX: u32 = 8192;

/** Where a relative branch at `at` leads, from the function's start; more than any size when it leaves it backwards. */
export function branchTarget(branch: Instruction, code: usize, at: u32): u32 {
  const immediate = code + at + branch.immOffset;
  const distance = branch.immSize == 1 ? (load<i8>(immediate) as i32) : load<i32>(immediate);
  return at + branch.length + (distance as u32);
}

/**
 * `jmp` back to the function's start right behind a call: Go's `rewindmorestack` reads it there (runtime/sys_x86.go).
 */
export function isReadByGo(jump: Instruction, code: usize, at: u32, isAfterCall: bool): bool {
  if (!isAfterCall || jump.flow != FLOW_JUMP_RELATIVE) return false;
  return branchTarget(jump, code, at) == 0;
}

/** Marks where instructions start; false when there is data in the function. */
function markStarts(code: usize, size: u32, marks: usize): bool {
  for (let at: u32 = 0; at < size; at += instruction.length) {
    if (decode(code + at, size - at, changetype<usize>(instruction)) == 0) return false;
    store<u8>(marks + at, STARTS);
  }
  return true;
}

function addMark(marks: usize, at: u32, mark: u8): void {
  store<u8>(marks + at, load<u8>(marks + at) | mark);
}

/** Something leads to `target`, an offset in the function. */
function enter(size: u32, marks: usize, target: u32): void {
  if (target >= size) return;
  if (load<u8>(marks + target) & STARTS) return addMark(marks, target, LEADS);
  let start = target;
  while (start > 0 && target - start < (INSTRUCTION_MAX as u32) && !(load<u8>(marks + start) & STARTS)) start--;
  addMark(marks, start, ENTERED);
}

function isEndbr64(code: usize): bool {
  return load<u32>(code) == 0xfa1e0ff3;
}

/** Whether nothing comes from the instruction to the one behind it. */
function neverGoesOn(): bool {
  const flow = instruction.flow;
  return flow == FLOW_JUMP_RELATIVE || flow == FLOW_JUMP_INDIRECT || flow == FLOW_RETURN || flow == FLOW_STOP;
}

const OPCODE_NOP: u8 = 0x90;
const OPCODE_LONG_NOP: u8 = 0x1f;
const OPCODE_INT3: u8 = 0xcc;

function isFilling(): bool {
  if (instruction.map == MAP_0F) return instruction.opcode == OPCODE_LONG_NOP;
  return instruction.map == MAP_ONE_BYTE && (instruction.opcode == OPCODE_NOP || instruction.opcode == OPCODE_INT3);
}

/** Marks what branches lead to and what lies behind them; true when jumps through tables may be among them. */
function markLeaders(code: usize, size: u32, marks: usize): bool {
  let hasTables = false;
  addMark(marks, 0, LEADS);
  for (let at: u32 = 0; at < size; at += instruction.length) {
    decode(code + at, size - at, changetype<usize>(instruction));
    const next = at + instruction.length;
    if (instruction.flow == FLOW_NEXT) {
      if (instruction.map == MAP_0F && instruction.length == 4 && isEndbr64(code + at)) addMark(marks, at, LEADS);
      continue;
    }
    if (next < size && !neverGoesOn()) addMark(marks, next, LEADS);
    if (isRelativeBranch(instruction)) enter(size, marks, branchTarget(instruction, code, at));
    if (instruction.flow == FLOW_JUMP_INDIRECT) hasTables = true;
  }
  return hasTables;
}

/** Enters all cases of a table: of distances from `base`, 4 bytes each, or of addresses, 8 bytes each and `base` 0. */
function enterCases(size: u32, marks: usize, address: u64, table: u64, base: u64): void {
  const wordSize: u64 = base == 0 ? 8 : 4;
  for (let i: u64 = 0; i < (CASES_MAX as u64); i++) {
    if (!readWord(table + i * wordSize, wordSize as usize)) return;
    const target = base + (word as u64);
    if (!isCodeAt(target)) return;
    const offset = target - address;
    if (offset < (size as u64) && load<u8>(marks + (offset as usize)) & STARTS) addMark(marks, offset as u32, LEADS);
  }
}

const OPCODE_LEA: u8 = 0x8d;
/** ModRM.rm and SIB.base that stand for no base register where mod is 0: SDM volume 2, tables 2-2 and 2-3. */
const SIB_FOLLOWS: u8 = 4;
const NO_BASE: u8 = 5;

function enterTables(code: usize, size: u32, marks: usize, address: u64): void {
  for (let at: u32 = 0; at < size; at += instruction.length) {
    decode(code + at, size - at, changetype<usize>(instruction));
    if (instruction.dispSize != 4) continue;
    const displacement = load<i32>(code + at + instruction.dispOffset) as i64;
    if (instruction.map == MAP_ONE_BYTE && instruction.opcode == OPCODE_LEA && instruction.ripRelative) {
      const table = address + (at as u64) + (instruction.length as u64) + (displacement as u64);
      enterCases(size, marks, address, table, table);
    } else if (instruction.flow == FLOW_JUMP_INDIRECT && instruction.hasSib) {
      const isIndexed = (instruction.modrm & 0xc7) == SIB_FOLLOWS && (instruction.sib & 7) == NO_BASE;
      if (isIndexed) enterCases(size, marks, address, displacement as u64, 0);
    }
  }
}

/** Marks filling, and the blocks behind jumps and returns that nothing is known to lead to. */
function markFilling(code: usize, size: u32, marks: usize): void {
  let isBehindEnd = false;
  for (let at: u32 = 0; at < size; at += instruction.length) {
    decode(code + at, size - at, changetype<usize>(instruction));
    const isLost = isBehindEnd && !(load<u8>(marks + at) & LEADS);
    if (isLost && isFilling()) {
      addMark(marks, at, FILLING);
      continue;
    }
    if (isLost) addMark(marks, at, LEADS);
    isBehindEnd = neverGoesOn();
  }
}

/**
 * How well an instruction can stand for its block: 0 for not at all. A jump always has room in five bytes. Of the others the shorter ones fit
 * better, but for one byte: 2 bytes mostly lead to evicting a neighbour, whose trampolines may lie anywhere, 3 and 4 to puns, which
 * have few places (trampolineBytes and B0 of `flicker run --match block --stats=json`).
 */
function fitness(code: usize, at: u32, marks: u8, isAfterCall: bool): u32 {
  if (marks & (ENTERED | FILLING) || instruction.flow == FLOW_SYSCALL) return 0;
  if (isReadByGo(instruction, code, at, isAfterCall) || instructionTrampolineSize(instruction) == 0) return 0;
  const length: u32 = instruction.length;
  if (length >= JUMP_SIZE) return JUMP_SIZE;
  return length == 1 ? 1 : JUMP_SIZE + 1 - length;
}

/** Marks one instruction of each block: the first that has room for a jump, or else the fittest. */
function chooseSites(code: usize, size: u32, marks: usize): void {
  let best: u32 = 0;
  let fitnessOfBest: u32 = 0;
  let isAfterCall = false;
  for (let at: u32 = 0; at < size; at += instruction.length) {
    const length = decode(code + at, size - at, changetype<usize>(instruction));
    const fits = fitness(code, at, load<u8>(marks + at), isAfterCall);
    if (fits > fitnessOfBest) {
      best = at;
      fitnessOfBest = fits;
    }
    isAfterCall = instruction.flow == FLOW_CALL_RELATIVE || instruction.flow == FLOW_CALL_INDIRECT;
    if (at + length < size && !(load<u8>(marks + at + length) & (LEADS | FILLING))) continue;
    if (fitnessOfBest != 0) addMark(marks, best, OF_BLOCK);
    fitnessOfBest = 0;
  }
}

/**
 * Marks the basic blocks of the function at `code`: STARTS, LEADS, FILLING, OF_BLOCK. The file that it is from is open (scan/code-file.ts).
 * @param marks a byte for each of `size`, zero
 * @param address where it is in the file's own terms
 * @returns false when there is data in it; what is marked then means nothing
 */
export function markBlocks(code: usize, size: u32, marks: usize, address: u64): bool {
  if (!markStarts(code, size, marks)) return false;
  if (markLeaders(code, size, marks)) enterTables(code, size, marks, address);
  markFilling(code, size, marks);
  chooseSites(code, size, marks);
  return true;
}
