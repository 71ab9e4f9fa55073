// The tactics of E9Patch: ways to lead one instruction, the site, to its trampoline without moving anything else.
// Duck, Gao, Roychoudhury, "Binary Rewriting without Control Flow Recovery", PLDI 2020, sections 3 and 4.
//
//   B1  direct jump          5 bytes or more: a jump that can go anywhere
//   B2  punning              the bytes behind the site stay, and are the high bytes of rel32
//   T1  padding              prefixes before the jump move rel32 on to other bytes
//   T2  successor eviction   the next instruction becomes a jump too: both choose the bytes they share
//   T3  neighbour eviction   a short jump to a jump inside another instruction, which becomes a jump itself
//   B0  trap                 the caller's: none of the above fits
//
// All tactics are tried in pages that the plan already uses before any may open another page, and so on to new slots
// (patch/territory.ts): a libc has 500 sites of 2 bytes, and the punned places of each are 4 or 20 MB away, on pages of
// their own; with T2 they all fit in a few slots, for one more jump behind the `syscall`. A tactic takes what it needs
// and changes the cluster's copy only when it succeeds.
//
// Sites are planned back to front, so bytes behind the site are final where they are locked, and free otherwise.

import { FLOW_CALL_INDIRECT, FLOW_CALL_RELATIVE, INSTRUCTION_MAX, Instruction } from "../x86/instruction";
import { Cluster, decodeVictim, fillingBehind, isEnteredAtStart, staysCall } from "./cluster";
import {
  CALL_OPCODE,
  Jump,
  PREFIX_COUNT,
  isPossible,
  jumpEnd,
  prefixByte,
  reachOfJump,
  setJump,
  writeJump,
} from "./jump";
import { LOCK_DEPENDED, LOCK_FILLING, LOCK_FREE, LOCK_PENDING, LOCK_WRITTEN, lock, locksOf, unlock } from "./locks";
import {
  Moved,
  Pair,
  addRecord,
  findPlanned,
  newestRecord,
  placePair,
  placeSite,
  secondHasChance,
  setMoved,
} from "./placement";
import { Address } from "../process";
import { Reach, setWindows } from "./reach";
import { ENTERED_BY_CALL, RELAY, Record, SITE, VICTIM } from "./record";
import { JUMP_SIZE, endsFlow, relocatedSize } from "./relocate";
import { offersMore } from "./search";
import {
  BESIDE,
  MAPPED,
  NEW,
  OPEN,
  WRITABLE,
  hasManySlotsLeft,
  hasSlotsToSpare,
  isInBulk,
  spareTerritory,
} from "./territory";

export const TACTIC_B0: u8 = 0;
export const TACTIC_B1: u8 = 1;
export const TACTIC_B2: u8 = 2;
export const TACTIC_T1: u8 = 3;
export const TACTIC_T2: u8 = 4;
export const TACTIC_T3: u8 = 5;

/** The site that is planned. */
@unmanaged
export class Site {
  cluster: Cluster;
  instruction: Instruction;
  moved: Moved;
  offset: u32;
  length: u32;
}

const site = changetype<Site>(memory.data(offsetof<Site>(), 8));
const siteMoved = changetype<Moved>(memory.data(offsetof<Moved>(), 8));
const victimMoved = changetype<Moved>(memory.data(offsetof<Moved>(), 8));
const victimInstruction = changetype<Instruction>(memory.data(offsetof<Instruction>(), 8));
const jump = changetype<Jump>(memory.data(offsetof<Jump>(), 8));
const siteJump = changetype<Jump>(memory.data(offsetof<Jump>(), 8));
const victimJump = changetype<Jump>(memory.data(offsetof<Jump>(), 8));
const pair = changetype<Pair>(memory.data(offsetof<Pair>(), 8));
const reach = changetype<Reach>(memory.data(offsetof<Reach>(), 8));

/** Table index of the plan's `Explore` (patch/cluster.ts); 0 when all instruction starts are marked. */
let explorer: u32 = 0;

