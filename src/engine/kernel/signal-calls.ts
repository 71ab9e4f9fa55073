// rt_sigaction, rt_sigprocmask, rt_sigreturn, sigaltstack, rt_sigpending, and the calls that wait under another mask.
//
// The program reads back what it set; the kernel has the engine's handlers and a mask without the engine's signals
// (thread/signal-frame.ts). Errors and their order follow kernel/signal.c.

import { resumeCall } from "../hook/record";
import { remembersCalls } from "../hook/table";
import { goOnBehindHooks } from "../patch/interrupted-trampoline";
import { recordReturn } from "../ring/events";
import { returnContextOf, setEngineStackIn } from "../thread/return-frame";
import { setAlternateStack, alternateStackFlags } from "../thread/alternate-stack";
import { ACTION_SIZE, Action, SA_KNOWN, SIG_IGN, actionOf, installAction } from "../thread/actions";
import { GateFrame, ThreadBlock } from "../thread/block";
import { deferredInfoOf, frameBufferOf, infoBufferOf, pendingInfoOf } from "../thread/deferred";
import { lockEngine, unlockEngine } from "../thread/lock";
import {
  CONTEXT_SIZE,
  FRAME_CONTEXT_OFFSET,
  SIGINFO_CODE,
  SIGINFO_SIGNO,
  SIGINFO_SIZE,
  SIGKILL,
  SIGNAL_MAX,
  SIGSEGV,
  SIGSTOP,
  SI_KERNEL,
  SS_AUTODISARM,
  UNBLOCKABLE,
  kernelMask,
  signalBit,
} from "../thread/signal-frame";
import { tryCopyIn, tryCopyOut } from "../process";
import { ENTER_RETURN_FRAME, finish, passToKernel, undo } from "./call";
import { addressOf, isError, syscall2, syscall4 } from "./calls";
import { EFAULT, EINTR, EINVAL } from "./errno";
import { SYS_RT_SIGPENDING, SYS_RT_SIGPROCMASK, SYS_RT_TGSIGQUEUEINFO } from "./numbers";

const SIGSET_SIZE: u64 = 8;

const SIG_BLOCK: u32 = 0;
const SIG_UNBLOCK: u32 = 1;
const SIG_SETMASK: u32 = 2;

// include/uapi/linux/io_uring.h.
const IORING_ENTER_GETEVENTS: u32 = 1;
const IORING_ENTER_EXT_ARG: u32 = 8;
const IORING_ENTER_EXT_ARG_REG: u32 = 64;

/** Sets the kernel's mask of the calling thread. */
export function setKernelMask(thread: ThreadBlock, mask: u64): void {
  thread.mask = mask;
  const address = addressOf(changetype<usize>(thread) + offsetof<ThreadBlock>("mask"));
  const result = syscall4(SYS_RT_SIGPROCMASK, SIG_SETMASK, address, 0, SIGSET_SIZE);
  assert(result == 0, "the kernel refuses a signal mask");
}

/** The kernel's mask of the calling thread. */
export function kernelMaskNow(thread: ThreadBlock): u64 {
  const buffer = frameBufferOf(thread);
  syscall4(SYS_RT_SIGPROCMASK, SIG_SETMASK, 0, addressOf(buffer), SIGSET_SIZE);
  return load<u64>(buffer);
}

