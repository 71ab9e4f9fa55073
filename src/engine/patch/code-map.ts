// Code that has been searched: which ranges, what protection the program gave them, and whether their sites are jumps.
//
// Programs change memory all the time, and code almost never: a look here tells whether a call concerns code at all.
//
// To change code that threads may be running, its pages are *closed*: made writable and not executable (I5). A thread that
// fetches from a closed page faults; the signal gate waits for the engine lock, under which pages are open again, and lets it
// go on (`wasClosed`). The last places that were closed are remembered for that, until the program itself takes the right to
// execute away.
//
// All functions expect the caller to hold the engine lock.

import { Address } from "../process";
import { RangeTable } from "./range-table";

const PROT_EXEC: u64 = 4;

/** The sites of a range are jumps, or traps where no jump fits. */
export const PATCHED: u32 = 0;
/** The range is writable, too: its sites are traps, one byte each, and everything else is the program's. */
export const TRAPPED: u32 = 1;

const RANGES_MAX: u32 = 4096;
const map = changetype<RangeTable>(memory.data(98368, 8));

/** Takes [start, end) out. */
export function cutCode(start: Address, end: Address): void {
  map.cut(start, end);
}

/** [start, end) is code that has been searched. */
export function addCode(start: Address, end: Address, protection: u64, state: u32): void {
  map.capacity = RANGES_MAX;
  map.add(start, end, protection, state);
}

/** Whether there is code in [start, end). */
export function hasCode(start: Address, end: Address): bool {
  return map.has(start, end);
}

/** Of the last `nextCode`: the part of a range of code that lies in the range that was asked for. */
export let codeStart: Address = 0;
export let codeEnd: Address = 0;
export let codeProtection: u64 = 0;
export let codeState: u32 = 0;

/** Finds the first code in [start, end). */
export function nextCode(start: Address, end: Address): bool {
  if (!map.next(start, end)) return false;
  codeStart = map.start;
  codeEnd = map.end;
  codeProtection = map.protection;
  codeState = map.state;
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
