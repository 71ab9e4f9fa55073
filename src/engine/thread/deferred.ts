// Signals that arrive while their thread is inside the engine: kept here, delivered on the way out.
//
// The signal gate copies the kernel's frame once and blocks all further signals until the way out, so few slots are
// enough: one for a signal that can be blocked, the rest for those that the engine never blocks (sent by kill, since a
// fault of the engine's own is never deferred). The engine is integer-only code, so the xstate in the kernel's frame is
// still the program's.
//
// The slots are a ring. A signal can arrive while another is being kept or delivered, so its count and its start are one
// word that changes at once, and a signal is copied out of its slot before it is delivered.
//
//   offset in the deferred region   what
//   0x0000                          ucontext
//   0x0140                          xstate of that ucontext
//   0x3200                          xstate of the context that leads out: a return frame's, or the signal gate's
//   0x6200                          siginfos of the deferred signals
//   0x6600                          siginfo of the signal that is being delivered
//   0x6800                          a siginfo and an action, for building frames
//   0x6900                          siginfos of ThreadBlock.pending
//   0x7900                          a call as seccomp filters see it, and their scratch words (seccomp/filters.ts)
//   0x8000                          the program's frame while it is built

import { ALTERNATE_STACK_OFFSET, ALTERNATE_STACK_SIZE } from "../../abi/thread-block";
import { addressOf } from "../kernel/calls";
import { memoryBase, tryCopyIn } from "../process";
import { ThreadBlock, areaOf, deferredOf } from "./block";
import { fpstateSize } from "./deliver";
import {
  CONTEXT_SIZE,
  Context,
  ENGINE_SIGNALS,
  FPSTATE_LEGACY_SIZE,
  SIGINFO_SIGNO,
  SIGINFO_SIZE,
} from "./signal-frame";

const FPSTATE_ALIGNMENT_MASK: usize = 63;
const FPSTATE_OFFSET: usize = 0x0140;
const RETURN_FPSTATE_OFFSET: usize = 0x3200;
/** AMX's tiles make the largest xstate that is known: 11,008 bytes. */
const FPSTATE_ROOM: u32 = 0x3000;
const SLOTS_OFFSET: usize = 0x6200;
const SLOT_COUNT: u32 = 8;
const DELIVERED_OFFSET: usize = 0x6600;

export function deferredContextOf(thread: ThreadBlock): Context {
  return changetype<Context>(deferredOf(thread));
}

/** The siginfo of the deferred signal with this place in the queue, from 0. */
export function deferredInfoOf(thread: ThreadBlock, place: u32): usize {
  const slot = (thread.firstDeferred + place) % SLOT_COUNT;
  return deferredOf(thread) + SLOTS_OFFSET + (slot as usize) * SIGINFO_SIZE;
}

export function infoBufferOf(thread: ThreadBlock): usize {
  return deferredOf(thread) + 0x6800;
}

/** Where the siginfo of a held signal (ThreadBlock.pending) is kept; signals of the engine's set are below 32. */
export function pendingInfoOf(thread: ThreadBlock, signal: u32): usize {
  return deferredOf(thread) + 0x6900 + (signal as usize) * SIGINFO_SIZE;
}

export function frameBufferOf(thread: ThreadBlock): usize {
  return deferredOf(thread) + 0x8000;
}

/** ThreadBlock.deferred and firstDeferred as one word, count below. */
function queueOf(thread: ThreadBlock): usize {
  return changetype<usize>(thread) + offsetof<ThreadBlock>("deferred");
}

/**
 * The engine pointer of the program's xstate, when a signal comes in the middle of the engine.
 *
 * A fault of the engine's copies is not masked while the signal gate handles another, and a handler begins with an initial
 * xstate (fpu__clear_user_states of arch/x86/kernel/fpu/core.c). Then the program's is in the outermost frame of the
 * alternate stack, at its very top: fpu__alloc_mathframe of arch/x86/kernel/fpu/signal.c.
 */
