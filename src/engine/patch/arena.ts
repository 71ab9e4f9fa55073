// The engine's memory for records: what linear memory has beyond the static data.
//
//   __heap_base                                                          end of linear memory
//   | records: grow up, given back one by one to free lists | free | temporary: grows down, released to a mark |
//
// Linear memory has a fixed size and is bss in the launcher, so a page that nothing has used costs nothing. Records
// have few sizes, and each kind keeps a free list of its own; what a plan needs for a moment (copies of code, byte maps)
// comes from the other end and is released at once. Neither end knows who uses it.
//
// Plans of instructions by the hundred thousand need more than that: `makeRoom` and `openTemporary` extend either end
// (patch/extension.ts).
//
// Not handled: giving pages of records back to the kernel, and records of changing size. All functions expect the caller
// to hold the engine lock.

import { mapPiece, mapPieceAgain, pieceSize, unmapPiece } from "./extension";

const PAGE_SHIFT = 16;

let lowEnd: usize = 0;
let highStart: usize = 0;
/** Bytes of linear memory that `allocate` leaves. */
let kept: usize = 0;

// The extension for records: used from its end down, so that the next piece, which is mapped below, joins it.
let extensionStart: usize = 0;
let extensionEnd: usize = 0;

function start(): void {
  if (highStart != 0) return;
  lowEnd = __heap_base;
  highStart = (memory.size() as usize) << PAGE_SHIFT;
}

/** Memory for good, zeroed; 0 when there is no more. `align` is a power of two. */
export function allocate(size: usize, align: usize): usize {
  if (size + align <= extensionEnd - extensionStart) {
    extensionEnd = (extensionEnd - size) & ~(align - 1);
    return extensionEnd;
  }
  start();
  const pointer = (lowEnd + align - 1) & ~(align - 1);
  if (pointer > highStart || size + kept > highStart - pointer) return 0;
  lowEnd = pointer + size;
  memory.fill(pointer, 0, size);
  return pointer;
}

/**
 * From here on `allocate` leaves `size` bytes of linear memory to others: 0 for none.
 */
export function keepLinear(size: usize): void {
  kept = size;
}

/** Sees to it that `allocate` has room for `size` bytes in all, beside what is kept; false when there is none. */
export function makeRoom(size: usize): bool {
  start();
  if (size <= extensionEnd - extensionStart) return true;
  const more = pieceSize(size - (extensionEnd - extensionStart));
  const piece = mapPiece(more);
  if (piece == 0) return size + kept <= highStart - lowEnd;
  if (piece + more != extensionStart) extensionEnd = piece + more;
  extensionStart = piece;
  return true;
}

/** Records of one size, a multiple of 4: a free list threaded through the first word of each free record. */
@unmanaged
export class Pool {
  free: usize;
}

/** A zeroed record of `size` bytes, aligned to 8; 0 when there is no more. Each pool has one size. */
export function take(pool: Pool, size: usize): usize {
  const pointer = pool.free;
  if (pointer == 0) return allocate(size, 8);
  pool.free = load<usize>(pointer);
  memory.fill(pointer, 0, size);
  return pointer;
}

/** Puts a record back. */
export function give(pool: Pool, pointer: usize): void {
  assert(pointer != 0, "no record to give back");
  store<usize>(pointer, pool.free);
  pool.free = pointer;
}

// Temporary memory: in linear memory, or in a piece of its own while that is open.
let temporaryPiece: usize = 0;
let temporarySize: usize = 0;
let temporaryStart: usize = 0;
let temporaryEnd: usize = 0;

/** Takes temporary memory from a piece of `size` bytes until `closeTemporary`; false when there is no memory for it. */
export function openTemporary(size: usize): bool {
  size = pieceSize(size);
  if (size > temporarySize) temporaryPiece = mapPiece(size);
  else temporaryPiece = mapPieceAgain(temporaryPiece, temporarySize);
  if (temporaryPiece == 0) {
    temporarySize = 0;
    return false;
  }
  temporarySize = max(size, temporarySize);
  temporaryStart = temporaryPiece;
  temporaryEnd = temporaryPiece + temporarySize;
  return true;
}

/** Unmaps the piece. */
export function closeTemporary(): void {
  unmapPiece(temporaryPiece, temporarySize);
  temporaryStart = 0;
  temporaryEnd = 0;
}

/** Where temporary memory stands. */
export function temporaryMark(): usize {
  start();
  return temporaryEnd != 0 ? temporaryEnd : highStart;
}

/** Memory until `releaseTemporary`, not zeroed, aligned to 16; 0 when there is no more. */
export function allocateTemporary(size: usize): usize {
  start();
  if (temporaryEnd != 0) {
    if (size + 16 > temporaryEnd - temporaryStart) return 0;
    temporaryEnd = (temporaryEnd - size) & ~15;
    return temporaryEnd;
  }
  if (size > highStart || highStart - size < lowEnd) return 0;
  const pointer = (highStart - size) & ~15;
  if (pointer < lowEnd) return 0;
  highStart = pointer;
  return pointer;
}

/** Releases all temporary memory that was allocated since `mark` was taken. */
export function releaseTemporary(mark: usize): void {
  if (temporaryEnd != 0) {
    assert(mark >= temporaryEnd, "temporary memory is released twice");
    temporaryEnd = mark;
    return;
  }
  assert(mark >= highStart, "temporary memory is released twice");
  highStart = mark;
}

/** Bytes that neither end has taken. */
export function remaining(): usize {
  start();
  return highStart - lowEnd;
}
