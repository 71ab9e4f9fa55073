// The engine's memory for records: what linear memory has beyond the static data.
//
//   __heap_base                                                          end of linear memory
//   | records: grow up, given back one by one to free lists | free | temporary: grows down, released to a mark |
//
// Linear memory has a fixed size and is bss in the launcher, so a page that nothing has used costs nothing. Records
// have few sizes, and each kind keeps a free list of its own; what a plan needs for a moment (copies of code, byte maps)
// comes from the other end and is released at once. Neither end knows who uses it.
//
// Not handled: giving pages back to the kernel, and records of changing size. All functions expect the caller to hold
// the engine lock.

const PAGE_SHIFT = 16;

let lowEnd: usize = 0;
let highStart: usize = 0;

function start(): void {
  if (highStart != 0) return;
  lowEnd = __heap_base;
  highStart = (memory.size() as usize) << PAGE_SHIFT;
}

/** Memory for good, zeroed; 0 when there is no more. `align` is a power of two. */
export function allocate(size: usize, align: usize): usize {
  start();
  const pointer = (lowEnd + align - 1) & ~(align - 1);
  if (pointer > highStart || size > highStart - pointer) return 0;
  lowEnd = pointer + size;
  memory.fill(pointer, 0, size);
  return pointer;
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

/** Where temporary memory stands. */
export function temporaryMark(): usize {
  start();
  return highStart;
}

/** Memory until `releaseTemporary`, not zeroed, aligned to 16; 0 when there is no more. */
export function allocateTemporary(size: usize): usize {
  start();
  if (size > highStart || highStart - size < lowEnd) return 0;
  const pointer = (highStart - size) & ~15;
  if (pointer < lowEnd) return 0;
  highStart = pointer;
  return pointer;
}

/** Releases all temporary memory that was allocated since `mark` was taken. */
export function releaseTemporary(mark: usize): void {
  assert(mark >= highStart, "temporary memory is released twice");
  highStart = mark;
}

/** Bytes that neither end has taken. */
export function remaining(): usize {
  start();
  return highStart - lowEnd;
}