function programFpstate(thread: ThreadBlock, context: Context): usize {
  const given = (context.fpstate - memoryBase()) as usize;
  const stack = areaOf(thread) + ALTERNATE_STACK_OFFSET;
  const start = addressOf(stack);
  if (context.rsp < start || context.rsp > start + ALTERNATE_STACK_SIZE) return given;
  const outermost = (stack + ALTERNATE_STACK_SIZE - (fpstateSize(given) as usize)) & ~FPSTATE_ALIGNMENT_MASK;
  assert(fpstateSize(outermost) == fpstateSize(given), "the signal gate's frame is not where the kernel puts it");
  return outermost;
}

/** Keeps a signal for the way out; `context` is the kernel's frame, whose mask will block what can be blocked. */
export function defer(thread: ThreadBlock, info: usize, context: Context): void {
  context.sigmask = ~ENGINE_SIGNALS;
  if (thread.deferred == 0) {
    const copy = deferredContextOf(thread);
    memory.copy(changetype<usize>(copy), changetype<usize>(context), CONTEXT_SIZE);
    if (context.fpstate != 0) {
      const fpstate = programFpstate(thread, context);
      const size = fpstateSize(fpstate);
      assert(size <= FPSTATE_ROOM, "the xstate is larger than the engine has room for");
      memory.copy(deferredOf(thread) + FPSTATE_OFFSET, fpstate, size);
      copy.fpstate = addressOf(deferredOf(thread) + FPSTATE_OFFSET);
    }
  }
  const signal = load<u32>(info, SIGINFO_SIGNO);
  for (let place: u32 = 0; place < thread.deferred; place++) {
    // A standard signal that is already on its way is not queued twice: signal(7).
    if (load<u32>(deferredInfoOf(thread, place), SIGINFO_SIGNO) == signal && signal < 32) return;
  }
  // The slot is taken before it is filled: a signal that arrives in between gets the next one, and nobody reads this one
  // before the interrupted code goes on.
  const queue = atomic.add<u64>(queueOf(thread), 1);
  assert((queue as u32) < SLOT_COUNT, "more deferred signals than can arrive");
  const slot = (((queue >> 32) as u32) + (queue as u32)) % SLOT_COUNT;
  memory.copy(deferredOf(thread) + SLOTS_OFFSET + (slot as usize) * SIGINFO_SIZE, info, SIGINFO_SIZE);
}

/** Takes the first deferred signal out of the queue; gives the engine pointer of its siginfo, or 0 when none is left. */
export function takeDeferred(thread: ThreadBlock): usize {
  const delivered = deferredOf(thread) + DELIVERED_OFFSET;
  while (true) {
    const queue = atomic.load<u64>(queueOf(thread));
    const count = queue as u32;
    if (count == 0) return 0;
    const first = (queue >> 32) as u32;
    memory.copy(delivered, deferredOf(thread) + SLOTS_OFFSET + (first as usize) * SIGINFO_SIZE, SIGINFO_SIZE);
    const rest = ((((first + 1) % SLOT_COUNT) as u64) << 32) | ((count - 1) as u64);
    if (atomic.cmpxchg<u64>(queueOf(thread), queue, rest) == queue) return delivered;
  }
}

/**
 * Copies the xstate that a context points to, wherever in the process, into the thread's own buffer, where `deliver`
 * can change it. An xstate that cannot be read is dropped: rt_sigreturn would have killed the program for it.
 */
export function keepFpstateOf(thread: ThreadBlock, context: Context): void {
  const buffer = deferredOf(thread) + RETURN_FPSTATE_OFFSET;
  if (context.fpstate == 0 || context.fpstate == addressOf(buffer)) return;
  let size: u32 = FPSTATE_LEGACY_SIZE;
  let failed = tryCopyIn(buffer, context.fpstate, size) != 0;
  if (!failed && fpstateSize(buffer) != size) {
    size = fpstateSize(buffer);
    failed = size > FPSTATE_ROOM || tryCopyIn(buffer, context.fpstate, size) != 0;
  }
  context.fpstate = failed ? 0 : addressOf(buffer);
}
