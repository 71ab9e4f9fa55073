// Code that the program changes: its protection, its bytes, or its place. Unpatch, act, patch again (invariant I5).
//
//   becomes writable                 ld.so relocates text (DT_TEXTREL), a program rewrites its own: the original bytes must be
//     and not executable             back, the sites are known no more; it is searched when it becomes executable again
//     and stays executable           likewise, but that the sites are traps until then: one byte, which relocations never touch
//   becomes executable               what has not been searched is searched
//   is dropped (MADV_DONTNEED)       a file's pages read back unpatched: the patches are put back
//   moves (mremap)                   trampolines lead back to the old place: patched anew at the new one
//   goes away in part                a patch across the border must not be left in half
//
// Patches reach over any border, so a range is widened until none crosses it; what lies outside of the range that the program
// named is patched again. Pages that threads may be running are closed in the meantime (patch/code-map.ts).
//
// Trampolines that threads may be inside stay until all threads were seen elsewhere (thread/quiescence.ts). A thread that the kernel
// interrupted exactly between the two jumps of a T3 goes on inside of the victim: only code that another thread rewrites at
// that instant has this, natively a race just as well.
//
// All functions expect the caller to hold the engine lock.

import { isError, syscall3 } from "../kernel/calls";
import { EAGAIN, ENOMEM } from "../kernel/errno";
import { SYS_MPROTECT } from "../kernel/numbers";
import { refusesExecution } from "../kernel/write-execute";
import { pageCeil, pageFloor } from "../load/elf";
import { foreignEnd, foreignStart, nextForeign } from "../own-memory";
import { Address, poke16, poke8, tryCopyIn } from "../process";
import { isAlone } from "../thread/areas";
import { isTorn } from "../thread/lock";
import { releaseQuiet } from "../thread/quiescence";
import { forgetDescribed } from "../debug/describe";
import { allocateTemporary, releaseTemporary, temporaryMark } from "./arena";
import {
  PATCHED,
  TRAPPED,
  addCode,
  codeEnd,
  codeProtection,
  codeStart,
  codeState,
  cutCode,
  forgetClosed,
  hasCode,
  nextCode,
  rememberClosed,
} from "./code-map";
import { forgetCode, patchOldSites, searchClosed, searchMemory, trapOldSites } from "./executable";
import {
  countPatchedIn,
  forEachSite,
  forgetRange,
  hasRecords,
  keepPatches,
  putPatchesBack,
  releaseRetired,
  retireRange,
  takePatchesOff,
  widenToPatches,
  writeOriginals,
} from "./record";
import { addOldSite, clearOldSites } from "./sites";
import { SYSCALL_BYTES, TRAP_BYTES, forEachTrappedSite, forgetTraps, isTrapped } from "./traps";

const PROT_READ: u64 = 1;
const PROT_WRITE: u64 = 2;
const PROT_EXEC: u64 = 4;
const PAGE_SIZE: u64 = 4096;

/** The second byte of `syscall` and of `ud2`. */
const SYSCALL_BYTE: u32 = 0x05;

/** The range that is being changed, widened so that no patch crosses it. */
export let low: Address = 0;
export let high: Address = 0;
const wide = memory.data(16, 8);

/** Sets `low` and `high` to the range and what its patches reach into. */
export function widen(start: Address, end: Address): void {
  store<u64>(wide, start);
  store<u64>(wide, end, 8);
  widenToPatches(wide);
  low = load<u64>(wide);
  high = load<u64>(wide, 8);
  // A trap has two bytes.
  if (isTrapped(low - 1)) low -= 1;
  if (isTrapped(high - 1)) high += 1;
}

let trapCount: u32 = 0;
function countTrap(_site: Address): void {
  trapCount += 1;
}

/** Whether anything in [low, high) is patched. */
export function hasPatches(): bool {
  trapCount = 0;
  forEachTrappedSite(low, high, countTrap);
  return trapCount != 0 || hasRecords(low, high);
}

/** Makes the code in the pages of [start, end) writable and not executable; false when it cannot be done. */
function close(start: Address, end: Address): bool {
  let at = pageFloor(start);
  const last = pageCeil(end);
  if (start < end && refusesExecution) return false;
  if (start < end) rememberClosed(at, last);
  while (start < end && nextCode(at, last)) {
    if (syscall3(SYS_MPROTECT, codeStart, codeEnd - codeStart, PROT_READ | PROT_WRITE) != 0) {
      open(start, codeStart);
      return false;
    }
    at = codeEnd;
  }
  return true;
}

/** Gives the code in the pages of [start, end) back its protection. */
function open(start: Address, end: Address): void {
  let at = pageFloor(start);
  while (start < end && nextCode(at, pageCeil(end))) {
    if (syscall3(SYS_MPROTECT, codeStart, codeEnd - codeStart, codeProtection) != 0) forgetClosed(codeStart, codeEnd);
    at = codeEnd;
  }
}

