// How split pages turn (jit/pages.ts): searched and patched before they run, as the program wrote them before they are written.
//
// Other threads may write to a page while it is made ready to run, and they must wait or be seen: it is closed for them
// first, then searched. To write patches it has to be open for an instant. What comes in then shows up when the page, closed
// again, is not what it should be, and is no less valid for it: the page stays WRITTEN.
//
// All functions expect the caller to hold the engine lock.

import { PROT_EXEC, PROT_READ, PROT_WRITE } from "../load/map";
import { forgetClosed } from "../patch/code-map";
import { dropPatches, hasPatches, low, high, widen } from "../patch/changing-code";
import { allocateTemporary, releaseTemporary, temporaryMark } from "../patch/arena";
import { patchSplit, searchSplit } from "../patch/executable";
import { TRAP_BYTE } from "../patch/tactics";
import { isEntry, restoreCopy } from "../patch/record";
import { enterPatchedTrap, forEachTrappedSite, isTrapped, mayRetry } from "../patch/traps";
import { closeReached, forgetTargets } from "../scan/reached";
import { INSTRUCTION_MAX } from "../x86/instruction";
import { Address, copyIn, tryCopyIn } from "../process";
import { countGivenBack, countRewritten, countRun } from "../stats/counters";
import { isAlone } from "../thread/areas";
import { ThreadBlock } from "../thread/block";
import { isTorn, lockEngine, unlockEngine } from "../thread/lock";
import { forgetDormant, isDormant, keepImages, putToSleep } from "./dormant";
import { Context } from "../thread/signal-frame";
import { exchangeBytes } from "./exchange";
import { watchKernel } from "./kernel-access";
import {
  NATIVE,
  PAGE_SIZE,
  PATCHED,
  RUN_MAX,
  SEARCHED,
  VIEW,
  WRITTEN,
  addSplit,
  countTurn,
  hasRoom,
  kernelProtection,
  nextSplit,
  protectPages,
  splitEnd,
  splitProtection,
  splitStart,
  splitState,
} from "./pages";
import { openShown } from "./view-calls";
import { isolate, join } from "./views";

const PAGE_BYTES: u32 = 4096;

/** A page as it is; and as the program has it, or should have it. */
const current = memory.data(4096, 8);
const wanted = memory.data(4096, 8);
/** A page with its jumps, and without its traps. */
const untrapped = memory.data(4096, 8);

let ownPage: Address = 0;

/** The second byte of `syscall` instead of that of `ud2` (patch/traps.ts). */
function restoreTrap(site: Address): void {
  if (site + 1 - ownPage < PAGE_SIZE) store<u8>(wanted + ((site + 1 - ownPage) as usize), 0x05);
}

/**
 * Puts the program's bytes back into a page that nobody can write; false when it cannot be made writable.
 * @param sleeps whether its patches may come back
 */
function restorePage(page: Address, sleeps: bool): bool {
  if (splitState == PATCHED && !(splitProtection & PROT_EXEC) && !protectPages(page, page + PAGE_SIZE, PROT_READ))
    return false;
  copyIn(current, page, PAGE_BYTES);
  memory.copy(wanted, current, PAGE_BYTES);
  ownPage = page;
  forEachTrappedSite(max(low, page - 1), min(high, page + PAGE_SIZE), restoreTrap);
  if (sleeps) memory.copy(untrapped, wanted, PAGE_BYTES);
  restoreCopy(wanted, page, PAGE_BYTES);
  if (memory.compare(wanted, current, PAGE_BYTES) == 0) return true;
  // What a view shows is there as the program has it (`join`).
  const isShown = (splitProtection & VIEW) != 0;
  if (!isShown && !protectPages(page, page + PAGE_SIZE, PROT_READ | PROT_WRITE)) return false;
  if (!isShown) exchangeBytes(page, current, wanted, PAGE_BYTES);
  if (sleeps) keepImages(page, wanted, untrapped);
  return true;
}

