// What the memory calls do to split pages (jit/pages.ts).
//
// All functions expect the caller to hold the engine lock.

import { isError } from "../kernel/calls";
import { MAP_ANONYMOUS, PROT_EXEC, PROT_WRITE } from "../load/map";
import { pageCeil } from "../load/elf";
import { refusesExecution } from "../kernel/write-execute";
import { mappedEnd, widen, low, high } from "../patch/changing-code";
import { forgetClosed, hasCode } from "../patch/code-map";
import { forgetPatches } from "../patch/executable";
import { isShared } from "../patch/private-pages";
import { Address } from "../process";
import { isTorn } from "../thread/lock";
import { forgetDormant } from "./dormant";
import {
  FOREIGN,
  KIND,
  NATIVE,
  PAGE_SIZE,
  PATCHED,
  SEARCHED,
  SHARED,
  WRITTEN,
  addSplit,
  cutSplit,
  forgetTurns,
  hasSplit,
  kernelProtection,
  nextSplit,
  protectPages,
  splitEnd,
  splitProtection,
  splitStart,
  splitState,
} from "./pages";
import { lendViews } from "./lend";
import { openSplit, unpatchSplit } from "./turn";
import { forgetViews, giveUpViews } from "./view-calls";
import { viewCount } from "./views";

const MAP_TYPE: u64 = 0xf;
const MAP_SHARED: u64 = 1;
const MAP_PRIVATE: u64 = 2;
const MAP_SHARED_VALIDATE: u64 = 3;
const MAP_GROWSDOWN: u64 = 0x100;
const MAP_STACK: u64 = 0x20000;
const MAP_HUGETLB: u64 = 0x40000;

/** Whether an mmap with these flags shows memory that only this process has so far, but may share with its children. */
export function isSharedWithNobody(flags: u64): bool {
  const type = flags & MAP_TYPE;
  return (
    (type == MAP_SHARED || type == MAP_SHARED_VALIDATE) && (flags & (MAP_ANONYMOUS | MAP_HUGETLB)) == MAP_ANONYMOUS
  );
}

/**
 * Whether an mmap with these arguments is to be split: memory that can be run, and is not a file's text. Of what is shared with
 * nobody note is taken before it can be run: later there is no telling.
 */
export function isToBeSplit(protection: u64, flags: u64): bool {
  if (refusesExecution || isTorn()) return false;
  if (isSharedWithNobody(flags)) return true;
  if (!(protection & PROT_EXEC)) return false;
  if ((flags & MAP_TYPE) != MAP_PRIVATE || flags & (MAP_GROWSDOWN | MAP_STACK | MAP_HUGETLB)) return false;
  return (flags & MAP_ANONYMOUS) != 0 || (protection & PROT_WRITE) != 0;
}

/** The protection with which such memory is mapped. */
export function protectionAtFirst(protection: u64): u64 {
  return kernelProtection(protection, WRITTEN);
}

/** An mmap of `isToBeSplit` has given [start, end). */
export function noteSplit(start: Address, end: Address, protection: u64, flags: u64): void {
  addSplit(start, end, isSharedWithNobody(flags) ? protection | SHARED : protection, WRITTEN);
}

/** Gives the pages of [start, end) that have all bits of `kind`, SHARED, VIEW or 0, back for good. */
export function surrender(start: Address, end: Address, kind: u64): void {
  for (let at = start; nextSplit(at, end); at = splitEnd) {
    if ((splitProtection & kind) != kind || splitState == FOREIGN) continue;
    unpatchSplit(splitStart, splitEnd, true);
    nextSplit(at, end);
    const native = kernelProtection(splitProtection, FOREIGN);
    if (kernelProtection(splitProtection, splitState) != native) protectPages(splitStart, splitEnd, native);
    addSplit(splitStart, splitEnd, splitProtection, FOREIGN);
  }
}

/** Memory is about to be copied for a child, which will write to what is shared. */
export function shareWithChild(): void {
  surrender(0, u64.MAX_VALUE, SHARED);
  lendViews();
}

/** Nobody will change the protection of [start, end) any more (mseal). */
export function sealSplit(start: Address, end: Address): void {
  giveUpViews(start, end);
  surrender(start, end, 0);
}

/** [start, end) is about to be replaced or unmapped: no patch may reach over its borders. */
export function separateSplit(start: Address, end: Address): void {
  if (start >= end || !hasSplit(start, end)) return;
  // What is written in other views has to be open when this one is gone.
  if (viewCount != 0) openSplit(start, end);
  widen(start, end);
  const from = low;
  const to = high;
  if (from < start) unpatchSplit(start - PAGE_SIZE, start, false);
  if (to > end) unpatchSplit(end, end + PAGE_SIZE, false);
}

