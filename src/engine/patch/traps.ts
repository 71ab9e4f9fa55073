// Tactic B0: a site where no jump fits has `ud2` in place of `syscall`; SIGILL leads to its trampoline.
//
// A trapped site needs its trampoline only within reach of an outpost and, for the way back, of itself: the signal gate
// sends the thread there. Where there is no memory for a trampoline, the thread goes straight to the gate, which every trap
// can reach: a site stays as it is only when its page cannot be written. The trap costs a signal for each execution, which
// its site counts: the statistics name the hottest ones, also when their code is gone.

import { isError, syscall2, syscall3 } from "../kernel/calls";
import { SYS_MMAP, SYS_MPROTECT, SYS_MUNMAP } from "../kernel/numbers";
import { pageCeil } from "../load/elf";
import { claimMemory, releaseMemory } from "../own-memory";
import { Address, copyOut, syscall, tryCopyIn } from "../process";
import { gateTrap } from "../gates";
import { findDormant } from "../jit/dormant";
import { hasMatchers } from "../match";
import { STATS_NONE, statsMode } from "../options";
import { countInstructionTrap } from "../stats/counters";
import { ThreadBlock } from "../thread/block";
import { lockEngine, unlockEngine } from "../thread/lock";
import { Context } from "../thread/signal-frame";
import { SYSCALL_SIZE, SYSCALL_TRAMPOLINE_SIZE, emitSyscallTrampoline } from "../thread/trampoline";
import { allocate } from "./arena";
import { isAvoided } from "./territory";
import { fileOffsetOf, mappingFile } from "./mapping";
import { islandOf } from "./outpost";
import { Record, findInstruction, findRetired } from "./record";
import { TACTIC_B0 } from "./tactics";

/** `ud2`, little-endian: 0f 0b instead of 0f 05. */
export const TRAP_BYTES: u16 = 0x0b0f;
export const SYSCALL_BYTES: u16 = 0x050f;

const MAP_PRIVATE_ANONYMOUS_NOREPLACE: u64 = 0x100022;
const PROT_READ_WRITE: u64 = 3;
const PROT_READ_EXECUTE: u64 = 5;
/** How far from its site a trapped site's trampoline may be: half of what a rel32 reaches. */
const REACH: u64 = 0x40000000;

/** A trapped site. */
@unmanaged
export class Trap {
  site: Address;
  /** 0 when there is none. */
  trampoline: Address;
  /** How often it was executed. */
  executed: u64;
  /** Its place in its file, if anybody will ask: an offset, and an engine pointer of the path, or 0. */
  offset: u64;
  file: usize;
  next: usize;
  /** 1 when its code is gone. */
  gone: u32;
  padding: u32;
}

const BUCKETS: usize = 256;
const buckets = memory.data(1024, 8);

function bucketOf(site: Address): usize {
  return buckets + ((((site >> 1) ^ (site >> 12)) as usize) % BUCKETS) * 4;
}

/** Traps that are gone, and have no trampoline: generated code comes and goes, at ever new addresses. So many of them are remembered. */
const GONE_MAX: u32 = 1024;
let goneCount: u32 = 0;
/** The bucket that the next one to be forgotten is looked for in; and how often those that were forgotten had been executed. */
let sweep: usize = 0;
let executedBefore: u64 = 0;
/** Whether there may have been a trap anywhere. */
let areForgotten: bool = false;

const emitted = memory.data(128, 8);

function mapAt(address: Address, size: u64): bool {
  if (isAvoided(address as i64, (address + size) as i64)) return false;
  if (isError(syscall(SYS_MMAP, address, size, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS_NOREPLACE, -1, 0))) return false;
  if (claimMemory(address, address + size)) return true;
  syscall2(SYS_MUNMAP, address, size);
  return false;
}

/** Maps pages for the trampolines of `count` trapped sites, in reach of `near`, below it if possible; gives their address or 0. */
function mapTrampolines(near: Address, count: u32): Address {
  const size = pageCeil((count as u64) * (SYSCALL_TRAMPOLINE_SIZE as u64));
  for (let distance: u64 = 0x100000; distance < REACH; distance += distance / 4) {
    const below = (near - distance) & ~0xfff;
    if (mapAt(below, size)) return below;
    const above = (near + distance) & ~0xfff;
    if (mapAt(above, size)) return above;
  }
  return 0;
}