export function setExplorer(index: u32): void {
  explorer = index;
}

let hasRelays: bool = true;
let hasTraps: bool = true;

/**
 * Whether T3, and traps for instructions, may be used: not in code that is changed while it runs. A thread that the kernel interrupts
 * between the two jumps of a T3 is in the middle of what was the victim. And compilers call their own functions by `call *%reg`, which
 * has no other tactic as often as not: HotSpot spent most of its time in such traps.
 */
export function allowRelaysAndTraps(relays: bool, traps: bool): void {
  hasRelays = relays;
  hasTraps = traps;
}

/**
 * Plans one site: tries the tactics in order of what they cost, and gives the one that fitted, or TACTIC_B0.
 * @param isOne it is one of millions: what is left of the directory of slots is not for its puns
 */
export function planSite(
  cluster: Cluster,
  offset: u32,
  instruction: Instruction,
  trampolineSize: u32,
  isOne: bool,
): u8 {
  if (!beginSite(cluster, offset, instruction, trampolineSize)) return TACTIC_B0;
  if (isInBulk()) {
    // One behind the other, and not into the gaps that puns have left.
    if (site.length >= JUMP_SIZE)
      return directJump(WRITABLE) || directJump(BESIDE) || directJump(NEW) ? TACTIC_B1 : TACTIC_B0;
    spareTerritory(isOne);
    let tactic = planInstruction();
    if (tactic == TACTIC_B0) tactic = planStubbornInstruction();
    spareTerritory(false);
    return tactic;
  }
  for (let memory = OPEN; memory <= BESIDE; memory++) {
    if (!offersMore(memory)) continue;
    if (directJump(memory)) return TACTIC_B1;
    if (pun(memory)) return TACTIC_B2;
    if (padding(memory)) return TACTIC_T1;
    if (evictSuccessor(memory)) return TACTIC_T2;
  }
  if (directJump(NEW)) return TACTIC_B1;
  if (site.length > 2 && pun(NEW)) return TACTIC_B2; // 64 KiB or more to choose from: others will join it there
  for (let memory = OPEN; memory <= BESIDE; memory++) {
    if (offersMore(memory) && evictNeighbour(memory)) return TACTIC_T3;
  }
  if (evictSuccessor(NEW)) return TACTIC_T2;
  if (pun(NEW)) return TACTIC_B2;
  if (padding(NEW)) return TACTIC_T1;
  if (evictNeighbour(NEW)) return TACTIC_T3;
  return TACTIC_B0;
}

/**
 * The forms of the tactics that fit nearly every site of a plan in bulk, each with few attempts. Slots are cheap here, but what runs
 * together should lie together: a trampoline on a page of its own costs each execution more than one more jump does.
 */
function planInstruction(): u8 {
  if (site.length == 3 && evictIntoNearby()) return TACTIC_T2;
  for (let memory = site.length == 2 ? WRITABLE : OPEN; memory <= WRITABLE; memory++) {
    if (pun(memory)) return TACTIC_B2;
    if (site.length == 4 && memory == WRITABLE && hasManySlotsLeft() && pun(NEW)) return TACTIC_B2;
    if (padding(memory)) return TACTIC_T1;
    if (evictPlainSuccessor(memory)) return TACTIC_T2;
  }
  if (site.length > 2 && hasManySlotsLeft() && pun(NEW)) return TACTIC_B2;
  if (evictLongNeighbour(WRITABLE)) return TACTIC_T3;
  if (hasManySlotsLeft() && evictPlainSuccessor(BESIDE)) return TACTIC_T2;
  if (!hasSlotsToSpare()) return TACTIC_B0;
  return evictLongNeighbour(BESIDE) || evictLongNeighbour(NEW) ? TACTIC_T3 : TACTIC_B0;
}

/** T2 of a site of three bytes, whose places are few, but near those of its neighbours. */
function evictIntoNearby(): bool {
  if (evictPlainSuccessor(OPEN) || evictPlainSuccessor(WRITABLE)) return true;
  return hasManySlotsLeft() && evictPlainSuccessor(NEW);
}

