// mmap, munmap, mremap, mprotect, madvise, shmat: code is patched before it can run, what is known about code goes with it,
// and the engine's memory stays the engine's (invariants I5, I6).
//
// Natively nothing is mapped where the engine's memory is: a program that unmaps it, or asks for a change, is answered as
// for a hole (memory-range.ts). Only a mapping at a fixed address cannot be as natively: it fails with ENOMEM.

import { atLibrary } from "../hook/events";
import { dropCode, moveCode, protectCode, replaceCode } from "../patch/changing-code";
import { hasCode } from "../patch/code-map";
import { forgetCode, mapExecutable } from "../patch/executable";
import { noteWritableView } from "../patch/private-pages";
import { countUnsearched } from "../stats/counters";
import { foreignEnd, foreignStart, hasOwnMemory, nextForeign } from "../own-memory";
import { isFiltered, mayCall } from "../seccomp/filters";
import { GateFrame, ThreadBlock } from "../thread/block";
import { frameBufferOf } from "../thread/deferred";
import { lockEngine, unlockEngine } from "../thread/lock";
import { programSyscall } from "../process";
import { pageCeil } from "../load/elf";
import { MAP_ANONYMOUS, MAP_FIXED, MAP_PRIVATE, PROT_EXEC, PROT_WRITE } from "../load/map";
import { finish, passToKernel } from "./call";
import {
  dropSplit,
  forgetSplit,
  gatherSplit,
  isSharedWithNobody,
  isToBeSplit,
  moveSplit,
  noteSplit,
  protectSplit,
  protectionAtFirst,
  separateSplit,
} from "../jit/calls";
import { areLent, takeViewsBack } from "../jit/lend";
import { hasSplit } from "../jit/pages";
import {
  adoptRunViews,
  giveUpViews,
  isRunView,
  noteProtection,
  noteRunView,
  noteView,
  openViews,
} from "../jit/view-calls";
import { hasViewIn, viewCount } from "../jit/views";
import { addressOf, isError, syscall2 } from "./calls";
import { EACCES, EFAULT, ENOMEM, EPERM } from "./errno";
import { aroundEngine, endOfPages, upToEngine } from "./memory-range";
import { SYS_FCNTL, SYS_MUNMAP, SYS_PKEY_MPROTECT, SYS_SHMCTL } from "./numbers";
import { impliedProtection } from "./personality";
import { refusesExecution } from "./write-execute";

const MREMAP_FIXED: u64 = 2;
const MREMAP_DONTUNMAP: u64 = 4;

function native(frame: GateFrame): i64 {
  return programSyscall(frame.rax, frame.rdi, frame.rsi, frame.rdx, frame.r10, frame.r8, frame.r9);
}

/** The call that is being made, for the functions that make it when its code is ready. Under the engine lock. */
let call: usize = 0;
function callFrame(): GateFrame {
  return changetype<GateFrame>(call);
}

const MAP_TYPE: u64 = 0xf;
const F_GETFL: u64 = 3;
const O_ACCMODE: i64 = 3;

/** Whether an mmap shows, shared, what the program can write elsewhere: its descriptor says so. */
function isWritableView(frame: GateFrame): bool {
  if (frame.r10 & MAP_ANONYMOUS || (frame.r10 & MAP_TYPE) == MAP_PRIVATE) return false;
  // A filter may end the process for the question.
  return isFiltered || (syscall2(SYS_FCNTL, frame.r8, F_GETFL) & O_ACCMODE) != 0;
}

/** mmap(address, size, protection, flags, descriptor, offset) */
export function mmap(thread: ThreadBlock, frame: GateFrame): u32 {
  const asked = frame.rdx;
  frame.rdx = impliedProtection(asked);
  let result = map(thread, frame);
  // On a file system that is mounted without the right to execute nothing is implied.
  const isRefused = frame.rdx != asked && (result == -EPERM || result == -EACCES);
  frame.rdx = asked;
  if (isRefused) result = map(thread, frame);
  if (frame.rdx & PROT_EXEC && !(frame.r10 & MAP_ANONYMOUS) && !isError(result))
    atLibrary(thread, result as u64, frame.rsi, frame.r9, frame.r8 as u32);
  return finish(thread, frame, result);
}

function map(thread: ThreadBlock, frame: GateFrame): i64 {
  const isView = isWritableView(frame);
  if (isView) noteWritableView();
  const isPlain = !(frame.rdx & PROT_EXEC) && !(frame.r10 & MAP_FIXED) && !isSharedWithNobody(frame.r10);
  if (isPlain && (viewCount == 0 || !isFileView(frame.r10))) return native(frame);
  lockEngine(thread);
  if (areLent) takeViewsBack();
  staysShared = isView;
  call = changetype<usize>(frame);
  const end = frame.r10 & MAP_FIXED ? endOfPages(frame.rdi, frame.rsi) : frame.rdi;
  if (frame.r10 & MAP_FIXED) separateSplit(frame.rdi, end);
  const result = hasOwnMemory(frame.rdi, end) ? -ENOMEM : replaceCode(frame.rdi, end, mapWatched);
  unlockEngine();
  return result;
}