function restoreTrap(site: Address): void {
  poke8(site + 1, SYSCALL_BYTE);
}

/**
 * Forgets the patches of [low, high).
 * @param mayBeInside whether this thread may be in their trampolines and go on there
 */
export function dropPatches(mayBeInside: bool = false): void {
  forgetTraps(low, high);
  forgetDescribed(low, high);
  if (mayBeInside || !isAlone()) {
    retireRange(low, high);
    return releaseQuiet();
  }
  forgetRange(low, high);
  releaseRetired();
}

function noteSites(): void {
  clearOldSites();
  forEachSite(low, high, addOldSite);
  forEachTrappedSite(low, high, addOldSite);
}

/** Puts the original bytes of [low, high) back, which can be written. */
function unpatch(): void {
  noteSites();
  writeOriginals(low, high);
  forEachTrappedSite(low, high, restoreTrap);
  dropPatches();
}

/** Patches the known code in [start, end) again, part by part, and opens it. */
function patchAgain(start: Address, end: Address): void {
  let at = start;
  while (nextCode(at, end)) {
    at = codeEnd;
    const protection = codeProtection;
    if (codeState == PATCHED) patchOldSites(codeStart, codeEnd, 0, protection);
    else trapOldSites(codeStart, codeEnd);
  }
  open(start, end);
}

/** Where the first hole of [start, end) is, whose pages up to there have been given a protection. */
export function mappedEnd(start: Address, end: Address, protection: u64): Address {
  let mapped = start;
  let hole = end;
  // The same again changes nothing; the kernel stops at a hole.
  while (hole - mapped > PAGE_SIZE) {
    const middle = pageFloor(mapped + (hole - mapped) / 2);
    if (isError(syscall3(SYS_MPROTECT, mapped, middle - mapped, protection))) hole = middle;
    else mapped = middle;
  }
  return isError(syscall3(SYS_MPROTECT, mapped, PAGE_SIZE, protection)) ? mapped : hole;
}

/** How far a call went, by its result: up to a hole, for which the engine's memory counts, or all of it, or nothing. */
function appliedEnd(start: Address, end: Address, protection: u64, result: i64): Address {
  if (!isError(result)) return end;
  if (result != -ENOMEM || !nextForeign(start, end) || foreignStart != start) return start;
  return mappedEnd(start, foreignEnd, protection);
}

/** What the kernel does to the program's range. Its result is that of the call. */
type Act = () => i64;

/** mprotect of code to writable and not executable. */
function makeWritable(start: Address, end: Address, protection: u64, act: Act): i64 {
  const result = act();
  const stop = appliedEnd(start, end, protection, result);
  if (stop == start) return result;
  forgetClosed(start, stop);
  widen(start, stop);
  if (!hasPatches()) {
    cutCode(start, stop);
    return result;
  }
  // What cannot be closed stays as it is.
  if (!close(low, start) || !close(stop, high)) {
    open(low, start);
    noteProtection(start, stop, protection);
    return result;
  }
  unpatch();
  cutCode(start, stop);
  patchAgain(low, start);
  patchAgain(stop, high);
  return result;
}

/** mprotect of code to writable and executable. */
function makeAllWritable(start: Address, end: Address, protection: u64, act: Act): i64 {
  widen(start, end);
  const isPatched = hasPatches();
  // What cannot be closed stays as it is.
  if (isPatched && !close(low, high)) return act();
  if (isPatched) unpatch();
  if (isPatched) trapOldSites(start, end);
  const result = act();
  const stop = appliedEnd(start, end, protection, result);
  if (isPatched) addCode(start, stop, protection, TRAPPED);
  else cutCode(start, stop);
  if (isPatched) {
    open(stop, end);
    patchAgain(low, start);
    patchAgain(end, high);
  }
  return result;
}

/** Traps of writable code become system calls again. If it stays executable, it is searched while it is closed. */
function releaseTraps(start: Address, end: Address, protection: u64): void {
  let at = start;
  while (nextCode(at, end)) {
    at = codeEnd;
    const from = codeStart;
    // What cannot be closed stays as it is.
    if (codeState != TRAPPED || !close(from, at)) continue;
    forEachTrappedSite(from, at, restoreTrap);
    forgetTraps(from, at);
    cutCode(from, at);
    if (protection & PROT_EXEC) searchClosed(from, at, protection);
  }
}

/** Code that stays patched has another protection. */
function noteProtection(start: Address, end: Address, protection: u64): void {
  let at = start;
  while (nextCode(at, end)) {
    at = codeEnd;
    addCode(codeStart, at, protection, codeState);
  }
}

