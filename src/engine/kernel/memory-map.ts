// mmap, munmap, mremap, mprotect, madvise, shmat: code is patched before it can run, what is known about code goes with it,
// and the engine's memory stays the engine's (invariants I5, I6).
//
// Natively nothing is mapped where the engine's memory is: a program that unmaps it, or asks for a change, is answered as
// for a hole (memory-range.ts). Only a mapping at a fixed address cannot be as natively: it fails with ENOMEM.

import { forgetCode, mapExecutable } from "../patch/executable";
import { countUnsearched } from "../stats/counters";
import { foreignEnd, foreignStart, hasOwnMemory, nextForeign } from "../own-memory";
import { GateFrame, ThreadBlock } from "../thread/block";
import { frameBufferOf } from "../thread/deferred";
import { lockEngine, unlockEngine } from "../thread/lock";
import { programSyscall } from "../process";
import { pageCeil } from "../load/elf";
import { MAP_ANONYMOUS, MAP_FIXED, PROT_EXEC, PROT_WRITE } from "../load/map";
import { finish, passToKernel } from "./call";
import { addressOf, isError, syscall2, syscall3 } from "./calls";
import { EFAULT, ENOMEM } from "./errno";
import { aroundEngine, endOfPages, upToEngine } from "./memory-range";
import { SYS_MUNMAP, SYS_SHMCTL } from "./numbers";
import { isFiltered, mayCall } from "../seccomp/filters";
import { refusesExecution } from "./write-execute";

const MREMAP_FIXED: u64 = 2;

function native(frame: GateFrame): i64 {
  return programSyscall(frame.rax, frame.rdi, frame.rsi, frame.rdx, frame.r10, frame.r8, frame.r9);
}

/** mmap(address, size, protection, flags, descriptor, offset) */
export function mmap(thread: ThreadBlock, frame: GateFrame): u32 {
  const isFile = (frame.r10 & MAP_ANONYMOUS) == 0;
  if (!(frame.rdx & PROT_EXEC) && !(frame.r10 & MAP_FIXED)) return finish(thread, frame, native(frame));
  lockEngine(thread);
  const result = mapWatched(frame, isFile);
  unlockEngine();
  return finish(thread, frame, result);
}

/** A mapping that may replace something, or that can run. */
function mapWatched(frame: GateFrame, isFile: bool): i64 {
  if (frame.r10 & MAP_FIXED && hasOwnMemory(frame.rdi, endOfPages(frame.rdi, frame.rsi))) return -ENOMEM;
  // Code that is written in place has no system call to patch it at; it runs as it is.
  if (frame.rdx & PROT_EXEC && !(frame.rdx & PROT_WRITE) && isFile && mayPatch(frame))
    return mapExecutable(frame.rdi, frame.rsi, frame.rdx, frame.r10, frame.r8 as i32, frame.r9);
  if (frame.rdx & PROT_EXEC) countUnsearched();
  const result = native(frame);
  if (!isError(result) && frame.r10 & MAP_FIXED) forgetCode(result as u64, (result as u64) + pageCeil(frame.rsi));
  return result;
}

/** Whether code can be mapped without PROT_EXEC at first, and get it later. */
function mayPatch(frame: GateFrame): bool {
  if (refusesExecution) return false;
  const closed = frame.rdx & ~PROT_EXEC;
  return !isFiltered || mayCall(frame.rax, frame.rdi, frame.rsi, closed, frame.r10, frame.r8, frame.r9);
}

/** munmap(address, size) */
export function munmap(thread: ThreadBlock, frame: GateFrame): u32 {
  lockEngine(thread);
  const end = endOfPages(frame.rdi, frame.rsi);
  const result = hasOwnMemory(frame.rdi, end) ? unmapAround(frame.rdi, end) : native(frame);
  if (!isError(result)) forgetCode(frame.rdi, end);
  unlockEngine();
  return finish(thread, frame, result);
}

/** One past the last address that munmap takes: TASK_SIZE_MAX. */
const TASK_SIZE: u64 = 0x7ffffffff000;

/** Unmaps all of a range but for what is the engine's. */
function unmapAround(start: u64, end: u64): i64 {
  if (end > TASK_SIZE) return syscall2(SYS_MUNMAP, start, end - start);
  for (let at = start; nextForeign(at, end); at = foreignEnd) {
    const result = syscall2(SYS_MUNMAP, foreignStart, foreignEnd - foreignStart);
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
  const result = native(frame);
  if (isError(result)) return result;
  if (frame.r10 & MREMAP_FIXED) forgetCode(frame.r8, frame.r8 + pageCeil(frame.rdx));
  if ((result as u64) != frame.rdi) forgetCode(frame.rdi, frame.rdi + pageCeil(frame.rsi));
  return result;
}

/** mprotect(start, size, protection), pkey_mprotect(start, size, protection, key) */
export function mprotect(thread: ThreadBlock, frame: GateFrame): u32 {
  lockEngine(thread);
  const concerned = hasOwnMemory(frame.rdi, endOfPages(frame.rdi, frame.rsi));
  const result: i64 = concerned ? upToEngine(frame) : 0;
  unlockEngine();
  return concerned ? finish(thread, frame, result) : passToKernel(frame);
}

/** madvise(start, size, advice) */
export function madvise(thread: ThreadBlock, frame: GateFrame): u32 {
  lockEngine(thread);
  const concerned = hasOwnMemory(frame.rdi, endOfPages(frame.rdi, frame.rsi));
  const result: i64 = concerned ? aroundEngine(frame) : 0;
  unlockEngine();
  return concerned ? finish(thread, frame, result) : passToKernel(frame);
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
  if (isFixed && syscall3(SYS_SHMCTL, frame.rdi, IPC_STAT, addressOf(description)) == 0)
    end = endOfPages(start, load<u64>(description, SHM_SIZE_OFFSET));
  if (isFixed && hasOwnMemory(start, end)) return -ENOMEM;
  const result = native(frame);
  if (isError(result)) return result;
  if (frame.rdx & SHM_EXEC) countUnsearched();
  if (isFixed) forgetCode(start, end);
  return result;
}
