// Which program state is this? At every instruction of a gate or trampoline the answer is one of three (invariant I3):
// not yet begun (roll back to the site), done (roll forward to the instruction after it), or inside the engine (defer).
//
// No state of the engine lives across an instant that the program can see, so the interrupted stack pointer decides
// first, the instruction pointer second:
//
//   rsp in the thread's area, rip not on a way out    inside: defer
//   rsp in the thread's area, rip on a way out        the gate's frame, or the return frame, is the program's state
//   program's rsp, gate's first instructions          back
//   program's rsp, gate's last jump                   as at its target
//   program's rsp, trampoline                         back or forward, by offset (thread/trampoline.ts, patch/)
//   program's rsp, a caught `int $0x80`              back or forward (thread/dispatched-call.ts)
//   program's rsp, a native call of the gate          back before the `syscall` or when the kernel rewound it for a
//                                                     restart; else forward
//   rsp in the area, on the way out of hooks          before the instruction, which the hooks have seen, or behind it
//   program's rsp, on the way to hooks behind one     forward: they are called first
//   program's rsp, a call that hooks have seen        back likewise; behind the `syscall`, inside: defer

import {
  gateExit,
  gateExitEnd,
  gateExitJump,
  gateFault,
  gateHooked,
  gateHookedFault,
  gateHookedOnEngineStack,
  gateInstruction,
  gateInstructionEnd,
  gateInstructionExit,
  gateInstructionJump,
  gateInstructionOnEngineStack,
  gateNative,
  gateNativeEnd,
  gateNativeFault,
  gateReturn,
  gateReturnEnd,
  gateSignalRestorer,
  gateSignalReturn,
  gateSyscallOnEngineStack,
  gateTrap,
  gateTrapOnEngineStack,
} from "../gates";
import { leaveWayToHooks, loadInstructionState } from "../hook/instruction";
import { abandon, comeBack } from "../hook/record";
import { EINTR } from "../kernel/errno";
import { SYS_RT_SIGRETURN } from "../kernel/numbers";
import { memoryBase } from "../process";
import { siteAddress } from "../seccomp/site";
import { isInstructionIsland, isIsland } from "../patch/outpost";
import { stateInTrampoline } from "../patch/interrupted-trampoline";
import { isInArea } from "./areas";
import { GateFrame, ThreadBlock, gateFrameOf, returnFrameOf } from "./block";
import { keepFpstateOf } from "./deferred";
import { stateOfInterruptGate } from "./dispatched-call";
import { CONTEXT_SIZE, Context, FRAME_CONTEXT_OFFSET } from "./signal-frame";
import { SYSCALL_SIZE, rollBack, siteOfDescriptor, stateBeforeSyscall } from "./trampoline";

/** Fills a context's registers from the gate's frame: the program's state once the gate has been left. */
export function loadGateFrame(thread: ThreadBlock, context: Context): void {
  const frame = gateFrameOf(thread);
  context.r15 = frame.r15;
  context.r14 = frame.r14;
  context.r13 = frame.r13;
  context.r12 = frame.r12;
  context.r10 = frame.r10;
  context.r9 = frame.r9;
  context.r8 = frame.r8;
  context.rbp = frame.rbp;
  context.rdi = frame.rdi;
  context.rsi = frame.rsi;
  context.rdx = frame.rdx;
  context.rbx = frame.rbx;
  context.rax = frame.rax;
  context.r11 = frame.r11;
  context.rcx = frame.target;
  context.rip = frame.target;
  context.flags = frame.flags;
  context.rsp = frame.rsp;
}

/** The other way round: what a gate would have saved of a context; its target is the caller's to say. */
export function storeGateFrame(frame: GateFrame, context: Context): void {
  frame.r15 = context.r15;
  frame.r14 = context.r14;
  frame.r13 = context.r13;
  frame.r12 = context.r12;
  frame.r11 = context.r11;
  frame.r10 = context.r10;
  frame.r9 = context.r9;
  frame.r8 = context.r8;
  frame.rbp = context.rbp;
  frame.rdi = context.rdi;
  frame.rsi = context.rsi;
  frame.rdx = context.rdx;
  frame.rbx = context.rbx;
  frame.rax = context.rax;
  frame.rcx = context.rcx;
  frame.flags = context.flags;
  frame.rsp = context.rsp;
}

/** Fills a context's registers from the frame of the gate of instructions. */
export function loadInstructionFrame(thread: ThreadBlock, context: Context): void {
  const frame = gateFrameOf(thread);
  loadGateFrame(thread, context);
  context.rcx = frame.rcx;
  loadInstructionState(thread, context, frame.target);
}

