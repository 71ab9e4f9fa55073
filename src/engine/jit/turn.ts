// How split pages turn (jit/pages.ts): searched and patched before they run, as the program wrote them before they are written.
//
// Other threads may write to a page while it is made ready to run, and they must wait or be seen: it is closed for them
// first, then searched. To write patches it has to be open for an instant. What comes in then shows up when the page, closed
// again, is not what it should be, and is no less valid for it: the page stays WRITTEN.
//
// All functions expect the caller to hold the engine lock.

import { isError, syscall3 } from "../kernel/calls";
import { SYS_MPROTECT } from "../kernel/numbers";
import { PROT_EXEC, PROT_READ, PROT_WRITE } from "../load/map";
import { forgetClosed } from "../patch/code-map";
import { dropPatches, hasPatches, low, high, widen } from "../patch/changing-code";
import { searchSplit } from "../patch/executable";
import { restoreCopy } from "../patch/record";
import { forEachTrappedSite } from "../patch/traps";
import { PIECE_MAX, forgetTargets } from "../scan/reached";
import { decode } from "../x86/decode";
import { INSTRUCTION_MAX, Instruction } from "../x86/instruction";
import { Address, copyIn, tryCopyIn } from "../process";
import { countGivenBack, countRewritten, countRun } from "../stats/counters";
import { isAlone } from "../thread/areas";
import { isTorn } from "../thread/lock";
import { exchangeBytes } from "./exchange";
import { watchKernel } from "./kernel-access";
import {
  NATIVE,
  PAGE_SIZE,
  PATCHED,
  SEARCHED,
  WRITTEN,
  addSplit,
  countTurn,
  hasRoom,
  kernelProtection,
  nextSplit,
  splitEnd,
  splitProtection,
  splitStart,
  splitState,
} from "./pages";

const PAGE_BYTES: u32 = 4096;
/** Pages that are made ready to run at once where nobody can write, at most. */
const RUN_MAX: u64 = PIECE_MAX as u64;

/** Gives pages a protection; false when the kernel refuses. */
export function protectPages(start: Address, end: Address, protection: u64): bool {
  return !isError(syscall3(SYS_MPROTECT, start, end - start, protection));
}

/** A page as it is; and as the program has it, or should have it. */
const current = memory.data(4096, 8);
const wanted = memory.data(4096, 8);
/** A page before it is patched. */
const written = memory.data(4096, 8);

let ownPage: Address = 0;

/** The second byte of `syscall` instead of that of `ud2` (patch/traps.ts). */
function restoreTrap(site: Address): void {
  if (site + 1 - ownPage < PAGE_SIZE) store<u8>(wanted + ((site + 1 - ownPage) as usize), 0x05);
}

/** Puts the program's bytes back into a page that nobody can write; false when it cannot be made writable. */
function restorePage(page: Address): bool {
  if (splitState == PATCHED && !(splitProtection & PROT_EXEC) && !protectPages(page, page + PAGE_SIZE, PROT_READ))
    return false;
  copyIn(current, page, PAGE_BYTES);
  memory.copy(wanted, current, PAGE_BYTES);
  restoreCopy(wanted, page, PAGE_BYTES);
  ownPage = page;
  forEachTrappedSite(max(low, page - 1), min(high, page + PAGE_SIZE), restoreTrap);
  if (memory.compare(wanted, current, PAGE_BYTES) == 0) return true;
  if (!protectPages(page, page + PAGE_SIZE, PROT_READ | PROT_WRITE)) return false;
  exchangeBytes(page, current, wanted, PAGE_BYTES);
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
    addSplit(from, at, protection, state);
    const isDone = protectPages(from, at, kernelProtection(protection, state));
    assert(isDone, "the kernel does not give a page its protection back");
  }
}

/**
 * Takes all patches off [start, end), whole pages, and off what they reach into. Those pages are WRITTEN then.
 * @param mayBeInside whether a thread may be in their trampolines
 */
