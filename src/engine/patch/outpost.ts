// Outposts: what trampolines must reach within 2 GiB, wherever in the process they are.
//
//   +0x00000  a view of the dispatch table (64 KiB, r--)
//   +0x10000  one page (r-x) with the island: ff 25 02 00 00 00  jmp *2(%rip)
//                                             00 00
//                                             <gateSyscall: u64>, or gateFault (patch/yield-gs.ts)
//   +0x10010  the island of instructions, likewise  <gateInstruction: u64>
//
// One outpost serves all code within 1 GiB; the planner keeps trampolines within another GiB of it. The view is made
// from the one shared mapping with mremap(old_size = 0), which duplicates it (mm/mremap.c): two mappings an outpost, no
// descriptor, no copy.

import { gateFault, gateInstruction, gateSyscall } from "../gates";
import { DISPATCH_SIZE, dispatchTable } from "../kernel/dispatch-table";
import { isError, syscall2, syscall3 } from "../kernel/calls";
import { SYS_MMAP, SYS_MPROTECT, SYS_MREMAP, SYS_MUNMAP } from "../kernel/numbers";
import { claimMemory } from "../own-memory";
import { programOwnsGs } from "../thread/gs-base";
import { Address, poke16, poke32, poke64, syscall } from "../process";

const OUTPOST_SIZE: u64 = DISPATCH_SIZE + 4096;
export const ISLAND_SIZE: u64 = 6;
const INSTRUCTION_ISLAND: u64 = 16;
/** Where in an island's page the address is that it jumps to: aligned, since a program may have set AC in its RFLAGS. */
export const ISLAND_TARGET: u64 = 8;
const OUTPOST_COUNT: u32 = 64;
const outposts = memory.data(512, 8);
let count: u32 = 0;

const GIB: u64 = 0x40000000;
const ADDRESS_MIN: u64 = 0x10000;
const ADDRESS_END: u64 = 0x7ffffffff000;

const MREMAP_MAYMOVE_FIXED: u64 = 3;
const MAP_PRIVATE_ANONYMOUS_NOREPLACE: u64 = 0x100022;
const PROT_READ_WRITE: u64 = 3;
const PROT_READ_EXECUTE: u64 = 5;

export function outpostCount(): u32 {
  return count;
}
export function outpostAt(index: u32): Address {
  return load<u64>(outposts + (index << 3));
}

/** The island of an outpost: where the slow path of a trampoline jumps to. */
export function islandOf(outpost: Address): Address {
  return outpost + DISPATCH_SIZE;
}

/** The one of trampolines with hooks. */
export function instructionIslandOf(outpost: Address): Address {
  return islandOf(outpost) + INSTRUCTION_ISLAND;
}

export function countOutposts(): u32 {
  return count;
}
/** The island of the outpost with this number. */
export function islandAt(index: u32): Address {
  return islandOf(outpostAt(index));
}

/** Whether a thread was interrupted at an island's jump. */
export function isIsland(rip: Address): bool {
  for (let i: u32 = 0; i < count; i++) {
    const island = islandOf(outpostAt(i));
    if (rip >= island && rip < island + ISLAND_SIZE) return true;
  }
  return false;
}

/** The lowest address from which an outpost's every byte is in reach, with a page to spare; and the highest. */
export function reachLow(outpost: Address): Address {
  const low = outpost + OUTPOST_SIZE;
  return low > 2 * GIB ? low - 2 * GIB + 4096 : ADDRESS_MIN;
}
export function reachHigh(outpost: Address): Address {
  return outpost + 2 * GIB - 4096;
}

function isNear(outpost: Address, start: Address, end: Address): bool {
  return outpost + GIB > end && start + GIB > outpost;
}

/** Whether it was at one of instructions. */
export function isInstructionIsland(rip: Address): bool {
  return isIsland(rip - INSTRUCTION_ISLAND);
}

function buildIsland(island: Address, target: Address): void {
  poke16(island, 0x25ff);
  poke32(island + 2, (ISLAND_TARGET - ISLAND_SIZE) as u32);
  poke64(island + ISLAND_TARGET, target);
}

/** Builds an outpost at an address; false when something is there, or memory is out. */
function build(at: Address): bool {
  const got = syscall(SYS_MMAP, at, OUTPOST_SIZE, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS_NOREPLACE, -1, 0);
  if (isError(got)) return false;
  const island = islandOf(at);
  buildIsland(island, programOwnsGs ? gateFault() : gateSyscall());
  buildIsland(instructionIslandOf(at), gateInstruction());
  const view = syscall(SYS_MREMAP, dispatchTable, 0, DISPATCH_SIZE, MREMAP_MAYMOVE_FIXED, at, 0);
  if (
    !isError(view) &&
    syscall3(SYS_MPROTECT, island, 4096, PROT_READ_EXECUTE) == 0 &&
    claimMemory(at, at + OUTPOST_SIZE)
  )
    return true;
  syscall2(SYS_MUNMAP, at, OUTPOST_SIZE);
  return false;
}

/**
 * An outpost in reach of the code in [start, end).
 * @returns its address, or 0 when none can be made there
 */
export function outpostFor(start: Address, end: Address): Address {
  for (let i: u32 = 0; i < count; i++) if (isNear(outpostAt(i), start, end)) return outpostAt(i);
  if (count == OUTPOST_COUNT) return 0;
  // Outwards from the code, below first: above it a heap or the next library may want to grow.
  for (let distance: u64 = 0x200000; distance < GIB; distance += distance / 4) {
    const step = distance & ~0xfff;
    const below = start > step + ADDRESS_MIN ? (start - step) & ~0xfff : 0;
    const above = ((end + 0xfff) & ~0xfff) + step;
    let place: Address = 0;
    if (below != 0 && build(below)) place = below;
    else if (above + OUTPOST_SIZE < ADDRESS_END && build(above)) place = above;
    if (place == 0) continue;
    store<u64>(outposts + (count << 3), place);
    count += 1;
    return place;
  }
  return 0;
}
