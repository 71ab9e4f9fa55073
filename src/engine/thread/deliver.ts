// Delivery: the engine builds the program's signal frame itself (invariant I10).
//
// The kernel delivers every signal on the engine's alternate stack. What is done here is what setup_rt_frame and
// handle_signal of arch/x86/kernel/signal.c do: choose the stack, write xstate, ucontext and siginfo to it, set the
// registers with which a handler starts, change the mask. The context that is changed is one in engine memory that is
// then given to rt_sigreturn: the kernel's own frame (signal gate) or the thread's return frame (sigreturn, the way out
// of a gate with signals deferred). So mask, registers and xstate change in one instant.

import { keepCall } from "../hook/record";
import { remembersCalls } from "../hook/table";
import { openForFrame } from "../jit/kernel-access";
import { memoryBase, tryCopyIn, tryCopyOut } from "../process";
import { addressOf, syscall4 } from "../kernel/calls";
import { SYS_RT_SIGPROCMASK, SYS_RT_TGSIGQUEUEINFO } from "../kernel/numbers";
import {
  Action,
  ACTION_SIZE,
  SA_NODEFER,
  SA_ONSTACK,
  SA_RESETHAND,
  SA_RESTORER,
  SIG_DFL,
  SIG_IGN,
  actionOf,
  installAction,
  installPlain,
} from "./actions";
import { resetAlternateStack, alternateStackFlags } from "./alternate-stack";
import { ThreadBlock } from "./block";
import { frameBufferOf, infoBufferOf, pendingInfoOf } from "./deferred";
import { lockEngine, unlockEngine } from "./lock";
import { recordSignal } from "../ring/events";
import { reportFatalSignal } from "../stats/report";
import {
  CONTEXT_SIZE,
  Context,
  ENGINE_SIGNALS,
  FLAG_DIRECTION,
  FLAG_RESUME,
  FLAG_TRAP,
  FPSTATE_ALIGNMENT,
  FPSTATE_EXTENDED_SIZE,
  FPSTATE_LEGACY_SIZE,
  FPSTATE_MAGIC1,
  FPSTATE_MXCSR,
  FPSTATE_XSTATE_BV,
  FP_XSTATE_MAGIC1,
  FRAME_CONTEXT_OFFSET,
  FRAME_SIGINFO_OFFSET,
  MXCSR_INITIAL,
  SIGINFO_CODE,
  SIGINFO_SIGNO,
  SIGINFO_SIZE,
  SIGNAL_FRAME_SIZE,
  SIGSEGV,
  SIGSYS,
  SIGTRAP,
  SI_KERNEL,
  SS_AUTODISARM,
  SS_ONSTACK,
  UNBLOCKABLE,
  XSTATE_PKRU,
  kernelMask,
  signalBit,
} from "./signal-frame";
import { SYSCALL_SIZE } from "./trampoline";

/** __USER_CS and __USER_DS of arch/x86/include/asm/segment.h. */
const USER_CS: u16 = 0x33;
const USER_DS: u16 = 0x2b;
const SIG_SETMASK: u64 = 2;

/** si_code of a seccomp filter's SIGSYS. */
const SYS_SECCOMP: i32 = 1;

/** Bytes below rsp that belong to leaf functions: psABI AMD64, section 3.2.2. */
const RED_ZONE: u64 = 128;

/** The size of an xstate image, in bytes, by its own description. */
export function fpstateSize(fpstate: usize): u32 {
  return load<u32>(fpstate, FPSTATE_MAGIC1) == FP_XSTATE_MAGIC1
    ? load<u32>(fpstate, FPSTATE_EXTENDED_SIZE)
    : FPSTATE_LEGACY_SIZE;
}

/** Leaves an image with the xstate in which a handler starts: all components in their initial configuration. */
export function resetFpstate(fpstate: usize): void {
  if (load<u32>(fpstate, FPSTATE_MAGIC1) != FP_XSTATE_MAGIC1) return;
  store<u32>(fpstate, MXCSR_INITIAL, FPSTATE_MXCSR);
  store<u64>(fpstate, load<u64>(fpstate, FPSTATE_XSTATE_BV) & XSTATE_PKRU, FPSTATE_XSTATE_BV);
}

/**
 * Where the frame goes: get_sigframe of arch/x86/kernel/signal.c.
 * @returns the process address of the frame, or 0 when the alternate stack is too small for it
 */