/** Gives the pages of [start, end) that are split the state WRITTEN, or NATIVE, and the protection that goes with it. */
function settle(start: Address, end: Address, state: u32): void {
  let at = start;
  while (nextSplit(at, end)) {
    at = splitEnd;
    if (splitState == state || (splitState > PATCHED && state != NATIVE)) continue;
    const from = splitStart;
    const protection = splitProtection;
    const ran = splitState == SEARCHED || splitState == PATCHED;
    for (let page = from; ran && page < at; page += PAGE_SIZE) if (!isDormant(page)) forgetTargets(page);
    addSplit(from, at, protection, state);
    if (ran && protection & VIEW) join(from, at);
    const isDone = protectPages(from, at, kernelProtection(protection, state));
    assert(isDone, "the kernel does not give a page its protection back");
  }
}

/**
 * The patches of [first, last), whole pages whose bytes are back, are dormant, but for those that reach over a border in it:
 * one side of them may come back without the other. Those are gone.
 */
function putAllToSleep(first: Address, last: Address): void {
  for (let at = first; nextSplit(at, last);) {
    const from = max(splitStart, first + PAGE_SIZE);
    at = splitEnd;
    for (let border = from; border < at; border += PAGE_SIZE) {
      widen(border - 1, border + 1);
      if (low < border && high > border && hasPatches()) dropPatches(true);
    }
  }
  for (let at = first; nextSplit(at, last); at = splitEnd)
    for (let page = splitStart; page < splitEnd; page += PAGE_SIZE) putToSleep(page);
}

/**
 * Puts the program's bytes back in [start, end), whole pages, and in what its patches reach into. Those pages are WRITTEN then.
 * @param mayBeInside whether a thread may be in their trampolines
 * @param sleeps whether the patches may come back
 */
function unpatch(start: Address, end: Address, mayBeInside: bool, sleeps: bool): void {
  widen(start, end);
  if (!hasPatches()) return settle(start, end, WRITTEN);
  let first = start;
  let last = end;
  // Whole pages: of each that a patch reaches into, all patches go.
  while (low < first || high > last) {
    first = low & ~(PAGE_SIZE - 1);
    last = (high + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1);
    widen(first, last);
  }
  for (let at = first; nextSplit(at, last);) {
    const page = splitStart;
    at = splitState == PATCHED ? page + PAGE_SIZE : splitEnd;
    if (splitState != PATCHED || restorePage(page, sleeps)) continue;
    // No memory for one more mapping: all pages that have the same protection at once need none.
    nextSplit(page, u64.MAX_VALUE);
    const all = splitEnd;
    const isOpen = protectPages(page, all, PROT_READ | PROT_WRITE) && restorePage(page, false);
    assert(isOpen, "the kernel does not let a page be written");
    if (all > last) return unpatch(start, all, mayBeInside, sleeps);
  }
  if (sleeps) putAllToSleep(first, last);
  widen(first, last);
  dropPatches(mayBeInside);
  settle(first, last, WRITTEN);
}

/** Takes all patches off [start, end), whole pages, for good. @param mayBeInside whether a thread may be in their trampolines */
export function unpatchSplit(start: Address, end: Address, mayBeInside: bool): void {
  forgetDormant(start, end, mayBeInside);
  unpatch(start, end, mayBeInside, false);
}

/** [start, end), whole pages, is about to be written: its patches are dormant. */
export function openSplit(start: Address, end: Address): void {
  unpatch(start, end, true, true);
}

/** [start, end), whole pages, goes back to what the program asked for. */
export function giveBack(start: Address, end: Address): void {
  countGivenBack(((end - start) / PAGE_SIZE) as u32);
  unpatchSplit(start, end, true);
  settle(start, end, NATIVE);
}

/** Whether a page has something in it, so that it may be worth to look at before it is run. */
function isInUse(page: Address): bool {
  if (tryCopyIn(current, page, PAGE_BYTES) != 0) return false;
  for (let i: u32 = 0; i < PAGE_BYTES; i += 8) if (load<u64>(current + i) != 0) return true;
  return false;
}