/** All forms of the tactics: a slot that a site opens for itself is the last thing to be asked for. */
function planStubbornInstruction(): u8 {
  const hasSlots = hasSlotsToSpare();
  for (let memory = WRITABLE; memory <= (hasSlots ? BESIDE : MAPPED); memory++) {
    if (!offersMore(memory)) continue;
    if (evictSuccessor(memory)) return TACTIC_T2;
    if (evictNeighbour(memory)) return TACTIC_T3;
  }
  if (!hasSlots) return TACTIC_B0;
  if (pun(NEW)) return TACTIC_B2;
  if (padding(NEW)) return TACTIC_T1;
  if (evictSuccessor(NEW)) return TACTIC_T2;
  if (evictNeighbour(NEW)) return TACTIC_T3;
  for (let memory = MAPPED; memory <= NEW; memory++) if (useRemainder(memory)) return TACTIC_T3;
  return TACTIC_B0;
}

/** Offset of the instruction that an offset is in; -1 when none is known. */
function startOfInstruction(cluster: Cluster, offset: u32): i32 {
  for (let back: u32 = 0; back < (INSTRUCTION_MAX as u32) && back <= offset; back++)
    if (load<u8>(cluster.boundary + offset - back) != 0) return (offset - back) as i32;
  return -1;
}

//            0  1 |        40 41 42 43 44 45 46 47 |
//   before  0f 05 |  ...   e9 .. .. .. .. ff ff ff |      syscall | an instruction that is patched already: nobody comes
//   T3      eb 43 |  ...   e9 .. .. .. .. e9 xx xx |      jmp 45  | to its last bytes; 45: jmp: rel32 = 0x....xxxx
function relayBehindJump(relay: u32, memory: u32): bool {
  const cluster = site.cluster;
  if (load<u8>(cluster.locks + relay) != LOCK_FREE || !shortJumpFits(relay)) return false;
  const start = startOfInstruction(cluster, relay);
  if (start < 0 || (start as u32) == relay || (load<u8>(cluster.locks + start) & LOCK_WRITTEN) == 0) return false;
  // Without a record of this plan it is a byte that an earlier one depends on.
  const pointer = findPlanned(cluster.address + (start as u64));
  if (pointer == 0) return false;
  const owner = changetype<Record>(pointer);
  const end = (start as u32) + (owner.length as u32);
  setJump(siteJump, relay, 0, end);
  if (relay >= end || jumpEnd(siteJump) > (start as u32) + PATCH_MAX || !isPossible(cluster, siteJump)) return false;
  if (locksOf(cluster.locks, relay, min(end, jumpEnd(siteJump)) - relay) != LOCK_FREE) return false;
  reachOfJump(cluster, siteJump, reach);
  const target = placeSite(siteMoved, reach, memory);
  if (target == 0 || !settleRelay(relay)) return false;
  owner.locked = max(owner.locked as u32, jumpEnd(siteJump) - (start as u32)) as u8;
  writeJump(cluster, siteJump, target);
  writeShortJump(relay);
  return true;
}

/** T3 in what a patch has left of its instruction. */
function useRemainder(memory: u32): bool {
  if (!hasRelays) return false;
  const low = site.offset + 2 > SHORT_BACK ? site.offset + 2 - SHORT_BACK : 0;
  const end = min(site.offset + 2 + SHORT_FORTH, site.cluster.size);
  for (let relay = low; relay < end; relay++) if (relayBehindJump(relay, memory)) return true;
  return false;
}

/** Invalid in 64-bit mode (SDM volume 2, appendix A, table A-2): one byte, so that it fits every instruction. */
export const TRAP_BYTE: u8 = 0x06;

/**
 * Plans a trap for an instruction that no tactic fits: its trampoline lies anywhere in reach of what it needs.
 * @returns false when its first byte must stay as it is
 */
