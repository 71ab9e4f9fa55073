// The engine's own memory (invariant I6): every range of the process's addresses that a program must not change, in order.
//
//   the launcher's image    from its first header to the end of linear memory
//   areas                   behind it, a chunk of threads each (thread/areas.ts)
//   the dispatch table      and its views, with their islands (patch/outpost.ts)
//   trampolines             in slots (patch/territory.ts) and of traps (patch/traps.ts)
//   views                   shadows of what is run in a view (jit/views.ts), a word shared with children (jit/lend.ts)
//   reserve                 mappings for when the kernel gives no more (jit/reserve.ts)
//   seccomp                 the call site and filters (src/engine/seccomp)
//   symbol files            for debuggers, on request (src/engine/debug)
//
// Whoever maps memory that outlives its call claims it here; neighbours are one range, so there are few: a program that
// unmaps something costs a binary search. What is mapped under the engine lock and gone before it is released (copies of a
// plan) is not here. All functions expect the caller to hold the engine lock.

import { Address } from "./process";

/** As many as there can be mappings of trampoline memory (patch/territory.ts), and some. */
const RANGES_MAX: u32 = 20480;
/** u64 start, u64 end: ascending and apart. */
const ranges = memory.data(327680, 8);
let count: u32 = 0;

function startOf(index: u32): Address {
  return load<u64>(ranges + ((index as usize) << 4));
}
function endOf(index: u32): Address {
  return load<u64>(ranges + ((index as usize) << 4), 8);
}
function setRange(index: u32, start: Address, end: Address): void {
  store<u64>(ranges + ((index as usize) << 4), start);
  store<u64>(ranges + ((index as usize) << 4), end, 8);
}

/** Makes place for `by` ranges in front of `index`, or takes -`by` of them away. */
function shift(index: u32, by: i32): void {
  const from = by < 0 ? index - by : index;
  const entry = ranges + ((from as usize) << 4);
  memory.copy(ranges + (((from + by) as usize) << 4), entry, ((count - from) as usize) << 4);
  count += by;
}

/** The first range that ends at or behind an address; `count` when there is none. */
function firstEndingFrom(address: Address): u32 {
  let low: u32 = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (endOf(middle) < address) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** [start, end) is the engine's. False when there is no room to remember it: it must then not be used. */
export function claimMemory(start: Address, end: Address): bool {
  assert(start < end, "the engine claims an empty range");
  const first = firstEndingFrom(start);
  let last = first;
  while (last < count && startOf(last) <= end) last++;
  if (first == last) {
    if (count == RANGES_MAX) return false;
    shift(first, 1);
    setRange(first, start, end);
    return true;
  }
  setRange(first, min(start, startOf(first)), max(end, endOf(last - 1)));
  if (last - first > 1) shift(first + 1, 1 - ((last - first) as i32));
  return true;
}

/** [start, end), which was claimed, is the engine's no more. */
export function releaseMemory(start: Address, end: Address): void {
  const index = firstEndingFrom(start + 1);
  assert(index < count && startOf(index) <= start && endOf(index) >= end, "memory is released that was not claimed");
  const rangeStart = startOf(index);
  const rangeEnd = endOf(index);
  if (rangeStart == start && rangeEnd == end) return shift(index, -1);
  if (rangeStart == start) return setRange(index, end, rangeEnd);
  setRange(index, rangeStart, start);
  if (rangeEnd == end) return;
  // Without room for one more the rest stays claimed: a place that a program cannot have is the lesser evil.
  if (count == RANGES_MAX) return setRange(index, rangeStart, rangeEnd);
  shift(index + 1, 1);
  setRange(index + 1, end, rangeEnd);
}

/** Whether the engine has something in [start, end). */
export function hasOwnMemory(start: Address, end: Address): bool {
  const index = firstEndingFrom(start + 1);
  return start < end && index < count && startOf(index) < end;
}

/** Of the last `nextForeign`: a part of the range without anything of the engine's. */
export let foreignStart: Address = 0;
export let foreignEnd: Address = 0;

/** Finds the first part of [start, end) that is not the engine's; false when all of it is. */
export function nextForeign(start: Address, end: Address): bool {
  let at = start;
  let index = firstEndingFrom(at + 1);
  if (index < count && startOf(index) <= at) at = endOf(index++);
  if (at >= end) return false;
  foreignStart = at;
  foreignEnd = index < count ? min(end, startOf(index)) : end;
  return true;
}