/** [start, end) is gone, with its trampolines: who unmaps code knows that nobody is in it. */
export function forgetSplit(start: Address, end: Address): void {
  forgetViews(start, end);
  if (!hasSplit(start, end)) return;
  forgetClosed(start, end);
  for (let at = start; nextSplit(at, end); at = splitEnd)
    if (splitState == PATCHED && !isTorn()) forgetPatches(splitStart, splitEnd);
  if (!isTorn()) forgetDormant(start, end, false);
  cutSplit(start, end);
  forgetTurns(start, end);
}

/** Bytes of a few pages. */
const FEW: u64 = 8 * PAGE_SIZE;

/** Changes the protection of [start, end) for the program; gives what the kernel gives. */
type Protect = (start: Address, end: Address, protection: u64) => i64;

/** Whether memory of which nothing is known may be split when it becomes executable. */
function mayBeSplit(start: Address, end: Address): bool {
  if (refusesExecution || isTorn() || hasCode(start, end)) return false;
  return !isShared(start) && !isShared(end - PAGE_SIZE);
}

/** mprotect of memory that is not split. */
function protectUnknown(start: Address, end: Address, protection: u64, act: Protect, other: Protect): i64 {
  if (!(protection & PROT_EXEC) || !mayBeSplit(start, end)) return other(start, end, protection);
  const closed = kernelProtection(protection, WRITTEN);
  const result = act(start, end, closed);
  // The kernel stops at a hole, or at a mapping that refuses.
  const stop = isError(result) ? mappedEnd(start, end, closed) : end;
  forgetClosed(start, stop);
  addSplit(start, stop, protection, WRITTEN);
  return result;
}

/** The state of pages that get a protection: what was given back because it can be written and run is split again without that. */
function stateFor(protection: u64, state: u32): u32 {
  const both = PROT_WRITE | PROT_EXEC;
  return state == NATIVE && (protection & both) != both ? WRITTEN : state;
}

/**
 * mprotect(start, end - start, protection).
 * @param isKeyed whether the pages get a protection key
 * @param act makes the call for a part of the range, @param other for one that is not split
 */
export function protectSplit(
  start: Address,
  end: Address,
  protection: u64,
  isKeyed: bool,
  act: Protect,
  other: Protect,
): i64 {
  let at = start;
  while (at < end) {
    const isFound = nextSplit(at, end);
    const from = isFound ? splitStart : end;
    if (at < from) {
      const result = isKeyed ? act(at, from, protection) : protectUnknown(at, from, protection, act, other);
      if (isError(result)) return result;
      if (isKeyed && protection & PROT_EXEC) addSplit(at, from, protection, FOREIGN);
      at = from;
      continue;
    }
    const to = splitEnd;
    const kind = splitProtection & KIND;
    if (splitState == PATCHED || splitState == SEARCHED) {
      const opens = (protection & PROT_WRITE) != 0 && !(splitProtection & PROT_WRITE);
      // What can be written from now on is read first; and of a few pages all are going to be written.
      if (isKeyed || (opens && (protection & PROT_EXEC || to - at <= FEW))) {
        if (isKeyed) unpatchSplit(at, to, true);
        else openSplit(at, to);
        nextSplit(at, to);
      }
    }
    const state = isKeyed ? FOREIGN : stateFor(protection, splitState);
    // A compiler that publishes a few bytes gives all of its memory the protection that nearly all of it has.
    if (isKeyed || splitProtection != (protection | kind) || splitState != state) {
      const result = act(at, to, kernelProtection(protection, state));
      if (isError(result)) return result;
      addSplit(at, to, protection | kind, state);
    }
    at = to;
  }
  return 0;
}

/** madvise that drops the pages of [start, end). */
export function dropSplit(start: Address, end: Address): void {
  unpatchSplit(start, end, false);
}

/** mremap of [start, end): the kernel moves one mapping, with one protection. @param isSecond makes a second view of it */
export function gatherSplit(start: Address, end: Address, isSecond: bool): void {
  if (isSecond) return surrender(start, end, SHARED);
  unpatchSplit(start, end, false);
  for (let at = start; nextSplit(at, end); at = splitEnd) {
    if (splitState != NATIVE) continue;
    addSplit(splitStart, splitEnd, splitProtection, WRITTEN);
    protectPages(splitStart, splitEnd, kernelProtection(splitProtection, WRITTEN));
  }
}

/** mremap has moved [start, end) to `size` bytes at `address`. @param staysMapped MREMAP_DONTUNMAP */
export function moveSplit(start: Address, end: Address, address: Address, size: u64, staysMapped: bool): void {
  if (!nextSplit(start, end)) return;
  const protection = splitProtection;
  const state = splitState;
  if (!staysMapped) forgetSplit(start, end);
  addSplit(address, address + pageCeil(size), protection, state);
}
