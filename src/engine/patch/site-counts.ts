// The counts of `--count-sites`: a region of memory for each window of code (patch/window.ts), a word for each of its sites, and
// where each site is in its file. They stay when their code goes: what was counted is said when the process ends.
//
//   counts   u64 each, up to a page's end     zero in the child of a fork
//   places   u64 each: the site's address in its file's own terms, 0 for what is no site

import { isError, syscall2, syscall3 } from "../kernel/calls";
import { SYS_MADVISE, SYS_MMAP, SYS_MUNMAP } from "../kernel/numbers";
import { pageCeil } from "../load/elf";
import { claimMemory, releaseMemory } from "../own-memory";
import { Address, peek64, poke64, syscall } from "../process";
import { allocate } from "./arena";
import { mappingFile } from "./mapping";

const PROT_READ_WRITE: u64 = 3;
const MAP_PRIVATE_ANONYMOUS: u64 = 0x22;
const MADV_DONTNEED: u64 = 4;

@unmanaged
class Region {
  counts: Address;
  places: Address;
  end: Address;
  count: u32;
  /** What is added to the file's own addresses in this process. */
  bias: u64;
  /** Engine pointer of the file's path. */
  file: usize;
  next: usize;
  padding: u32;
}

/** The newest of those that are kept. */
let regions: usize = 0;
/** The region of the window that is being planned, or 0. */
let open: usize = 0;

/** Makes room for `count` sites of code that is `bias` from where its file has it; false when memory is out. */
export function openCounts(count: u32, bias: u64): bool {
  const pointer = allocate(offsetof<Region>(), 8);
  if (pointer == 0) return false;
  const countsSize = pageCeil((count as u64) << 3);
  const size = 2 * countsSize;
  const got = syscall(SYS_MMAP, 0, size, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0);
  if (isError(got)) return false;
  if (!claimMemory(got as u64, (got as u64) + size)) {
    syscall2(SYS_MUNMAP, got as u64, size);
    return false;
  }
  const region = changetype<Region>(pointer);
  region.counts = got as u64;
  region.places = region.counts + countsSize;
  region.end = region.counts + size;
  region.count = count;
  region.bias = bias;
  region.file = mappingFile();
  open = pointer;
  return true;
}

/** Says where the site with a number is; gives the address of its count. */
export function placeCount(index: u32, address: u64): Address {
  poke64(changetype<Region>(open).places + ((index as u64) << 3), address);
  return countAt(index);
}

/** The address of a count of the open region; 0 when none is open. */
export function countAt(index: u32): Address {
  return open == 0 ? 0 : changetype<Region>(open).counts + ((index as u64) << 3);
}

/** The window's trampolines are in the process. */
export function keepCounts(): void {
  if (open == 0) return;
  changetype<Region>(open).next = regions;
  regions = open;
  open = 0;
}

/** They are not, and never will be. */
export function dropCounts(): void {
  if (open == 0) return;
  const region = changetype<Region>(open);
  if (syscall2(SYS_MUNMAP, region.counts, region.end - region.counts) == 0) releaseMemory(region.counts, region.end);
  open = 0;
}

/** In the child of a fork that copied memory. */
export function clearCounts(): void {
  for (let pointer = regions; pointer != 0; pointer = changetype<Region>(pointer).next) {
    const region = changetype<Region>(pointer);
    syscall3(SYS_MADVISE, region.counts, region.places - region.counts, MADV_DONTNEED);
  }
}

/** Calls `visit` for each site that was executed: its file's path, where that is loaded, the site's place there, and how often. */
export function forEachCount(visit: (file: usize, bias: u64, address: u64, count: u64) => void): void {
  for (let pointer = regions; pointer != 0; pointer = changetype<Region>(pointer).next) {
    const region = changetype<Region>(pointer);
    for (let i: u64 = 0; i < (region.count as u64); i++) {
      const count = peek64(region.counts + (i << 3));
      if (count != 0) visit(region.file, region.bias, peek64(region.places + (i << 3)), count);
    }
  }
}
