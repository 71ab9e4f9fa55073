// Private copies of pages that the program shares with a file or another process: those are what may be patched (I9).

import { isError, syscall2, syscall3 } from "../kernel/calls";
import { SYS_MMAP, SYS_MPROTECT, SYS_MREMAP, SYS_MUNMAP } from "../kernel/numbers";
import { Address, copyIn, copyOut, syscall } from "../process";

const PROT_READ_WRITE: u64 = 3;
const MAP_PRIVATE_ANONYMOUS: u64 = 0x22;
const MREMAP_MAYMOVE: u64 = 1;
const MREMAP_MAYMOVE_FIXED: u64 = 3;

/** Whether a page is mapped shared: only such memory can be mapped a second time by an old size of 0 (mm/mremap.c). */
function isShared(page: Address): bool {
  const second = syscall(SYS_MREMAP, page, 0, 4096, MREMAP_MAYMOVE, 0, 0);
  if (isError(second)) return false;
  syscall2(SYS_MUNMAP, second as u64, 4096);
  return true;
}

const pageCopy = memory.data(4096, 8);

/** Puts a private copy in the place of shared pages, so that no file and no other process ever changes (I9). */
export function makePrivate(start: Address, size: u64, readable: u64): bool {
  if (!isShared(start) && !isShared(start + size - 4096)) return true;
  const copy = syscall(SYS_MMAP, 0, size, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0);
  if (isError(copy)) return false;
  for (let at: u64 = 0; at < size; at += 4096) {
    copyIn(pageCopy, start + at, 4096);
    copyOut((copy as u64) + at, pageCopy, 4096);
  }
  if (
    syscall3(SYS_MPROTECT, copy as u64, size, readable) == 0 &&
    syscall(SYS_MREMAP, copy as u64, size, size, MREMAP_MAYMOVE_FIXED, start, 0) == (start as i64)
  )
    return true;
  syscall2(SYS_MUNMAP, copy as u64, size);
  return false;
}