let staysShared: bool = false;

/** A mapping that may replace something, or that can run. */
function mapWatched(): i64 {
  const frame = callFrame();
  const isFile = (frame.r10 & MAP_ANONYMOUS) == 0;
  // Code that is written in place, or through another view, has no system call to patch it at: it is split, or runs as it is.
  if (frame.rdx & PROT_EXEC && !(frame.rdx & PROT_WRITE) && isFile && !staysShared && mayPatch(frame))
    return forgetReplaced(mapExecutable(frame.rdi, frame.rsi, frame.rdx, frame.r10, frame.r8 as i32, frame.r9), frame);
  if (staysShared && isRunView(frame.rdx, frame.r8)) return mapToRun(frame);
  const asked = frame.rdx;
  const splits = isToBeSplit(asked, frame.r10) && mayPatch(frame);
  if (asked & PROT_EXEC && !splits) countUnsearched();
  if (splits) frame.rdx = protectionAtFirst(asked);
  const result = native(frame);
  frame.rdx = asked;
  if (!isError(result) && frame.r10 & MAP_FIXED) forgetCode(result as u64, (result as u64) + pageCeil(frame.rsi));
  forgetReplaced(result, frame);
  if (splits && !isError(result)) noteSplit(result as u64, (result as u64) + pageCeil(frame.rsi), asked, frame.r10);
  if (viewCount != 0 && !isError(result) && isFileView(frame.r10))
    noteView(result as u64, (result as u64) + pageCeil(frame.rsi), asked, frame.r8, frame.r9);
  return result;
}

/** Whether an mmap with these flags shows a file, shared. */
function isFileView(flags: u64): bool {
  return !(flags & MAP_ANONYMOUS) && (flags & MAP_TYPE) != MAP_PRIVATE;
}

/** A view to run of what the program writes elsewhere. */
function mapToRun(frame: GateFrame): i64 {
  const result = native(frame);
  if (isError(result)) return result;
  const end = (result as u64) + pageCeil(frame.rsi);
  if (frame.r10 & MAP_FIXED) forgetCode(result as u64, end);
  forgetReplaced(result, frame);
  if (!noteRunView(result as u64, end, frame.rdx, frame.r9)) countUnsearched();
  return result;
}

/** What an mmap that has given `result` has put itself in the place of. */
function forgetReplaced(result: i64, frame: GateFrame): i64 {
  if (!isError(result) && frame.r10 & MAP_FIXED) forgetSplit(result as u64, (result as u64) + pageCeil(frame.rsi));
  return result;
}

/** Whether code can be mapped without PROT_EXEC at first, and get it later. */
function mayPatch(frame: GateFrame): bool {
  return !refusesExecution && mayClose(frame);
}

/** Whether the program's filters let the engine make a mmap or mprotect without PROT_EXEC, too. */
function mayClose(frame: GateFrame): bool {
  if (!isFiltered) return true;
  const closed = frame.rdx & ~PROT_EXEC;
  return (
    mayCall(frame.rax, frame.rdi, frame.rsi, frame.rdx, frame.r10, frame.r8, frame.r9) &&
    mayCall(frame.rax, frame.rdi, frame.rsi, closed, frame.r10, frame.r8, frame.r9)
  );
}

/** munmap(address, size) */
export function munmap(thread: ThreadBlock, frame: GateFrame): u32 {
  lockEngine(thread);
  if (areLent) takeViewsBack();
  call = changetype<usize>(frame);
  separateSplit(frame.rdi, endOfPages(frame.rdi, frame.rsi));
  const result = replaceCode(frame.rdi, endOfPages(frame.rdi, frame.rsi), unmap);
  unlockEngine();
  return finish(thread, frame, result);
}

function unmap(): i64 {
  const frame = callFrame();
  const end = endOfPages(frame.rdi, frame.rsi);
  const result = hasOwnMemory(frame.rdi, end) ? unmapAround(frame.rdi, end) : native(frame);
  if (!isError(result)) {
    forgetCode(frame.rdi, end);
    forgetSplit(frame.rdi, end);
  }
  return result;
}

/** One past the last address that munmap takes: TASK_SIZE_MAX. */
const TASK_SIZE: u64 = 0x7ffffffff000;

