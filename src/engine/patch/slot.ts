// A slot: 64 KiB of the process, aligned, of which some or all pages are trampoline memory, and which of their bytes are
// taken. The size is no accident: the reach of many puns repeats every 2^16 bytes, so each slot has one window of it.
//
// A page of a slot is, by its bits:
//
//   mapped   writable open live
//     0                           not ours: somebody else's, or never asked for
//     1        1                  mapped by the plan under way, empty, read-write
//     1        1       1          ... and used by that plan
//     1        0                  empty, read-execute
//     1        0            1     holds trampolines that threads may be running
//     1        0       1   (1)    the plan under way adds to it: it is copied and swapped in, or reopened (patch/territory.ts)
//
// Taken bytes are bits, 512 bytes a page, allocated when a page is first used: pages are many, used ones few.

import { Address } from "../process";
import { Pool, give, take } from "./arena";

export const PAGE_SIZE: u32 = 0x1000;
export const PAGE_SHIFT: u32 = 12;
export const SLOT_SHIFT: u32 = 16;
export const SLOT_SIZE: u32 = 1 << SLOT_SHIFT;
export const SLOT_PAGES: u32 = 16;
export const ALL_PAGES: u32 = 0xffff;

const BITMAP_SIZE: usize = 512;
const GAP_UNKNOWN: u16 = 0xffff;

@unmanaged
export class Slot {
  base: Address;
  mapped: u32;
  writable: u32;
  open: u32;
  live: u32;
  /** Pages that could not be mapped, bits 0..15, and bigger pieces (patch/territory.ts), valid for one plan. */
  refused: u32;
  /** The plan that `refused` is valid for. */
  plan: u32;
  /** Bytes that are taken. */
  taken: u32;
  /** Whether it is on the list of the plan in bulk (patch/territory.ts). */
  listed: u32;
  /** The copies of runs of its pages that the plan adds to (patch/territory.ts), or 0. */
  swaps: usize;
  /** The last plan that took of it, mapped pages of it, or made it. */
  touched: u32;
  /** Pages with trampolines that the plan under way writes in place (patch/territory.ts). */
  reopened: u32;
  padding: u32;
}

// Behind the fields: four tables of 16 entries, one for each page.
const BITMAPS: usize = offsetof<Slot>(); // u32: engine pointer or 0
const RECORDS: usize = BITMAPS + 64; // u32: first published record that starts in the page
const PLAN_USES: usize = RECORDS + 64; // u16: reservations of the plan under way that touch the page
const LIVE_USES: usize = PLAN_USES + 32; // u16: published ones
const GAPS: usize = LIVE_USES + 32; // u16: no free gap that starts in the page is longer
const SIZE: usize = GAPS + 32;

const slotPool = changetype<Pool>(memory.data(offsetof<Pool>(), 8));
const bitmapPool = changetype<Pool>(memory.data(offsetof<Pool>(), 8));

/** A slot with no page; null when memory is out. */
export function createSlot(base: Address): Slot | null {
  const pointer = take(slotPool, SIZE);
  if (pointer == 0) return null;
  const slot = changetype<Slot>(pointer);
  slot.base = base;
  for (let page: u32 = 0; page < SLOT_PAGES; page++) forgetGaps(slot, page);
  return slot;
}

export function destroySlot(slot: Slot): void {
  assert(slot.open == 0 && slot.live == 0, "a slot is destroyed while it is used");
  for (let page: u32 = 0; page < SLOT_PAGES; page++) {
    const bitmap = load<u32>(changetype<usize>(slot) + BITMAPS + (page << 2));
    if (bitmap) give(bitmapPool, bitmap);
  }
  give(slotPool, changetype<usize>(slot));
}

export function firstRecord(slot: Slot, page: u32): usize {
  return load<u32>(changetype<usize>(slot) + RECORDS + (page << 2));
}

export function setFirstRecord(slot: Slot, page: u32, record: usize): void {
  store<u32>(changetype<usize>(slot) + RECORDS + (page << 2), record);
}

