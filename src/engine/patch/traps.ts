// Tactic B0: a site where no jump fits has `ud2` in place of `syscall`; SIGILL leads to its trampoline.
//
// A trapped site needs its trampoline only within reach of an outpost, not of the site: the signal gate sends the thread
// there. The trap costs a signal for each execution, and is counted.

import { Address } from "../process";
import { Context } from "../thread/signal-frame";
import { countTrap } from "../stats/counters";
import { allocate } from "./arena";

/** `ud2`, little-endian: 0f 0b instead of 0f 05. */
export const TRAP_BYTES: u16 = 0x0b0f;

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

/** Makes a trapped site known. Under the engine lock; readers need none. */
export function addTrap(site: Address, trampoline: Address): bool {
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
