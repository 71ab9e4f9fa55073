// The return frame: a signal frame of the engine's own making, through which rt_sigreturn enters any program state with
// its mask and xstate in one instant. The gate that does so is `gateReturn` in src/backend/gates.

import { ALTERNATE_STACK_OFFSET, ALTERNATE_STACK_SIZE } from "../../abi/thread-block";
import { comeBack } from "../hook/record";
import { goOnBehindHooks } from "../patch/interrupted-trampoline";
import { memoryBase } from "../process";
import { addressOf } from "../kernel/calls";
import { ThreadBlock, areaOf, gateFrameOf, returnFrameOf } from "./block";
import { deferredContextOf, keepFpstateOf, takeDeferred } from "./deferred";
import { deliver, resetFpstate } from "./deliver";
import { loadGateFrame, loadInstructionFrame, toStateOutside } from "./interrupted";
import { CONTEXT_SIZE, Context, FRAME_CONTEXT_OFFSET, SIGINFO_SIGNO } from "./signal-frame";
import { rollBack } from "./trampoline";

export function returnContextOf(thread: ThreadBlock): Context {
  return changetype<Context>(returnFrameOf(thread) + FRAME_CONTEXT_OFFSET);
}

/** rt_sigreturn sets the alternate stack too: in a frame for the kernel it is always the engine's (invariant I10). */
export function setEngineStackIn(thread: ThreadBlock, context: Context): void {
  context.ss_sp = addressOf(areaOf(thread) + ALTERNATE_STACK_OFFSET);
  context.ss_flags = 0;
  context.ss_size = ALTERNATE_STACK_SIZE;
}

/** Delivers every deferred signal onto a context, the first to arrive first; the last one's handler runs first. */
export function deliverDeferred(thread: ThreadBlock, context: Context): void {
  for (let info = takeDeferred(thread); info != 0; info = takeDeferred(thread))
    deliver(thread, load<u32>(info, SIGINFO_SIGNO), info, context);
}

/** The return frame, with all but general registers as they were when the first deferred signal came. */
function beginReturn(thread: ThreadBlock): Context {
  const context = returnContextOf(thread);
  memory.copy(changetype<usize>(context), changetype<usize>(deferredContextOf(thread)), CONTEXT_SIZE);
  keepFpstateOf(thread, context);
  setEngineStackIn(thread, context);
  return context;
}

/** On the way out of a gate with signals deferred: their handlers run from the state that the gate would restore. */
export function onDeferredAtExit(thread: ThreadBlock): void {
  const context = beginReturn(thread);
  loadGateFrame(thread, context);
  // Without an answer the call has not begun, whoever was to make it.
  if (gateFrameOf(thread).target != thread.after) {
    thread.temporaryMaskSet = 0;
    rollBack(thread, context, thread.site);
    comeBack(thread, context);
  }
  deliverDeferred(thread, context);
  goOnBehindHooks(thread, context);
}

/** The same on the way out of the gate of instructions. */
export function onDeferredAtInstruction(thread: ThreadBlock): void {
  const context = beginReturn(thread);
  loadInstructionFrame(thread, context);
  deliverDeferred(thread, context);
  goOnBehindHooks(thread, context);
}

/** On the way into a return frame with signals deferred: their handlers run from the return frame's state. */
export function onDeferredAtReturn(thread: ThreadBlock): void {
  const context = returnContextOf(thread);
  const isInitial = context.fpstate == 0;
  if (isInitial) context.fpstate = deferredContextOf(thread).fpstate;
  keepFpstateOf(thread, context);
  // fpu__restore_sig: a frame without an xstate gives the initial one.
  if (isInitial && context.fpstate != 0) resetFpstate((context.fpstate - memoryBase()) as usize);
  deliverDeferred(thread, context);
  goOnBehindHooks(thread, context);
}

/** At the signal gate's end with signals deferred: `frame` is the process address of the kernel's frame. */
export function onDeferredAtSignal(thread: ThreadBlock, frame: u64): void {
  const context = changetype<Context>(((frame - memoryBase()) as usize) + FRAME_CONTEXT_OFFSET);
  keepFpstateOf(thread, context);
  // It may be on its way into a trampoline or a gate.
  toStateOutside(thread, context);
  deliverDeferred(thread, context);
  goOnBehindHooks(thread, context);
}
