// Where instructions are in code that no file describes: what control reaches from an address that a thread is about to run, and
// from where code that was seen before leads by direct calls and jumps.
//
// A function that only pointers lead to is none of that, unless a thread comes to it first on its page. In what is not reached
// one is looked for by its look: it begins where something else ended, at an aligned address, sets up a frame, decodes up to
// an end that nothing passes, and all that branches in it lead to instructions of its own. What is left of code that is gone
// looks like that, too, and another function may begin in the midst of it: so nothing but the first byte is changed, to a trap
// (jit/turn.ts, `enterSplitTrap`). When it runs it is an entry like others.
//
// One piece of code at a time, under the engine lock.

import { copyLast, forEachProvenLast } from "../jit/dormant";
import { RUN_MAX, hasSplit, nextSplit } from "../jit/pages";
import { hasMatchers, hooksWanting, needsBlocks } from "../match";
import { allocateTemporary, releaseTemporary, temporaryMark } from "../patch/arena";
import { hasCode } from "../patch/code-map";
import { endsFlow, isCall, isRelativeBranch } from "../patch/relocate";
import { restoreCopy } from "../patch/record";
import { Address, copyIn, tryCopyIn } from "../process";
import { SYSCALL_BYTES } from "../patch/traps";
import { decode } from "../x86/decode";
import { FLOW_CALL_RELATIVE, Instruction, INSTRUCTION_MAX, MAP_ONE_BYTE } from "../x86/instruction";
import { branchTarget } from "./blocks";
import { isPadding } from "./evidence";

const PAGE_BYTES: u32 = 4096;
/** Bytes of a piece, at most. */
const PIECE_MAX: u32 = RUN_MAX as u32;

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
/** Whether the program may write there while it runs it. */
export let isChanging: bool = false;

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

/** Whether code seen before leads to [start, end), whole pages. */
function hasTargets(start: Address, end: Address): bool {
  for (let page = start; page < end; page += 4096) {
    const ways = targets + setOf(page) * ((WAYS as usize) << 3);
    for (let way: usize = 0; way < (WAYS as usize); way++) if (load<u64>(ways + (way << 3)) - page < 4096) return true;
  }
  return false;
}

/** Nothing is known any more of what leads to a page: it is written, while other code runs. */
export function forgetTargets(page: Address): void {
  const ways = targets + setOf(page) * ((WAYS as usize) << 3);
  for (let way: usize = 0; way < (WAYS as usize); way++)
    if (load<u64>(ways + (way << 3)) - page < 4096) store<u64>(ways + (way << 3), 0);
}

// ---- Following control

// Functions that are known by nothing but their look: offsets.
const SUPPOSED_MAX: u32 = 1024;
const supposed = memory.data(4096, 8);
let supposedCount: u32 = 0;
// Those that ran, among what was followed.
const proven = memory.data(4096, 8);
let provenCount: u32 = 0;

function noteProven(at: u32): void {
  for (let i: u32 = 0; i < provenCount; i++) if (load<u32>(proven + (i << 2)) == at) return;
  if (provenCount != SUPPOSED_MAX) store<u32>(proven + (provenCount++ << 2), at);
}

const WAITING_MAX: u32 = 2048;
const waiting = memory.data(8192, 8);
let waitingCount: u32 = 0;

function wait(at: u32): void {
  if (waitingCount != WAITING_MAX) store<u32>(waiting + (waitingCount++ << 2), at);
}

function mark(at: u32, bit: u8): void {
  store<u8>(marks + at, load<u8>(marks + at) | bit);
}

/** Whether an instruction that matches, or a system call, begins in the piece and ends behind it. */
export let reachesBeyond: bool = false;

/** Whether the instruction at an offset is to be patched, as far as it alone can tell. */
function isSite(at: u32): bool {
  if (load<u16>(code + at) == SYSCALL_BYTES) return true;
  const place = base + (at as u64);
  return hasMatchers() && (needsBlocks() || hooksWanting(instruction, code + at, place, place, place, false) != 0);
}