/** Unmaps all of a range but for what is the engine's. */
function unmapAround(start: u64, end: u64): i64 {
  if (end > TASK_SIZE) return programSyscall(SYS_MUNMAP, start, end - start, 0, 0, 0, 0);
  for (let at = start; nextForeign(at, end); at = foreignEnd) {
    const result = programSyscall(SYS_MUNMAP, foreignStart, foreignEnd - foreignStart, 0, 0, 0, 0);
    if (isError(result)) return result;
  }
  return 0;
}

/** mremap(address, old size, new size, flags, new address) */
export function mremap(thread: ThreadBlock, frame: GateFrame): u32 {
  lockEngine(thread);
  const result = move(frame);
  unlockEngine();
  return finish(thread, frame, result);
}

function move(frame: GateFrame): i64 {
  // An old size of 0 asks for a second view of a shared mapping.
  if (hasOwnMemory(frame.rdi, endOfPages(frame.rdi, max(frame.rsi, 1)))) return -EFAULT;
  if (frame.r10 & MREMAP_FIXED && hasOwnMemory(frame.r8, endOfPages(frame.r8, frame.rdx))) return -ENOMEM;
  call = changetype<usize>(frame);
  const end = endOfPages(frame.rdi, frame.rsi);
  giveUpViews(frame.rdi, max(end, frame.rdi + 1));
  if (frame.r10 & MREMAP_FIXED) separateSplit(frame.r8, endOfPages(frame.r8, frame.rdx));
  if (hasSplit(frame.rdi, max(end, frame.rdi + 1))) return moveOutOf(frame, end);
  if (hasCode(frame.rdi, end))
    return moveCode(frame.rdi, end, pageCeil(frame.rdx), (frame.r10 & MREMAP_DONTUNMAP) != 0, moveOver);
  return frame.r10 & MREMAP_FIXED ? replaceCode(frame.r8, endOfPages(frame.r8, frame.rdx), moveOver) : native(frame);
}

function moveOver(): i64 {
  const frame = callFrame();
  const result = native(frame);
  if (!isError(result) && frame.r10 & MREMAP_FIXED) {
    forgetCode(frame.r8, frame.r8 + pageCeil(frame.rdx));
    forgetSplit(frame.r8, frame.r8 + pageCeil(frame.rdx));
  }
  return result;
}

/** The same for split pages. */
function moveOutOf(frame: GateFrame, end: u64): i64 {
  const isSecond = frame.rsi == 0;
  gatherSplit(frame.rdi, isSecond ? frame.rdi + 1 : end, isSecond);
  const result =
    frame.r10 & MREMAP_FIXED ? replaceCode(frame.r8, endOfPages(frame.r8, frame.rdx), moveOver) : native(frame);
  if (!isError(result) && !isSecond)
    moveSplit(frame.rdi, end, result as u64, frame.rdx, (frame.r10 & MREMAP_DONTUNMAP) != 0);
  return result;
}

/** mprotect(start, size, protection), pkey_mprotect(start, size, protection, key) */
export function mprotect(thread: ThreadBlock, frame: GateFrame): u32 {
  const end = endOfPages(frame.rdi, frame.rsi);
  const asked = frame.rdx;
  frame.rdx = impliedProtection(asked);
  lockEngine(thread);
  if (areLent) takeViewsBack();
  const concerned =
    (frame.rdx & PROT_EXEC && frame.rdi < end) ||
    hasSplit(frame.rdi, end) ||
    hasViewIn(frame.rdi, end) ||
    hasCode(frame.rdi, end) ||
    hasOwnMemory(frame.rdi, end);
  call = changetype<usize>(frame);
  let result: i64 = concerned ? protect(end) : 0;
  const isRefused = frame.rdx != asked && result == -EACCES;
  frame.rdx = asked;
  if (isRefused) result = protect(end);
  unlockEngine();
  return concerned ? finish(thread, frame, result) : passToKernel(frame);
}

/** PROT_GROWSDOWN and PROT_GROWSUP: where the range ends is the kernel's to find. */
const PROT_GROWS: u64 = 0x3000000;

function protect(end: u64): i64 {
  const frame = callFrame();
  // Up to the engine's memory, as to a hole.
  const hasOwn = hasOwnMemory(frame.rdi, end);
  const stop = hasOwn && nextForeign(frame.rdi, end) && foreignStart == frame.rdi ? foreignEnd : frame.rdi;
  const last = hasOwn ? stop : end;
  if (frame.rdx & PROT_GROWS || !mayClose(frame)) {
    giveUpViews(frame.rdi, end);
    return protectCode(frame.rdi, end, frame.rdx, protectNatively);
  }
  const isKeyed = frame.rax == SYS_PKEY_MPROTECT && frame.r10 - 1 < KEYS;
  if (isKeyed) giveUpViews(frame.rdi, last);
  if ((frame.rdx & (PROT_EXEC | PROT_WRITE)) == PROT_EXEC && !isKeyed) adoptRunViews(frame.rdi, last);
  openViews(frame.rdi, last, frame.rdx);
  const result = protectSplit(frame.rdi, last, frame.rdx, isKeyed, protectPart, protectCodePart);
  // How far the kernel came before it refused is not known.
  if (isError(result)) giveUpViews(frame.rdi, last);
  else noteProtection(frame.rdi, last, frame.rdx);
  return isError(result) || !hasOwn ? result : -ENOMEM;
}

