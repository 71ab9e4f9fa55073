// Syscall User Dispatch (Linux 5.11): the kernel raises SIGSYS for a system call from outside of one range of addresses,
// before anything of the call has happened (kernel/entry/syscall_user_dispatch.c).
//
// The engine's use of it: its own text is the range, so a call at a site that is not patched, one that looks like data or
// whose code was made at run time, comes to the signal gate, which sends it through the gate as if from a trampoline
// (thread/dispatched-call.ts). A trampoline's own `syscall` lies outside of the range, so every call takes the gate then.
// Each thread is armed for itself; what clone makes and what execve starts is not, and is armed again.
//
// The program's use of it is virtual: where the `syscall` instruction runs is not where the program has it. A thread of
// which the program asks for dispatch is armed with the engine's range, so that the engine sees each of its calls, and
// judges them as the kernel would: by the site, and by the program's selector byte.

import { textStart } from "../gates";
import { exhaustive } from "../options";
import { memoryBase, tryCopyIn } from "../process";
import { keepSiteIn } from "../seccomp/site";
import { SIG_DFL, actionOf } from "../thread/actions";
import { GateFrame, ThreadBlock } from "../thread/block";
import { frameBufferOf, infoBufferOf } from "../thread/deferred";
import { lockEngine, unlockEngine } from "../thread/lock";
import {
  SIGINFO_ADDRESS,
  SIGINFO_CODE,
  SIGINFO_SIGNO,
  SIGINFO_SIZE,
  SIGSEGV,
  SIGSYS,
  SI_KERNEL,
  signalBit,
} from "../thread/signal-frame";
import { finish, undo } from "./call";
import { isError, syscall5 } from "./calls";
import { sendAllToGate } from "./dispatch-table";
import { EINVAL } from "./errno";
import { SYS_PRCTL } from "./numbers";
import { sendToSelf, setKernelMask } from "./signal-calls";

/** si_code of a dispatched call's SIGSYS; its siginfo's members behind si_call_addr. */
export const SYS_USER_DISPATCH: i32 = 2;
export const SIGINFO_SYSCALL: usize = 24;
export const SIGINFO_ARCH: usize = 28;
/** AUDIT_ARCH_X86_64 of include/uapi/linux/audit.h. */
export const ARCH_X86_64: u32 = 0xc000003e;

export const PR_SET_SYSCALL_USER_DISPATCH: u32 = 59;
const PR_SYS_DISPATCH_OFF: u64 = 0;
const PR_SYS_DISPATCH_EXCLUSIVE_ON: u64 = 1;
const PR_SYS_DISPATCH_INCLUSIVE_ON: u64 = 2;

const ALLOW: u8 = 0;
const BLOCK: u8 = 1;

/** Asks the kernel for dispatch of all calls but those of the engine's text. */
function request(selector: u64): i64 {
  const start = textStart();
  const size = memoryBase() - start;
  // Seccomp filters let the engine's calls through elsewhere only (seccomp/site.ts).
  if (!keepSiteIn(start, size)) return -EINVAL;
  return syscall5(SYS_PRCTL, PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_EXCLUSIVE_ON, start, size, selector);
}

/** Has the calling thread's calls caught from here on; false when the kernel refuses. */
export function armDispatch(thread: ThreadBlock): bool {
  thread.dispatched = isError(request(0)) ? 0 : 1;
  return thread.dispatched != 0;
}

/** In a child: the kernel has cleared what its parent had (copy_process of kernel/fork.c). */
export function renewDispatch(thread: ThreadBlock): void {
  thread.dispatched = 0;
  thread.programDispatch = 0;
  if (exhaustive) armDispatch(thread);
}

/** What the kernel says to a request of the program's: task_set_syscall_user_dispatch. */
function answerTo(mode: u64, start: u64, size: u64, selector: u64): i64 {
  if (mode == PR_SYS_DISPATCH_EXCLUSIVE_ON) {
    if (start != 0 && start + size <= start) return -EINVAL;
    return request(selector);
  }
  if (mode == PR_SYS_DISPATCH_INCLUSIVE_ON) {
    if (size == 0 || start + size <= start) return -EINVAL;
    // A range in which nothing can run: whether the kernel knows this mode (Linux 6.17), and takes the selector.
    return syscall5(SYS_PRCTL, PR_SET_SYSCALL_USER_DISPATCH, mode, 1, 1, selector);
  }
  return syscall5(SYS_PRCTL, PR_SET_SYSCALL_USER_DISPATCH, mode, start, size, selector);
}

