// The program wants gs base for itself: every trampoline goes on without it, and every way in leads to `gateFault`.
//
// A trampoline begins with two stores through gs. `eb 10` in their place jumps over them:
//
//    0  65 48 89 0c 25 <disp32>     eb 10 ...     jmp 18
//    9  65 4c 89 1c 25 <disp32>
//   18  0f b7 c8                    the rest is as it was (thread/trampoline.ts)
//
// The trampoline of an instruction with hooks (patch/instruction-trampoline.ts) gets `f4`, and its hooks are called in the signal
// gate: no register is free there, and the program's registers outlive the instruction.
//
// Threads may be running there, so pages are never written: copies are made, changed, protected and swapped in with one
// mremap each (I5, as in patch/territory.ts). A thread that is between the two stores, or anywhere behind them, goes on
// in the copy as it would have: its own gs base is still the engine's, and changes only in the engine. Which of the two forms
// a trampoline has does not matter to a thread whose gs base is the engine's, so a swap that fails undoes nothing.
//
// All of it happens under the engine lock, with no plan open.

import { isError, syscall2, syscall3 } from "../kernel/calls";
import { ENOMEM } from "../kernel/errno";
import { SYS_MMAP, SYS_MPROTECT, SYS_MREMAP, SYS_MUNMAP } from "../kernel/numbers";
import { gateFault } from "../gates";
import { Address, copyIn, copyOut, poke16, poke64, poke8, syscall } from "../process";
import { programOwnsGs, setProgramOwnsGs } from "../thread/gs-base";
import { SKIP_SAVES } from "../thread/trampoline";
import { behindOf, hasFront } from "./instruction-trampoline";
import { ISLAND_TARGET, OUTPOST_COUNT, islandOf, outpostAt } from "./outpost";
import { Record, SITE } from "./record";
import { PAGE_SHIFT, PAGE_SIZE, SLOT_PAGES, Slot, firstRecord } from "./slot";
import { countSlots, slotAt } from "./territory";
import { forEachTrap } from "./traps";
import { HALT } from "./way-to-hooks";

const PROT_READ_WRITE: u64 = 3;
const PROT_READ_EXECUTE: u64 = 5;
const MAP_PRIVATE_ANONYMOUS: u64 = 0x22;
const MREMAP_MAYMOVE_FIXED: u64 = 3;

const page = memory.data(4096, 16);

/** Maps a copy of live pages, to be changed; gives its address, or 0 when memory is out. */
function copyPages(start: Address, size: u64): Address {
  const got = syscall(SYS_MMAP, 0, size, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0);
  if (isError(got)) return 0;
  for (let offset: u64 = 0; offset < size; offset += PAGE_SIZE) {
    copyIn(page, start + offset, PAGE_SIZE);
    copyOut((got as u64) + offset, page, PAGE_SIZE);
  }
  return got as u64;
}

/** Puts a changed copy in the place of the live pages. */
function swapIn(copy: Address, start: Address, size: u64): bool {
  if (
    syscall3(SYS_MPROTECT, copy, size, PROT_READ_EXECUTE) == 0 &&
    syscall(SYS_MREMAP, copy, size, size, MREMAP_MAYMOVE_FIXED, start, 0) == (start as i64)
  )
    return true;
  syscall2(SYS_MUNMAP, copy, size);
  return false;
}

/** The site trampolines that begin in pages [first, first + count) of a slot. */
function skipSavesInPages(slot: Slot, first: u32, count: u32): bool {
  const start = slot.base + ((first << PAGE_SHIFT) as u64);
  const size = (count << PAGE_SHIFT) as u64;
  const copy = copyPages(start, size);
  if (copy == 0) return false;
  for (let i = first; i < first + count; i++) {
    for (let pointer = firstRecord(slot, i); pointer != 0; pointer = changetype<Record>(pointer).inPage) {
      const record = changetype<Record>(pointer);
      if (record.kind == SITE) poke16(copy + (record.address - start), SKIP_SAVES);
      if (hasFront(record)) poke8(copy + (record.address - start), HALT);
      const behind = behindOf(record);
      if (behind != 0) poke8(copy + (behind - start), HALT);
    }
  }
  return swapIn(copy, start, size);
}

function skipSavesInSlot(slot: Slot): bool {
  for (let first: u32 = 0; first < SLOT_PAGES;) {
    // A trampoline that crosses into the next page keeps that page live, too.
    const count = ctz(~(slot.live >> first)) as u32;
    if (count != 0 && !skipSavesInPages(slot, first, count)) return false;
    first += count + 1;
  }
  return true;
}

let trapsDone: bool = false;

/** A trapped site's trampoline: traps are few, so each is swapped alone. */
function skipSavesOfTrap(_site: Address, trampoline: Address): void {
  const start = trampoline & ~((PAGE_SIZE - 1) as u64);
  const size = ((trampoline + 1) & ~((PAGE_SIZE - 1) as u64)) + PAGE_SIZE - start;
  const copy = copyPages(start, size);
  if (copy == 0) {
    trapsDone = false;
    return;
  }
  poke16(copy + (trampoline - start), SKIP_SAVES);
  if (!swapIn(copy, start, size)) trapsDone = false;
}

function redirectIsland(island: Address): bool {
  const copy = copyPages(island, PAGE_SIZE);
  if (copy == 0) return false;
  poke64(copy + ISLAND_TARGET, gateFault());
  return swapIn(copy, island, PAGE_SIZE);
}

/** Leaves gs base to the program. Under the engine lock. Gives 0, or -ENOMEM: gs base is the engine's as before. */
export function yieldGs(): i64 {
  if (programOwnsGs) return 0;
  for (let index: u32 = 0; index < countSlots(); index++) if (!skipSavesInSlot(slotAt(index))) return -ENOMEM;
  trapsDone = true;
  forEachTrap(skipSavesOfTrap);
  if (!trapsDone) return -ENOMEM;
  for (let i: u32 = 0; i < OUTPOST_COUNT; i++)
    if (outpostAt(i) != 0 && !redirectIsland(islandOf(outpostAt(i)))) return -ENOMEM;
  setProgramOwnsGs();
  return 0;
}