/** Protection keys that are no ordinary memory's: 1 to 15. */
const KEYS: u64 = 15;

function protectNatively(): i64 {
  const frame = callFrame();
  return hasOwnMemory(frame.rdi, endOfPages(frame.rdi, frame.rsi)) ? upToEngine(frame) : native(frame);
}

/** The call for a part of its range. */
function protectPart(start: u64, end: u64, protection: u64): i64 {
  const frame = callFrame();
  return programSyscall(frame.rax, start, end - start, protection, frame.r10, frame.r8, frame.r9);
}

let partStart: u64 = 0;
let partEnd: u64 = 0;
let partProtection: u64 = 0;

/** The same where there may be code of files. */
function protectCodePart(start: u64, end: u64, protection: u64): i64 {
  partStart = start;
  partEnd = end;
  partProtection = protection;
  return protectCode(start, end, protection, protectThatPart);
}

function protectThatPart(): i64 {
  return protectPart(partStart, partEnd, partProtection);
}

const MADV_DONTNEED: u64 = 4;
const MADV_FREE: u64 = 8;
const MADV_REMOVE: u64 = 9;
const MADV_DONTNEED_LOCKED: u64 = 24;

/** Whether advice makes pages lose what was written to them. */
function drops(advice: u64): bool {
  return advice == MADV_DONTNEED || advice == MADV_FREE || advice == MADV_REMOVE || advice == MADV_DONTNEED_LOCKED;
}

/** madvise(start, size, advice) */
export function madvise(thread: ThreadBlock, frame: GateFrame): u32 {
  const end = endOfPages(frame.rdi, frame.rsi);
  lockEngine(thread);
  if ((frame.rdx & 0xffffffff) == MADV_REMOVE) openViews(frame.rdi, end, PROT_WRITE);
  if (drops(frame.rdx & 0xffffffff) && hasSplit(frame.rdi, end)) dropSplit(frame.rdi, end);
  const dropsCode = drops(frame.rdx & 0xffffffff) && hasCode(frame.rdi, end);
  const concerned = dropsCode || hasOwnMemory(frame.rdi, end);
  call = changetype<usize>(frame);
  const result: i64 = dropsCode ? dropCode(frame.rdi, end, advise) : concerned ? advise() : 0;
  unlockEngine();
  return concerned ? finish(thread, frame, result) : passToKernel(frame);
}

function advise(): i64 {
  const frame = callFrame();
  return hasOwnMemory(frame.rdi, endOfPages(frame.rdi, frame.rsi)) ? aroundEngine(frame) : native(frame);
}

const SHM_RND: u64 = 0x2000;
const SHM_REMAP: u64 = 0x4000;
const SHM_EXEC: u64 = 0x8000;
const IPC_STAT: u64 = 2;
/** struct shmid64_ds: shm_segsz is behind struct ipc64_perm. */
const SHM_SIZE_OFFSET: usize = 48;
const PAGE_MASK: u64 = 0xfff;

/** shmat(segment, address, flags) */
export function shmat(thread: ThreadBlock, frame: GateFrame): u32 {
  if (!(frame.rdx & (SHM_REMAP | SHM_EXEC))) return passToKernel(frame);
  lockEngine(thread);
  const result = attach(thread, frame);
  unlockEngine();
  return finish(thread, frame, result);
}

function attach(thread: ThreadBlock, frame: GateFrame): i64 {
  const description = frameBufferOf(thread);
  const isFixed = frame.rsi != 0 && (frame.rdx & SHM_REMAP) != 0;
  const start = frame.rdx & SHM_RND ? frame.rsi & ~PAGE_MASK : frame.rsi;
  let end = start;
  if (isFixed && programSyscall(SYS_SHMCTL, frame.rdi, IPC_STAT, addressOf(description), 0, 0, 0) == 0)
    end = endOfPages(start, load<u64>(description, SHM_SIZE_OFFSET));
  if (isFixed && hasOwnMemory(start, end)) return -ENOMEM;
  if (isFixed) separateSplit(start, end);
  const result = native(frame);
  if (isError(result)) return result;
  if (frame.rdx & SHM_EXEC) countUnsearched();
  if (isFixed) {
    forgetCode(start, end);
    forgetSplit(start, end);
  }
  return result;
}
