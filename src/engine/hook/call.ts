// Hooks at a system call: `beforeCall` in front of everything that becomes of it (the program's seccomp filters, the engine's
// answers), `afterCall` behind, each once (record.ts), on the engine stack. Signals that arrive meanwhile are deferred, as
// everywhere in the engine.
//
//   the engine answers          afterCall runs at once
//   the kernel answers          `gateHooked` makes the call with the program's stack and comes back; `gateNative`, from which
//                               nobody comes back, where no hook wants to know and nothing has to be put back
//   clone, fork, vfork          afterCall runs in the parent; the child starts with the program's registers
//   execve                      afterCall runs when it fails
//   exit, rt_sigreturn          no afterCall: the call does not return
//   a seccomp filter's signal   none either

import { gateClone, gateHooked, gateNative } from "../gates";
import { finish } from "../kernel/call";
import { EINTR } from "../kernel/errno";
import { SYS_EXECVE, SYS_RT_SIGRETURN } from "../kernel/numbers";
import { Address, callHook } from "../process";
import { GateFrame, ThreadBlock, gateFrameOf } from "../thread/block";
import { showsExecve } from "../ring/ring";
import { lockEngine, unlockEngine } from "../thread/lock";
import { endLine } from "./line";
import {
  SEEN,
  UNSEEN,
  beginRecord,
  currentCall,
  isChanged,
  noteMade,
  restoreArguments,
  shareCall,
  takeResumed,
  useMade,
} from "./record";
import { afterEntry, beforeEntry, hookCount, isExclusive, isHooked, isHookedBy } from "./table";

/** ThreadBlock.hookPhase. */
export const IN_BEFORE: u32 = 1;
export const IN_AFTER: u32 = 2;
export const IN_MATCH: u32 = 3;
export const IN_INSTRUCTION: u32 = 4;
export const IN_EVENT: u32 = 5;
export const IN_AFTER_INSTRUCTION: u32 = 6;
/** ThreadBlock.recordForm: the hook has begun no record. */
export const NO_RECORD: u32 = 0;
/** ThreadBlock.hookWish. */
export const NOTHING: u32 = 0;
export const SKIP: u32 = 1;
export const RETRY: u32 = 2;

export function enterHook(thread: ThreadBlock, hook: u32, entry: Address, phase: u32): void {
  thread.hook = hook + 1;
  thread.hookPhase = phase;
  thread.lineSize = 0;
  thread.recordForm = NO_RECORD;
  thread.hookHasLock = isExclusive(hook) ? 1 : 0;
  if (thread.hookHasLock) lockEngine(thread);
  callHook(entry, 0);
  if (thread.hookHasLock) unlockEngine();
  thread.hookHasLock = 0;
  if (thread.lineSize != 0) endLine(thread);
  thread.hook = 0;
}

/** A call has come in through a gate. Gives true when a hook has answered it. */
export function beforeCall(thread: ThreadBlock, frame: GateFrame): bool {
  if (takeResumed(thread, frame) || !isHooked(frame.rax)) return false;
  const record = currentCall(thread);
  beginRecord(thread, frame);
  thread.hooked = SEEN;
  thread.hookWish = NOTHING;
  const isReturn = frame.rax == (SYS_RT_SIGRETURN as u64);
  for (let hook: u32 = 0; hook < hookCount && thread.hookWish == NOTHING; hook++) {
    const entry = beforeEntry(hook);
    if (entry != 0 && isHookedBy(hook, record.number)) enterHook(thread, hook, entry, IN_BEFORE);
  }
  // What follows rt_sigreturn is in the frame on the program's stack, not in its registers.
  if (isReturn) {
    frame.rax = record.number;
    restoreArguments(record, frame);
    thread.hookWish = NOTHING;
  }
  noteMade(record, frame);
  if (thread.hookWish != SKIP) return false;
  finish(thread, frame, thread.hookResult as i64);
  return true;
}

function wantsAfter(number: u64): bool {
  for (let hook: u32 = 0; hook < hookCount; hook++) if (afterEntry(hook) != 0 && isHookedBy(hook, number)) return true;
  return false;
}

/** The call has a result, which is in the frame. Gives true when it is to be made again. */
function runAfter(thread: ThreadBlock, frame: GateFrame): bool {
  const record = currentCall(thread);
  restoreArguments(record, frame);
  thread.hookWish = NOTHING;
  for (let hook = hookCount; hook != 0; hook--) {
    const entry = afterEntry(hook - 1);
    if (entry != 0 && isHookedBy(hook - 1, record.number)) enterHook(thread, hook - 1, entry, IN_AFTER);
  }
  if (thread.hookWish != RETRY) {
    thread.hooked = UNSEEN;
    return false;
  }
  useMade(record, frame);
  return true;
}

/**
 * A call that hooks have seen is answered, or on its way to the kernel.
 * @returns true when it is to be made again
 */
export function settleCall(thread: ThreadBlock, frame: GateFrame): bool {
  if (thread.hooked != SEEN) return false;
  const record = currentCall(thread);
  if (frame.target == thread.after) return runAfter(thread, frame);
  if (frame.target == gateNative()) {
    if (wantsAfter(record.number) || isChanged(record)) frame.target = gateHooked();
  } else if (frame.target == gateClone() && thread.child != thread.self) {
    shareCall(thread, changetype<ThreadBlock>(thread.child));
  }
  return false;
}

/** The kernel has answered a call that went through `gateHooked`, or a clone. Gives true when it is to be made again. */
export function endHookedCall(thread: ThreadBlock, frame: GateFrame): bool {
  // restore_saved_sigmask_unless of the kernel: the mask of the call stays for the handler of what has interrupted it.
  if ((frame.rax as i64) != -EINTR || thread.deferred == 0) thread.temporaryMaskSet = 0;
  finish(thread, frame, frame.rax as i64);
  return runAfter(thread, frame);
}

/**
 * A program starts, and somebody traces: hooks see the execve that it comes from as a call that succeeds.
 * @param isBegun whether they have seen its beginning, in the process image before
 */
export function showExecve(thread: ThreadBlock, path: Address, argv: Address, envp: Address, isBegun: bool): void {
  if (!showsExecve(thread) || !isHooked(SYS_EXECVE)) return;
  const frame = gateFrameOf(thread);
  memory.fill(changetype<usize>(frame), 0, offsetof<GateFrame>());
  frame.rax = SYS_EXECVE;
  frame.rdi = path;
  frame.rsi = argv;
  frame.rdx = envp;
  beginRecord(thread, frame);
  noteMade(currentCall(thread), frame);
  for (let hook: u32 = 0; hook < hookCount && !isBegun; hook++) {
    const entry = beforeEntry(hook);
    if (entry != 0 && isHookedBy(hook, SYS_EXECVE)) enterHook(thread, hook, entry, IN_BEFORE);
  }
  frame.rax = 0;
  for (let hook = hookCount; hook != 0; hook--) {
    const entry = afterEntry(hook - 1);
    if (entry != 0 && isHookedBy(hook - 1, SYS_EXECVE)) enterHook(thread, hook - 1, entry, IN_AFTER);
  }
}

/** In the child of a clone. */
export function endCallInChild(thread: ThreadBlock, frame: GateFrame): void {
  if (thread.hooked == SEEN) restoreArguments(currentCall(thread), frame);
  thread.hooked = UNSEEN;
}
