// Where instructions are in code that no file describes: what control reaches from an address that a thread is about to run, and
// from where code that was seen before leads by direct calls and jumps.
//
// A function that only pointers lead to is none of that, unless a thread comes to it first on its page. In what is not reached
// one is looked for by its look: it begins where something else ended, at an aligned address, sets up a frame, decodes up to
// an end that nothing passes, and all that branches in it lead to instructions of its own. Data looks like that next to never;
// it stays as it is.
//
// One piece of code at a time, under the engine lock.

import { hasSplit, nextSplit } from "../jit/pages";
import { hasCode } from "../patch/code-map";
import { endsFlow, isRelativeBranch } from "../patch/relocate";
import { restoreCopy } from "../patch/record";
import { Address, copyIn, tryCopyIn } from "../process";
import { decode } from "../x86/decode";
import { FLOW_CALL_INDIRECT, FLOW_CALL_RELATIVE, Instruction, MAP_ONE_BYTE } from "../x86/instruction";
import { branchTarget } from "./blocks";
import { isPadding } from "./evidence";

/** Bytes of a piece, at most. */
export const PIECE_MAX: u32 = 32768;

/** What is looked at behind a piece, to know code when it goes on there. */
const BEYOND: u32 = 512;
/** A copy of the piece and what lies beyond, and marks for each byte of the piece. */
const code = memory.data(33280, 8);
const marks = memory.data(32768, 8);
/** An instruction starts there; one goes on there; control comes to the middle of it. */
const STARTS: u8 = 1;
const GOES_ON: u8 = 2;
const ENTERED: u8 = 4;

let base: Address = 0;
let size: u32 = 0;
let visible: u32 = 0;
let isOpen: bool = false;

const instruction = changetype<Instruction>(memory.data(offsetof<Instruction>(), 8));

// ---- Where code outside of the piece leads: sets of addresses by their page, the oldest of which are forgotten

const SETS: u64 = 512;
const WAYS: u64 = 8;
const targets = memory.data(32768, 8);
const oldest = memory.data(512, 8);

function setOf(address: Address): usize {
  return (((address >> 12) ^ (address >> 21)) & (SETS - 1)) as usize;
}

function rememberTarget(address: Address): void {
  const set = setOf(address);
  const ways = targets + set * ((WAYS as usize) << 3);
  for (let way: usize = 0; way < (WAYS as usize); way++) if (load<u64>(ways + (way << 3)) == address) return;
  const way = load<u8>(oldest + set);
  store<u64>(ways + ((way as usize) << 3), address);
  store<u8>(oldest + set, ((way as u32) + 1) % (WAYS as u32));
}

/** Nothing is known any more of what leads to a page: it is written, while other code runs. */
export function forgetTargets(page: Address): void {
  const ways = targets + setOf(page) * ((WAYS as usize) << 3);
  for (let way: usize = 0; way < (WAYS as usize); way++)
    if (load<u64>(ways + (way << 3)) - page < 4096) store<u64>(ways + (way << 3), 0);
}

// ---- Following control

const WAITING_MAX: u32 = 2048;
const waiting = memory.data(8192, 8);
let waitingCount: u32 = 0;

function wait(at: u32): void {
  if (waitingCount != WAITING_MAX) store<u32>(waiting + (waitingCount++ << 2), at);
}

function mark(at: u32, bit: u8): void {
  store<u8>(marks + at, load<u8>(marks + at) | bit);
}

/** Marks the instruction at an offset; false when it is marked, or cannot be decoded. */
function markInstruction(at: u32): bool {
  const seen = load<u8>(marks + at);
  if (seen & GOES_ON) mark(at, ENTERED);
  if (seen != 0 || decode(code + at, visible - at, changetype<usize>(instruction)) == 0) return false;
  // One that reaches beyond belongs to nobody.
  if (at + (instruction.length as u32) > size) return false;
  mark(at, STARTS);
  for (let i: u32 = 1; i < (instruction.length as u32); i++) {
    if (load<u8>(marks + at + i) & STARTS) mark(at + i, ENTERED);
    mark(at + i, GOES_ON);
  }
  return true;
}

function isCall(branch: Instruction): bool {
  return branch.flow == FLOW_CALL_RELATIVE || branch.flow == FLOW_CALL_INDIRECT;
}

const INT3: u8 = 0xcc;

/** `pop` of a register: what is called is the address of what lies behind the call. */
function popsReturnAddress(target: u32): bool {
  if (target >= size) return false;
  const byte = load<u8>(code + target);
  return (byte & 0xf8) == 0x58 || ((byte & 0xfe) == 0x40 && (load<u8>(code + target + 1) & 0xf8) == 0x58);
}

/** Whether a branch may lead to an offset from a place that is not known to be code. */
function mayLeadTo(target: u32): bool {
  if (target < size) return (load<u8>(marks + target) & GOES_ON) == 0;
  const address = base + (target as i32 as u64);
  return hasSplit(address, address + 1) || hasCode(address, address + 1);
}