export function planTrap(cluster: Cluster, offset: u32, instruction: Instruction, trampolineSize: u32): bool {
  if (!hasTraps || (locksOf(cluster.locks, offset, 1) & (LOCK_WRITTEN | LOCK_DEPENDED)) != 0) return false;
  site.cluster = cluster;
  site.instruction = instruction;
  site.offset = offset;
  site.length = instruction.length;
  const address = cluster.address + (offset as u64);
  setMoved(siteMoved, SITE, instruction, cluster.code + offset, address, trampolineSize);
  setWindows(reach, address as i64, 0, 4, 0, 0);
  let target: Address = 0;
  for (let memory = OPEN; target == 0 && memory <= NEW; memory++) target = placeSite(siteMoved, reach, memory);
  if (target == 0) return false;
  settleSite(TACTIC_B0, offset + 1);
  store<u8>(cluster.code + offset, TRAP_BYTE);
  lock(cluster.locks, offset, 1, LOCK_WRITTEN);
  return true;
}

function beginSite(cluster: Cluster, offset: u32, instruction: Instruction, trampolineSize: u32): bool {
  const length = instruction.length as u32;
  if (!isEnteredAtStart(cluster, offset, instruction)) return false;
  if ((locksOf(cluster.locks, offset, length) & (LOCK_WRITTEN | LOCK_DEPENDED)) != 0) return false;
  site.cluster = cluster;
  site.instruction = instruction;
  site.moved = siteMoved;
  site.offset = offset;
  const address = cluster.address + (offset as u64);
  setMoved(siteMoved, SITE, instruction, cluster.code + offset, address, trampolineSize);
  siteMoved.length += fillingBehind(cluster, offset, instruction);
  site.length = siteMoved.length;
  return true;
}

/** The record of the site that a placement has just made; the newest but for what its stub or pair added. */
function siteRecord(): Record {
  let pointer = newestRecord();
  while (changetype<Record>(pointer).kind != SITE) pointer = changetype<Record>(pointer).inPage;
  return changetype<Record>(pointer);
}

function victimRecord(): Record {
  let pointer = newestRecord();
  while (changetype<Record>(pointer).kind != VICTIM) pointer = changetype<Record>(pointer).inPage;
  return changetype<Record>(pointer);
}

/** The site's bytes are about to be written. */
function settleSite(tactic: u8, end: u32): void {
  unlock(site.cluster.locks, site.offset, site.length, LOCK_PENDING);
  const record = siteRecord();
  record.tactic = tactic;
  record.locked = (end - site.offset) as u8;
}

/** A jump in the site's place that disturbs nothing else. */
function jumpAlone(tactic: u8, memory: u32): bool {
  if (!isPossible(site.cluster, jump)) return false;
  reachOfJump(site.cluster, jump, reach);
  const target = placeSite(siteMoved, reach, memory);
  if (target == 0) return false;
  settleSite(tactic, jumpEnd(jump));
  if (jump.opcode == CALL_OPCODE) siteRecord().entry = ENTERED_BY_CALL;
  writeJump(site.cluster, jump, target);
  return true;
}

//            0  1  2  3  4  5  6
//   before  48 8d 35 .. .. .. ..     lea    ..(%rip),%rsi
//   B1      e9 xx xx xx xx .. ..     jmp: any rel32                  the last 2 bytes stay, and are not locked
//
//   before  ff 15 .. .. .. ..        call   *..(%rip)
//   B1      48 e8 xx xx xx xx        call: any rel32                 the return address stays right
function directJump(memory: u32): bool {
  if (site.length < JUMP_SIZE) return false;
  setJump(jump, site.offset, 0, site.offset + site.length);
  const flow = site.instruction.flow;
  if (flow == FLOW_CALL_RELATIVE || flow == FLOW_CALL_INDIRECT) {
    jump.opcode = CALL_OPCODE;
    jump.padding = site.length - JUMP_SIZE;
  }
  return jumpAlone(TACTIC_B1, memory);
}