function forgetGaps(slot: Slot, page: u32): void {
  store<u16>(changetype<usize>(slot) + GAPS + (page << 1), GAP_UNKNOWN);
}

/**
 * Offset of the last byte in [start, end) that is taken or lies in a page that is not `allowed`; -1 when all are free.
 * For a page that is not allowed this is the page's own last byte, which may be past `end`.
 */
function lastTaken(slot: Slot, start: u32, end: u32, allowed: u32): i32 {
  const first = start >> PAGE_SHIFT;
  const last = (end - 1) >> PAGE_SHIFT;
  let page = last;
  while (true) {
    if (((allowed >> page) & 1) == 0) return ((page << PAGE_SHIFT) + PAGE_SIZE - 1) as i32;
    const bitmap = load<u32>(changetype<usize>(slot) + BITMAPS + (page << 2));
    if (bitmap != 0) {
      const from = page == first ? start & (PAGE_SIZE - 1) : 0;
      const to = page == last ? (end - 1) & (PAGE_SIZE - 1) : PAGE_SIZE - 1;
      const firstWord = from >> 6;
      let word = to >> 6;
      let bits = load<u64>(bitmap + (word << 3)) & ((-1 as u64) >> (63 - (to & 63)));
      while (true) {
        if (word == firstWord) bits &= (-1 as u64) << (from & 63);
        if (bits != 0) return ((page << PAGE_SHIFT) + (word << 6) + 63 - (clz(bits) as u32)) as i32;
        if (word == firstWord) break;
        word -= 1;
        bits = load<u64>(bitmap + (word << 3));
      }
    }
    if (page == first) return -1;
    page -= 1;
  }
}

/** The first offset from `at` on, in the same page and not above `end`, whose byte is free; or `end`. */
function skipTaken(slot: Slot, at: u32, end: u32): u32 {
  const bitmap = load<u32>(changetype<usize>(slot) + BITMAPS + ((at >> PAGE_SHIFT) << 2));
  if (bitmap == 0) return at;
  while (at < end) {
    const offset = at & (PAGE_SIZE - 1);
    const free = ~load<u64>(bitmap + ((offset >> 6) << 3)) >> (offset & 63);
    if (free != 0) return at + (ctz(free) as u32);
    at = (at | 63) + 1;
  }
  return end;
}

/** First offset in [low, high] at which `size` bytes are free in `allowed` pages, or -1. */
export function findFree(slot: Slot, low: u32, high: u32, size: u32, allowed: u32): i32 {
  assert(high + size <= SLOT_SIZE, "a reservation crosses its slot's end");
  let at = low;
  while (at <= high) {
    const page = at >> PAGE_SHIFT;
    const pageEnd = (page + 1) << PAGE_SHIFT;
    const gap = changetype<usize>(slot) + GAPS + (page << 1);
    if ((load<u16>(gap) as u32) < size) {
      at = pageEnd;
      continue;
    }
    const wholePage = (at & (PAGE_SIZE - 1)) == 0 && ((allowed >> page) & 1) != 0;
    while (at < pageEnd && at <= high) {
      const taken = lastTaken(slot, at, at + size, allowed);
      if (taken < 0) return at as i32;
      at = (taken as u32) + 1;
      if (at < pageEnd) at = skipTaken(slot, at, pageEnd);
    }
    if (wholePage && at >= pageEnd) store<u16>(gap, (size - 1) as u16);
  }
  return -1;
}

/** Sets or clears the bits of [start, end), which lies in one page. */
function setTaken(bitmap: usize, start: u32, end: u32, taken: bool): void {
  for (let at = start; at < end;) {
    const word = bitmap + ((at >> 6) << 3);
    const stop = min(end, (at | 63) + 1);
    const bits = ((-1 as u64) >> (64 - (stop - at))) << (at & 63);
    const old = load<u64>(word);
    if (taken) {
      assert((old & bits) == 0, "trampoline memory is taken twice");
      store<u64>(word, old | bits);
    } else {
      assert((old & bits) == bits, "trampoline memory is freed twice");
      store<u64>(word, old & ~bits);
    }
    at = stop;
  }
}

