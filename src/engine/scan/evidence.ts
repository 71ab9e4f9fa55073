// Is a candidate code? Decoding from many starts in front of it votes.
//
// x86 code resynchronises: linear decoding that starts in the middle of an instruction falls in with the true boundaries
// after a few. If nearly all starts from 96 to 33 bytes in front of the candidate come to an instruction that begins
// exactly there, it is a `syscall`; if nearly all step over it, its bytes are inside another instruction. What is neither
// is doubtful: there is data near.
//
// A table can win such a vote by chance. So an instruction on the winning path must set eax to a call's number; or, where
// none does (`syscall(3)`, Go's wrappers), the path must be long and free of instructions that only tables have.
//
// Paths from different starts soon meet, so each instruction is decoded once. Most candidates need five starts: all of
// these come to the candidate, and past the number.
//
// Where instructions start around a site, which tactics need that evict them, is a second question: it is asked only for
// the sites whose tactics go that far.

import {
  ENCODING_LEGACY,
  FLOW_JUMP_INDIRECT,
  FLOW_JUMP_RELATIVE,
  FLOW_RETURN,
  FLOW_STOP,
  Instruction,
  MAP_0F,
  MAP_ONE_BYTE,
  PREFIX_ES,
  PREFIX_OPERAND_SIZE,
  PREFIX_SS,
} from "../x86/instruction";
import { Address } from "../process";
import { decode } from "../x86/decode";

/** How far in front of a candidate decoding starts, and how much room it has to resynchronise. */
const FAR: u32 = 96;
const NEAR: u32 = 33;
/** Distance of one start from the next: no power of two, since tables have such periods. */
const STRIDE: u32 = 3;
/** Where the few starts are that suffice when they agree and the number is set, and how many of them must come through. */
const FAR_OBVIOUS: u32 = 36;
const NEAR_OBVIOUS: u32 = 24;
const VOTERS_OBVIOUS: u32 = 3;
/** Where the first start is when the instruction starts in front of a site are looked for. */
const FAR_FRONT: u32 = 66;
/** How far for a candidate whose number nothing sets, and how long its path must be. */
const FAR_ALONE: u32 = 192;
const LONG_ALONE: u32 = 160;
/** How many instructions behind a candidate must decode. */
const FOLLOWERS: u32 = 12;
/** How near to a candidate, in bytes, its number is set; and what is above every number (x32's bit is not). */
const NUMBER_NEAR: u32 = 48;
const NUMBER_MAX: u32 = 0x400;
/** Fewest starts whose decoding comes through for a vote. */
const VOTERS_MIN: u32 = 4;

export const EVIDENCE_CODE: u32 = 0;
export const EVIDENCE_INTERIOR: u32 = 1;
export const EVIDENCE_DOUBTFUL: u32 = 2;

/** Why the last candidate that was doubtful is, and what voted on it: for those who explain it (inspection.ts). */
export let doubt: u32 = 0;
export let doubtHits: u32 = 0;
export let doubtSkips: u32 = 0;
const DOUBT_FEW: u32 = 1;
const DOUBT_SPLIT: u32 = 2;
const DOUBT_IMPLAUSIBLE: u32 = 3;
const DOUBT_SHORT: u32 = 4;
const DOUBT_FOLLOWERS: u32 = 5;

const REACH_INVALID: u8 = 0;
const REACH_HIT: u8 = 1;
const REACH_SKIP: u8 = 2;
/** No path has come here. */
const REACH_UNKNOWN: u8 = 3;

const instruction = changetype<Instruction>(memory.data(offsetof<Instruction>(), 8));
const reach = memory.data(256, 8);
const lengths = memory.data(256, 8);
const visits = memory.data(1024, 8);

function endsFlow(flow: u8): bool {
  return flow == FLOW_JUMP_RELATIVE || flow == FLOW_JUMP_INDIRECT || flow == FLOW_RETURN || flow == FLOW_STOP;
}

/**
 * Opcodes of the one-byte map that compilers do not use near a system call and that tables and random bytes are full of:
 * one bit each, from 00 to ff. `add %al,(%rax)` (two zero bytes) is looked at apart; `hlt` is plausible, since it ends
 * glibc's `_exit`.
 *
 *   26 36 es and ss prefixes   6c-6f ins, outs   8c 8e mov sreg     9b wait, 9e 9f sahf, lahf   c8 enter
 *   ca cb cf far ret, iret     cd int            d7 xlat            d8 da-df x87 (contexts: d9)  e0-e3 loop, jrcxz
 *   e4-e7 ec-ef in, out        f1 int1           f5 cmc             fa fb cli, sti
 */
const IMPLAUSIBLE: StaticArray<u32> = [
  0x00000000, 0x00400040, 0x00000000, 0x0000f000, 0xc8005000, 0x00000000, 0xfd80ad00, 0x0c22f0ff,
];