//            0  1  2 | 3  4  5
//   before  48 89 03 |48 83 c4 ..    mov    %rax,(%rbx) | add    $..,%rsp
//   B2      e9 xx xx |48 83          jmp: rel32 = 0x8348xxxx         locks 3..4
function pun(memory: u32): bool {
  if (site.length >= JUMP_SIZE) return false;
  setJump(jump, site.offset, 0, site.offset + site.length);
  return jumpAlone(TACTIC_B2, memory);
}

//            0  1  2 | 3  4  5
//   before  48 89 03 |48 83 c4 ..    mov    %rax,(%rbx) | add    $..,%rsp
//   T1      48 e9 xx |48 83 c4       jmp: rel32 = 0xc48348xx         locks 3..5
function padding(memory: u32): bool {
  for (let count: u32 = 1; count < site.length; count++) {
    setJump(jump, site.offset, count, site.offset + site.length);
    if (jumpEnd(jump) <= site.offset + site.length) continue; // as good as B1, which has failed
    if (jumpAlone(TACTIC_T1, memory)) return true;
  }
  return false;
}

/** The victim is a call: its jump is one, too, and has no prefix, or it would push another address. */
let victimStaysCall: bool = false;

function setVictimJump(offset: u32, padding: u32, freeEnd: u32): bool {
  setJump(victimJump, offset, padding, freeEnd);
  if (victimStaysCall) victimJump.opcode = CALL_OPCODE;
  return !victimStaysCall || padding == 0;
}

/** The victim's bytes up to `end` are written, or the pun of the last jump in it depends on them. */
function settleVictim(end: u32): void {
  const record = victimRecord();
  record.locked = (end - victimJump.offset) as u8;
  if (victimStaysCall) record.entry = ENTERED_BY_CALL;
}

/** Decodes a victim and what its trampoline needs. */
function beginVictim(offset: u32): bool {
  const cluster = site.cluster;
  if (!decodeVictim(cluster, offset, victimInstruction, isInBulk())) return false;
  victimStaysCall = staysCall(victimInstruction);
  let size = JUMP_SIZE;
  if (!victimStaysCall) size = relocatedSize(victimInstruction) + (endsFlow(victimInstruction) ? 0 : JUMP_SIZE);
  const address = cluster.address + (offset as u64);
  setMoved(victimMoved, VICTIM, victimInstruction, cluster.code + offset, address, size);
  victimMoved.length += fillingBehind(cluster, offset, victimInstruction);
  return true;
}

/** Tries a pair with each prefix byte that its second jump can have: the byte is part of the first one's rel32. */
function placeWithPrefixes(first: Jump, second: Jump, memory: u32): bool {
  if (!isPossible(site.cluster, first) || !isPossible(site.cluster, second)) return false;
  pair.cluster = changetype<usize>(site.cluster);
  pair.first = changetype<usize>(first);
  pair.second = changetype<usize>(second);
  if (!secondHasChance(pair, memory)) return false;
  const overlaps = jumpEnd(first) > second.offset;
  // Other prefixes open other places, each 16 MiB or more from the next: no use in pages that happen to be open.
  const choices: u32 = second.padding != 0 && overlaps && memory >= MAPPED ? PREFIX_COUNT : 1;
  for (let i: u32 = 0; i < choices; i++) {
    second.prefix = prefixByte(i);
    if (placePair(pair, memory)) return true;
  }
  return false;
}

/** Most prefixes that a jump of a pair is padded with: more only repeat what a longer pun gives. */
const PAIR_PADDING_MAX: u32 = 3;