/** Where the pages end that are made ready to run together with `page`. */
function endOfRun(page: Address): Address {
  if (splitProtection & PROT_WRITE) return page + PAGE_SIZE;
  const most = min(splitEnd, page + RUN_MAX);
  let end = page + PAGE_SIZE;
  while (end < most && isInUse(end)) end += PAGE_SIZE;
  return end;
}

/**
 * A page that code wrote to which reaches into it: both would have to be patched together, and neither run while the other is
 * written.
 */
let apart: Address = 0;

/**
 * Takes the page behind a run into it, since an instruction that is to be patched reaches there; false when that cannot be.
 * @param hasWriters whether the run is closed to writers
 */
function takeAlong(page: Address, protection: u64, hasWriters: bool): bool {
  if (page == apart || !nextSplit(page, page + PAGE_SIZE) || splitState > PATCHED) return false;
  if (((splitProtection ^ protection) & (PROT_READ | PROT_WRITE | PROT_EXEC | VIEW)) != 0) return false;
  if (splitState != WRITTEN) openSplit(page, page + PAGE_SIZE);
  if (protection & VIEW) return isolate(page, page + PAGE_SIZE);
  return !hasWriters || protectPages(page, page + PAGE_SIZE, PROT_READ);
}

/**
 * Patches pages that all threads may write, which are closed and were searched.
 * @returns false when somebody wrote to them meanwhile
 */
function patchAmongWriters(page: Address, end: Address): bool {
  const size = (end - page) as u32;
  const mark = temporaryMark();
  const before = allocateTemporary(3 * size);
  if (before == 0) {
    closeReached();
    return true;
  }
  const planned = before + size;
  const found = planned + size;
  copyIn(before, page, size);
  memory.copy(planned, before, size);
  patchSplit(page, end, true, planned);
  copyIn(found, page, size);
  const isWhole = memory.compare(found, planned, size) == 0;
  if (!isWhole) {
    // What is not as the patches left it is what somebody wrote.
    for (let i: u32 = 0; i < size; i++)
      store<u8>(planned + i, load<u8>((load<u8>(found + i) == load<u8>(planned + i) ? before : found) + i));
    if (protectPages(page, end, PROT_READ | PROT_WRITE)) exchangeBytes(page, found, planned, size);
    widen(page, end);
    dropPatches(true);
  }
  releaseTemporary(mark);
  return isWhole;
}

/** A WRITTEN page of which `nextSplit` has just spoken is about to run. @param entry the instruction that a thread is at, which is or ends there */
function makeRunnable(page: Address, entry: Address): void {
  const protection = splitProtection;
  const isWritable = (protection & PROT_WRITE) != 0;
  const isView = (protection & VIEW) != 0;
  if (isTorn() || !hasRoom() || ((isWritable || isView) && !countTurn(page))) return giveBack(page, page + PAGE_SIZE);
  if (tryCopyIn(current, page, 1) != 0) {
    forgetDormant(page, page + PAGE_SIZE, true);
    return settle(page, page + PAGE_SIZE, NATIVE);
  }
  let end = endOfRun(page);
  if (!watchKernel() || (isView && !isolate(page, end))) return giveBack(page, end);
  const hasWriters = isWritable && !isAlone();
  if (hasWriters && !protectPages(page, end, PROT_READ)) return giveBack(page, end);
  while (searchSplit(page, end, entry, isWritable) && end - page < RUN_MAX && takeAlong(end, protection, hasWriters))
    end += PAGE_SIZE;
  let isWhole = true;
  if (hasWriters) isWhole = patchAmongWriters(page, end);
  else patchSplit(page, end, isWritable, 0);
  forgetClosed(page, end);
  countRun(((end - page) / PAGE_SIZE) as u32);
  addSplit(page, end, protection, SEARCHED);
  if (!isWhole) return settle(page, end, WRITTEN);
  for (let at = page; at < end; at += PAGE_SIZE) {
    widen(at, at + PAGE_SIZE);
    if (hasPatches()) addSplit(at, at + PAGE_SIZE, protection, PATCHED);
  }
  if (!protectPages(page, end, kernelProtection(protection, SEARCHED))) giveBack(page, end);
}

