// exit and exit_group.

import { releaseActions } from "../thread/actions";
import { liveThreadCount } from "../thread/areas";
import { GateFrame, ThreadBlock } from "../thread/block";
import { lockEngine, unlockEngine } from "../thread/lock";
import { STATS_NONE, statsMode } from "../options";
import { reportExit } from "../stats/report";
import { EXIT_THREAD, undo } from "./call";
import { CLONE_THREAD, CLONE_VFORK } from "./clone";
import { syscall1 } from "./calls";
import { SYS_EXIT, SYS_EXIT_GROUP } from "./numbers";
import { setKernelMask } from "./signal-calls";

/** exit(status): the thread's area is free once the gate has made its last step. */
export function exit(thread: ThreadBlock, frame: GateFrame): u32 {
  // A vfork child lives in its parent's memory, and its parent frees the block.
  if ((thread.birthFlags & (CLONE_VFORK | CLONE_THREAD)) == CLONE_VFORK && thread.borrowed) {
    reportExit(thread, frame.rdi as u32);
    syscall1(SYS_EXIT, frame.rdi);
  }
  setKernelMask(thread, ~(0 as u64));
  if (thread.deferred != 0) return undo(thread, frame);
  lockEngine();
  if (statsMode != STATS_NONE && !thread.borrowed && liveThreadCount() == 1) reportExit(thread, frame.rdi as u32);
  releaseActions(thread.actions);
  unlockEngine();
  return EXIT_THREAD;
}

/** exit_group(status) */
export function exitGroup(thread: ThreadBlock, frame: GateFrame): u32 {
  reportExit(thread, frame.rdi as u32);
  syscall1(SYS_EXIT_GROUP, frame.rdi);
  unreachable();
  return 0;
}
