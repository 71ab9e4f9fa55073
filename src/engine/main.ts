// The engine's entry points: what the gates (src/backend/gates) call. Each gets the engine pointer of the calling thread's
// block, which the gate has from its stack.

import "./assertion";
import { keepsKernelOut, openForKernel } from "./jit/kernel-access";
import { afterClone } from "./kernel/clone";
import { LEAVE, passToKernel } from "./kernel/call";
import { dispatch, isVirtualised } from "./kernel/dispatch";
import { GO_ON, judge } from "./kernel/seccomp";
import { isTakenByProgram } from "./kernel/user-dispatch";
import { beforeCall, endCallInChild, endHookedCall, settleCall } from "./hook/call";
import { hasCallHooks } from "./hook/table";
import { countCalls } from "./options";
import { patchProven } from "./patch/proven";
import { countCall } from "./stats/counters";
import { programOwnsGs, settleGs } from "./thread/gs-base";
import { leaveWithoutGs } from "./thread/faulted-call";
import { GateFrame, ThreadBlock, gateFrameOf } from "./thread/block";
import { onSignal as handleSignal } from "./thread/signal";
import { SYSCALL_SIZE } from "./thread/trampoline";

export * from "./hook/api";
export * from "./hook/records";
export { hookLinePath, hookLinePlace, hookPathAt, hookPathByte, hookPathOf } from "./hook/paths";
export { hookRaise } from "./hook/raise";
export { hookSleep } from "./hook/sleep";
export { hookEvent } from "./hook/events";
export { hookPlace, hookTally } from "./hook/tally";
export { hookSetThreadValue, hookThreadValue } from "./hook/thread-values";
export * from "./inspection";
export { gdbJitDescriptor } from "./debug/gdb-jit";
export { engineSite } from "./seccomp/site";
export { prepare, start } from "./load/start";
export { onInstruction } from "./hook/instruction";
export {
  onDeferredAtExit,
  onDeferredAtInstruction,
  onDeferredAtReturn,
  onDeferredAtSignal,
} from "./thread/return-frame";

function answerUnhooked(thread: ThreadBlock, frame: GateFrame): u32 {
  if (thread.filters != 0) {
    const judgement = judge(thread, frame);
    if (judgement != GO_ON) return judgement;
  }
  return isVirtualised(frame.rax as u32) ? dispatch(thread, frame) : passToKernel(frame);
}

/** A call that hooks have seen has an answer: they see that, too, and may want the call made again. */
function settle(thread: ThreadBlock, frame: GateFrame, next: u32): u32 {
  while (next == LEAVE && settleCall(thread, frame)) next = answerUnhooked(thread, frame);
  return next;
}

/** The program's own dispatch, hooks and the program's filters see a call before the engine does. */
function answer(thread: ThreadBlock, frame: GateFrame): u32 {
  if (thread.programDispatch && isTakenByProgram(thread, frame)) return LEAVE;
  if (!hasCallHooks) return answerUnhooked(thread, frame);
  let next = LEAVE;
  if (!beforeCall(thread, frame)) next = answerUnhooked(thread, frame);
  return settle(thread, frame, next);
}

/** Whether the engine has more to do with a call than to let the kernel have it. One branch: most often it has not. */
function isWatched(thread: ThreadBlock): bool {
  const inThread = thread.filters | ((thread.caught | thread.programDispatch) as u64);
  const inProcess = (hasCallHooks as u32) | (programOwnsGs as u32) | (keepsKernelOut as u32);
  return (inThread | (inProcess as u64)) != 0;
}

/** Exported only to keep the optimiser from making it part of `onSyscall`, which would then save registers for all calls. */
export function onWatchedSyscall(thread: ThreadBlock): u32 {
  const frame = gateFrameOf(thread);
  if (thread.caught) {
    thread.caught = 0;
    patchProven(thread, thread.site);
  }
  if (keepsKernelOut) openForKernel(thread, frame);
  const descriptor = frame.target;
  const next = answer(thread, frame);
  if (programOwnsGs) leaveWithoutGs(thread, frame, descriptor);
  return next;
}

/** A system call came in through its trampoline; gives what the gate is to do next (kernel/call.ts). */
export function onSyscall(thread: ThreadBlock): u32 {
  const frame = gateFrameOf(thread);
  // The gate has set `after`.
  thread.site = thread.after - SYSCALL_SIZE;
  thread.passages += 1;
  // A mask of ppoll and kin is in force during that one call only.
  thread.temporaryMaskSet = 0;
  if (countCalls) countCall();
  // The kernel reads eax as the number: an alias in the low 16 bits is no such call.
  return isVirtualised(frame.rax as u32) || isWatched(thread) ? onWatchedSyscall(thread) : passToKernel(frame);
}

/** Parent or child came back from the clone gate. */
export function onCloneReturn(thread: ThreadBlock): u32 {
  const frame = gateFrameOf(thread);
  const next = afterClone(thread, frame);
  settleGs(thread);
  if (!thread.hooked) return next;
  if (frame.rax != 0) return endHooked(thread, frame);
  endCallInChild(thread, frame);
  return next;
}

/** The kernel has answered a call that hooks have seen. */
export function onHookedReturn(thread: ThreadBlock): u32 {
  return endHooked(thread, gateFrameOf(thread));
}

function endHooked(thread: ThreadBlock, frame: GateFrame): u32 {
  if (!endHookedCall(thread, frame)) return LEAVE;
  const next = settle(thread, frame, answerUnhooked(thread, frame));
  if (programOwnsGs) leaveWithoutGs(thread, frame, 0);
  return next;
}

/**
 * The kernel delivered a signal: process addresses of its siginfo and ucontext, on the engine's alternate stack.
 * @returns 1 when the kernel's frame holds a state of the program's, 0 when it leads back into the engine
 */
export function onSignal(thread: ThreadBlock, signal: u32, info: u64, context: u64): u32 {
  thread.inSignal = 1;
  const isDone = handleSignal(thread, signal, info, context);
  thread.inSignal = 0;
  if (!isDone) return 0;
  settleGs(thread);
  return 1;
}