function frameAddress(thread: ThreadBlock, action: Action, rsp: u64, xstateSize: u32): u64 {
  let sp = rsp - RED_ZONE;
  // Nested by where the program was interrupted, entering by where the frame would begin.
  let mustFit = alternateStackFlags(thread, rsp) == SS_ONSTACK;
  if (action.flags & SA_ONSTACK && alternateStackFlags(thread, sp) == 0) {
    sp = thread.alternateStack + thread.alternateStackSize;
    mustFit = true;
  }
  sp = (sp - xstateSize) & ~(FPSTATE_ALIGNMENT - 1);
  sp = ((sp - SIGNAL_FRAME_SIZE) & ~15) - 8;
  if (mustFit && (sp <= thread.alternateStack || sp - thread.alternateStack > thread.alternateStackSize)) return 0;
  return sp;
}

const RESERVED_SIZE: usize = 64;

/** Writes the frame to the program's stack; gives its address, or 0 when that faults. */
function writeFrame(thread: ThreadBlock, action: Action, info: usize, context: Context): u64 {
  // The x86-64 kernel has no trampoline of its own: a handler without a restorer gets SIGSEGV.
  if ((action.flags & SA_RESTORER) == 0) return 0;
  const fpstate: usize = context.fpstate == 0 ? (0 as usize) : ((context.fpstate - memoryBase()) as usize);
  const xstateSize = fpstate == 0 ? 0 : fpstateSize(fpstate);
  const frame = frameAddress(thread, action, context.rsp, xstateSize);
  if (frame == 0) return 0;
  const fpstateAddress = (frame + SIGNAL_FRAME_SIZE + 8 + FPSTATE_ALIGNMENT - 1) & ~(FPSTATE_ALIGNMENT - 1);

  const buffer = frameBufferOf(thread);
  store<u64>(buffer, action.restorer);
  const saved = changetype<Context>(buffer + FRAME_CONTEXT_OFFSET);
  memory.copy(changetype<usize>(saved), changetype<usize>(context), CONTEXT_SIZE);
  saved.uc_link = 0;
  saved.ss_sp = thread.alternateStack;
  saved.ss_flags = thread.alternateStackFlags;
  saved.ss_padding = 0;
  saved.ss_size = thread.alternateStackSize;
  saved.oldmask = thread.programMask;
  saved.sigmask = thread.programMask;
  saved.fpstate = fpstate == 0 ? 0 : fpstateAddress;
  saved.trapno = thread.lastTrap;
  saved.err = thread.lastError;
  saved.cr2 = thread.lastFaultAddress;
  memory.copy(buffer + FRAME_SIGINFO_OFFSET, info, SIGINFO_SIZE);
  // setup_sigcontext leaves these words as they were on the stack.
  const untouched = FRAME_CONTEXT_OFFSET + offsetof<Context>("reserved0");
  openForFrame(thread, frame, SIGNAL_FRAME_SIZE + xstateSize + FPSTATE_ALIGNMENT);
  if (tryCopyIn(buffer + untouched, frame + (untouched as u64), RESERVED_SIZE) != 0) return 0;
  if (tryCopyOut(frame, buffer, SIGNAL_FRAME_SIZE) != 0) return 0;
  if (fpstate != 0 && tryCopyOut(fpstateAddress, fpstate, xstateSize) != 0) return 0;
  return frame;
}

/**
 * The kernel's default action, natively: core dump and parent see the program's state. That of the engine's signals is
 * always death; another signal comes here when its handler was taken away while it was on its way.
 */
function takeDefaultAction(thread: ThreadBlock, signal: u32, info: usize, context: Context): void {
  if (ENGINE_SIGNALS & signalBit(signal)) reportFatalSignal(thread, signal);
  const code = load<i32>(info, SIGINFO_CODE);
  installPlain(signal, SIG_DFL, frameBufferOf(thread));
  context.sigmask = kernelMask(thread.programMask) & ~signalBit(signal);
  // A call that a seccomp filter has trapped is trapped again: the filter may forbid to send the signal.
  if (signal == SIGSYS && code == SYS_SECCOMP) {
    context.rip -= SYSCALL_SIZE;
    return;
  }
  // A fault comes again when its instruction is run again. What does not is sent again, and meets the program's state
  // when rt_sigreturn unblocks it.
  const faults = code > 0 && code != SI_KERNEL && signal != SIGTRAP && signal != SIGSYS;
  if (faults) return;
  const mask = frameBufferOf(thread);
  store<u64>(mask, ~(0 as u64));
  syscall4(SYS_RT_SIGPROCMASK, SIG_SETMASK, addressOf(mask), 0, 8);
  syscall4(SYS_RT_TGSIGQUEUEINFO, thread.pid, thread.tid, signal, addressOf(info));
}