/** What each byte of the piece was when its page ran last, as far as that is known; 0 where it does not matter. */
let last: usize = 0;
/** Whether a thread is about to run what is followed. Else it may be code that is gone, and lead to what is in its place. */
let isLive: bool = false;
/** What has been looked at as a whole, and may be followed. */
let wholeStart: u32 = 0;
let wholeEnd: u32 = 0;

/** Whether something was not followed that was not trusted: next time it will not have changed. */
let wasRefused: bool = false;

/** Whether the instruction at an offset may be taken for one. */
function isTrusted(at: u32): bool {
  if (isLive) return true;
  const isSame =
    wholeEnd != 0 ? at >= wholeStart && at < wholeEnd : memory.compare(code + at, last + at, instruction.length) == 0;
  wasRefused = wasRefused || !isSame;
  return isSame;
}

/** Marks the instruction at an offset; false when it is marked, or cannot be decoded. */
function markInstruction(at: u32): bool {
  const seen = load<u8>(marks + at);
  if (seen & GOES_ON) mark(at, ENTERED);
  if (seen != 0 || decode(code + at, visible - at, changetype<usize>(instruction)) == 0) return false;
  if (at + (instruction.length as u32) > size) {
    reachesBeyond = reachesBeyond || isSite(at);
    return false;
  }
  if (!isTrusted(at)) return false;
  mark(at, STARTS);
  for (let i: u32 = 1; i < (instruction.length as u32); i++) {
    if (load<u8>(marks + at + i) & STARTS) mark(at + i, ENTERED);
    mark(at + i, GOES_ON);
  }
  return true;
}

const INT3: u8 = 0xcc;

/** Of what is called: so many bytes are looked at, of instructions that move something and push nothing. */
const CALLEE_BYTES: u32 = 32;
const callee = memory.data(32, 8);
const moving = changetype<Instruction>(memory.data(offsetof<Instruction>(), 8));

/** The address of an offset that a branch at another one leads to, up to 2 GiB away in either direction. */
function addressFrom(at: u32, target: u32): Address {
  return base + (at as i32 as u64) + ((target - at) as i32 as u64);
}

/** `mov` and `lea` to a register but rsp, or to memory. */
function isMove(): bool {
  if (moving.map != MAP_ONE_BYTE) return false;
  const opcode = moving.opcode;
  const toRegister = opcode == 0x8a || opcode == 0x8b || opcode == 0x8d;
  if (toRegister) return (moving.modrm & 0x38) != 0x20;
  return opcode == 0x88 || opcode == 0x89 || (opcode >= 0xb8 && opcode <= 0xbf) || opcode == 0xc7;
}

/**
 * Whether what is called begins by popping its return address: it never returns there, and there is data for it (Mono's trampolines
 * keep r11 in front of that), or a string.
 */
function popsReturnAddress(at: u32, target: u32): bool {
  const address = addressFrom(at, target);
  if (tryCopyIn(callee, address, CALLEE_BYTES) != 0) return false;
  restoreCopy(callee, address, CALLEE_BYTES);
  for (let at: u32 = 0; decode(callee + at, CALLEE_BYTES - at, changetype<usize>(moving)) != 0; at += moving.length) {
    if (moving.map == MAP_ONE_BYTE && (moving.opcode & 0xf8) == 0x58) return true;
    if (!isMove()) return false;
  }
  return false;
}