/** Takes a frame's state over into the context of a signal that arrived just before the frame's rt_sigreturn. */
function loadFrame(thread: ThreadBlock, context: Context, frame: usize): void {
  const stackPointer = context.ss_sp;
  const stackSize = context.ss_size;
  const stackFlags = context.ss_flags;
  memory.copy(changetype<usize>(context), frame + FRAME_CONTEXT_OFFSET, CONTEXT_SIZE);
  context.ss_sp = stackPointer;
  context.ss_size = stackSize;
  context.ss_flags = stackFlags;
  keepFpstateOf(thread, context);
}

/** The frame whose rt_sigreturn a gate is about to make, or 0. */
function frameOfSignalReturn(context: Context): usize {
  if (context.rip >= gateSignalReturn() && context.rip < gateSignalRestorer())
    return (context.rbx - memoryBase()) as usize;
  // Gates make it at the engine's site once the program has a seccomp filter (seccomp/site.ts).
  if (siteAddress() != 0 && context.rip == siteAddress() && context.rax == (SYS_RT_SIGRETURN as u64))
    return (context.rsp - 8 - memoryBase()) as usize;
  return 0;
}

/** Whether the kernel has answered a call, and the hooks that have seen it do not know yet. */
export function isBeforeAfterCall(rip: u64): bool {
  return rip > gateHooked() && rip < gateHookedOnEngineStack() && rip != gateHookedFault();
}

/**
 * Turns an interrupted context into the program's state.
 * @returns false when the thread is inside the engine, and the signal must wait for the way out
 */
export function toProgramState(thread: ThreadBlock, context: Context): bool {
  if (isInArea(thread, context.rsp)) {
    if (context.rip >= gateReturn() && context.rip < gateReturnEnd()) {
      loadFrame(thread, context, returnFrameOf(thread));
      thread.temporaryMaskSet = 0;
      return true;
    }
    const frame = frameOfSignalReturn(context);
    if (frame != 0) {
      loadFrame(thread, context, frame);
      // What the earlier signal interrupted may be the engine itself: a copy that faulted, a signal that was deferred.
      return toProgramState(thread, context);
    }
    if (context.rip >= gateInstructionExit() && context.rip < gateInstructionEnd()) {
      loadInstructionFrame(thread, context);
      return true;
    }
    if (context.rip < gateExit() || context.rip >= gateExitEnd()) return false;
    loadGateFrame(thread, context);
  }
  toStateOutside(thread, context);
  return true;
}

/** The same for a context that is not on a stack of the engine's. */
export function toStateOutside(thread: ThreadBlock, context: Context): void {
  // A frame's target, or the last jump's, is at most one more step away.
  if (context.rip == gateExitJump()) context.rip = context.rcx;

  if (context.rip == gateInstructionJump()) {
    loadInstructionState(thread, context, gateFrameOf(thread).target);
    return;
  }

  const rip = context.rip;
  let isInterrupted = false;
  if (rip >= gateNative() && rip < gateNativeEnd()) {
    if (rip == gateNative() || rip == gateNativeFault()) {
      stateBeforeSyscall(thread, context, rip, thread.site);
      comeBack(thread, context);
    } else {
      context.rip = thread.site + SYSCALL_SIZE;
      context.rcx = context.rip;
      // restore_saved_sigmask_unless: a call that was not interrupted has given the mask back before the signal came.
      isInterrupted = (context.rax as i64) == -EINTR;
    }
  } else if (rip == gateHooked() || rip == gateHookedFault()) {
    stateBeforeSyscall(thread, context, rip, thread.site);
    comeBack(thread, context);
  } else if (isBeforeAfterCall(rip)) {
    context.rip = thread.site + SYSCALL_SIZE;
    context.rcx = context.rip;
    abandon(thread, context);
  } else if (rip >= gateFault() && rip < gateSyscallOnEngineStack()) {
    rollBack(thread, context, siteOfDescriptor(context.rcx));
  } else if (rip >= gateTrap() && rip < gateTrapOnEngineStack()) {
    rollBack(thread, context, thread.after - SYSCALL_SIZE);
  } else if ((rip >= gateInstruction() && rip < gateInstructionOnEngineStack()) || isInstructionIsland(rip)) {
    leaveWayToHooks(thread, context, context.rcx);
  } else if (isIsland(rip)) {
    rollBack(thread, context, siteOfDescriptor(context.rcx));
  } else if (!stateOfInterruptGate(thread, context)) {
    stateInTrampoline(thread, context);
  }
  if (!isInterrupted) thread.temporaryMaskSet = 0;
}
