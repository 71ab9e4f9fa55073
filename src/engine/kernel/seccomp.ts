// seccomp, and the calls of threads that have a filter.
//
// A call that passes through is the kernel's to judge, at the trampoline's `syscall`. One that the gate sees is judged here
// first, by the same filters (seccomp/filters.ts), because the engine may answer it without asking the kernel. What the
// filters would do something about goes to the kernel with the program's own registers: it returns the error, raises the
// SIGSYS, kills.
//
// SECCOMP_RET_USER_NOTIF and SECCOMP_RET_TRACE leave it to somebody else, who may let the call go on. So the kernel is
// asked with the program's own arguments, too. A call that the kernel then has made although the engine must answer it is
// made good: the kernel gets the engine's signal mask, handler and alternate stack again.

import { PROT_EXEC } from "../load/map";
import { countUnsearched } from "../stats/counters";
import { actionOf, installAction } from "../thread/actions";
import { armAlternateStack } from "../thread/areas";
import { GateFrame, ThreadBlock } from "../thread/block";
import { frameBufferOf } from "../thread/deferred";
import { kernelMask } from "../thread/signal-frame";
import { programSyscall } from "../process";
import { RET_ACTION, RET_TRACE, RET_USER_NOTIF, lets, verdictOf } from "../seccomp/filters";
import { setFilter } from "../seccomp/install";
import { endStrictly, setStrict } from "../seccomp/strict";
import { finish, passToKernel } from "./call";
import { isError } from "./calls";
import { SYS_EXIT, SYS_EXIT_GROUP, SYS_MMAP, SYS_RT_SIGACTION, SYS_RT_SIGPROCMASK, SYS_SIGALTSTACK } from "./numbers";
import { setKernelMask } from "./signal-calls";

const SECCOMP_SET_MODE_STRICT: u32 = 0;
const SECCOMP_SET_MODE_FILTER: u32 = 1;

/** seccomp(operation, flags, arguments) */
export function seccomp(thread: ThreadBlock, frame: GateFrame): u32 {
  const operation = frame.rdi as u32;
  if (operation == SECCOMP_SET_MODE_FILTER) return setFilter(thread, frame);
  if (operation == SECCOMP_SET_MODE_STRICT && (frame.rsi as u32) == 0 && frame.rdx == 0)
    return setStrict(thread, frame);
  return passToKernel(frame);
}

/** Has the kernel make a call that is the engine's to answer, and takes back what it did. */
function askKernel(thread: ThreadBlock, frame: GateFrame): i64 {
  setKernelMask(thread, ~(0 as u64));
  const result = programSyscall(frame.rax, frame.rdi, frame.rsi, frame.rdx, frame.r10, frame.r8, frame.r9);
  const number = frame.rax as u32;
  if (!isError(result)) {
    if (number == SYS_SIGALTSTACK) armAlternateStack(thread);
    if (number == SYS_RT_SIGACTION)
      installAction(frame.rdi as u32, actionOf(thread, frame.rdi as u32), frameBufferOf(thread));
  }
  setKernelMask(thread, kernelMask(thread.programMask));
  return result;
}

/** `dispatch` is to handle the call: none of the values of kernel/call.ts. */
export const GO_ON: u32 = 3;

/** A call that somebody else decides on: a supervisor, or a tracer. */
function haveAsked(thread: ThreadBlock, frame: GateFrame): u32 {
  switch (frame.rax as u32) {
    case SYS_RT_SIGPROCMASK:
    case SYS_RT_SIGACTION:
    case SYS_SIGALTSTACK: {
      const result = askKernel(thread, frame);
      return isError(result) ? finish(thread, frame, result) : GO_ON;
    }
    case SYS_MMAP:
      // Whoever decides must see that it is to be executable, which the engine would ask for later.
      if ((frame.rdx & PROT_EXEC) == 0) return GO_ON;
      countUnsearched();
      return passToKernel(frame);
    case SYS_EXIT:
    case SYS_EXIT_GROUP:
      return passToKernel(frame);
    default:
      return GO_ON;
  }
}

/** What the filters of a thread make of a call: a value of kernel/call.ts, or GO_ON. */
export function judge(thread: ThreadBlock, frame: GateFrame): u32 {
  const verdict = verdictOf(thread, frame);
  if (lets(verdict)) return GO_ON;
  if (thread.isStrict) return endStrictly(thread, frame);
  const action = verdict & RET_ACTION;
  if (action == RET_USER_NOTIF || action == RET_TRACE) return haveAsked(thread, frame);
  return passToKernel(frame);
}