function isImplausible(code: usize, offset: u32): bool {
  if (instruction.prefixes & (PREFIX_ES | PREFIX_SS)) return true;
  if (instruction.map != MAP_ONE_BYTE || instruction.encoding != ENCODING_LEGACY) return false;
  const opcode = instruction.opcode as u32;
  if (opcode == 0) return load<u16>(code + offset) == 0;
  return ((unchecked(IMPLAUSIBLE[opcode >> 5]) >> (opcode & 31)) & 1) != 0;
}

/** Whether what follows the candidate decodes, until control certainly leaves. */
function followersDecode(code: usize, size: u32, offset: u32): bool {
  for (let i: u32 = 0; i < FOLLOWERS && offset < size; i++) {
    const length = decode(code + offset, size - offset, changetype<usize>(instruction));
    // Cut off by the end of the copy is not invalid.
    if (length == 0) return size - offset < 15;
    if (isImplausible(code, offset)) return false;
    if (endsFlow(instruction.flow)) return true;
    offset += length;
  }
  return true;
}

/** Whether unbroken plausible code of LONG_ALONE bytes comes to the candidate, or all that there is room for. */
function comesFromFar(): bool {
  const room = span < FAR_ALONE ? NEAR : FAR_ALONE - LONG_ALONE;
  for (let i: u32 = 0; i <= room && i <= last; i += STRIDE) if (load<u8>(reach + i) == REACH_HIT) return true;
  return false;
}

/** What decoding from the starts in front of a candidate came to. */
let hits: u32 = 0;
let skips: u32 = 0;
/** Offset of the first start, the number of bytes from it to the candidate, and the last start's index. */
let first: u32 = 0;
let span: u32 = 0;
let last: u32 = 0;

/** Offsets of the path that is being followed. */
const path = memory.data(256, 8);

/** Follows decoding from one start to the candidate, or to what is known already; gives REACH_*. */
function follow(code: usize, size: u32, start: u32, strict: bool): u8 {
  let at = start;
  let depth: usize = 0;
  let answer = REACH_UNKNOWN;
  while (answer == REACH_UNKNOWN) {
    store<u8>(path + depth++, at);
    const length = decode(code + first + at, size - (first + at), changetype<usize>(instruction));
    store<u8>(lengths + at, length);
    if (length == 0 || (strict && isImplausible(code, first + at))) answer = REACH_INVALID;
    else if (at + length > span) answer = REACH_SKIP;
    else {
      at += length;
      answer = load<u8>(reach + at);
    }
  }
  while (depth-- > 0) store<u8>(reach + load<u8>(path + depth), answer);
  return answer;
}

/** Decodes from the starts, `far` to `near` bytes in front; `strict` lets implausible instructions end a path. */
function vote(code: usize, size: u32, offset: u32, far: u32, near: u32, strict: bool): void {
  first = offset > far ? offset - far : 0;
  span = offset - first;
  memory.fill(reach, REACH_UNKNOWN, span);
  store<u8>(reach + span, REACH_HIT);
  // Near the start of a mapping there is less room; then every start counts that is there.
  last = span > near ? span - near : span > 0 ? span - 1 : 0;
  hits = 0;
  skips = 0;
  for (let start: u32 = 0; start <= last; start += STRIDE) {
    let answer = load<u8>(reach + start);
    if (answer == REACH_UNKNOWN) answer = follow(code, size, start, strict);
    if (answer == REACH_HIT) hits++;
    else if (answer == REACH_SKIP) skips++;
  }
}

/** Whether an instruction gives eax a system call's number: `mov $n,%eax`, `mov $n,%rax`. Tables do not do that. */
export function movesNumber(bytes: usize): bool {
  if (load<u8>(bytes) == 0xb8) return load<u32>(bytes, 1) < NUMBER_MAX;
  return load<u8>(bytes) == 0x48 && load<u16>(bytes, 1) == 0xc0c7 && load<u32>(bytes, 3) < NUMBER_MAX;
}

/**
 * The same for an instruction on a path that won a vote: `push $n; pop %rax`, too, which is one of 65,536 by chance.
 * (`xor %eax,%eax` is two bytes: too likely even there.)
 */
function setsNumberAt(bytes: usize): bool {
  return movesNumber(bytes) || (load<u8>(bytes) == 0x6a && load<u8>(bytes, 2) == 0x58);
}

/**
 * Whether decoding from any instruction close in front that moves a system call's number to eax comes to the candidate,
 * whatever the votes say.
 */
export function isNumbered(code: usize, size: u32, offset: u32): bool {
  for (let back: u32 = 2; back <= NUMBER_NEAR && back <= offset; back++) {
    if (!movesNumber(code + offset - back)) continue;
    let at = offset - back;
    while (at < offset) {
      const length = decode(code + at, size - at, changetype<usize>(instruction));
      if (length == 0) break;
      at += length;
    }
    if (at == offset) return true;
  }
  return false;
}

/** Whether an instruction on the winning path, close to the candidate, gives eax a system call's number. */
function setsNumber(code: usize): bool {
  let at: u32 = 0;
  while (at < span && load<u8>(reach + at) != REACH_HIT) at++;
  while (at < span) {
    if (at + NUMBER_NEAR >= span && setsNumberAt(code + first + at)) return true;
    at += load<u8>(lengths + at);
  }
  return false;
}