/** `in`, `out`, `ins`, `outs`, `cli`, `sti`, `iret` and far returns: no program has them, and data is full of them. */
function isOutOfPlace(): bool {
  if (instruction.map != MAP_ONE_BYTE) return false;
  const opcode = instruction.opcode;
  return (
    (opcode >= 0xe4 && opcode <= 0xe7) ||
    (opcode >= 0xec && opcode <= 0xef) ||
    (opcode >= 0x6c && opcode <= 0x6f) ||
    (opcode >= 0xca && opcode <= 0xcb) ||
    opcode == 0xcf ||
    opcode == 0xfa ||
    opcode == 0xfb
  );
}

function isInt3(at: u32): bool {
  return load<u8>(code + at) == INT3;
}

/** Decodes at an offset where code is supposed to be; false when that cannot be. */
function decodeSupposed(at: u32): bool {
  if (load<u16>(code + at) == 0 || decode(code + at, visible - at, changetype<usize>(instruction)) == 0) return false;
  return !isOutOfPlace() && (!isRelativeBranch(instruction) || mayLeadTo(branchTarget(instruction, code, at)));
}

/**
 * Compilers put tables behind the last call of a function when that never returns. Where what lies behind a call looks like code up to
 * where nothing goes on, or up to code that is known.
 * @returns an offset, or `start` when it does not
 */
function endOfCode(start: u32): u32 {
  for (let at = start; at < visible; at += instruction.length) {
    const seen = at < size ? load<u8>(marks + at) : 0;
    if (seen & STARTS) return at + 1;
    if (seen != 0 || !decodeSupposed(at)) return start;
    if (isInt3(at) || endsFlow(instruction)) return at + 1;
  }
  return start;
}

/** Follows control from an offset to where nothing goes on, or to what has been seen. */
function follow(at: u32): void {
  // What lies up to here has been taken for code.
  let known: u32 = 0;
  while (at < size && markInstruction(at)) {
    const next = at + instruction.length;
    let goesOn = !endsFlow(instruction) && !isInt3(at);
    if (isRelativeBranch(instruction)) {
      const target = branchTarget(instruction, code, at);
      if (target < size) wait(target);
      else rememberTarget(base + (at as u64) + ((target - at) as i32 as u64));
      if (instruction.flow == FLOW_CALL_RELATIVE && popsReturnAddress(target)) goesOn = false;
    }
    if (goesOn && next > known && isCall(instruction)) {
      known = endOfCode(next);
      goesOn = known > next;
    }
    if (!goesOn) return;
    at = next;
  }
}

function followAll(at: u32): void {
  wait(at);
  while (waitingCount != 0) follow(load<u32>(waiting + (--waitingCount << 2)));
}

// ---- Functions by their look

const PUSH_RBP: u32 = 0x55;
const ENDBR64: u32 = 0xfa1e0ff3;
/** `mov %rsp,%rbp` in both of its forms, the low three bytes; `sub $imm,%rsp`; HotSpot's `mov %eax,-N(%rsp)`, which touches the stack. */
const MOV_RBP_RSP: u32 = 0xe58948;
const MOV_RBP_RSP_LOAD: u32 = 0xec8b48;
const SUB_RSP_IMM8: u32 = 0xec8348;
const SUB_RSP_IMM32: u32 = 0xec8148;
const BANG: u32 = 0x248489;
/** How far from its first instruction a function sets up its frame: some check their caller first. */
const FRAME_WITHIN: u32 = 40;

function setsUpFrame(at: u32): bool {
  const word = load<u32>(code + at);
  const three = word & 0xffffff;
  if (word == ENDBR64 || three == SUB_RSP_IMM8 || three == SUB_RSP_IMM32 || three == BANG) return true;
  if ((word & 0xff) != PUSH_RBP) return false;
  const behind = load<u32>(code + at + 1) & 0xffffff;
  return behind == MOV_RBP_RSP || behind == MOV_RBP_RSP_LOAD || behind == SUB_RSP_IMM8 || behind == SUB_RSP_IMM32;
}

/** Whether what is at an offset up to the next mark looks like a function. */
function looksLikeFunction(start: u32): bool {
  let hasFrame = false;
  let reach = start;
  for (let at = start; at + 8 < size && load<u8>(marks + at) == 0; at += instruction.length) {
    if (!decodeSupposed(at)) return false;
    if (at - start < FRAME_WITHIN && setsUpFrame(at)) hasFrame = true;
    if (!hasFrame && at - start >= FRAME_WITHIN) return false;
    if (isRelativeBranch(instruction)) {
      const target = branchTarget(instruction, code, at);
      if (target < start) {
        if (load<u8>(marks + target) == 0) return false;
      } else if (target < size && instruction.flow != FLOW_CALL_RELATIVE) reach = max(reach, target);
    }
    if (endsFlow(instruction) && reach < at + (instruction.length as u32)) return hasFrame;
  }
  return false;
}

