// Calls that change or ask about a range of pages, where the engine has some of them (invariant I6).
//
// Natively nothing is mapped where the engine's memory is. So each of these calls is made for the parts around it, and ends
// as the kernel ends it at a hole (mm/mprotect.c, mm/mlock.c, mm/mincore.c, mm/madvise.c, mm/msync.c, mm/mseal.c): most do
// the part in front of the hole and give ENOMEM, some go on behind it and give ENOMEM at the end, and mseal does nothing.
// munmap and mremap are in memory-map.ts.

import { sealSplit } from "../jit/calls";
import { giveUpViews } from "../jit/view-calls";
import { foreignEnd, foreignStart, hasOwnMemory, nextForeign } from "../own-memory";
import { GateFrame, ThreadBlock } from "../thread/block";
import { lockEngine, unlockEngine } from "../thread/lock";
import { programSyscall, tryCopyIn } from "../process";
import { pageCeil } from "../load/elf";
import { isError } from "./calls";
import { finish, passToKernel } from "./call";
import { EINVAL, ENOMEM } from "./errno";

const PAGE_MASK: u64 = 0xfff;

/** One past the pages of a range; its start when the kernel finds nothing to do there, or something to refuse. */
export function endOfPages(start: u64, size: u64): u64 {
  const end = start + pageCeil(size);
  return start & PAGE_MASK || end < start ? start : end;
}

/** Whether the engine has memory in the range that a call names in its first two arguments. */
function concernsEngine(thread: ThreadBlock, frame: GateFrame): bool {
  const end = endOfPages(frame.rdi, frame.rsi);
  if (end == frame.rdi) return false;
  lockEngine(thread);
  const concerned = hasOwnMemory(frame.rdi, end);
  unlockEngine();
  return concerned;
}

/** The call for another range of pages. */
function callFor(frame: GateFrame, start: u64, end: u64): i64 {
  return programSyscall(frame.rax, start, end - start, frame.rdx, frame.r10, frame.r8, frame.r9);
}

/** The part in front of the engine's memory, then ENOMEM. Under the engine lock. */
export function upToEngine(frame: GateFrame): i64 {
  const end = endOfPages(frame.rdi, frame.rsi);
  if (!nextForeign(frame.rdi, end) || foreignStart != frame.rdi) return -ENOMEM;
  const result = callFor(frame, foreignStart, foreignEnd);
  return isError(result) || foreignEnd == end ? result : -ENOMEM;
}

/** Calls that stop at a hole: mlock, mlock2, munlock (start, size, ...), mincore(start, size, vector). */
export function stopAtEngine(thread: ThreadBlock, frame: GateFrame): u32 {
  if (!concernsEngine(thread, frame)) return passToKernel(frame);
  lockEngine(thread);
  const result = upToEngine(frame);
  unlockEngine();
  return finish(thread, frame, result);
}

/** All parts around the engine's memory, then ENOMEM. Under the engine lock. */
export function aroundEngine(frame: GateFrame): i64 {
  const end = endOfPages(frame.rdi, frame.rsi);
  for (let at = frame.rdi; nextForeign(at, end); at = foreignEnd) {
    const result = callFor(frame, foreignStart, foreignEnd);
    if (isError(result) && result != -ENOMEM) return result;
  }
  return -ENOMEM;
}

/** Calls that skip holes: msync(start, size, flags). */
export function skipEngine(thread: ThreadBlock, frame: GateFrame): u32 {
  if (!concernsEngine(thread, frame)) return passToKernel(frame);
  lockEngine(thread);
  const result = aroundEngine(frame);
  unlockEngine();
  return finish(thread, frame, result);
}

/** mseal(start, size, flags): all of the range, or nothing. */
export function mseal(thread: ThreadBlock, frame: GateFrame): u32 {
  if (concernsEngine(thread, frame)) return finish(thread, frame, -ENOMEM);
  lockEngine(thread);
  sealSplit(frame.rdi, endOfPages(frame.rdi, frame.rsi));
  unlockEngine();
  return passToKernel(frame);
}

/** remap_file_pages(start, size, protection, page, flags): for shared mappings of the program's own. */
export function remapFilePages(thread: ThreadBlock, frame: GateFrame): u32 {
  if (concernsEngine(thread, frame)) return finish(thread, frame, -EINVAL);
  lockEngine(thread);
  giveUpViews(frame.rdi, endOfPages(frame.rdi, frame.rsi));
  unlockEngine();
  return passToKernel(frame);
}

// process_madvise(pidfd, vector, count, advice, flags)

const UIO_MAXIOV: u64 = 1024;
const MADV_WILLNEED: u64 = 3;
const MADV_COLD: u64 = 20;
const MADV_PAGEOUT: u64 = 21;
const MADV_COLLAPSE: u64 = 25;
/** struct iovec: base, size. */
const vector = memory.data(16, 8);

/** What any kernel lets a process advise about another: nothing is lost by it. */
function isHarmless(advice: u64): bool {
  return advice == MADV_WILLNEED || advice == MADV_COLD || advice == MADV_PAGEOUT || advice == MADV_COLLAPSE;
}

/**
 * Advice that destroys is for the process itself only, since Linux 6.13. For the engine's memory it is refused as by an
 * older kernel.
 */
export function processMadvise(thread: ThreadBlock, frame: GateFrame): u32 {
  if (isHarmless(frame.r10) || frame.rdx > UIO_MAXIOV) return passToKernel(frame);
  let concerned = false;
  lockEngine(thread);
  for (let i: u64 = 0; i < frame.rdx && tryCopyIn(vector, frame.rsi + i * 16, 16) == 0; i++) {
    const start = load<u64>(vector);
    concerned = concerned || hasOwnMemory(start, endOfPages(start, load<u64>(vector, 8)));
  }
  unlockEngine();
  return concerned ? finish(thread, frame, -EINVAL) : passToKernel(frame);
}
