// The signal gate's body: every signal of every thread comes here first (invariant I10).

import { textStart, tryCopyFault, tryCopyInstruction } from "../gates";
import { syscall1 } from "../kernel/calls";
import { SYS_EXIT_GROUP } from "../kernel/numbers";
import { reportTrap } from "../hook/failure";
import { hasMatchers } from "../match";
import { enterSplitTrap, turnForAccess, turnForFetch } from "../jit/turn";
import { wasClosed } from "../patch/code-map";
import { enterTrap } from "../patch/traps";
import { goOnBehindHooks, passHooks, retryWithoutGs } from "../patch/interrupted-trampoline";
import { Record, findTrampoline } from "../patch/record";
import { memoryBase } from "../process";
import { STDERR, appendDecimal, appendHex, appendText, writeOut } from "../text";
import { ASSERTION_STATUS } from "../assertion";
import { endStrictlyAt } from "../seccomp/strict";
import { ThreadBlock } from "./block";
import { programOwnsGs } from "./gs-base";
import { lockEngine, unlockEngine } from "./lock";
import { noteOutside } from "./quiescence";
import { defer } from "./deferred";
import { deliver } from "./deliver";
import { enterDispatchedCall, isDispatchedCall } from "./dispatched-call";
import { isBeforeAfterCall, toProgramState } from "./interrupted";
import { deliverDeferred } from "./return-frame";
import { endFaultedCall, enterFromFault } from "./faulted-call";
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
import { TRAP_TRACE, isSilentStep } from "./single-step";

/** X86_TRAP_PF of arch/x86/include/asm/trapnr.h: the fault that sets cr2. */
const PAGE_FAULT: u64 = 14;

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
  // A filter forbids even that. Every signal is blocked here: a fault now is the end.
  unreachable();
}

/** Whether a thread runs code of the engine's own; gates' `syscall`s on the program's stack do not fault. */
function isEngineCode(rip: u64): bool {
  return rip >= textStart() && rip < memoryBase();
}

/** Error code of a page fault: a page that is there was fetched from. SDM volume 3, section 4.7. */
const FETCHED: u64 = 0x11;

/** A page fault of an access that a protection key forbids: X86_PF_PK of arch/x86/include/asm/trap_pf.h. */
const KEY: u64 = 0x20;
const WRITE: u64 = 2;
const FETCH: u64 = 0x10;
/** si_code: the page is there, and its protection forbids the access. */
const SEGV_ACCERR: i32 = 2;

/** A thread runs or writes a split page whose turn it is (jit/turn.ts). */
function turnPage(thread: ThreadBlock, code: i32, context: Context): bool {
  if (code != SEGV_ACCERR || context.trapno != PAGE_FAULT || context.err & KEY) return false;
  lockEngine(thread);
  let isTurned = false;
  if (context.err & FETCH) {
    noteOutside(thread);
    isTurned = turnForFetch(context.cr2, context.rip, context.rsp);
  } else isTurned = turnForAccess(context.cr2, placeInProgram(context.rip), (context.err & WRITE) != 0);
  unlockEngine();
  return isTurned;
}

/** The instruction of the program's that runs at `rip`, there or in a trampoline. */
function placeInProgram(rip: u64): u64 {
  const pointer = findTrampoline(rip);
  return pointer == 0 ? rip : changetype<Record>(pointer).original;
}

/** A thread fetched from code that the engine had closed (patch/code-map.ts): once the lock is free it is open again. */
function waitForCode(thread: ThreadBlock, context: Context): bool {
  if ((context.err & FETCHED) != FETCHED) return false;
  lockEngine(thread);
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

/** A fault of the program's: what its later frames say of the last one. */
function noteFault(thread: ThreadBlock, context: Context): void {
  thread.lastTrap = context.trapno;
  thread.lastError = context.err;
  if (context.trapno == PAGE_FAULT) thread.lastFaultAddress = context.cr2;
}

/**
 * Handles one signal: changes the kernel's frame so that its rt_sigreturn goes where the program must go on.
 * @param infoAddress process address of the siginfo, @param contextAddress of the ucontext; both in engine memory
 * @returns false when the thread goes on inside the engine
 */
export function onSignal(thread: ThreadBlock, signal: u32, infoAddress: u64, contextAddress: u64): bool {
  const info = (infoAddress - memoryBase()) as usize;
  const context = changetype<Context>((contextAddress - memoryBase()) as usize);
  const code = load<i32>(info, SIGINFO_CODE);
  // One that somebody sent may come at the copy, too.
  if ((signal == SIGSEGV || signal == SIGBUS) && code > 0 && context.rip == tryCopyInstruction()) {
    context.rip = tryCopyFault();
    return false;
  }
  const isForced = thread.forced == signal;
  if (isForced) thread.forced = 0;
  const raised = code > 0 && isFault(signal) && !isForced;
  if (raised && signal == SIGSEGV) {
    if (enterFromFault(thread, context)) return false;
    if (endFaultedCall(thread, context)) return true;
  }
  if (raised && signal == SIGTRAP && code == TRAP_TRACE && isSilentStep(thread, context)) return false;
  if (raised && signal != SIGSYS && thread.hook != 0) reportTrap(thread, context);
  // A step of the program's, over a call that hooks see the end of, is done when they have.
  const isInGate = isBeforeAfterCall(context.rip);
  if (isInGate && !(raised && signal == SIGSYS)) {
    defer(thread, info, context);
    return false;
  }
  if (raised && signal != SIGSYS && isEngineCode(context.rip)) reportEngineFault(thread, signal, context);
  if (raised && signal == SIGSEGV && programOwnsGs && hasMatchers() && passHooks(thread, context)) return true;
  if (raised && signal == SIGSEGV && retryWithoutGs(thread, context)) return true;
  if (raised && signal == SIGILL && hasMatchers() && enterSplitTrap(thread, context)) return true;
  if (raised && signal == SIGILL && enterTrap(thread, context)) return true;
  if (raised && signal == SIGSEGV && (turnPage(thread, code, context) || waitForCode(thread, context))) return true;
  if (raised && signal == SIGSYS && isDispatchedCall(thread, info, context)) {
    enterDispatchedCall(thread, info, context);
    return true;
  }
  if (raised && signal != SIGSYS) noteFault(thread, context);
  const interrupted = context.rip;
  if (!toProgramState(thread, context)) {
    defer(thread, info, context);
    return false;
  }
  // A seccomp filter's SIGSYS says where the call was made: si_call_addr of seccomp_init_siginfo (kernel/seccomp.c).
  if (signal == SIGSYS && raised && load<u64>(info, SIGINFO_ADDRESS) == interrupted)
    store<u64>(info, context.rip, SIGINFO_ADDRESS);
  if (signal == SIGSYS && raised && thread.isStrict) {
    endStrictlyAt(thread, context);
    return true;
  }
  if (thread.deferred != 0) deliverDeferred(thread, context);
  deliver(thread, signal, info, context);
  goOnBehindHooks(thread, context);
  return true;
}
