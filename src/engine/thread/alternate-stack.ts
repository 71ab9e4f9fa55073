// The program's alternate signal stack, which the kernel never hears of (invariant I10): do_sigaltstack, sas_ss_flags
// and on_sig_stack of the kernel (kernel/signal.c, include/linux/sched/signal.h).

import { EINVAL, ENOMEM, EPERM } from "../kernel/errno";
import { ThreadBlock } from "./block";
import { SS_AUTODISARM, SS_DISABLE, SS_ONSTACK } from "./signal-frame";

/** MINSIGSTKSZ of the kernel's ABI; the size that frames really need is checked when one is built. */
const MINSIGSTKSZ: u64 = 2048;

function isOnAlternateStack(thread: ThreadBlock, sp: u64): bool {
  // An autodisarm stack is disarmed while it is in use.
  if (thread.alternateStackFlags & SS_AUTODISARM) return false;
  return sp > thread.alternateStack && sp - thread.alternateStack <= thread.alternateStackSize;
}

/** SS_DISABLE, SS_ONSTACK or 0, for a stack pointer of the program's. */
export function alternateStackFlags(thread: ThreadBlock, sp: u64): u32 {
  if (thread.alternateStackSize == 0) return SS_DISABLE;
  return isOnAlternateStack(thread, sp) ? SS_ONSTACK : 0;
}

export function resetAlternateStack(thread: ThreadBlock): void {
  thread.alternateStack = 0;
  thread.alternateStackSize = 0;
  thread.alternateStackFlags = SS_DISABLE;
}

/**
 * Sets the program's alternate stack.
 * @param sp the program's stack pointer at the call
 * @returns 0 or -errno
 */
export function setAlternateStack(thread: ThreadBlock, start: u64, flags: u32, size: u64, sp: u64): i64 {
  if (isOnAlternateStack(thread, sp)) return -EPERM;
  const mode = flags & ~SS_AUTODISARM;
  if (mode != SS_DISABLE && mode != SS_ONSTACK && mode != 0) return -EINVAL;
  if (mode == SS_DISABLE) {
    thread.alternateStack = 0;
    thread.alternateStackSize = 0;
  } else {
    if (size < MINSIGSTKSZ) return -ENOMEM;
    thread.alternateStack = start;
    thread.alternateStackSize = size;
  }
  thread.alternateStackFlags = flags;
  return 0;
}
