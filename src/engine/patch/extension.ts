// More memory for the engine: pieces that are mapped when they are needed, in the 4 GiB that an engine pointer can name.
//
// Linear memory is small, since every process has it (docs/architecture.md, "Memory"). Who asks for instructions by the
// hundred thousand needs more: records for good, copies of code while they are planned. Pieces are taken from the top of
// the 4 GiB downwards; areas of threads (thread/areas.ts) grow from linear memory upwards. Each asks the kernel with
// MAP_FIXED_NOREPLACE, so neither has to know of the other, or of what the program has there. Without randomisation the
// kernel puts the launcher 128 MiB below the stack (mmap_base in arch/x86/mm/mmap.c): that is all there is then.
//
// Under the engine lock.

import { addressOf, isError, syscall2 } from "../kernel/calls";
import { EEXIST, EPERM } from "../kernel/errno";
import { SYS_MMAP, SYS_MUNMAP } from "../kernel/numbers";
import { claimMemory, releaseMemory } from "../own-memory";
import { syscall } from "../process";
import { isAvoided } from "./territory";

const PIECE: usize = 0x400000;
const TOP: usize = 0xffc00000;

const PROT_READ_WRITE: u64 = 3;
const MAP_PRIVATE_ANONYMOUS_NOREPLACE: u64 = 0x100022;

/** Pieces are mapped below this. */
let end: usize = TOP;
/** The kernel has said that memory is out, or there is no room. */
let exhausted: bool = false;

/** How big a piece is that has room for `size` bytes. */
export function pieceSize(size: usize): usize {
  return (size + PIECE - 1) & ~(PIECE - 1);
}

/** Maps `size` bytes, a multiple of 4 MiB, below the last piece; gives an engine pointer, or 0. */
export function mapPiece(size: usize): usize {
  const bottom = ((memory.size() as usize) << 16) + PIECE;
  while (!exhausted && end >= bottom + size) {
    const pointer = end - size;
    const address = addressOf(pointer);
    if (!isAvoided(address as i64, (address + size) as i64)) {
      const got = syscall(SYS_MMAP, address, size, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS_NOREPLACE, -1, 0);
      if (got == (address as i64)) {
        end = pointer;
        if (claimMemory(address, address + size)) return pointer;
        syscall2(SYS_MUNMAP, address, size);
        exhausted = true;
      } else if (!isError(got)) syscall2(SYS_MUNMAP, got as u64, size);
      else exhausted = got != -EEXIST && got != -EPERM;
    }
    end -= PIECE;
  }
  return 0;
}

/** Maps a piece again at its place, or elsewhere when there is something by now; gives where, or 0. */
export function mapPieceAgain(pointer: usize, size: usize): usize {
  const address = addressOf(pointer);
  const got = syscall(SYS_MMAP, address, size, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS_NOREPLACE, -1, 0);
  if (got == (address as i64) && claimMemory(address, address + size)) return pointer;
  if (!isError(got)) syscall2(SYS_MUNMAP, got as u64, size);
  return mapPiece(size);
}

/** Unmaps a piece; its place stays taken, for `mapPieceAgain`. */
export function unmapPiece(pointer: usize, size: usize): void {
  const address = addressOf(pointer);
  if (syscall2(SYS_MUNMAP, address, size) != 0) return;
  releaseMemory(address, address + size);
}
