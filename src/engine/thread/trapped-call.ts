// System calls of a program that owns gs base: a fault brings the thread from its trampoline to the engine, for only the
// alternate stack, which the kernel knows for each thread, still leads to the thread's block (gateTrap).
//
// The kernel's frame holds the program's registers. They become the frame that gateSyscall would have built, the signal
// gate goes on behind it, and the way out is the usual one: it needs no gs base. What the kernel answers is made by the
// trampoline's own `syscall`, which knows where to go on. Only a call with a temporary mask (ppoll and kin) must be told from
// other calls of the same site when a signal interrupts it: gateNativeTrap, with a second fault behind it.

import { gateEntered, gateNative, gateNativeEnd, gateNativeTrap } from "../gates";
import { addressOf } from "../kernel/calls";
import { GateFrame, ThreadBlock, gateFrameOf } from "./block";
import { settleGs } from "./gs-base";
import { Context, FLAG_ALIGNMENT_CHECK, FLAG_DIRECTION, FLAG_RESUME } from "./signal-frame";
import { SYSCALL_SIZE, siteOfDescriptor, syscallOfDescriptor } from "./trampoline";

/** The thread stands at `gateTrap`: it goes on behind gateSyscall's frame, on the engine stack. */
export function enterFromTrap(thread: ThreadBlock, context: Context): void {
  const frame = gateFrameOf(thread);
  const after = siteOfDescriptor(context.rcx) + SYSCALL_SIZE;
  frame.r15 = context.r15;
  frame.r14 = context.r14;
  frame.r13 = context.r13;
  frame.r12 = context.r12;
  frame.r10 = context.r10;
  frame.r9 = context.r9;
  frame.r8 = context.r8;
  frame.rbp = context.rbp;
  frame.rdi = context.rdi;
  frame.rsi = context.rsi;
  frame.rdx = context.rdx;
  frame.rbx = context.rbx;
  frame.rax = context.rax;
  // A fault sets RF in the flags that it saves: SDM volume 3, section 17.3.1.1.
  frame.flags = context.flags & ~FLAG_RESUME;
  frame.r11 = frame.flags;
  frame.rcx = after;
  frame.target = context.rcx;
  frame.rsp = context.rsp;
  thread.after = after;
  context.rip = gateEntered();
  context.rsp = addressOf(changetype<usize>(frame));
  context.flags = frame.flags & ~(FLAG_DIRECTION | FLAG_ALIGNMENT_CHECK);
}

/** If the thread stands at the fault behind gateNativeTrap's call: it goes on after the site. */
export function endTrappedCall(thread: ThreadBlock, context: Context): bool {
  if (context.rip != gateNativeTrap() + SYSCALL_SIZE) return false;
  assert(context.rip < gateNativeEnd(), "the fault behind a native call is part of its gate");
  context.rip = thread.after;
  context.rcx = thread.after;
  thread.temporaryMaskSet = 0;
  return true;
}

/** The engine is about to leave a gate, and gs base is the program's. */
export function leaveWithoutGs(thread: ThreadBlock, frame: GateFrame, descriptor: u64): void {
  settleGs(thread);
  if (frame.target != gateNative()) return;
  frame.target = thread.temporaryMaskSet ? gateNativeTrap() : syscallOfDescriptor(descriptor);
}
