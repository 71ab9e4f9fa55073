// A hook sends its thread a signal. It arrives while the thread is in the engine, so it is deferred: its handler runs on the way
// out, before the call or instruction that is still to come, or behind the one that is done.

import { syscall3 } from "../kernel/calls";
import { SYS_TGKILL } from "../kernel/numbers";
import { runningThread } from "../thread/areas";
import { IN_EVENT, IN_MATCH } from "./call";
import { failHook } from "./failure";

/** _NSIG of include/uapi/asm/signal.h. */
const SIGNAL_MAX: u32 = 64;

/** Sends the calling thread a signal. */
export function hookRaise(signal: u32): void {
  const thread = runningThread();
  if (thread.hookPhase == IN_EVENT || thread.hookPhase == IN_MATCH)
    failHook(thread, "a signal is raised where the program does not run");
  if (signal == 0 || signal > SIGNAL_MAX) failHook(thread, "signals have numbers 1 to 64");
  syscall3(SYS_TGKILL, thread.pid, thread.tid, signal);
}
