// exit and exit_group.
//
// A thread whose memory others go on using gives its area back; the gate makes the call, since nobody may stand on the
// engine stack from there on. A vfork child lives in its parent's memory, and its parent releases the block.

import { releaseActions } from "../thread/actions";
import { announceEnd, liveThreadCount } from "../thread/areas";
import { GateFrame, ThreadBlock } from "../thread/block";
import { lockEngine, unlockEngine } from "../thread/lock";
import { EVENT_END } from "../../abi/hook-table";
import { atEnd, atThreadEnd } from "../hook/events";
import { isEventHooked } from "../hook/table";
import { recordExit } from "../ring/events";
import { beginDeparture } from "../stats/departure";
import { reportExit, reportsEnds } from "../stats/report";
import { EXIT_THREAD, undo } from "./call";
import { isVfork } from "./clone-flags";
import { syscall1 } from "./calls";
import { SYS_EXIT, SYS_EXIT_GROUP } from "./numbers";
import { setKernelMask } from "./signal-calls";

/** The area is free once the gate has made its last step; every signal is blocked by then. */
function leaveMemory(thread: ThreadBlock): u32 {
  lockEngine(thread);
  releaseActions(thread.actions);
  announceEnd(thread);
  unlockEngine();
  return EXIT_THREAD;
}

/** A process ends: those who want to know are told. One that borrows its parent's memory has no end of its own for hooks. */
function end(thread: ThreadBlock, status: u32): void {
  if (isEventHooked(EVENT_END) && !thread.borrowed) {
    // Once, whatever other threads do meanwhile.
    lockEngine(thread);
    beginDeparture(thread);
    unlockEngine();
    atEnd(thread, status & 0xff, false);
  }
  reportExit(thread, status);
}

/** The last thread of a process ends it. */
function reportLast(thread: ThreadBlock, status: u32): void {
  lockEngine(thread);
  const isLast = liveThreadCount(thread.pid) == 1;
  thread.leaving = 1;
  unlockEngine();
  if (isLast) end(thread, status);
}

/** exit(status) */
export function exit(thread: ThreadBlock, frame: GateFrame): u32 {
  setKernelMask(thread, ~(0 as u64));
  // A signal that is already here is not lost with the thread: it may have been meant for the process.
  if (thread.deferred != 0) return undo(thread, frame);
  recordExit(thread, frame.rdi as u32, false);
  if (isVfork(thread.birthFlags)) {
    reportExit(thread, frame.rdi as u32);
    syscall1(SYS_EXIT, frame.rdi);
  }
  if (!thread.borrowed) atThreadEnd(thread, frame.rdi as u32);
  if ((reportsEnds() || isEventHooked(EVENT_END)) && !thread.borrowed) reportLast(thread, frame.rdi as u32);
  return leaveMemory(thread);
}

/** exit_group(status) */
export function exitGroup(thread: ThreadBlock, frame: GateFrame): u32 {
  recordExit(thread, frame.rdi as u32, true);
  end(thread, frame.rdi as u32);
  if (thread.borrowed && !isVfork(thread.birthFlags)) {
    // The group's other threads are found when memory for threads is wanted.
    setKernelMask(thread, ~(0 as u64));
    return leaveMemory(thread);
  }
  syscall1(SYS_EXIT_GROUP, frame.rdi);
  unreachable();
  return 0;
}
