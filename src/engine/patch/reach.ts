// The set of addresses that a jump can be made to reach.
//
// A rel32 of which some bytes are free and others are given (by a pun, by an opcode that overlaps it, by a value that
// another jump shares) reaches a regular set: `count` windows of `width` consecutive addresses, `stride` apart.
//
//   rel32, least significant byte first
//   byte     0     1     2     3
//           xx    xx    xx    xx     B1, 5 bytes free        1 window  of 2^32
//           xx    48    3d    01     B2, a `syscall`         1 window  of 256
//           xx    e9    ss    ss     T2, a `syscall`         2^16 windows of 256, 2^16 apart: one in each slot
//           ss    ss    xx    xx     its victim, s chosen    2^16 windows of 1, 2^16 apart: one in each slot
//
// From the low end: `own` free bytes (the width), `given` bytes, `shared` free bytes (the count), given bytes up to the
// top. Where the top byte is free the set is centred on the jump, else its sign is given.
//
// All arithmetic is on i64: addresses of programs have 47 bits, and a reach below zero is cut off by its bounds.

/** Lowest address that a trampoline may have: vm.mmap_min_addr of every distribution. */
export const ADDRESS_MIN: i64 = 0x10000;
/** One past the highest: the kernel's TASK_SIZE_MAX leaves a guard page below 2^47. */
export const ADDRESS_END: i64 = 0x7ffffffff000;
/** How far apart two things may be so that any rel32 or disp32 between them fits, whatever their sizes. */
export const DISTANCE_MAX: i64 = 0x7fff0000;

@unmanaged
export class Reach {
  /** First address of window 0. */
  base: i64;
  width: i64;
  /** Windows are 2^shift apart. */
  shift: i64;
  /** Bounds of the address, both inclusive. */
  low: i64;
  high: i64;
  count: u32;
  /** Window i stands for the shared value (i + bias) & (count - 1). */
  bias: u32;
}

/**
 * Sets the windows of a jump whose last byte is before `next`; its bounds are those of the address space.
 * @param given rel32 with zeros in its free bytes
 */
export function setWindows(reach: Reach, next: i64, given: u32, own: u32, between: u32, shared: u32): void {
  assert(own + between + shared <= 4, "a rel32 has four bytes");
  const top = own + between + shared;
  const signIsFree = own == 4 || (shared != 0 && top == 4);
  reach.width = (1 as i64) << (8 * own);
  reach.count = (1 as u32) << (8 * shared);
  reach.shift = shared == 0 ? 32 : 8 * (own + between);
  reach.bias = 0;
  if (!signIsFree) {
    reach.base = next + (given as i32 as i64);
  } else {
    reach.base = next + (given as i64) - 0x80000000;
    if (own != 4) reach.bias = reach.count >> 1;
  }
  reach.low = ADDRESS_MIN;
  reach.high = ADDRESS_END;
}

/** The shared bytes' value in a window. */
export function sharedValue(reach: Reach, window: u32): u32 {
  return (window + reach.bias) & (reach.count - 1);
}

/** Intersects the bounds. */
export function bound(reach: Reach, low: i64, high: i64): void {
  if (low > reach.low) reach.low = low;
  if (high < reach.high) reach.high = high;
}

/** Keeps the reach within rel32 or disp32 of `address`. */
export function boundAround(reach: Reach, address: i64): void {
  bound(reach, address - DISTANCE_MAX, address + DISTANCE_MAX);
}

/** Lowest address of the set, or more than `highest` when the set is empty. */
export function lowest(reach: Reach): i64 {
  return max(reach.base, reach.low);
}

export function highest(reach: Reach): i64 {
  return min(reach.base + (((reach.count as i64) - 1) << reach.shift) + reach.width - 1, reach.high);
}

/** First window that has an address at or above `start`; `count` when none has. */
export function firstWindow(reach: Reach, start: i64): u32 {
  const distance = start - (reach.base + reach.width - 1);
  if (distance <= 0) return 0;
  const window = (distance + ((1 as i64) << reach.shift) - 1) >> reach.shift;
  return window < (reach.count as i64) ? (window as u32) : reach.count;
}

/** One past the last window that has an address below `end`. */
export function endWindow(reach: Reach, end: i64): u32 {
  const distance = end - 1 - reach.base;
  if (distance < 0) return 0;
  const window = (distance >> reach.shift) + 1;
  return window < (reach.count as i64) ? (window as u32) : reach.count;
}

/** First address of a window at or above `start`, within bounds. */
export function windowLow(reach: Reach, window: u32, start: i64): i64 {
  return max(max(reach.base + ((window as i64) << reach.shift), reach.low), start);
}

/** Last address of a window at or below `last`, within bounds. */
export function windowHigh(reach: Reach, window: u32, last: i64): i64 {
  return min(min(reach.base + ((window as i64) << reach.shift) + reach.width - 1, reach.high), last);
}