/** Makes the trampolines of `count` sites; gives the address of the first, or 0 when memory is out. */
function makeTrampolines(sites: usize, count: u32, outpost: Address): Address {
  const place = mapTrampolines(load<u64>(sites), count);
  if (place == 0) return 0;
  for (let i: u32 = 0; i < count; i++) {
    const site = load<u64>(sites + (i << 3));
    const trampoline = place + (i as u64) * (SYSCALL_TRAMPOLINE_SIZE as u64);
    emitSyscallTrampoline(emitted, trampoline, site, outpost, islandOf(outpost), site + SYSCALL_SIZE);
    copyOut(trampoline, emitted, SYSCALL_TRAMPOLINE_SIZE);
  }
  const size = pageCeil((count as u64) * (SYSCALL_TRAMPOLINE_SIZE as u64));
  if (syscall3(SYS_MPROTECT, place, size, PROT_READ_EXECUTE) == 0) return place;
  if (syscall2(SYS_MUNMAP, place, size) == 0) releaseMemory(place, place + size);
  return 0;
}

/** Whether all sites have been traps before, with trampolines. */
function haveTrampolines(sites: usize, count: u32): bool {
  for (let i: u32 = 0; i < count; i++) {
    const pointer = findGone(load<u64>(sites + (i << 3)));
    if (pointer == 0) return false;
    if (changetype<Trap>(pointer).trampoline == 0 || !isSameSite(changetype<Trap>(pointer))) return false;
  }
  return true;
}

/**
 * Gives trapped sites their trampolines and makes them known; the caller writes the traps. Under the engine lock.
 * @param sites engine pointer of `count` u64
 * @param outpost in reach of all sites, or 0: they go without trampolines
 * @returns how many there was memory for, the first ones
 */
export function addTraps(sites: usize, count: u32, outpost: Address): u32 {
  const known = haveTrampolines(sites, count);
  const place = known || outpost == 0 ? 0 : makeTrampolines(sites, count, outpost);
  for (let i: u32 = 0; i < count; i++) {
    const trampoline = place == 0 ? 0 : place + (i as u64) * (SYSCALL_TRAMPOLINE_SIZE as u64);
    if (!addTrap(load<u64>(sites + (i << 3)), trampoline)) return i;
  }
  return count;
}

/** Calls `visit` with the site and the trampoline of each trap. */
export function forEachTrap(visit: (site: Address, trampoline: Address) => void): void {
  for (let i: usize = 0; i < BUCKETS; i++) {
    for (let pointer: usize = load<u32>(buckets + i * 4); pointer != 0;) {
      const trap = changetype<Trap>(pointer);
      if (trap.trampoline != 0) visit(trap.site, trap.trampoline);
      pointer = trap.next;
    }
  }
}

/** The trampoline of a trapped site that holds `rip`, or 0. */
export function findTrapTrampoline(rip: Address): Address {
  for (let i: usize = 0; i < BUCKETS; i++) {
    for (let pointer: usize = load<u32>(buckets + i * 4); pointer != 0;) {
      const trap = changetype<Trap>(pointer);
      // Without a trampoline this is the first page, where no code is.
      if (rip - trap.trampoline < (SYSCALL_TRAMPOLINE_SIZE as u64)) return trap.trampoline;
      pointer = trap.next;
    }
  }
  return 0;
}

/** A trap that was at a site before: engine pointer, or 0. */
function findGone(site: Address): usize {
  for (let pointer: usize = load<u32>(bucketOf(site)); pointer != 0;) {
    const trap = changetype<Trap>(pointer);
    if (trap.site == site && trap.gone != 0) return pointer;
    pointer = trap.next;
  }
  return 0;
}

/** Whether a trap that is gone has the name that a site at its address has in the mapping of today. */
function isSameSite(trap: Trap): bool {
  return statsMode == STATS_NONE || (trap.file == mappingFile() && trap.offset == fileOffsetOf(trap.site));
}

/**
 * Takes the oldest trap that is gone out of a bucket, the newest of which is in front: engine pointer, or 0. A reader that is there goes
 * on, and misses others at worst (`wasTrap`).
 */