/** Whether a branch may lead to an offset from a place that is not known to be code. */
function mayLeadTo(at: u32, target: u32): bool {
  if (target < size) return (load<u8>(marks + target) & GOES_ON) == 0;
  const address = addressFrom(at, target);
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
  return !isOutOfPlace() && (!isRelativeBranch(instruction) || mayLeadTo(at, branchTarget(instruction, code, at)));
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

/** Up to where what lies behind a call has been taken for code. */
let knownEnd: u32 = 0;

/** Whether control goes on behind `instruction`. @param copy its bytes, @param at its offset, which is negative in front of the piece */
function goesOn(copy: usize, at: u32): bool {
  const next = at + instruction.length;
  if (endsFlow(instruction) || load<u8>(copy) == INT3) return false;
  if (!isCall(instruction)) return true;
  if (instruction.flow == FLOW_CALL_RELATIVE && popsReturnAddress(at, branchTarget(instruction, copy - at, at)))
    return false;
  if (next <= knownEnd) return true;
  knownEnd = endOfCode(next);
  return knownEnd > next;
}

/** Follows a branch, if `instruction` is one. Parameters as in `goesOn`. */
function followBranch(copy: usize, at: u32): void {
  if (!isRelativeBranch(instruction)) return;
  const target = branchTarget(instruction, copy - at, at);
  if (target < size) wait(target);
  else if (isLive) rememberTarget(addressFrom(at, target));
  if (target < size && isLive && instruction.flow == FLOW_CALL_RELATIVE) noteProven(target);
}

/** Follows control from an offset to where nothing goes on, or to what has been seen. */
function follow(at: u32): void {
  knownEnd = 0;
  while (at < size && markInstruction(at)) {
    const next = at + instruction.length;
    followBranch(code + at, at);
    if (!goesOn(code + at, at)) return;
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

const former = changetype<Instruction>(memory.data(offsetof<Instruction>(), 8));

/** Whether another function begins in the midst of the instruction at an offset. */
function hidesFrame(at: u32): bool {
  for (let i: u32 = 1; i < (instruction.length as u32); i++) if (setsUpFrame(at + i)) return true;
  return false;
}

/** Whether the instruction at an offset is what it was but for its constants. */
function isSameInstruction(at: u32, end: u32): bool {
  if (decode(last + at, end - at, changetype<usize>(former)) == 0) return false;
  decode(code + at, end - at, changetype<usize>(instruction));
  if (former.length != instruction.length || former.immSize != instruction.immSize) return false;
  const constants = (instruction.immSize as u32) + (instruction.dispSize as u32);
  return memory.compare(code + at, last + at, (instruction.length as u32) - constants) == 0;
}

/** A bit for each byte of the piece: whether a function began there, and ran, when its page ran last. */
const provenLast = memory.data(4096, 8);

function noteProvenLast(address: Address): void {
  const byte = provenLast + (((address - base) as usize) >> 3);
  store<u8>(byte, load<u8>(byte) | ((1 << ((address & 7) as u8)) as u8));
}

function wasProven(at: u32): bool {
  return ((load<u8>(provenLast + (at >> 3)) >> ((at & 7) as u8)) & 1) != 0;
}

/** Whether [start, end) is a function that ran before, and has not been changed since but for its constants. */
function isStillFunction(start: u32, end: u32): bool {
  if (!wasProven(start)) return false;
  for (let at = start; at < end; at += instruction.length) if (!isSameInstruction(at, end)) return false;
  return true;
}

/** Where the function ends that `looksLikeFunction` saw last; and whether anything in it is to be patched. */
let lookedEnd: u32 = 0;
let hasSites: bool = false;

/** Whether what is at an offset up to the next mark looks like a function. */
function looksLikeFunction(start: u32): bool {
  let hasFrame = false;
  let reach = start;
  hasSites = false;
  for (let at = start; at + 8 < size && load<u8>(marks + at) == 0; at += instruction.length) {
    if (!decodeSupposed(at) || hidesFrame(at)) return false;
    hasSites = hasSites || isSite(at);
    if (at - start < FRAME_WITHIN && setsUpFrame(at)) hasFrame = true;
    if (!hasFrame && at - start >= FRAME_WITHIN) return false;
    if (isRelativeBranch(instruction)) {
      const target = branchTarget(instruction, code, at);
      if (target < start) {
        if (load<u8>(marks + target) == 0) return false;
      } else if (target < size && instruction.flow != FLOW_CALL_RELATIVE) reach = max(reach, target);
    }
    lookedEnd = at + (instruction.length as u32);
    if (endsFlow(instruction) && reach < lookedEnd) return hasFrame;
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

function prove(at: u32): void {
  noteProven(at);
  followAll(at);
}

const crossing = memory.data(16, 8);

/** A thread is at an instruction that begins in front of the piece and ends there: what it leads to is followed. */
function proveBehind(address: Address): void {
  if (tryCopyIn(crossing, address, INSTRUCTION_MAX) != 0) return;
  restoreCopy(crossing, address, INSTRUCTION_MAX);
  if (decode(crossing, INSTRUCTION_MAX as u32, changetype<usize>(instruction)) == 0) return;
  const at = (address - base) as u32;
  const next = at + instruction.length;
  followBranch(crossing, at);
  knownEnd = 0;
  if (next != 0 && next < size && goesOn(crossing, at)) wait(next);
  while (waitingCount != 0) prove(load<u32>(waiting + (--waitingCount << 2)));
}

const RET: u8 = 0xc3;
const NOP: u8 = 0x90;
const HLT: u8 = 0xf4;
const front = memory.data(8, 8);

/** The byte in front of an offset; what cannot be read is 0. */
function byteBefore(at: u32): u8 {
  if (at != 0) return load<u8>(code + at - 1);
  store<u8>(front, 0);
  if (tryCopyIn(front, base - 1, 1) == 0) restoreCopy(front, base - 1, 1);
  return load<u8>(front);
}

/** Where the last function ended that was found by its look. */
let foundEnd: u32 = 0;

/** Filling, which all ends in one of these bytes. */
function isFilling(byte: u8): bool {
  return byte == 0 || byte == INT3 || byte == NOP;
}

/** The longest instruction but for one byte: how far in front of an offset one may begin that reaches over it. */
const LEAD: u32 = (INSTRUCTION_MAX as u32) - 1;
const around = memory.data(32, 8);

/** Whether an instruction may begin in front of an offset and end behind it, so that the offset is in a constant. */
function isStraddled(at: u32): bool {
  const from = base + (at as u64) - (LEAD as u64);
  if (tryCopyIn(around, from, LEAD + INSTRUCTION_MAX) != 0) return false;
  restoreCopy(around, from, LEAD + INSTRUCTION_MAX);
  for (let i: u32 = 0; i < LEAD; i++) {
    if (isFilling(load<u8>(around + i))) continue;
    const length = decode(around + i, INSTRUCTION_MAX as u32, changetype<usize>(instruction));
    if (i + length > LEAD) return true;
  }
  return false;
}

/** Functions that nothing leads to begin at multiples of that: others are what an address or a constant looks like by chance. */
const ALIGNMENT: u64 = 16;

/** Whether something ends right in front of an offset: known code, or what may be its end or filling. */
function isBehindEnd(at: u32): bool {
  if (at != 0 && (at == foundEnd || load<u8>(marks + at - 1) != 0)) return true;
  if ((base + (at as u64)) % ALIGNMENT != 0) return false;
  const byte = byteBefore(at);
  return (isFilling(byte) || byte == RET || byte == HLT) && !isStraddled(at);
}

/** Looks for functions in all that was not reached. */
function findFunctions(): void {
  foundEnd = 0;
  memory.fill(provenLast, 0, size >> 3);
  for (let page = base; page < base + (size as u64); page += 4096) forEachProvenLast(page, noteProvenLast);
  for (let at: u32 = 0; at + 16 < size;) {
    if (load<u8>(marks + at) != 0) {
      at += 1;
      continue;
    }
    const start = behindFilling(at);
    if (
      start + 16 >= size ||
      load<u8>(marks + start) != 0 ||
      !(wasProven(start) || isBehindEnd(start)) ||
      !looksLikeFunction(start)
    ) {
      at = max(start, (at | 15) + 1);
      continue;
    }
    at = lookedEnd;
    foundEnd = at;
    if (!hasSites) continue;
    if (isStillFunction(start, lookedEnd)) {
      wholeStart = start;
      wholeEnd = lookedEnd;
      prove(start);
      wholeEnd = 0;
    } else if (supposedCount != SUPPOSED_MAX) store<u32>(supposed + (supposedCount++ << 2), start);
  }
}

/** How many functions are supposed to be there, and where. A trap at their first bytes tells when they run. */
export function countSupposed(): u32 {
  return supposedCount;
}
export function supposedAt(index: u32): Address {
  return base + (load<u32>(supposed + (index << 2)) as u64);
}
/** The same for those that are known to run. */
export function countProven(): u32 {
  return provenCount;
}
export function provenAt(index: u32): Address {
  return base + (load<u32>(proven + (index << 2)) as u64);
}

/**
 * Makes a copy of the piece as it was when it ran last; 0 when the engine's memory is out. A page that is not known to have run has not
 * changed, unless the program may write there while it runs it: then all of it has.
 */
function copyAllLast(): usize {
  const pointer = allocateTemporary(size);
  if (pointer == 0) return 0;
  for (let at: u32 = 0; at < size; at += PAGE_BYTES) {
    if (copyLast(base + (at as u64), pointer + at)) continue;
    memory.copy(pointer + at, code + at, PAGE_BYTES);
    for (let i = at; isChanging && i < at + PAGE_BYTES; i += 8) store<u64>(pointer + i, ~load<u64>(pointer + i));
  }
  return pointer;
}

// ---- What there is

/**
 * Finds the instructions of [start, start + length), at most PIECE_MAX bytes.
 * @param entry the instruction that a thread is at: it is there, ends there, or is elsewhere
 * @param changes whether the program may write there while it runs it. Then functions are not known by their look: HotSpot makes code in
 *   a buffer beside code that runs, and copies it from there
 */
export function openReached(start: Address, length: u32, entry: Address, changes: bool): void {
  base = start;
  size = min(length, PIECE_MAX);
  isOpen = true;
  isChanging = changes;
  reachesBeyond = false;
  waitingCount = 0;
  copyIn(code, base, size);
  visible = size;
  if (length == size && nextSplit(base + (size as u64), base + (size as u64) + (BEYOND as u64))) visible += BEYOND;
  if (visible != size && tryCopyIn(code + size, base + (size as u64), BEYOND) != 0) visible = size;
  restoreCopy(code, base, visible);
  memory.fill(marks, 0, size);
  supposedCount = 0;
  provenCount = 0;
  isLive = true;
  if (entry - base < (size as u64)) prove((entry - base) as u32);
  else if (base - entry < (INSTRUCTION_MAX as u64)) proveBehind(entry);
  isLive = false;
  const looksForFunctions = !changes && hasMatchers();
  const mark = temporaryMark();
  if (looksForFunctions || hasTargets(base, base + (size as u64))) last = copyAllLast();
  for (let page = base; last != 0 && page < base + (size as u64); page += 4096) {
    const ways = targets + setOf(page) * ((WAYS as usize) << 3);
    for (let way: usize = 0; way < (WAYS as usize); way++) {
      const target = load<u64>(ways + (way << 3));
      if (target - page >= 4096) continue;
      wasRefused = false;
      followAll((target - base) as u32);
      if (wasRefused) store<u64>(ways + (way << 3), 0);
    }
  }
  if (last != 0 && looksForFunctions) findFunctions();
  last = 0;
  releaseTemporary(mark);
  listPieces();
}

export function closeReached(): void {
  isOpen = false;
  reachesBeyond = false;
  supposedCount = 0;
  provenCount = 0;
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