/** Where filling from an offset on ends. */
function behindFilling(at: u32): u32 {
  while (at < size && load<u8>(marks + at) == 0) {
    while (at + 16 <= size && (load<u64>(code + at) | load<u64>(marks + at)) == 0) at += 8;
    const byte = load<u8>(code + at);
    if (byte == 0 || byte == INT3) {
      at += 1;
      continue;
    }
    if (decode(code + at, size - at, changetype<usize>(instruction)) == 0 || !isPadding(code + at, instruction)) break;
    at += instruction.length;
  }
  return at;
}

/** Looks for functions in all that was not reached. */
function findFunctions(): void {
  for (let at: u32 = 0; at + 16 < size;) {
    if (load<u8>(marks + at) != 0) {
      at += 1;
      continue;
    }
    const start = behindFilling(at);
    if (start + 16 < size && load<u8>(marks + start) == 0 && looksLikeFunction(start)) followAll(start);
    else at = max(start, (at | 15) + 1);
  }
}

// ---- What there is

/**
 * Finds the instructions of [start, start + length), at most PIECE_MAX bytes.
 * @param entry where a thread is about to go on, there or elsewhere
 * @param changes whether the program may write there while it runs it. Then functions are not known by their look: HotSpot makes code in
 *   a buffer beside code that runs, and copies it from there
 */
export function openReached(start: Address, length: u32, entry: Address, changes: bool): void {
  base = start;
  size = min(length, PIECE_MAX);
  isOpen = true;
  waitingCount = 0;
  copyIn(code, base, size);
  visible = size;
  if (length == size && nextSplit(base + (size as u64), base + (size as u64) + (BEYOND as u64))) visible += BEYOND;
  if (visible != size && tryCopyIn(code + size, base + (size as u64), BEYOND) != 0) visible = size;
  restoreCopy(code, base, visible);
  memory.fill(marks, 0, size);
  if (entry - base < (size as u64)) followAll((entry - base) as u32);
  for (let page = base; page < base + (size as u64); page += 4096) {
    const ways = targets + setOf(page) * ((WAYS as usize) << 3);
    for (let way: usize = 0; way < (WAYS as usize); way++) {
      const target = load<u64>(ways + (way << 3));
      if (target - page < 4096) followAll((target - base) as u32);
    }
  }
  if (!changes) findFunctions();
  listPieces();
}

export function closeReached(): void {
  isOpen = false;
  pieceCount = 0;
}

/** What is known of an address: that an instruction starts there, that one goes on there, that control is not known to come there. */
export const REACHED: u32 = 1;
export const INTERIOR: u32 = 2;
export const UNREACHED: u32 = 3;
/** 0 when it is in no piece that is looked at. */
export function reachedAt(address: Address): u32 {
  if (!isOpen || address - base >= (size as u64)) return 0;
  const seen = load<u8>(marks + ((address - base) as usize));
  if (seen & STARTS) return REACHED;
  return seen & GOES_ON && !(seen & ENTERED) ? INTERIOR : UNREACHED;
}

/** Pieces of instructions one behind the other: u32 start, u32 end, offsets. */
const PIECES_MAX: u32 = 1024;
const pieces = memory.data(8192, 8);
let pieceCount: u32 = 0;

/** Whether control comes to the middle of the instruction at an offset. */
function isEntered(at: u32, end: u32): bool {
  for (let i = at; i < end; i++) if (load<u8>(marks + i) & ENTERED) return true;
  return false;
}

function endOfInstruction(at: u32): u32 {
  let end = at + 1;
  while (end < size && (load<u8>(marks + end) & (STARTS | GOES_ON)) == GOES_ON) end++;
  return end;
}

function listPieces(): void {
  pieceCount = 0;
  for (let at: u32 = 0; at < size && pieceCount < PIECES_MAX;) {
    if (!(load<u8>(marks + at) & STARTS)) {
      at += 1;
      continue;
    }
    const start = at;
    while (at < size && load<u8>(marks + at) & STARTS) {
      const end = endOfInstruction(at);
      if (isEntered(at, end)) break;
      at = end;
    }
    if (at > start) {
      store<u32>(pieces + (pieceCount << 3), start);
      store<u32>(pieces + (pieceCount++ << 3), at, 4);
    } else at = endOfInstruction(at);
  }
}

/** How many pieces there are. */
export function reachedCount(): u32 {
  return pieceCount;
}
export function reachedStart(index: u32): Address {
  return base + (load<u32>(pieces + (index << 3)) as u64);
}
export function reachedEnd(index: u32): Address {
  return base + (load<u32>(pieces + (index << 3), 4) as u64);
}