function takeGoneFrom(bucket: usize): usize {
  let link: usize = 0;
  for (let at = bucket; load<u32>(at) != 0; at = (load<u32>(at) as usize) + offsetof<Trap>("next")) {
    const trap = changetype<Trap>(load<u32>(at) as usize);
    if (trap.gone != 0 && trap.trampoline == 0) link = at;
  }
  if (link == 0) return 0;
  const pointer = load<u32>(link) as usize;
  const trap = changetype<Trap>(pointer);
  atomic.store<u32>(link, trap.next as u32);
  executedBefore += trap.executed;
  goneCount -= 1;
  return pointer;
}

/** Memory for a trap without a trampoline: that of one that is gone, when there are many. 0 when memory is out. */
function takeTrap(): usize {
  if (goneCount < GONE_MAX) return allocate(offsetof<Trap>(), 8);
  areForgotten = true;
  let pointer: usize = 0;
  while (pointer == 0) {
    pointer = takeGoneFrom(buckets + sweep * 4);
    sweep = (sweep + 1) % BUCKETS;
  }
  memory.fill(pointer, 0, offsetof<Trap>());
  return pointer;
}

/** Makes a trapped site known. Readers need no lock. */
function addTrap(site: Address, trampoline: Address): bool {
  const gone = findGone(site);
  if (gone != 0 && isSameSite(changetype<Trap>(gone))) {
    if (changetype<Trap>(gone).trampoline == 0) goneCount -= 1;
    // A trampoline stands for its site, whatever code was there in the meantime.
    if (trampoline != 0) changetype<Trap>(gone).trampoline = trampoline;
    atomic.store<u32>(gone, 0, offsetof<Trap>("gone"));
    return true;
  }
  const pointer = trampoline == 0 ? takeTrap() : allocate(offsetof<Trap>(), 8);
  if (pointer == 0) return false;
  const trap = changetype<Trap>(pointer);
  trap.site = site;
  trap.trampoline = trampoline;
  if (statsMode != STATS_NONE) {
    trap.offset = fileOffsetOf(site);
    trap.file = mappingFile();
  }
  trap.next = load<u32>(bucketOf(site));
  atomic.store<u32>(bucketOf(site), pointer as u32);
  return true;
}

/** Engine pointer of a trapped site, or 0. */
function findTrap(site: Address): usize {
  for (let pointer: usize = load<u32>(bucketOf(site)); pointer != 0;) {
    const trap = changetype<Trap>(pointer);
    if (trap.site == site && trap.gone == 0) return pointer;
    pointer = trap.next;
  }
  return 0;
}

/** Whether a trap is at an address. */
export function isTrapped(site: Address): bool {
  return findTrap(site) != 0;
}

/** The trampoline of a trapped site, or 0. */
export function trapTrampolineOf(site: Address): Address {
  const pointer = findTrap(site);
  return pointer == 0 ? 0 : changetype<Trap>(pointer).trampoline;
}

/**
 * So often in a row a thread is sent back to a place where the trap is gone, since others come to functions of the same page. Beyond
 * that the illegal instruction is the program's own.
 */
const RETRIES_MAX: u32 = 100;

/** Whether a thread that came to a trap, which is not there any more, may look what is there now. */
export function mayRetry(thread: ThreadBlock, address: Address): bool {
  if (thread.retriedAt != address) thread.retries = 0;
  thread.retriedAt = address;
  if (thread.retries == RETRIES_MAX) return false;
  thread.retries += 1;
  return true;
}

/** Whether a trap has become something else since the thread came to it: it goes on at what is there, or as it would have. */
function wasTrap(thread: ThreadBlock, context: Context): bool {
  const address = context.rip;
  lockEngine(thread);
  const isOther = tryCopyIn(trapBytes, address, 2) == 0 && load<u16>(trapBytes) != TRAP_BYTES;
  const wasHere = isOther && (areForgotten || findGone(address) != 0) && mayRetry(thread, address);
  const found = wasHere || findTrap(address) != 0 || (hasMatchers() && enterRetiredTrap(context));
  unlockEngine();
  return found;
}

/**
 * The same for an instruction, whose record is kept while a thread may be at it: its trampoline is still there. The trap itself may be
 * there again.
 */
function enterRetiredTrap(context: Context): bool {
  if (findInstruction(context.rip) != 0) return true;
  const dormant = findDormant(context.rip, TACTIC_B0);
  const pointer = dormant != 0 ? dormant : findRetired(context.rip, TACTIC_B0);
  if (pointer == 0) return false;
  context.rip = changetype<Record>(pointer).address;
  return true;
}
const trapBytes = memory.data(8, 8);