/** Adds `change` to the uses of a page, and keeps the mask of used pages. */
function countUse(table: usize, page: u32, change: i32, mask: u32): u32 {
  const uses = (load<u16>(table + (page << 1)) as i32) + change;
  assert(uses >= 0 && uses <= (PAGE_SIZE as i32), "a page's uses are miscounted");
  store<u16>(table + (page << 1), uses as u16);
  return uses == 0 ? mask & ~(1 << page) : mask | (1 << page);
}

/** Takes [offset, offset + size) for the plan under way. False when the engine's memory is out: nothing is taken. */
export function takeRange(slot: Slot, offset: u32, size: u32): bool {
  const first = offset >> PAGE_SHIFT;
  const last = (offset + size - 1) >> PAGE_SHIFT;
  for (let page = first; page <= last; page++) {
    assert(((slot.mapped >> page) & 1) != 0, "a page is used that is not trampoline memory");
    const entry = changetype<usize>(slot) + BITMAPS + (page << 2);
    if (load<u32>(entry) != 0) continue;
    const bitmap = take(bitmapPool, BITMAP_SIZE);
    if (bitmap == 0) return false;
    store<u32>(entry, bitmap);
  }
  for (let page = first; page <= last; page++) {
    const bitmap = load<u32>(changetype<usize>(slot) + BITMAPS + (page << 2));
    const start = page == first ? offset & (PAGE_SIZE - 1) : 0;
    const end = page == last ? ((offset + size - 1) & (PAGE_SIZE - 1)) + 1 : PAGE_SIZE;
    setTaken(bitmap, start, end, true);
    slot.open = countUse(changetype<usize>(slot) + PLAN_USES, page, 1, slot.open);
  }
  slot.taken += size;
  return true;
}

function freeBits(slot: Slot, offset: u32, size: u32): void {
  slot.taken -= size;
  const first = offset >> PAGE_SHIFT;
  const last = (offset + size - 1) >> PAGE_SHIFT;
  for (let page = first; page <= last; page++) {
    const bitmap = load<u32>(changetype<usize>(slot) + BITMAPS + (page << 2));
    const start = page == first ? offset & (PAGE_SIZE - 1) : 0;
    const end = page == last ? ((offset + size - 1) & (PAGE_SIZE - 1)) + 1 : PAGE_SIZE;
    setTaken(bitmap, start, end, false);
    forgetGaps(slot, page);
    if (page != 0) forgetGaps(slot, page - 1);
  }
}

/** Gives back what `takeRange` took. */
export function untakeRange(slot: Slot, offset: u32, size: u32): void {
  freeBits(slot, offset, size);
  const last = (offset + size - 1) >> PAGE_SHIFT;
  for (let page = offset >> PAGE_SHIFT; page <= last; page++) {
    slot.open = countUse(changetype<usize>(slot) + PLAN_USES, page, -1, slot.open);
  }
}

/** A range of the plan is published: it counts as live from here on. */
export function publishRange(slot: Slot, offset: u32, size: u32): void {
  const last = (offset + size - 1) >> PAGE_SHIFT;
  for (let page = offset >> PAGE_SHIFT; page <= last; page++) {
    slot.open = countUse(changetype<usize>(slot) + PLAN_USES, page, -1, slot.open);
    slot.live = countUse(changetype<usize>(slot) + LIVE_USES, page, 1, slot.live);
  }
}

/** Gives back a published range; gives the pages in which nothing lives any more, of those that it was in. */
export function freeRange(slot: Slot, offset: u32, size: u32): u32 {
  freeBits(slot, offset, size);
  const before = slot.live;
  const last = (offset + size - 1) >> PAGE_SHIFT;
  for (let page = offset >> PAGE_SHIFT; page <= last; page++) {
    slot.live = countUse(changetype<usize>(slot) + LIVE_USES, page, -1, slot.live);
  }
  return before & ~slot.live;
}
