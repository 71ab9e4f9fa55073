// The signal gate's body: every signal of every thread comes here first (invariant I10).

import { textStart, tryCopyFault, tryCopyInstruction } from "../gates";
import { syscall1 } from "../kernel/calls";
import { SYS_EXIT_GROUP } from "../kernel/numbers";
import { wasClosed } from "../patch/code-map";
import { enterTrap } from "../patch/traps";
import { memoryBase } from "../process";
import { STDERR, appendDecimal, appendHex, appendText, writeOut } from "../text";
import { ASSERTION_STATUS } from "../assertion";
import { ThreadBlock } from "./block";
import { lockEngine, unlockEngine } from "./lock";
import { defer } from "./deferred";
import { deliver } from "./deliver";
import { toProgramState } from "./interrupted";
import { deliverDeferred } from "./return-frame";
import {
  Context,
  SIGBUS,
  SIGFPE,
  SIGILL,
  SIGINFO_ADDRESS,
  SIGINFO_CODE,
  SIGSEGV,
  SIGSYS,
  SIGTRAP,
} from "./signal-frame";

const line = memory.data(512, 8);

/** A fault in the engine's own code: one line, and the end of the program with a status of its own. */
function reportEngineFault(thread: ThreadBlock, signal: u32, context: Context): void {
  let at = appendText(line, "flicker: engine fault: signal ");
  at = appendDecimal(at, signal);
  at = appendText(at, " at engine text + 0x");
  at = appendHex(at, context.rip - textStart());
  at = appendText(at, ", address 0x");
  at = appendHex(at, context.cr2);
  at = appendText(at, ", site 0x");
  at = appendHex(at, thread.site);
  at = appendText(at, ", thread ");
  at = appendDecimal(at, thread.tid);
  at = appendText(at, "\n");
  writeOut(STDERR, line, at);
  syscall1(SYS_EXIT_GROUP, ASSERTION_STATUS as u64);
}

/** Whether a thread runs code of the engine's own; gates' `syscall`s on the program's stack do not fault. */
function isEngineCode(rip: u64): bool {
  return rip >= textStart() && rip < memoryBase();
}

/** Error code of a page fault: a page that is there was fetched from. SDM volume 3, section 4.7. */
const FETCHED: u64 = 0x11;

/** A thread fetched from code that the engine had closed (patch/code-map.ts): once the lock is free it is open again. */
function waitForCode(context: Context): bool {
  if ((context.err & FETCHED) != FETCHED) return false;
  lockEngine();
  const found = wasClosed(context.cr2);
  unlockEngine();
  return found;
}

/** Signals that the kernel raises for what an instruction did. */
function isFault(signal: u32): bool {
  return (
    signal == SIGSEGV ||
    signal == SIGBUS ||
    signal == SIGILL ||
    signal == SIGFPE ||
    signal == SIGTRAP ||
    signal == SIGSYS
  );
}

/**
 * Handles one signal: changes the kernel's frame so that its rt_sigreturn goes where the program must go on.
 * @param infoAddress process address of the siginfo, @param contextAddress of the ucontext; both in engine memory
 * @returns false when the thread goes on inside the engine
 */
export function onSignal(thread: ThreadBlock, signal: u32, infoAddress: u64, contextAddress: u64): bool {
  const info = (infoAddress - memoryBase()) as usize;
  const context = changetype<Context>((contextAddress - memoryBase()) as usize);
  if ((signal == SIGSEGV || signal == SIGBUS) && context.rip == tryCopyInstruction()) {
    context.rip = tryCopyFault();
    return false;
  }
  const raised = load<i32>(info, SIGINFO_CODE) > 0 && isFault(signal);
  if (raised && signal != SIGSYS && isEngineCode(context.rip)) reportEngineFault(thread, signal, context);
  if (raised && signal == SIGILL && enterTrap(thread, context)) return true;
  if (raised && signal == SIGSEGV && waitForCode(context)) return true;
  const interrupted = context.rip;
  if (!toProgramState(thread, context)) {
    defer(thread, info, context);
    return false;
  }
  // A seccomp filter's SIGSYS says where the call was made: si_call_addr of seccomp_init_siginfo (kernel/seccomp.c).
  if (signal == SIGSYS && raised && load<u64>(info, SIGINFO_ADDRESS) == interrupted)
    store<u64>(info, context.rip, SIGINFO_ADDRESS);
  if (thread.deferred != 0) deliverDeferred(thread, context);
  deliver(thread, signal, info, context);
  return true;
}