/** rt_sigaction(signal, new, old, sigsetsize) */
export function rtSigaction(thread: ThreadBlock, frame: GateFrame): u32 {
  if (frame.r10 != SIGSET_SIZE) return finish(thread, frame, -EINVAL);
  const signal = frame.rdi as u32;
  const buffer = frameBufferOf(thread);
  const wanted = changetype<Action>(buffer + ACTION_SIZE);
  if (frame.rsi != 0 && tryCopyIn(changetype<usize>(wanted), frame.rsi, ACTION_SIZE) != 0)
    return finish(thread, frame, -EFAULT);
  if (signal < 1 || signal > SIGNAL_MAX) return finish(thread, frame, -EINVAL);
  if (frame.rsi != 0 && (signal == SIGKILL || signal == SIGSTOP)) return finish(thread, frame, -EINVAL);

  const old = changetype<Action>(buffer + 2 * ACTION_SIZE);
  let result: i64 = 0;
  lockEngine(thread);
  const action = actionOf(thread, signal);
  memory.copy(changetype<usize>(old), changetype<usize>(action), ACTION_SIZE);
  if (frame.rsi != 0) {
    wanted.flags &= SA_KNOWN;
    wanted.mask &= ~UNBLOCKABLE;
    // A signal that arrives between the two steps must find a handler in the table when the kernel has the engine's.
    if (wanted.handler > SIG_IGN) {
      memory.copy(changetype<usize>(action), changetype<usize>(wanted), ACTION_SIZE);
      result = installAction(signal, wanted, buffer);
      if (isError(result)) memory.copy(changetype<usize>(action), changetype<usize>(old), ACTION_SIZE);
    } else {
      result = installAction(signal, wanted, buffer);
      if (!isError(result)) memory.copy(changetype<usize>(action), changetype<usize>(wanted), ACTION_SIZE);
    }
    // An ignored signal that is pending is thrown away.
    if (wanted.handler == SIG_IGN) thread.pending &= ~signalBit(signal);
  }
  unlockEngine();
  if (!isError(result) && frame.rdx != 0 && tryCopyOut(frame.rdx, changetype<usize>(old), ACTION_SIZE) != 0)
    result = -EFAULT;
  return finish(thread, frame, result);
}

/** rt_sigprocmask(how, new, old, sigsetsize) */
export function rtSigprocmask(thread: ThreadBlock, frame: GateFrame): u32 {
  if (frame.r10 != SIGSET_SIZE) return finish(thread, frame, -EINVAL);
  const before = thread.programMask;
  let after = before;
  const buffer = frameBufferOf(thread);
  if (frame.rsi != 0) {
    if (tryCopyIn(buffer, frame.rsi, SIGSET_SIZE as usize) != 0) return finish(thread, frame, -EFAULT);
    const set = load<u64>(buffer) & ~UNBLOCKABLE;
    const how = frame.rdi as u32;
    if (how == SIG_BLOCK) after = before | set;
    else if (how == SIG_UNBLOCK) after = before & ~set;
    else if (how == SIG_SETMASK) after = set;
    else return finish(thread, frame, -EINVAL);
  }
  if (after != before) {
    setKernelMask(thread, kernelMask(after));
    // What has been deferred although it is blocked from here on came before the call.
    for (let slot: u32 = 0; slot < thread.deferred; slot++) {
      if (after & signalBit(load<u32>(deferredInfoOf(thread, slot), SIGINFO_SIGNO))) return undo(thread, frame);
    }
    thread.programMask = after;
  }
  let result: i64 = 0;
  if (frame.rdx != 0) {
    store<u64>(buffer, before);
    if (tryCopyOut(frame.rdx, buffer, SIGSET_SIZE as usize) != 0) result = -EFAULT;
  }
  sendPending(thread, thread.programMask);
  return finish(thread, frame, result);
}

/**
 * Sends the thread what the engine held for it and `mask` lets through. The kernel never blocks these signals, so each
 * arrives at once, inside the engine, and is deferred like any other.
 */
function sendPending(thread: ThreadBlock, mask: u64): void {
  let ready = thread.pending & ~mask;
  thread.pending &= mask;
  for (; ready != 0; ready &= ready - 1) {
    const signal = (ctz(ready) as u32) + 1;
    sendToSelf(thread, signal, pendingInfoOf(thread, signal));
  }
}

export function sendToSelf(thread: ThreadBlock, signal: u32, info: usize): void {
  syscall4(SYS_RT_TGSIGQUEUEINFO, thread.pid, thread.tid, signal, addressOf(info));
}