/** Whether the kernel raised the signal for something that the thread itself did. */
function isSynchronous(signal: u32, info: usize): bool {
  return (ENGINE_SIGNALS & signalBit(signal)) != 0 && load<i32>(info, SIGINFO_CODE) > 0;
}

/** A frame could not be written: force_sigsegv of kernel/signal.c. */
function forceSegv(thread: ThreadBlock, signal: u32, context: Context): void {
  const info = infoBufferOf(thread);
  memory.fill(info, 0, SIGINFO_SIZE);
  store<u32>(info, SIGSEGV, SIGINFO_SIGNO);
  store<i32>(info, SI_KERNEL, SIGINFO_CODE);
  if (signal == SIGSEGV || thread.programMask & signalBit(SIGSEGV)) takeDefaultAction(thread, SIGSEGV, info, context);
  else deliver(thread, SIGSEGV, info, context);
}

/**
 * Delivers one signal to the program.
 * @param info engine pointer of its siginfo
 * @param context the program's state, in engine memory with its xstate; changed to the state in which the program goes on
 */
export function deliver(thread: ThreadBlock, signal: u32, info: usize, context: Context): void {
  const blockedNow = thread.temporaryMaskSet ? thread.temporaryMask : thread.programMask;
  const bit = signalBit(signal);
  const synchronous = isSynchronous(signal, info);
  context.sigmask = kernelMask(thread.programMask);

  lockEngine(thread);
  const action = changetype<Action>(infoBufferOf(thread) + SIGINFO_SIZE);
  memory.copy(changetype<usize>(action), changetype<usize>(actionOf(thread, signal)), ACTION_SIZE);
  const blocked = (blockedNow & bit) != 0;
  if (action.handler > SIG_IGN && action.flags & SA_RESETHAND && !(blocked && (ENGINE_SIGNALS & bit) != 0)) {
    actionOf(thread, signal).handler = SIG_DFL;
    installAction(signal, actionOf(thread, signal), frameBufferOf(thread));
  }
  unlockEngine();

  if (blocked && (ENGINE_SIGNALS & bit) != 0) {
    if (synchronous) {
      recordSignal(thread, signal, info);
      takeDefaultAction(thread, signal, info, context);
    } else holdPending(thread, signal, info);
    return;
  }
  if (action.handler == SIG_IGN && !synchronous) return;
  recordSignal(thread, signal, info);
  if (action.handler <= SIG_IGN) {
    takeDefaultAction(thread, signal, info, context);
    return;
  }

  const frame = writeFrame(thread, action, info, context);
  if (frame == 0) {
    thread.temporaryMaskSet = 0;
    forceSegv(thread, signal, context);
    return;
  }
  if (remembersCalls()) keepCall(thread, frame, context.rip);
  if (thread.alternateStackFlags & SS_AUTODISARM) resetAlternateStack(thread);
  let mask = blockedNow | action.mask;
  if ((action.flags & SA_NODEFER) == 0) mask |= bit;
  thread.programMask = mask & ~UNBLOCKABLE;
  thread.temporaryMaskSet = 0;

  context.sigmask = kernelMask(thread.programMask);
  context.rip = action.handler;
  context.rsp = frame;
  // setup_rt_frame; what the program interrupted need not be a segment at all.
  context.cs = USER_CS;
  context.ss = USER_DS;
  context.rdi = signal;
  context.rsi = frame + FRAME_SIGINFO_OFFSET;
  context.rdx = frame + FRAME_CONTEXT_OFFSET;
  context.rax = 0;
  context.flags &= ~(FLAG_DIRECTION | FLAG_RESUME | FLAG_TRAP);
  if (context.fpstate != 0) resetFpstate((context.fpstate - memoryBase()) as usize);
}

/** Keeps a signal of the engine's set that the program has blocked, until it is unblocked or waited for. */
function holdPending(thread: ThreadBlock, signal: u32, info: usize): void {
  if (thread.pending & signalBit(signal)) return;
  memory.copy(pendingInfoOf(thread, signal), info, SIGINFO_SIZE);
  thread.pending |= signalBit(signal);
}
