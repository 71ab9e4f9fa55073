// System calls of a program that owns gs base: a fault brings the thread from its trampoline to the engine, for only the
// alternate stack, which the kernel knows for each thread, still leads to the thread's block (gateFault).
//
// The signal gate sends the thread on to the gate of traps, with its block in a register, and the way out is the usual one:
// it needs no gs base. What the kernel answers is made by the trampoline's own `syscall`, which knows where to go on. A fault
// behind the call (gateNativeFault) is needed only where there is no trampoline, under Syscall User Dispatch, which lets none of them make calls, and for a call with a temporary mask
// (ppoll and kin), which must be told from other calls of the same site when a signal interrupts it.

import {
  gateFault,
  gateHooked,
  gateHookedFault,
  gateHookedSwitch,
  gateInterruptFault,
  gateNative,
  gateNativeEnd,
  gateNativeFault,
  gateTrap,
} from "../gates";
import { GateFrame, ThreadBlock } from "./block";
import { settleGs } from "./gs-base";
import { Context, FLAG_RESUME } from "./signal-frame";
import { SYSCALL_SIZE, siteOfDescriptor, syscallOfDescriptor } from "./trampoline";

/** If the thread stands at `gateFault`, or behind a call that hooks see the end of: it goes on in the gate. */
export function enterFromFault(thread: ThreadBlock, context: Context): bool {
  if (context.rip == gateHookedFault() + SYSCALL_SIZE) {
    context.r11 = thread.address;
    context.rip = gateHookedSwitch();
    return true;
  }
  if (context.rip != gateFault()) return false;
  thread.after = siteOfDescriptor(context.rcx) + SYSCALL_SIZE;
  // The trampoline has not saved them: as rollBack has it.
  thread.savedRcx = thread.after;
  thread.savedR11 = context.flags & ~FLAG_RESUME;
  context.r11 = thread.address;
  context.rip = gateTrap();
  return true;
}

/** If the thread stands at the fault behind a gate's call: it goes on after the site. */
export function endFaultedCall(thread: ThreadBlock, context: Context): bool {
  // `int $0x80` is as long as `syscall`, and leaves all registers alone.
  if (context.rip == gateInterruptFault() + SYSCALL_SIZE) {
    context.rip = thread.after;
    return true;
  }
  if (context.rip != gateNativeFault() + SYSCALL_SIZE) return false;
  assert(context.rip < gateNativeEnd(), "the fault behind a native call is part of its gate");
  context.rip = thread.after;
  context.rcx = thread.after;
  thread.temporaryMaskSet = 0;
  return true;
}

/**
 * The engine is about to leave a gate, and gs base is the program's.
 * @param descriptor what the gate's frame came with as its target: 0 for a trap without a trampoline
 */
export function leaveWithoutGs(thread: ThreadBlock, frame: GateFrame, descriptor: u64): void {
  settleGs(thread);
  if (frame.target == gateHooked()) frame.target = gateHookedFault();
  if (frame.target != gateNative()) return;
  const onlyFromGate = descriptor == 0 || thread.hooked || thread.dispatched || thread.temporaryMaskSet;
  frame.target = onlyFromGate ? gateNativeFault() : syscallOfDescriptor(descriptor);
}