/** Whether all of the pages between two addresses are split: then a stack pointer in one of them makes the other a stack. */
function isOneRegion(one: Address, other: Address): bool {
  const end = max(one, other);
  let at = min(one, other);
  while (at < end) {
    if (!nextSplit(at, at + 1)) return false;
    nextSplit(at, end);
    at = splitEnd;
  }
  return nextSplit(end, end + 1);
}

/**
 * A thread faulted when it fetched from an address.
 * @param rip where the instruction begins: it may reach over two pages
 * @returns whether it can go on; false when the program may not run what is there
 */
export function turnForFetch(address: Address, rip: Address, rsp: Address): bool {
  const page = address & ~(PAGE_SIZE - 1);
  if (!nextSplit(page, page + PAGE_SIZE) || !(splitProtection & PROT_EXEC)) return false;
  if (splitState != WRITTEN) return true;
  if (isOneRegion(page, rsp)) {
    nextSplit(page, u64.MAX_VALUE);
    giveBack(page, splitEnd);
    return true;
  }
  nextSplit(page, u64.MAX_VALUE);
  makeRunnable(page, rip);
  return true;
}

/** A thread faulted when it wrote to a page that is not split. As `turnForFetch`. */
function turnForView(page: Address): bool {
  if (!openShown(page, page + PAGE_SIZE)) return false;
  countRewritten();
  return true;
}

/** A thread faulted when the instruction at `rip` read or wrote an address. As `turnForFetch`. */
export function turnForAccess(address: Address, rip: Address, isWrite: bool): bool {
  const page = address & ~(PAGE_SIZE - 1);
  if (!nextSplit(page, page + PAGE_SIZE)) return isWrite && turnForView(page);
  if (!(splitProtection & PROT_WRITE) && (isWrite || !(splitProtection & (PROT_READ | PROT_EXEC)))) return false;
  if (splitState != SEARCHED && splitState != PATCHED) return true;
  // An instruction that writes to its own page would never get both at once.
  if (splitProtection & PROT_EXEC && rip < page + PAGE_SIZE && rip + 15 > page) giveBack(page, page + PAGE_SIZE);
  else {
    countRewritten();
    if (splitProtection & PROT_EXEC) forgetTargets(page);
    widen(page, page + PAGE_SIZE);
    if (rip < high && rip + (INSTRUCTION_MAX as u64) > low) apart = page;
    openSplit(page, page + PAGE_SIZE);
  }
  return true;
}

/** Whether a trap that a thread came to has been taken away since. */
function isGone(thread: ThreadBlock, address: Address): bool {
  if (isTrapped(address)) return false;
  if (tryCopyIn(current, address, 1) != 0 || load<u8>(current) == TRAP_BYTE) return false;
  return mayRetry(thread, address);
}

/**
 * A thread came to a trap in code that is published. If it is that of a function which was known by its look (scan/reached.ts), it runs
 * now, and its page is searched again.
 * @returns whether the thread can go on, with `context`
 */
export function enterSplitTrap(thread: ThreadBlock, context: Context): bool {
  const address = context.rip;
  lockEngine(thread);
  let canGoOn = false;
  if (nextSplit(address, address + 1) && !(splitProtection & PROT_WRITE)) {
    const page = address & ~(PAGE_SIZE - 1);
    const isFirst = isEntry(address);
    if (isFirst) openSplit(page, page + PAGE_SIZE);
    canGoOn = isFirst ? turnForFetch(address, address, context.rsp) : enterPatchedTrap(context);
    if (canGoOn) thread.retries = 0;
    else canGoOn = isGone(thread, address);
  }
  unlockEngine();
  return canGoOn;
}
