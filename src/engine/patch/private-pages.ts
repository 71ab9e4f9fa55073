// Private copies of pages that the program shares with a file or another process: those are what may be patched (I9).
//
// Not where the program may write what it runs through another view of the same object, as compilers do (.NET): a copy would go
// on showing what there was. Once something has been mapped shared through a descriptor that can be written, shared code
// stays as it is here; memory files are split (jit/views.ts).

import { isError, syscall2, syscall3 } from "../kernel/calls";
import { SYS_MMAP, SYS_MPROTECT, SYS_MREMAP, SYS_MUNMAP } from "../kernel/numbers";
import { isFiltered, mayCall } from "../seccomp/filters";
import { Address, copyIn, copyOut, syscall } from "../process";

const PAGE_SIZE: u64 = 4096;
const PROT_READ_WRITE: u64 = 3;
const MAP_PRIVATE_ANONYMOUS: u64 = 0x22;
const MREMAP_MAYMOVE: u64 = 1;
const MREMAP_MAYMOVE_FIXED: u64 = 3;

/** Whether the program's filters let the engine find out. */
function mayLook(page: Address): bool {
  return !isFiltered || mayCall(SYS_MREMAP, page, 0, PAGE_SIZE, MREMAP_MAYMOVE, 0, 0);
}

let hasWritableViews: bool = false;

/** The program has mapped something shared through a descriptor that can be written. */
export function noteWritableView(): void {
  hasWritableViews = true;
}

/** Maps shared memory a second time, and nothing else: that is what an old size of 0 does (mm/mremap.c). @returns where, or an error */
export function mapAgain(start: Address, size: u64): i64 {
  return syscall(SYS_MREMAP, start, 0, size, MREMAP_MAYMOVE, 0, 0);
}

/** Whether a page is mapped shared. */
export function isShared(page: Address): bool {
  const second = mapAgain(page, PAGE_SIZE);
  if (isError(second)) return false;
  syscall2(SYS_MUNMAP, second as u64, PAGE_SIZE);
  return true;
}

const pageCopy = memory.data(4096, 8);

/**
 * Puts private copies of pages in their place, in one step: who reads there sees no other bytes.
 * @param readable the protection that they get
 * @returns false when the kernel refuses; nothing has changed then
 */
export function replaceByCopies(start: Address, size: u64, readable: u64): bool {
  const copy = syscall(SYS_MMAP, 0, size, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0);
  if (isError(copy)) return false;
  for (let at: u64 = 0; at < size; at += 4096) {
    copyIn(pageCopy, start + at, PAGE_SIZE as usize);
    copyOut((copy as u64) + at, pageCopy, PAGE_SIZE as usize);
  }
  if (
    syscall3(SYS_MPROTECT, copy as u64, size, readable) == 0 &&
    syscall(SYS_MREMAP, copy as u64, size, size, MREMAP_MAYMOVE_FIXED, start, 0) == (start as i64)
  )
    return true;
  syscall2(SYS_MUNMAP, copy as u64, size);
  return false;
}

/** Puts a private copy in the place of shared pages, so that no file and no other process ever changes (I9). */
export function makePrivate(start: Address, size: u64, readable: u64): bool {
  if (!mayLook(start)) return false;
  if (!isShared(start) && !isShared(start + size - PAGE_SIZE)) return true;
  return !hasWritableViews && replaceByCopies(start, size, readable);
}