function setProgramDispatch(thread: ThreadBlock, mode: u64, start: u64, size: u64, selector: u64): i64 {
  const result = answerTo(mode, start, size, selector);
  if (isError(result)) return result;
  if (mode == PR_SYS_DISPATCH_OFF) {
    renewDispatch(thread);
    return 0;
  }
  const isInclusive = mode == PR_SYS_DISPATCH_INCLUSIVE_ON;
  thread.programDispatchStart = isInclusive ? start + size : start;
  thread.programDispatchSize = isInclusive ? -size : size;
  thread.programDispatchSelector = selector;
  thread.programDispatch = 1;
  lockEngine(thread);
  sendAllToGate();
  unlockEngine();
  armDispatch(thread);
  return 0;
}

/** prctl(PR_SET_SYSCALL_USER_DISPATCH, mode, start, size, selector) */
export function userDispatch(thread: ThreadBlock, frame: GateFrame): u32 {
  return finish(thread, frame, setProgramDispatch(thread, frame.rsi, frame.rdx, frame.r10, frame.r8));
}

/** The call is made. */
const PASS: u32 = 0;

/** What the program's own dispatch does to a call behind which control is at `after`: PASS, or the signal that it is. */
function signalFor(thread: ThreadBlock, after: u64): u32 {
  if (after - thread.programDispatchStart < thread.programDispatchSize) return PASS;
  if (thread.programDispatchSelector == 0) return SIGSYS;
  const selector = frameBufferOf(thread);
  if (tryCopyIn(selector, thread.programDispatchSelector, 1) != 0) return SIGSEGV;
  return load<u8>(selector) == ALLOW ? PASS : SIGSYS;
}

/** Whether the selector has a value that is neither: the kernel then ends the process, handler or not. */
function isSelectorBad(thread: ThreadBlock): bool {
  if (thread.programDispatchSelector == 0) return false;
  return load<u8>(frameBufferOf(thread)) != BLOCK;
}

/**
 * What becomes of a call on a thread for which the program has dispatch on.
 * @param after the address behind the site, @param arch of the call, @param number of the call
 * @returns engine pointer of the siginfo to be delivered instead of the call, or 0: the call is made
 */
export function siginfoFor(thread: ThreadBlock, after: u64, arch: u32, number: u32): usize {
  const signal = signalFor(thread, after);
  if (signal == PASS) return 0;
  const isFatal = signal == SIGSEGV || isSelectorBad(thread);
  const info = infoBufferOf(thread);
  memory.fill(info, 0, SIGINFO_SIZE);
  store<u32>(info, signal, SIGINFO_SIGNO);
  if (isFatal) {
    store<i32>(info, SI_KERNEL, SIGINFO_CODE);
    return info;
  }
  store<i32>(info, SYS_USER_DISPATCH, SIGINFO_CODE);
  store<u64>(info, after, SIGINFO_ADDRESS);
  store<u32>(info, number, SIGINFO_SYSCALL);
  store<u32>(info, arch, SIGINFO_ARCH);
  return info;
}

/** The signal of a siginfo by `siginfoFor`, which is about to be delivered. */
export function signalOf(thread: ThreadBlock, info: usize): u32 {
  const signal = load<u32>(info, SIGINFO_SIGNO);
  // force_exit_sig of kernel/signal.c: no handler is asked.
  if (load<i32>(info, SIGINFO_CODE) == SI_KERNEL) actionOf(thread, signal).handler = SIG_DFL;
  return signal;
}

/** A call that came through the gate: the program's own dispatch has its say first. @returns whether it takes the call */
export function isTakenByProgram(thread: ThreadBlock, frame: GateFrame): bool {
  const info = siginfoFor(thread, thread.after, ARCH_X86_64, frame.rax as u32);
  if (info == 0) return false;
  // It must be the first to be delivered: what has come before belongs in front of the call, what comes later behind.
  setKernelMask(thread, ~signalBit(load<u32>(info, SIGINFO_SIGNO)));
  if (thread.deferred != 0) {
    undo(thread, frame);
    return true;
  }
  // syscall_rollback of arch/x86/include/asm/syscall.h: the handler finds the call's number in rax.
  finish(thread, frame, frame.rax as i64);
  thread.forced = signalOf(thread, info);
  sendToSelf(thread, thread.forced, info);
  return true;
}
