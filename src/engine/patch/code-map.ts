// Code that has been searched: which ranges, what protection the program gave them, and whether their sites are jumps.
//
// Programs change memory all the time, and code almost never: a look here tells whether a call concerns code at all.
// Ranges are in order and apart; neighbours that are alike are one.
//
// To change code that threads may be running, its pages are *closed*: made writable and not executable (I5). A thread that
// fetches from a closed page faults; the signal gate waits for the engine lock, under which pages are open again, and lets it
// go on (`wasClosed`). The last places that were closed are remembered for that, until the program itself takes the right to
// execute away.
//
// All functions expect the caller to hold the engine lock.

import { Address } from "../process";

const PROT_EXEC: u64 = 4;

/** The sites of a range are jumps, or traps where no jump fits. */
export const PATCHED: u32 = 0;
/** The range is writable, too: its sites are traps, one byte each, and everything else is the program's. */
export const TRAPPED: u32 = 1;

@unmanaged
class CodeRange {
  start: Address;
  end: Address;
  protection: u32;
  state: u32;
}

const RANGE_SIZE: usize = 24;
const RANGES_MAX: u32 = 4096;
const ranges = memory.data(98304, 8);
let count: u32 = 0;

/** What did not fit: a range around all of it, PATCHED. */
let overflowStart: Address = u64.MAX_VALUE;
let overflowEnd: Address = 0;

function rangeAt(index: u32): CodeRange {
  return changetype<CodeRange>(ranges + (index as usize) * RANGE_SIZE);
}

/** The first range that ends behind an address; `count` when there is none. */
function firstEndingBehind(address: Address): u32 {
  let low: u32 = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (rangeAt(middle).end <= address) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Makes place for one range at `index`; false when there is none. */
function insertAt(index: u32): bool {
  if (count == RANGES_MAX) return false;
  const place = ranges + (index as usize) * RANGE_SIZE;
  memory.copy(place + RANGE_SIZE, place, (count - index) * (RANGE_SIZE as u32));
  count += 1;
  return true;
}

function removeAt(index: u32): void {
  const place = ranges + (index as usize) * RANGE_SIZE;
  count -= 1;
  memory.copy(place, place + RANGE_SIZE, (count - index) * (RANGE_SIZE as u32));
}

function overflow(start: Address, end: Address): void {
  overflowStart = min(overflowStart, start);
  overflowEnd = max(overflowEnd, end);
}

function joins(range: CodeRange, protection: u32, state: u32): bool {
  return range.protection == protection && range.state == state;
}

/** Takes [start, end) out. */
export function cutCode(start: Address, end: Address): void {
  let index = firstEndingBehind(start);
  while (index < count && rangeAt(index).start < end) {
    const range = rangeAt(index);
    const rangeEnd = range.end;
    if (range.start >= start && rangeEnd <= end) {
      removeAt(index);
      continue;
    }
    if (range.start >= start) {
      range.start = end;
      return;
    }
    range.end = start;
    index++;
    if (rangeEnd <= end) continue;
    if (!insertAt(index)) return overflow(end, rangeEnd);
    const rest = rangeAt(index);
    rest.start = end;
    rest.end = rangeEnd;
    rest.protection = range.protection;
    rest.state = range.state;
    return;
  }
}

/** [start, end) is code that has been searched. */
export function addCode(start: Address, end: Address, protection: u64, state: u32): void {
  if (start >= end) return;
  cutCode(start, end);
  const index = firstEndingBehind(start);
  if (index != 0 && rangeAt(index - 1).end == start && joins(rangeAt(index - 1), protection as u32, state)) {
    rangeAt(index - 1).end = end;
    return;
  }
  if (index < count && rangeAt(index).start == end && joins(rangeAt(index), protection as u32, state)) {
    rangeAt(index).start = start;
    return;
  }
  if (!insertAt(index)) return overflow(start, end);
  const range = rangeAt(index);
  range.start = start;
  range.end = end;
  range.protection = protection as u32;
  range.state = state;
}

/** Whether there is code in [start, end). */
export function hasCode(start: Address, end: Address): bool {
  if (start >= end) return false;
  if (start < overflowEnd && end > overflowStart) return true;
  const index = firstEndingBehind(start);
  return index < count && rangeAt(index).start < end;
}

/** Of the last `nextCode`: the part of a range of code that lies in the range that was asked for. */
export let codeStart: Address = 0;
export let codeEnd: Address = 0;
export let codeProtection: u64 = 0;
export let codeState: u32 = 0;

/** Finds the first code in [start, end). */
export function nextCode(start: Address, end: Address): bool {
  const index = firstEndingBehind(start);
  if (start >= end || index == count || rangeAt(index).start >= end) return false;
  const range = rangeAt(index);
  codeStart = max(start, range.start);
  codeEnd = min(end, range.end);
  codeProtection = range.protection;
  codeState = range.state;
  return true;
}

// ---- Closed pages

const CLOSED_MAX: u32 = 16;
/** u64 start, u64 end; the oldest is overwritten. */
const closed = memory.data(256, 8);
let closedNext: u32 = 0;

/** [start, end) is about to be not executable for a while. */
export function rememberClosed(start: Address, end: Address): void {
  const entry = closed + (((closedNext++ & (CLOSED_MAX - 1)) as usize) << 4);
  store<u64>(entry, start);
  store<u64>(entry, end, 8);
}

/** The program has taken the right to execute away from [start, end): a fault there is its own. */
export function forgetClosed(start: Address, end: Address): void {
  for (let entry = closed; entry < closed + ((CLOSED_MAX as usize) << 4); entry += 16)
    if (load<u64>(entry) < end && load<u64>(entry, 8) > start) store<u64>(entry, 0, 8);
}

/** Whether an address was in a page that was closed: then it is executable again, or the last closings tell. */
export function wasClosed(address: Address): bool {
  if (nextCode(address, address + 1) && codeProtection & PROT_EXEC) return true;
  for (let entry = closed; entry < closed + ((CLOSED_MAX as usize) << 4); entry += 16)
    if (address >= load<u64>(entry) && address < load<u64>(entry, 8)) return true;
  return false;
}
