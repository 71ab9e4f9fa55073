// Split pages: memory that the program may run and write, each page in one of its states at a time.
//
//   WRITTEN   what the program wrote there has not been looked at: the page cannot be run. The first fetch faults.
//   SEARCHED  it has been looked at, and nothing in it is patched: the page cannot be written. The first write faults.
//   PATCHED   the same with patches. While the program may not run it, it cannot be read either: who writes code reads it, too,
//             to add to the addresses in it.
//   NATIVE    it has what the program asked for, and nothing in it is patched: it was written by the instructions on it, it
//             is a stack, or it was written and run in turns too often (`TURNS_MAX`).
//   FOREIGN   likewise, for good: it has a protection key (pkey_mprotect(2)), with which the engine cannot read it, or
//             another process may write to it.
//
// Memory stays in the table until it is unmapped, whatever protection it has in between: a compiler that takes the right to
// write away and gives it back has only those pages looked at again that it wrote to. docs/jit.md tells the life of a page.
//
// All functions expect the caller to hold the engine lock.

import { addressOf, isError, syscall2, syscall3 } from "../kernel/calls";
import { SYS_CLOCK_GETTIME, SYS_MPROTECT } from "../kernel/numbers";
import { PROT_EXEC, PROT_READ, PROT_WRITE } from "../load/map";
import { RangeTable } from "../patch/range-table";
import { Address } from "../process";
import { keepReserve, spendReserve } from "./reserve";

export const WRITTEN: u32 = 0;
export const SEARCHED: u32 = 1;
export const PATCHED: u32 = 2;
export const NATIVE: u32 = 3;
export const FOREIGN: u32 = 4;

/** Beside a protection: the memory is shared, with nobody yet (MAP_SHARED | MAP_ANONYMOUS). */
export const SHARED: u64 = 0x100;
/** Likewise: it is a view of an object that has others, in which it is written (jit/views.ts). */
export const VIEW: u64 = 0x200;
/** What a page is, whatever protection it has. */
export const KIND: u64 = SHARED | VIEW;

export const PAGE_SIZE: u64 = 4096;
/** Bytes of pages that are made ready to run at once, at most. */
export const RUN_MAX: u64 = 32768;
const PROT_NONE: u64 = 0;

const RANGES_MAX: u32 = 4096;
/** From here on pages go back to what the program asked for, so that ranges join. */
const ROOM_MIN: u32 = 64;
const table = changetype<RangeTable>(memory.data(98368, 8));

/** The protection that the kernel has for a page of which the program asked for `protection`. */
export function kernelProtection(protection: u64, state: u32): u64 {
  const asked = protection & ~KIND;
  const runs = (asked & PROT_EXEC) != 0;
  if (state == WRITTEN && runs) return (asked & ~PROT_EXEC) | PROT_READ;
  if (state == PATCHED && !runs) return PROT_NONE;
  // What can be written can be read: there is no other kind of page (protection_map of arch/x86/mm/pgprot.c).
  if ((state == SEARCHED || state == PATCHED) && asked != PROT_NONE) return (asked & ~PROT_WRITE) | PROT_READ;
  return asked;
}

/** Gives pages a protection, if need be at the cost of the reserve; false when the kernel refuses. */
export function protectPages(start: Address, end: Address, protection: u64): bool {
  if (!isError(syscall3(SYS_MPROTECT, start, end - start, protection))) return true;
  return spendReserve() && !isError(syscall3(SYS_MPROTECT, start, end - start, protection));
}

export function addSplit(start: Address, end: Address, protection: u64, state: u32): void {
  table.capacity = RANGES_MAX;
  table.add(start, end, protection, state);
}

export function cutSplit(start: Address, end: Address): void {
  table.cut(start, end);
}

export function hasSplit(start: Address, end: Address): bool {
  return table.has(start, end);
}

/** Whether pages can be given states of their own. */
export function hasRoom(): bool {
  return table.count + ROOM_MIN < RANGES_MAX && keepReserve();
}

/** Of the last `nextSplit`: the part of a range that lies in what was asked for. */
export let splitStart: Address = 0;
export let splitEnd: Address = 0;
/** What the program asked for. */
export let splitProtection: u64 = 0;
export let splitState: u32 = 0;

/** Finds the first split pages in [start, end). */
export function nextSplit(start: Address, end: Address): bool {
  if (!table.next(start, end)) return false;
  splitStart = table.start;
  splitEnd = table.end;
  splitProtection = table.protection;
  splitState = table.state;
  return true;
}

// ---- How often a page was written and run in turns

/**
 * A page that turns more often than this within PERIOD milliseconds costs some percent of a processor: most likely it has
 * data beside its code.
 */
export const TURNS_MAX: u32 = 64;
const PERIOD: u64 = 64;
const CLOCK_MONOTONIC_COARSE: u64 = 6;

/** By a hash of the page: its address, when its period began, its turns since. A page that loses its place starts anew. */
@unmanaged
class Turns {
  page: Address;
  /** Milliseconds. */
  began: u64;
  count: u64;
}

const PLACES: u64 = 1024;
const turns = memory.data(24576, 8);
const time = memory.data(16, 8);

/** Of a clock that is read fast, and moves every few milliseconds. */
export function milliseconds(): u64 {
  syscall2(SYS_CLOCK_GETTIME, CLOCK_MONOTONIC_COARSE, addressOf(time));
  return load<u64>(time) * 1000 + load<u64>(time, 8) / 1000000;
}

function turnsOf(page: Address): Turns {
  const place = (((page >> 12) ^ (page >> 22)) & (PLACES - 1)) as usize;
  return changetype<Turns>(turns + place * offsetof<Turns>());
}

/** The pages of [start, end) are gone: what comes in their place has not turned yet. */
export function forgetTurns(start: Address, end: Address): void {
  if ((end - start) / PAGE_SIZE > PLACES) return memory.fill(turns, 0, (PLACES as usize) * offsetof<Turns>());
  for (let page = start; page < end; page += PAGE_SIZE) if (turnsOf(page).page == page) turnsOf(page).page = 0;
}

/** The page turns once more; false when it has done so too often. */
export function countTurn(page: Address): bool {
  const entry = turnsOf(page);
  const now = milliseconds();
  if (entry.page != page || now - entry.began > PERIOD) {
    entry.page = page;
    entry.began = now;
    entry.count = 0;
  }
  entry.count += 1;
  return entry.count <= (TURNS_MAX as u64);
}