/** rt_sigreturn(): the frame is where the handler's `ret` left rsp, less pretcode. */
export function rtSigreturn(thread: ThreadBlock, frame: GateFrame): u32 {
  const context = returnContextOf(thread);
  const programFrame = frame.rsp - 8;
  if (tryCopyIn(changetype<usize>(context), programFrame + FRAME_CONTEXT_OFFSET, CONTEXT_SIZE) != 0) {
    // The kernel's badframe: SIGSEGV with the state at the call.
    const info = infoBufferOf(thread);
    memory.fill(info, 0, SIGINFO_SIZE);
    store<u32>(info, SIGSEGV, SIGINFO_SIGNO);
    store<i32>(info, SI_KERNEL, SIGINFO_CODE);
    thread.forced = SIGSEGV;
    sendToSelf(thread, SIGSEGV, info);
    return finish(thread, frame, 0);
  }
  if (remembersCalls()) {
    resumeCall(thread, programFrame, context.rip);
    recordReturn(thread, context.rax);
    goOnBehindHooks(thread, context);
  }
  thread.programMask = context.sigmask & ~UNBLOCKABLE;
  setAlternateStack(thread, context.ss_sp, context.ss_flags, context.ss_size, frame.rsp);
  context.sigmask = kernelMask(thread.programMask);
  setEngineStackIn(thread, context);
  sendPending(thread, thread.programMask);
  return ENTER_RETURN_FRAME;
}

/** sigaltstack(new, old): stack_t is { u64 ss_sp; u32 ss_flags; u32 padding; u64 ss_size }. */
export function sigaltstack(thread: ThreadBlock, frame: GateFrame): u32 {
  const wanted = frameBufferOf(thread);
  const old = wanted + 24;
  if (frame.rdi != 0 && tryCopyIn(wanted, frame.rdi, 24) != 0) return finish(thread, frame, -EFAULT);
  store<u64>(old, thread.alternateStack);
  store<u64>(old, (alternateStackFlags(thread, frame.rsp) | (thread.alternateStackFlags & SS_AUTODISARM)) as u64, 8);
  store<u64>(old, thread.alternateStackSize, 16);
  let result: i64 = 0;
  if (frame.rdi != 0)
    result = setAlternateStack(thread, load<u64>(wanted), load<u32>(wanted, 8), load<u64>(wanted, 16), frame.rsp);
  if (result == 0 && frame.rsi != 0 && tryCopyOut(frame.rsi, old, 24) != 0) result = -EFAULT;
  return finish(thread, frame, result);
}

/** rt_sigpending(set, sigsetsize) */
export function rtSigpending(thread: ThreadBlock, frame: GateFrame): u32 {
  const size = frame.rsi;
  if (size > SIGSET_SIZE) return finish(thread, frame, -EINVAL);
  const buffer = frameBufferOf(thread);
  const result = syscall2(SYS_RT_SIGPENDING, addressOf(buffer), SIGSET_SIZE);
  if (isError(result)) return finish(thread, frame, result);
  store<u64>(buffer, load<u64>(buffer) | thread.pending);
  return finish(thread, frame, tryCopyOut(frame.rdi, buffer, size as usize) != 0 ? -EFAULT : 0);
}

/** rt_sigtimedwait(set, info, timeout, sigsetsize): what the engine holds for the program is taken first. */
export function rtSigtimedwait(thread: ThreadBlock, frame: GateFrame): u32 {
  const buffer = frameBufferOf(thread);
  if (thread.pending == 0 || frame.r10 != SIGSET_SIZE || tryCopyIn(buffer, frame.rdi, 8) != 0)
    return passToKernel(frame);
  const wanted = load<u64>(buffer) & thread.pending;
  if (wanted == 0) return passToKernel(frame);
  const signal = (ctz(wanted) as u32) + 1;
  thread.pending &= ~signalBit(signal);
  if (frame.rsi != 0 && tryCopyOut(frame.rsi, pendingInfoOf(thread, signal), SIGINFO_SIZE) != 0)
    return finish(thread, frame, -EFAULT);
  return finish(thread, frame, signal);
}

