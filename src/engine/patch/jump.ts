// A jump over program bytes, of which some must stay as they are.
//
//    prefixes  e9 <rel32>       prefixes that a near jump ignores; the jump starts where an instruction started
//    |offset        |freeEnd    bytes before freeEnd are ours to choose, the others keep their value: a pun
//
// A pair of jumps shares bytes: the first's rel32 runs into the second's bytes, which are chosen for both at once.
//
//                 0  1 | 2  3  4  5  6  7 |
//   before       0f 05 |48 3d 01 f0 ff ff |      syscall | cmp $-4095,%rax
//   first        e9 aa |e9 ss ss                 jmp: rel32 = 0xsssse9aa
//   second             |e9 ss ss bb bb ff |      jmp: rel32 = 0xbbbbssss
//
// Prefixes are segment overrides and REX, which `jmp rel32` ignores on every AMD64 processor. 66 is none of them: AMD
// honours it and cuts rip to 16 bits (APM volume 3, "JMP (Near)").

import { Cluster } from "./cluster";
import { LOCK_DEPENDED, LOCK_FILLING, LOCK_FREE, LOCK_PENDING, LOCK_WRITTEN, lock, locksOf } from "./locks";
import { Reach, setWindows } from "./reach";

export const JUMP_OPCODE: u8 = 0xe9;
export const CALL_OPCODE: u8 = 0xe8;

/** First prefix of a padded jump: 48 as drawn in the tactics, then whatever a pair needs. */
export const PREFIX_COUNT: u32 = 22;
const FIRST_PREFIX: u8 = 0x48;
const FILL_PREFIX: u8 = 0x2e;

/** The n-th prefix byte that a jump can be padded with: 48, the other REX bytes, segment overrides. */
export function prefixByte(index: u32): u8 {
  if (index < 16) return (0x40 | ((index ^ 8) & 15)) as u8;
  if (index < 20) return (0x26 + ((index - 16) << 3)) as u8; // 26 2e 36 3e
  return (0x64 + index - 20) as u8; // 64 65
}

@unmanaged
export class Jump {
  /** Of the first byte, in the cluster. */
  offset: u32;
  /** Number of prefixes. */
  padding: u32;
  /** Bytes from here on keep their value. */
  freeEnd: u32;
  /** The first prefix. */
  prefix: u8;
  opcode: u8;
}

export function setJump(jump: Jump, offset: u32, padding: u32, freeEnd: u32): void {
  jump.offset = offset;
  jump.padding = padding;
  jump.freeEnd = freeEnd;
  jump.prefix = FIRST_PREFIX;
  jump.opcode = JUMP_OPCODE;
}

function opcodeOffset(jump: Jump): u32 {
  return jump.offset + jump.padding;
}

function rel32Offset(jump: Jump): u32 {
  return jump.offset + jump.padding + 1;
}

/** One past the jump's last byte. */
export function jumpEnd(jump: Jump): u32 {
  return jump.offset + jump.padding + 5;
}

/** Number of a jump's bytes in [start, end). */
function countWithin(start: u32, end: u32, most: u32): u32 {
  return end > start ? min(end - start, most) : 0;
}

/** The prefix or opcode byte at an offset before rel32. */
function headByte(jump: Jump, offset: u32): u8 {
  if (offset == opcodeOffset(jump)) return jump.opcode;
  return offset == jump.offset ? jump.prefix : FILL_PREFIX;
}

/** Whether a jump fits as far as bytes go: its opcode is free, and the bytes that it is punned into are final. */
export function isPossible(cluster: Cluster, jump: Jump): bool {
  if (opcodeOffset(jump) >= jump.freeEnd || jumpEnd(jump) > cluster.size) return false;
  if (jumpEnd(jump) <= jump.freeEnd) return true;
  return (locksOf(cluster.locks, jump.freeEnd, jumpEnd(jump) - jump.freeEnd) & LOCK_PENDING) == 0;
}

/** rel32 bytes from `from` on that keep their value, in place, with zeros before them. */
function givenBytes(cluster: Cluster, jump: Jump, from: u32): u32 {
  let given: u32 = 0;
  for (let i: u32 = from; i < 4; i++) {
    given |= (load<u8>(cluster.code + rel32Offset(jump) + i) as u32) << (8 * i);
  }
  return given;
}

function nextAddress(cluster: Cluster, jump: Jump): i64 {
  return (cluster.address as i64) + jumpEnd(jump);
}

/** Where a jump of its own can go. */
export function reachOfJump(cluster: Cluster, jump: Jump, reach: Reach): void {
  const own = countWithin(rel32Offset(jump), jump.freeEnd, 4);
  setWindows(reach, nextAddress(cluster, jump), givenBytes(cluster, jump, own), own, 0, 0);
}

/** Number of low bytes of the second jump's rel32 that are also bytes of the first one's. */
export function sharedBytes(first: Jump, second: Jump): u32 {
  const shared = countWithin(rel32Offset(second), jumpEnd(first), 4);
  return min(shared, countWithin(rel32Offset(second), second.freeEnd, 4));
}

/** Where the first jump of a pair can go: a window for each value of the shared bytes. */
export function reachOfFirst(cluster: Cluster, first: Jump, second: Jump, reach: Reach): void {
  assert(first.freeEnd == second.offset, "the jumps of a pair adjoin");
  const own = countWithin(rel32Offset(first), first.freeEnd, 4);
  const shared = sharedBytes(first, second);
  const head = min(4 - own, second.padding + 1);
  let given: u32 = givenBytes(cluster, first, own + head + shared);
  for (let i: u32 = own; i < own + head; i++) {
    given |= (headByte(second, rel32Offset(first) + i) as u32) << (8 * i);
  }
  setWindows(reach, nextAddress(cluster, first), given, own, head, shared);
}

/** Where the second jump of a pair can go once the shared bytes have a value. */
export function reachOfSecond(cluster: Cluster, first: Jump, second: Jump, value: u32, reach: Reach): void {
  const shared = sharedBytes(first, second);
  const free = countWithin(rel32Offset(second) + shared, second.freeEnd, 4 - shared);
  const given = givenBytes(cluster, second, shared + free) | value;
  if (shared == 0) setWindows(reach, nextAddress(cluster, second), given, free, 0, 0);
  else setWindows(reach, nextAddress(cluster, second), given, 0, shared, free);
}

function put(cluster: Cluster, offset: u32, value: u8): void {
  assert((locksOf(cluster.locks, offset, 1) & ~LOCK_FILLING) == LOCK_FREE, "a patch writes a byte that is locked");
  store<u8>(cluster.code + offset, value);
}

/** Writes a jump to `target` into the copy, and locks its bytes. The second jump of a pair is written before the first. */
export function writeJump(cluster: Cluster, jump: Jump, target: u64): void {
  const distance = (target as i64) - nextAddress(cluster, jump);
  assert(distance == (distance as i32 as i64), "a jump does not reach its trampoline");
  const written = min(jump.freeEnd, jumpEnd(jump));
  for (let at = jump.offset; at < rel32Offset(jump); at++) put(cluster, at, headByte(jump, at));
  for (let i: u32 = 0; i < 4; i++) {
    const at = rel32Offset(jump) + i;
    const value = ((distance as u32) >> (8 * i)) as u8;
    if (at < jump.freeEnd) put(cluster, at, value);
    else assert(load<u8>(cluster.code + at) == value, "a pun does not fit the bytes that it depends on");
  }
  lock(cluster.locks, jump.offset, written - jump.offset, LOCK_WRITTEN);
  lock(cluster.locks, written, jumpEnd(jump) - written, LOCK_DEPENDED);
}
