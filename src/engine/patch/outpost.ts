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
//
// Generated code comes and goes, at ever new addresses. When code needs a new outpost, those that no trampoline can reach are
// unmapped: a thread comes to an outpost by a trampoline alone, and a trampoline's memory is free once no thread is in it
// (patch/record.ts, thread/quiescence.ts). All functions expect the caller to hold the engine lock, but for those that ask whether
// a thread is at an island.

import { gateFault, gateInstruction, gateSyscall } from "../gates";
import { DISPATCH_SIZE, dispatchTable } from "../kernel/dispatch-table";
import { isError, syscall2, syscall3 } from "../kernel/calls";
import { SYS_MMAP, SYS_MPROTECT, SYS_MREMAP, SYS_MUNMAP } from "../kernel/numbers";
import { claimMemory, releaseMemory } from "../own-memory";
import { programOwnsGs } from "../thread/gs-base";
import { Address, poke16, poke32, poke64, syscall } from "../process";
import { hasTrampolineIn, noteCode } from "./territory";
import { forEachTrap } from "./traps";

const OUTPOST_SIZE: u64 = DISPATCH_SIZE + 4096;
export const ISLAND_SIZE: u64 = 6;
const INSTRUCTION_ISLAND: u64 = 16;
/** Where in an island's page the address is that it jumps to: aligned, since a program may have set AC in its RFLAGS. */
export const ISLAND_TARGET: u64 = 8;
/** Most outposts at a time. Code that none can be made for gets traps. */
export const OUTPOST_COUNT: u32 = 64;
/** Their addresses, u64 each; 0 where there is none. They do not move: a signal may come between any two reads. */
const outposts = memory.data(512, 8);
/** Which outpost of the process's it is, u32 each: they are counted from 1 on, also those that are gone. */
const serials = memory.data(256, 8);
let built: u32 = 0;

const GIB: u64 = 0x40000000;
const ADDRESS_MIN: u64 = 0x10000;
const ADDRESS_END: u64 = 0x7ffffffff000;

const MREMAP_MAYMOVE_FIXED: u64 = 3;
const MAP_PRIVATE_ANONYMOUS_NOREPLACE: u64 = 0x100022;
const PROT_READ_WRITE: u64 = 3;
const PROT_READ_EXECUTE: u64 = 5;

/** The outpost with this index, which is less than OUTPOST_COUNT; or 0. */
export function outpostAt(index: u32): Address {
  return load<u64>(outposts + (index << 3));
}

/** How many outposts have been built, ever. */
export function countBuilt(): u32 {
  return built;
}

/** As which one the outpost with this index was built. */
export function serialOf(index: u32): u32 {
  return load<u32>(serials + (index << 2));
}

/** The island of an outpost: where the slow path of a trampoline jumps to. */
export function islandOf(outpost: Address): Address {
  return outpost + DISPATCH_SIZE;
}

/** The one of trampolines with hooks. */
export function instructionIslandOf(outpost: Address): Address {
  return islandOf(outpost) + INSTRUCTION_ISLAND;
}

/** Whether a thread was interrupted at an island's jump. */
export function isIsland(rip: Address): bool {
  for (let i: u32 = 0; i < OUTPOST_COUNT; i++) {
    const outpost = outpostAt(i);
    if (outpost != 0 && rip - islandOf(outpost) < ISLAND_SIZE) return true;
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

let low: Address = 0;
let high: Address = 0;
let isReached: bool = false;

function noteTrap(_site: Address, trampoline: Address): void {
  if (trampoline >= low && trampoline <= high) isReached = true;
}

/** Whether there may be a trampoline that leads to an outpost. */
function isInUse(outpost: Address): bool {
  low = reachLow(outpost);
  high = reachHigh(outpost);
  isReached = hasTrampolineIn(low, high);
  if (!isReached) forEachTrap(noteTrap);
  return isReached;
}

/** Unmaps the outposts that are not in use. Where the kernel is out of mappings, which it needs to split one, they stay. */
function releaseUnused(): void {
  for (let i: u32 = 0; i < OUTPOST_COUNT; i++) {
    const outpost = outpostAt(i);
    if (outpost == 0 || isInUse(outpost) || syscall2(SYS_MUNMAP, outpost, OUTPOST_SIZE) != 0) continue;
    releaseMemory(outpost, outpost + OUTPOST_SIZE);
    store<u64>(outposts + (i << 3), 0);
  }
}

/** The first index that no outpost has; OUTPOST_COUNT when there are as many. */
function freeIndex(): u32 {
  let index: u32 = 0;
  while (index < OUTPOST_COUNT && outpostAt(index) != 0) index++;
  return index;
}

/** Builds an outpost in reach of the code in [start, end): outwards from it, below first, for above a heap or the next library may want to grow. */
function buildNear(start: Address, end: Address): Address {
  for (let distance: u64 = 0x200000; distance < GIB; distance += distance / 4) {
    const step = distance & ~0xfff;
    const below = start > step + ADDRESS_MIN ? (start - step) & ~0xfff : 0;
    if (below != 0 && build(below)) return below;
    const above = ((end + 0xfff) & ~0xfff) + step;
    if (above + OUTPOST_SIZE < ADDRESS_END && build(above)) return above;
  }
  return 0;
}

/**
 * An outpost in reach of the code in [start, end), for a plan that is about to begin.
 * @returns its address, or 0 when none can be made there
 */
export function outpostFor(start: Address, end: Address): Address {
  noteCode(start, end);
  for (let i: u32 = 0; i < OUTPOST_COUNT; i++) {
    const outpost = outpostAt(i);
    if (outpost != 0 && isNear(outpost, start, end)) return outpost;
  }
  releaseUnused();
  const index = freeIndex();
  if (index == OUTPOST_COUNT) return 0;
  const outpost = buildNear(start, end);
  if (outpost == 0) return 0;
  built += 1;
  store<u32>(serials + (index << 2), built);
  store<u64>(outposts + (index << 3), outpost);
  return outpost;
}
