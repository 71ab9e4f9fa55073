// A call that the kernel did not make because Syscall User Dispatch caught it (kernel/user-dispatch.ts): the signal gate
// sends it through the gate.
//
// The kernel's frame says where the program is: behind the site, with the call's number still in rax, and rcx and r11 as
// a `syscall` leaves them; what the program had in these two is gone. Its rt_sigreturn enters `gateTrap` with the
// thread's block in r11 and all other registers as they are; from there on the call is like any other. A signal on the way finds the state before
// the site, as the kernel leaves it when it rewinds a call for a restart.
//
// `int $0x80` is caught too. The kernel answers it with 32-bit arguments from a table of its own, without the engine, as
// it does when nothing is caught: from `gateInterrupt`, which is in the range that is allowed to.

import { gateInterrupt, gateInterruptEnd, gateInterruptFault, gateTrap } from "../gates";
import {
  ARCH_X86_64,
  SIGINFO_ARCH,
  SIGINFO_SYSCALL,
  SYS_USER_DISPATCH,
  siginfoFor,
  signalOf,
} from "../kernel/user-dispatch";
import { countDispatched } from "../stats/counters";
import { ThreadBlock } from "./block";
import { deliver } from "./deliver";
import { programOwnsGs } from "./gs-base";
import { Context, SIGINFO_ADDRESS, SIGINFO_CODE } from "./signal-frame";
import { SYSCALL_SIZE } from "./trampoline";

/** Whether a SIGSYS that the kernel raised is for a call that it caught for the engine. */
export function isDispatchedCall(thread: ThreadBlock, info: usize, context: Context): bool {
  return (
    thread.dispatched != 0 &&
    load<i32>(info, SIGINFO_CODE) == SYS_USER_DISPATCH &&
    load<u64>(info, SIGINFO_ADDRESS) == context.rip
  );
}

/** The context of a caught call: goes on in a gate, or in the program's handler when it has dispatch on for itself. */
export function enterDispatchedCall(thread: ThreadBlock, info: usize, context: Context): void {
  const arch = load<u32>(info, SIGINFO_ARCH);
  if (thread.programDispatch) {
    const instead = siginfoFor(thread, context.rip, arch, load<u32>(info, SIGINFO_SYSCALL));
    if (instead != 0) {
      deliver(thread, signalOf(thread, instead), instead, context);
      return;
    }
  }
  countDispatched();
  thread.after = context.rip;
  if (arch != ARCH_X86_64) {
    context.rip = programOwnsGs ? gateInterruptFault() : gateInterrupt();
    return;
  }
  thread.savedRcx = context.rcx;
  thread.savedR11 = context.r11;
  context.r11 = thread.address;
  context.rip = gateTrap();
}

/** Turns a context at a caught `int $0x80` into the program's state; gives false for every other context. */
export function stateOfInterruptGate(thread: ThreadBlock, context: Context): bool {
  const rip = context.rip;
  if (rip < gateInterrupt() || rip >= gateInterruptEnd()) return false;
  // Also when the kernel has rewound it for a restart. `int $0x80` is as long as `syscall`.
  const isBefore = rip == gateInterrupt() || rip == gateInterruptFault();
  context.rip = isBefore ? thread.after - SYSCALL_SIZE : thread.after;
  return true;
}