export function unpatchSplit(start: Address, end: Address, mayBeInside: bool): void {
  widen(start, end);
  if (!hasPatches()) return settle(start, end, WRITTEN);
  const first = low & ~(PAGE_SIZE - 1);
  const last = (high + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1);
  for (let page = first; page < last; page += PAGE_SIZE) {
    if (!nextSplit(page, page + PAGE_SIZE) || splitState != PATCHED) continue;
    if (restorePage(page)) continue;
    // No memory for one more mapping: all pages that have the same protection at once need none.
    nextSplit(page, u64.MAX_VALUE);
    const all = splitEnd;
    const isOpen = protectPages(page, all, PROT_READ | PROT_WRITE) && restorePage(page);
    assert(isOpen, "the kernel does not let a page be written");
    if (all > last) return unpatchSplit(start, all, mayBeInside);
  }
  dropPatches(mayBeInside);
  settle(min(start, first), max(end, last), WRITTEN);
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

/** Searches and patches a page that all threads may write; false when one of them did so meanwhile. */
function searchAmongWriters(page: Address, entry: Address): bool {
  copyIn(written, page, PAGE_BYTES);
  memory.copy(wanted, written, PAGE_BYTES);
  searchSplit(page, page + PAGE_SIZE, entry, true, wanted);
  copyIn(current, page, PAGE_BYTES);
  if (memory.compare(current, wanted, PAGE_BYTES) == 0) return true;
  // What is not as the patches left it is what somebody wrote.
  for (let i: u32 = 0; i < PAGE_BYTES; i++)
    if (load<u8>(current + i) == load<u8>(wanted + i)) store<u8>(wanted + i, load<u8>(written + i));
    else store<u8>(wanted + i, load<u8>(current + i));
  if (protectPages(page, page + PAGE_SIZE, PROT_READ | PROT_WRITE)) exchangeBytes(page, current, wanted, PAGE_BYTES);
  widen(page, page + PAGE_SIZE);
  dropPatches(true);
  return false;
}

/** A WRITTEN page of which `nextSplit` has just spoken is about to run. @param entry where a thread goes on, there or just in front */
function makeRunnable(page: Address, entry: Address): void {
  const protection = splitProtection;
  const isWritable = (protection & PROT_WRITE) != 0;
  if (isTorn() || !hasRoom() || (isWritable && !countTurn(page))) return giveBack(page, page + PAGE_SIZE);
  if (tryCopyIn(current, page, 1) != 0) return settle(page, page + PAGE_SIZE, NATIVE);
  const end = endOfRun(page);
  watchKernel();
  const hasWriters = isWritable && !isAlone();
  if (hasWriters && !protectPages(page, end, PROT_READ)) return giveBack(page, end);
  let isWhole = true;
  if (hasWriters) isWhole = searchAmongWriters(page, entry);
  else searchSplit(page, end, entry, isWritable, 0);
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

const crossing = changetype<Instruction>(memory.data(offsetof<Instruction>(), 8));

/** Where the first instruction of a page begins that the instruction at `rip` reaches into or is on. */
function entryOf(page: Address, rip: Address): Address {
  if (rip >= page || rip + (INSTRUCTION_MAX as u64) <= page) return rip;
  if (tryCopyIn(current, rip, INSTRUCTION_MAX) != 0) return rip;
  return rip + (decode(current, INSTRUCTION_MAX, changetype<usize>(crossing)) as u64);
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
  makeRunnable(page, entryOf(page, rip));
  return true;
}

/** A thread faulted when the instruction at `rip` read or wrote an address. As `turnForFetch`. */
export function turnForAccess(address: Address, rip: Address, isWrite: bool): bool {
  const page = address & ~(PAGE_SIZE - 1);
  if (!nextSplit(page, page + PAGE_SIZE)) return false;
  if (!(splitProtection & PROT_WRITE) && (isWrite || !(splitProtection & (PROT_READ | PROT_EXEC)))) return false;
  if (splitState != SEARCHED && splitState != PATCHED) return true;
  // An instruction that writes to its own page would never get both at once.
  if (splitProtection & PROT_EXEC && rip < page + PAGE_SIZE && rip + 15 > page) giveBack(page, page + PAGE_SIZE);
  else {
    countRewritten();
    if (splitProtection & PROT_EXEC) forgetTargets(page);
    unpatchSplit(page, page + PAGE_SIZE, true);
  }
  return true;
}