/**
 * A call that waits under a mask of its own. The kernel swaps the mask itself; the engine must know it, because a
 * handler that interrupts the call runs under that mask, not under the thread's (set_user_sigmask in kernel/signal.c).
 */
function waitUnder(thread: ThreadBlock, frame: GateFrame, maskAddress: u64, size: u64): u32 {
  if (!setTemporaryMask(thread, maskAddress, size)) return passToKernel(frame);
  if ((thread.pending & ~thread.temporaryMask) == 0) return passToKernel(frame);
  sendPending(thread, thread.temporaryMask);
  return finish(thread, frame, -EINTR);
}

/** Notes the mask of the call that is about to be made; false when there is none, or the kernel will refuse it. */
function setTemporaryMask(thread: ThreadBlock, maskAddress: u64, size: u64): bool {
  const buffer = frameBufferOf(thread);
  if (maskAddress == 0 || size != SIGSET_SIZE || tryCopyIn(buffer, maskAddress, SIGSET_SIZE as usize) != 0)
    return false;
  thread.temporaryMask = load<u64>(buffer) & ~UNBLOCKABLE;
  thread.temporaryMaskSet = 1;
  return true;
}

/** rt_sigsuspend(mask, sigsetsize) */
export function rtSigsuspend(thread: ThreadBlock, frame: GateFrame): u32 {
  return waitUnder(thread, frame, frame.rdi, frame.rsi);
}

/** ppoll(fds, nfds, timeout, mask, sigsetsize) */
export function ppoll(thread: ThreadBlock, frame: GateFrame): u32 {
  return waitUnder(thread, frame, frame.r10, frame.r8);
}

/** pselect6(n, in, out, except, timeout, { mask, sigsetsize }) */
export function pselect6(thread: ThreadBlock, frame: GateFrame): u32 {
  const buffer = frameBufferOf(thread);
  if (frame.r9 == 0 || tryCopyIn(buffer, frame.r9, 16) != 0) return passToKernel(frame);
  return waitUnder(thread, frame, load<u64>(buffer), load<u64>(buffer, 8));
}

/** epoll_pwait and epoll_pwait2(epfd, events, maxevents, timeout, mask, sigsetsize) */
export function epollPwait(thread: ThreadBlock, frame: GateFrame): u32 {
  return waitUnder(thread, frame, frame.r8, frame.r9);
}

/** io_pgetevents(context, least, most, events, timeout, { mask, sigsetsize }) */
export function ioPgetevents(thread: ThreadBlock, frame: GateFrame): u32 {
  const buffer = frameBufferOf(thread);
  if (frame.r9 == 0 || tryCopyIn(buffer, frame.r9, 16) != 0) return passToKernel(frame);
  return waitUnder(thread, frame, load<u64>(buffer), load<u64>(buffer, 8));
}

/**
 * io_uring_enter(fd, submitted, least, flags, argument, size): the argument is a mask, or a struct io_uring_getevents_arg
 * that begins with one. What it submits must not be lost: signals that the engine holds for the program wait for the
 * call's end.
 */
export function ioUringEnter(thread: ThreadBlock, frame: GateFrame): u32 {
  const flags = frame.r10 as u32;
  if ((flags & IORING_ENTER_GETEVENTS) == 0 || frame.r8 == 0) return passToKernel(frame);
  let mask = frame.r8;
  let size = frame.r9;
  const buffer = frameBufferOf(thread);
  if (flags & IORING_ENTER_EXT_ARG_REG) return passToKernel(frame);
  if (flags & IORING_ENTER_EXT_ARG) {
    if (tryCopyIn(buffer, frame.r8, 12) != 0) return passToKernel(frame);
    mask = load<u64>(buffer);
    size = load<u32>(buffer, 8) as u64;
  }
  setTemporaryMask(thread, mask, size);
  return passToKernel(frame);
}