function searchUnknown(start: Address, end: Address, protection: u64): void {
  let at = start;
  while (at < end) {
    const hasNext = nextCode(at, end);
    const stop = hasNext ? codeStart : end;
    const next = hasNext ? codeEnd : end;
    if (at < stop) searchMemory(at, stop, protection);
    at = next;
  }
}

/**
 * mprotect(start, end - start, protection): `act` makes the call.
 * @returns what it gives
 */
export function protectCode(start: Address, end: Address, protection: u64, act: Act): i64 {
  if (isTorn()) return act();
  if (protection & PROT_WRITE) {
    if (!hasCode(start, end)) return act();
    if (protection & PROT_EXEC) return makeAllWritable(start, end, protection, act);
    return makeWritable(start, end, protection, act);
  }
  releaseTraps(start, end, protection);
  const result = act();
  const stop = appliedEnd(start, end, protection, result);
  open(stop, end);
  if (stop == start) return result;
  noteProtection(start, stop, protection);
  if (protection & PROT_EXEC) searchUnknown(start, stop, protection);
  else forgetClosed(start, stop);
  return result;
}

function trapAgain(site: Address): void {
  if (tryCopyIn(bytes, site, 2) == 0 && load<u16>(bytes) == SYSCALL_BYTES) poke16(site, TRAP_BYTES);
  else forgetTraps(site, site + 1);
}
const bytes = memory.data(8, 8);

/** madvise that drops pages of [start, end): what a file has comes back. */
export function dropCode(start: Address, end: Address, act: Act): i64 {
  if (isTorn()) return act();
  widen(start, end);
  if (!hasPatches()) return act();
  const mark = temporaryMark();
  const kept = allocateTemporary(16 * (countPatchedIn(low, high) as usize));
  if (kept == 0) return -EAGAIN;
  if (!close(low, high)) {
    releaseTemporary(mark);
    return act();
  }
  noteSites();
  keepPatches(low, high, kept);
  // All traps are system calls while the kernel acts, wherever their pages come from.
  forEachTrappedSite(low, high, restoreTrap);
  const result = act();
  const isWhole = putPatchesBack(low, high, kept);
  if (!isWhole) takePatchesOff(low, high, kept);
  releaseTemporary(mark);
  if (isWhole) {
    forEachTrappedSite(low, high, trapAgain);
    open(low, high);
  } else {
    dropPatches();
    patchAgain(low, high);
  }
  return result;
}

/**
 * [start, end) is about to be replaced, or to go away.
 * @param act does it, and forgets the code there if it succeeds
 */
export function replaceCode(start: Address, end: Address, act: Act): i64 {
  if (!hasCode(start, end) || isTorn()) return act();
  widen(start, end);
  // A patch that is half gone would lead nowhere; but what cannot be closed stays as it is.
  if ((low == start && high == end) || !close(low, high)) return act();
  unpatch();
  const result = act();
  patchAgain(low, start);
  patchAgain(end, high);
  if (isError(result)) patchAgain(start, end);
  return result;
}

/** Notes and patches what code there was in [start, end), now `distance` further on, and ends at `last` at most. */
function settle(start: Address, end: Address, distance: u64, last: Address, isPatched: bool): void {
  let at = start;
  while (nextCode(at, end)) {
    at = codeEnd;
    const from = codeStart;
    const stop = min(at, last);
    const protection = codeProtection;
    if (from >= stop) return;
    if (isPatched && codeState == PATCHED) patchOldSites(from, stop, distance, protection);
    if (isPatched) syscall3(SYS_MPROTECT, from + distance, stop - from, protection);
    if (codeState == PATCHED) addCode(from + distance, stop + distance, protection, PATCHED);
  }
}

/** mremap of [start, end) to `size` bytes. @param staysMapped MREMAP_DONTUNMAP */
export function moveCode(start: Address, end: Address, size: u64, staysMapped: bool, act: Act): i64 {
  if (!hasCode(start, end) || isTorn()) return act();
  const isKnown = nextCode(end - PAGE_SIZE, end) && codeState == PATCHED && (codeProtection & PROT_EXEC) != 0;
  const protection = codeProtection;
  widen(start, end);
  const isPatched = hasPatches();
  // Trampolines would lead back to where the code was.
  if (isPatched && !close(low, high)) return -ENOMEM;
  if (isPatched) unpatch();
  const result = act();
  if (isError(result)) {
    if (isPatched) patchAgain(low, high);
    return result;
  }
  const distance = (result as u64) - start;
  if (distance != 0) {
    settle(start, end, distance, start + size, isPatched);
    if (staysMapped && isPatched) open(start, end);
    forgetCode(start, end);
  } else forgetCode(start + size, end);
  if (isPatched) patchAgain(low, high);
  // A file's mapping that has grown shows more of its code.
  if (isKnown && start + size > end) searchMemory(end + distance, start + size + distance, protection);
  return result;
}
