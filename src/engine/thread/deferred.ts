// Signals that arrive while their thread is inside the engine: kept here, delivered on the way out.
//
// The signal gate copies the kernel's frame once and blocks all further signals until the way out, so few slots are
// enough: one for a signal that can be blocked, the rest for those that the engine never blocks (sent by kill, since a
// fault of the engine's own is never deferred). The engine is integer-only code, so the xstate in the kernel's frame is
// still the program's.
//
//   offset in the deferred region   what
//   0x0000                          ucontext
//   0x0140                          xstate
//   0x4200                          siginfos of the deferred signals
//   0x4800                          a siginfo and an action, for building frames
//   0x4900                          siginfos of ThreadBlock.pending
//   0x5900                          a call as seccomp filters see it, and their scratch words (seccomp/filters.ts)
//   0x6000                          the program's frame while it is built

import { addressOf } from "../kernel/calls";
import { memoryBase, tryCopyIn } from "../process";
import { ThreadBlock, deferredOf } from "./block";
import { fpstateSize } from "./deliver";
import {
  CONTEXT_SIZE,
  Context,
  ENGINE_SIGNALS,
  FPSTATE_LEGACY_SIZE,
  SIGINFO_SIGNO,
  SIGINFO_SIZE,
} from "./signal-frame";

const FPSTATE_OFFSET: usize = 0x0140;
const FPSTATE_ROOM: u32 = 0x4000;
const SLOTS_OFFSET: usize = 0x4200;
const SLOT_COUNT: u32 = 8;

export function deferredContextOf(thread: ThreadBlock): Context {
  return changetype<Context>(deferredOf(thread));
}

export function deferredInfoOf(thread: ThreadBlock, slot: u32): usize {
  return deferredOf(thread) + SLOTS_OFFSET + (slot as usize) * SIGINFO_SIZE;
}

export function infoBufferOf(thread: ThreadBlock): usize {
  return deferredOf(thread) + 0x4800;
}

/** Where the siginfo of a held signal (ThreadBlock.pending) is kept; signals of the engine's set are below 32. */
export function pendingInfoOf(thread: ThreadBlock, signal: u32): usize {
  return deferredOf(thread) + 0x4900 + (signal as usize) * SIGINFO_SIZE;
}

export function frameBufferOf(thread: ThreadBlock): usize {
  return deferredOf(thread) + 0x6000;
}

/** Copies an xstate image into the thread's own buffer; gives the process address of the copy. */
export function keepFpstate(thread: ThreadBlock, fpstate: usize): u64 {
  const size = fpstateSize(fpstate);
  assert(size <= FPSTATE_ROOM, "the xstate is larger than the engine has room for");
  const copy = deferredOf(thread) + FPSTATE_OFFSET;
  memory.copy(copy, fpstate, size);
  return addressOf(copy);
}

/** Keeps a signal for the way out; `context` is the kernel's frame, whose mask will block what can be blocked. */
export function defer(thread: ThreadBlock, info: usize, context: Context): void {
  context.sigmask = ~ENGINE_SIGNALS;
  if (thread.deferred == 0) {
    memory.copy(deferredOf(thread), changetype<usize>(context), CONTEXT_SIZE);
    if (context.fpstate != 0)
      deferredContextOf(thread).fpstate = keepFpstate(thread, (context.fpstate - memoryBase()) as usize);
  }
  const signal = load<u32>(info, SIGINFO_SIGNO);
  for (let slot: u32 = 0; slot < thread.deferred; slot++) {
    // A standard signal that is already on its way is not queued twice: signal(7).
    if (load<u32>(deferredInfoOf(thread, slot), SIGINFO_SIGNO) == signal && signal < 32) return;
  }
  assert(thread.deferred < SLOT_COUNT, "more deferred signals than can arrive");
  memory.copy(deferredInfoOf(thread, thread.deferred), info, SIGINFO_SIZE);
  thread.deferred += 1;
}

/**
 * Copies the xstate that a context points to, wherever in the process, into the thread's own buffer, where `deliver`
 * can change it. An xstate that cannot be read is dropped: rt_sigreturn would have killed the program for it.
 */
export function keepFpstateOf(thread: ThreadBlock, context: Context): void {
  const buffer = deferredOf(thread) + FPSTATE_OFFSET;
  if (context.fpstate == 0 || context.fpstate == addressOf(buffer)) return;
  let size: u32 = FPSTATE_LEGACY_SIZE;
  let failed = tryCopyIn(buffer, context.fpstate, size) != 0;
  if (!failed && fpstateSize(buffer) != size) {
    size = fpstateSize(buffer);
    failed = size > FPSTATE_ROOM || tryCopyIn(buffer, context.fpstate, size) != 0;
  }
  context.fpstate = failed ? 0 : addressOf(buffer);
}
