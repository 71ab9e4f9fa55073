// Tactic B0: a site where no jump fits has `ud2` in place of `syscall`; SIGILL leads to its trampoline.
//
// A trapped site needs its trampoline only within reach of an outpost and, for the way back, of itself: the signal gate
// sends the thread there. The trap costs a signal for each execution, and is counted.

import { isError, syscall2, syscall3 } from "../kernel/calls";
import { SYS_MMAP, SYS_MPROTECT, SYS_MUNMAP } from "../kernel/numbers";
import { pageCeil } from "../load/elf";
import { Address, copyOut, syscall } from "../process";
import { countTrap } from "../stats/counters";
import { Context } from "../thread/signal-frame";
import { SYSCALL_SIZE, SYSCALL_TRAMPOLINE_SIZE, emitSyscallTrampoline } from "../thread/trampoline";
import { allocate } from "./arena";
import { islandOf } from "./outpost";

/** `ud2`, little-endian: 0f 0b instead of 0f 05. */
export const TRAP_BYTES: u16 = 0x0b0f;
export const SYSCALL_BYTES: u16 = 0x050f;

const MAP_PRIVATE_ANONYMOUS_NOREPLACE: u64 = 0x100022;
const PROT_READ_WRITE: u64 = 3;
const PROT_READ_EXECUTE: u64 = 5;
/** How far from its site a trapped site's trampoline may be: half of what a rel32 reaches. */
const REACH: u64 = 0x40000000;

/** A trapped site: 0 site, 8 trampoline, 16 next in the bucket. */
@unmanaged
class Trap {
  site: Address;
  trampoline: Address;
  next: usize;
}

const BUCKETS: usize = 256;
const buckets = memory.data(1024, 8);

function bucketOf(site: Address): usize {
  return buckets + ((((site >> 1) ^ (site >> 12)) as usize) % BUCKETS) * 4;
}

const emitted = memory.data(128, 8);

/** Maps pages for the trampolines of `count` trapped sites, in reach of `near`; gives their address or 0. */
function mapTrampolines(near: Address, count: u32): Address {
  const size = pageCeil((count as u64) * (SYSCALL_TRAMPOLINE_SIZE as u64));
  for (let distance: u64 = 0x100000; distance < REACH; distance += distance / 4) {
    const at = (near - distance) & ~0xfff;
    const got = syscall(SYS_MMAP, at, size, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS_NOREPLACE, -1, 0);
    if (!isError(got)) return got as u64;
  }
  return 0;
}

/**
 * Gives trapped sites their trampolines and makes them known; the caller writes the traps. Under the engine lock.
 * @param sites engine pointer of `count` u64
 * @returns false when memory is out: nothing has changed
 */
export function addTraps(sites: usize, count: u32, outpost: Address): bool {
  const place = mapTrampolines(load<u64>(sites), count);
  if (place == 0) return false;
  const size = pageCeil((count as u64) * (SYSCALL_TRAMPOLINE_SIZE as u64));
  for (let i: u32 = 0; i < count; i++) {
    const site = load<u64>(sites + (i << 3));
    const trampoline = place + (i as u64) * (SYSCALL_TRAMPOLINE_SIZE as u64);
    emitSyscallTrampoline(emitted, trampoline, site, outpost, islandOf(outpost), site + SYSCALL_SIZE);
    copyOut(trampoline, emitted, SYSCALL_TRAMPOLINE_SIZE);
    if (!addTrap(site, trampoline)) {
      forgetTraps(load<u64>(sites), site);
      syscall2(SYS_MUNMAP, place, size);
      return false;
    }
  }
  return syscall3(SYS_MPROTECT, place, size, PROT_READ_EXECUTE) == 0;
}

/** The trampoline of a trapped site that holds `rip`, or 0. */
export function findTrapTrampoline(rip: Address): Address {
  for (let i: usize = 0; i < BUCKETS; i++) {
    for (let pointer: usize = load<u32>(buckets + i * 4); pointer != 0;) {
      const trap = changetype<Trap>(pointer);
      if (rip >= trap.trampoline && rip < trap.trampoline + (SYSCALL_TRAMPOLINE_SIZE as u64)) return trap.trampoline;
      pointer = trap.next;
    }
  }
  return 0;
}

/** Makes a trapped site known. Readers need no lock. */
function addTrap(site: Address, trampoline: Address): bool {
  const pointer = allocate(offsetof<Trap>(), 8);
  if (pointer == 0) return false;
  const trap = changetype<Trap>(pointer);
  trap.site = site;
  trap.trampoline = trampoline;
  trap.next = load<u32>(bucketOf(site));
  atomic.store<u32>(bucketOf(site), pointer as u32);
  return true;
}

/** If the context is at a trapped site: goes on in its trampoline. */
export function enterTrap(context: Context): bool {
  for (let pointer: usize = load<u32>(bucketOf(context.rip)); pointer != 0;) {
    const trap = changetype<Trap>(pointer);
    if (trap.site == context.rip) {
      countTrap();
      context.rip = trap.trampoline;
      return true;
    }
    pointer = trap.next;
  }
  return false;
}

/** Forgets the trapped sites in [start, end): their code is gone. Under the engine lock. */
export function forgetTraps(start: Address, end: Address): void {
  for (let i: usize = 0; i < BUCKETS; i++) {
    for (let pointer: usize = load<u32>(buckets + i * 4); pointer != 0;) {
      const trap = changetype<Trap>(pointer);
      if (trap.site >= start && trap.site < end) trap.site = 0;
      pointer = trap.next;
    }
  }
}