//            0  1 | 2  3  4  5  6  7 |
//   before  0f 05 |48 3d 01 f0 ff ff |     syscall | cmp    $-4095,%rax
//   T2      e9 xx |e9 ss ss yy yy ff |     jmp: rel32 = 0xsssse9xx | jmp: rel32 = 0xyyyyssss
//                                          locks nothing beyond what it writes
function evictSuccessor(memory: u32): bool {
  if (!beginSuccessor()) return false;
  for (let count: u32 = 0; count < site.length; count++) {
    for (let victimCount: u32 = 0; victimCount <= min(PAIR_PADDING_MAX, victimMoved.length - 1); victimCount++) {
      if (evictWith(count, victimCount, memory)) return true;
    }
  }
  return false;
}

/** T2 where it most likely fits: without prefixes. */
function evictPlainSuccessor(memory: u32): bool {
  return beginSuccessor() && evictWith(0, 0, memory);
}

function beginSuccessor(): bool {
  if (site.length >= JUMP_SIZE || !beginVictim(site.offset + site.length)) return false;
  pair.firstMoved = changetype<usize>(siteMoved);
  pair.secondMoved = changetype<usize>(victimMoved);
  return true;
}

function evictWith(count: u32, victimCount: u32, memory: u32): bool {
  const successor = site.offset + site.length;
  setJump(siteJump, site.offset, count, successor);
  if (!setVictimJump(successor, victimCount, successor + victimMoved.length)) return false;
  if (!placeWithPrefixes(siteJump, victimJump, memory)) return false;
  settleSite(TACTIC_T2, jumpEnd(siteJump));
  settleVictim(jumpEnd(victimJump));
  writeJump(site.cluster, victimJump, pair.secondTarget);
  writeJump(site.cluster, siteJump, pair.firstTarget);
  return true;
}

/** How far a short jump reaches from its end. */
const SHORT_BACK: u32 = 128;
const SHORT_FORTH: u32 = 127;

/** Offset in the cluster that a short jump at the site leads to with a given rel8. */
function shortJumpFits(target: u32): bool {
  const end = site.offset + 2;
  if (target > end + SHORT_FORTH || target + SHORT_BACK < end) return false;
  if (site.length >= 2) return true;
  // A site of one byte has no rel8 of its own: it is a pun as well.
  if (end > site.cluster.size) return false;
  if ((locksOf(site.cluster.locks, site.offset + 1, 1) & LOCK_PENDING) != 0) return false;
  return end + (load<i8>(site.cluster.code + site.offset + 1) as u32) == target;
}

function writeShortJump(target: u32): void {
  // eb <rel8>          jmp    relay
  const cluster = site.cluster;
  const rel8 = (target - (site.offset + 2)) as u8;
  store<u8>(cluster.code + site.offset, 0xeb);
  if (site.length >= 2) store<u8>(cluster.code + site.offset + 1, rel8);
  else assert(load<u8>(cluster.code + site.offset + 1) == rel8, "a short jump does not fit its pun");
  const own = min(site.length, 2);
  lock(cluster.locks, site.offset, own, LOCK_WRITTEN);
  lock(cluster.locks, site.offset + own, 2 - own, LOCK_DEPENDED);
}

/** Most bytes that a patch writes or depends on, from its instruction's first on: what is kept of it (patch/record.ts). */
const PATCH_MAX: u32 = 16;

/** Most prefixes of a relay and of its victim's jump. */
const RELAY_PADDING_MAX: u32 = 3;

//            0  1 |        40 41 42 43 44 45 46 |
//   before  0f 05 |  ...   48 8d 35 .. .. .. .. |      syscall | lea    ..(%rip),%rsi
//   T3      eb 28 |  ...   e9 xx e9 ss ss yy yy |      jmp 42 | jmp: rel32 = 0xsssse9xx
//                                |                     42: jmp: rel32 = 0xyyyyssss
function relayAt(victim: u32, relay: u32, count: u32, relayCount: u32, memory: u32): bool {
  if (!setVictimJump(victim, count, relay)) return false;
  setJump(siteJump, relay, relayCount, victim + victimMoved.length);
  if (jumpEnd(siteJump) > victim + PATCH_MAX) return false;
  if (!placeWithPrefixes(victimJump, siteJump, memory)) return false;
  if (!settleRelay(relay)) return false;
  settleVictim(jumpEnd(siteJump));
  writeJump(site.cluster, siteJump, pair.secondTarget);
  writeJump(site.cluster, victimJump, pair.firstTarget);
  writeShortJump(relay);
  return true;
}