/** Whether the nearest starts alone make the candidate a system call: all of them come to it, past its number. */
function isObvious(code: usize, size: u32, offset: u32): bool {
  vote(code, size, offset, FAR_OBVIOUS, NEAR_OBVIOUS, false);
  return skips == 0 && hits >= VOTERS_OBVIOUS && setsNumber(code);
}

function doubtful(why: u32): u32 {
  doubt = why;
  doubtHits = hits;
  doubtSkips = skips;
  return EVIDENCE_DOUBTFUL;
}

/**
 * Weighs one candidate, `0f 05`.
 * @param code copy of the code around it, `size` bytes, @param offset where the candidate is in it
 * @returns EVIDENCE_*
 */
export function weigh(code: usize, size: u32, offset: u32): u32 {
  if (isObvious(code, size, offset)) return EVIDENCE_CODE;
  vote(code, size, offset, FAR, NEAR, false);
  const few = hits + skips < VOTERS_MIN && span >= FAR;
  if (!few && skips * 4 >= (hits + skips) * 3 && skips != 0) return EVIDENCE_INTERIOR;
  if (few) return doubtful(DOUBT_FEW);
  if (hits * 4 < (hits + skips) * 3) return doubtful(DOUBT_SPLIT);
  if (setsNumber(code)) return EVIDENCE_CODE;
  // Among random bytes, decoding ends soon at something invalid or implausible. In code one path comes from far away.
  vote(code, size, offset, FAR_ALONE, NEAR, true);
  if (hits * 4 < (hits + skips) * 3) return doubtful(DOUBT_IMPLAUSIBLE);
  if (!comesFromFar()) return doubtful(DOUBT_SHORT);
  return followersDecode(code, size, offset + 2) ? EVIDENCE_CODE : doubtful(DOUBT_FOLLOWERS);
}

/**
 * Marks where instructions start in front of a site: the starts that three quarters of the voters agree on. Nothing is
 * marked where the voters do not come to the site, which is then proven otherwise (patch/verdict.ts).
 * @param boundary gets a 1 for each byte of `code` at which an instruction starts
 */
export function markFront(code: usize, size: u32, offset: u32, boundary: usize): void {
  vote(code, size, offset, FAR_FRONT, NEAR, false);
  if (hits < VOTERS_MIN || hits * 4 < (hits + skips) * 3) return;
  memory.fill(visits, 0, ((span + 1) as usize) << 2);
  for (let i: u32 = 0; i < span; i++) {
    if (load<u8>(reach + i) != REACH_HIT) continue;
    const here = visits + (i << 2);
    if (i <= last && i % STRIDE == 0) store<u32>(here, load<u32>(here) + 1);
    const next = visits + ((i + load<u8>(lengths + i)) << 2);
    store<u32>(next, load<u32>(next) + load<u32>(here));
    if (i > last && load<u32>(here) * 4 >= hits * 3) store<u8>(boundary + first + i, 1);
  }
}

/**
 * Marks where instructions start from a site on, as far as control must come from it: at most `count` behind the site.
 * Where control leaves, the padding up to the next function counts too.
 */
export function markBehind(code: usize, size: u32, offset: u32, boundary: usize, address: Address, count: u32): void {
  let at = offset;
  for (let i: u32 = 0; at < size; i++) {
    store<u8>(boundary + at, 1);
    if (i == count) return;
    const length = decode(code + at, size - at, changetype<usize>(instruction));
    if (length == 0) return;
    at += length;
    if (endsFlow(instruction.flow)) return markPadding(code, size, at, boundary, address + ((at - offset) as u64));
  }
}

const INT3: u8 = 0xcc;

/** Whether a decoded instruction is one that assemblers and linkers fill the space between functions with. */
export function isPadding(code: usize, instruction: Instruction): bool {
  if (load<u8>(code) == INT3) return true;
  // nop, xchg %ax,%ax and the multi-byte nops of SDM volume 2, "NOP".
  if (instruction.map == MAP_0F) return instruction.opcode == 0x1f;
  const isPlain = (instruction.prefixes & ~PREFIX_OPERAND_SIZE) == 0 && instruction.rex == 0;
  return instruction.map == MAP_ONE_BYTE && instruction.opcode == 0x90 && isPlain;
}

/** Marks the padding between the end of a function, at `address`, and the next multiple of 16: never run, good to evict. */
function markPadding(code: usize, size: u32, offset: u32, boundary: usize, address: Address): void {
  const end = offset + (((16 - (address & 15)) as u32) % 16);
  if (end >= size) return;
  let next = offset;
  while (next < end) {
    const length = decode(code + next, size - next, changetype<usize>(instruction));
    if (length == 0 || !isPadding(code + next, instruction)) return;
    next += length;
  }
  if (next != end) return;
  for (let at = offset; at < end;) {
    store<u8>(boundary + at, 1);
    at += decode(code + at, size - at, changetype<usize>(instruction));
  }
  store<u8>(boundary + end, 1);
}