/**
 * The same for an instruction that is no system call: its record says where its trampoline is. Under the engine lock.
 * @returns whether it is trapped
 */
export function enterPatchedTrap(context: Context): bool {
  const pointer = findInstruction(context.rip);
  if (pointer == 0 || changetype<Record>(pointer).tactic != TACTIC_B0) return false;
  context.rip = changetype<Record>(pointer).address;
  changetype<Record>(pointer).companion += 1;
  countInstructionTrap();
  return true;
}

function enterInstructionTrap(thread: ThreadBlock, context: Context): bool {
  if (!hasMatchers()) return false;
  lockEngine(thread);
  const isTrap = enterPatchedTrap(context);
  unlockEngine();
  return isTrap;
}

/** If the context is at a trapped site: goes on in its trampoline, or in the gate. */
export function enterTrap(thread: ThreadBlock, context: Context): bool {
  const site = context.rip;
  const pointer = findTrap(site);
  if (pointer == 0) return enterInstructionTrap(thread, context) || wasTrap(thread, context);
  atomic.add<u64>(pointer + offsetof<Trap>("executed"), 1);
  thread.retries = 0;
  context.rip = changetype<Trap>(pointer).trampoline;
  if (context.rip != 0) return true;
  thread.savedRcx = context.rcx;
  thread.savedR11 = context.r11;
  thread.after = site + SYSCALL_SIZE;
  // In the place of a descriptor (thread/faulted-call.ts).
  context.rcx = 0;
  context.r11 = thread.address;
  context.rip = gateTrap();
  return true;
}

/** Forgets the trapped sites in [start, end): their code is gone. Under the engine lock. */
export function forgetTraps(start: Address, end: Address): void {
  for (let i: usize = 0; i < BUCKETS; i++) {
    for (let pointer: usize = load<u32>(buckets + i * 4); pointer != 0;) {
      const trap = changetype<Trap>(pointer);
      pointer = trap.next;
      if (trap.gone != 0 || trap.site < start || trap.site >= end) continue;
      trap.gone = 1;
      if (trap.trampoline == 0) goneCount += 1;
    }
  }
}

/** Calls `visit` for each trapped site in [start, end). */
export function forEachTrappedSite(start: Address, end: Address, visit: (site: Address) => void): void {
  for (let i: usize = 0; i < BUCKETS; i++) {
    for (let pointer: usize = load<u32>(buckets + i * 4); pointer != 0;) {
      const trap = changetype<Trap>(pointer);
      pointer = trap.next;
      if (trap.gone == 0 && trap.site >= start && trap.site < end) visit(trap.site);
    }
  }
}

/** How often trapped sites were executed. */
export function executedTraps(): u64 {
  let sum = executedBefore;
  for (let i: usize = 0; i < BUCKETS; i++) {
    for (let pointer: usize = load<u32>(buckets + i * 4); pointer != 0; pointer = changetype<Trap>(pointer).next)
      sum += changetype<Trap>(pointer).executed;
  }
  return sum;
}

/** Puts a trap among the hottest, which are `count` so far; gives how many they are then. */
function insertByHeat(hottest: usize, count: u32, most: u32, pointer: usize): u32 {
  const executed = changetype<Trap>(pointer).executed;
  let place = count;
  while (place > 0 && changetype<Trap>(load<u32>(hottest + ((place - 1) << 2))).executed < executed) place--;
  if (place == most) return count;
  const kept = min(count, most - 1);
  memory.copy(hottest + ((place + 1) << 2), hottest + (place << 2), (kept - place) << 2);
  store<u32>(hottest + (place << 2), pointer as u32);
  return kept + 1;
}

/**
 * The trapped sites that were executed most, hottest first.
 * @param hottest gets the engine pointers of at most `most` traps, u32 each
 * @returns how many they are: a site that was never executed is not among them
 */
export function findHottestTraps(hottest: usize, most: u32): u32 {
  let count: u32 = 0;
  for (let i: usize = 0; i < BUCKETS; i++) {
    for (let pointer: usize = load<u32>(buckets + i * 4); pointer != 0; pointer = changetype<Trap>(pointer).next)
      if (changetype<Trap>(pointer).executed != 0) count = insertByHeat(hottest, count, most, pointer);
  }
  return count;
}