function settleRelay(relay: u32): bool {
  const record = addRecord(siteMoved, RELAY);
  if (record == 0) return false;
  changetype<Record>(record).address = site.cluster.address + (relay as u64);
  changetype<Record>(record).size = 0;
  settleSite(TACTIC_T3, site.offset + 2);
  return true;
}

function relayThrough(victim: u32, relay: u32, memory: u32): bool {
  const victimEnd = victim + victimMoved.length;
  for (let count: u32 = 0; count <= min(RELAY_PADDING_MAX, relay - victim - 1); count++) {
    for (let relayCount: u32 = 0; relayCount <= min(RELAY_PADDING_MAX, victimEnd - relay - 1); relayCount++) {
      if (relayAt(victim, relay, count, relayCount, memory)) return true;
    }
  }
  return false;
}

function evictNeighbourAt(victim: u32, memory: u32): bool {
  if (load<u8>(site.cluster.boundary + victim) == 0 || !beginVictim(victim)) return false;
  pair.firstMoved = changetype<usize>(victimMoved);
  pair.secondMoved = changetype<usize>(siteMoved);
  for (let inner: u32 = victimMoved.length - 1; inner > 0; inner--) {
    if (shortJumpFits(victim + inner) && relayThrough(victim, victim + inner, memory)) return true;
  }
  return false;
}

/** Where in a victim the relay leaves both jumps the widest choice: one window in each slot (patch/reach.ts). */
const RELAY_INNER: u32 = 2;
/** A victim in which all of the relay's rel32 is free. */
const LONG_VICTIM: u32 = RELAY_INNER + JUMP_SIZE;

/** T3 where it most likely fits: in a long victim, without prefixes. */
function evictLongNeighbour(memory: u32): bool {
  if (site.length < 2 || !hasRelays) return false;
  const cluster = site.cluster;
  const lowest = site.offset + 2 > SHORT_BACK + RELAY_INNER ? site.offset + 2 - SHORT_BACK - RELAY_INNER : 0;
  const end = min(site.offset + 2 + SHORT_FORTH - RELAY_INNER, cluster.size);
  pair.firstMoved = changetype<usize>(victimMoved);
  pair.secondMoved = changetype<usize>(siteMoved);
  let next = end;
  for (let victim = end; victim-- > lowest;) {
    if (load<u8>(cluster.boundary + victim) == 0) continue;
    const length = next - victim;
    const isBeforeFilling = next < end && load<u8>(cluster.locks + next) == LOCK_FILLING;
    next = victim;
    if (length < LONG_VICTIM && !isBeforeFilling) continue;
    if (load<u8>(cluster.locks + victim) != LOCK_FREE || !beginVictim(victim)) continue;
    if (victimMoved.length < LONG_VICTIM || !shortJumpFits(victim + RELAY_INNER)) continue;
    if (relayAt(victim, victim + RELAY_INNER, 0, 0, memory)) return true;
  }
  return false;
}

function evictNeighbour(memory: u32): bool {
  if (!hasRelays) return false;
  if (explorer != 0 && memory == OPEN) call_indirect<void>(explorer, changetype<usize>(site.cluster), site.offset);
  // Behind the site first: what is before it is other sites' successors. The rel8 of a site of one byte is its successor's
  // first byte, which stays.
  const end = min(site.offset + 2 + SHORT_FORTH, site.cluster.size);
  for (let victim = site.offset + max(site.length, 2); victim < end; victim++) {
    if (evictNeighbourAt(victim, memory)) return true;
  }
  const most = min(site.offset, SHORT_BACK + 13);
  for (let back: u32 = 1; back <= most; back++) if (evictNeighbourAt(site.offset - back, memory)) return true;
  return false;
}
