// A system call between `beforeCall` and its end, as hooks and program know it.
//
// `beforeCall` runs once for a call, but a signal may come between it and the kernel, or interrupt the kernel, which then has
// the call made again. The program's handler finds the state before the site (invariant I3), and its rt_sigreturn makes the
// call again. What is known of the call so far must wait for that, and for that only: the handler may make calls of its own
// from the same site, or leave by longjmp.
//
// So it goes along with the program's signal frame. The thread's current record is *resumed* when the program is about to make
// that call again. When a handler is entered from there, the record is kept under the address of its frame; when rt_sigreturn
// is called with that frame and leads back to the site, it is current again. A frame that is written where another one was
// (left by longjmp) ends the other's record.

import { CALL_RECORDS_OFFSET, CALL_RECORDS_SIZE } from "../../abi/thread-block";
import { SYS_RESTART_SYSCALL } from "../kernel/numbers";
import { GateFrame, ThreadBlock, areaOf } from "../thread/block";
import { Context } from "../thread/signal-frame";

/** ThreadBlock.hooked: no hook has seen the call. */
export const UNSEEN: u32 = 0;
/** `beforeCall` has run for the call that is being made. */
export const SEEN: u32 = 1;
/** It has run for the call that the program makes next, at the record's site. */
export const RESUMED: u32 = 2;

@unmanaged
export class CallRecord {
  /** The program's signal frame that it waits for. */
  frame: u64;
  site: u64;
  /** What the program asks for, and what it is to have in its registers again. */
  number: u64;
  argument0: u64;
  argument1: u64;
  argument2: u64;
  argument3: u64;
  argument4: u64;
  argument5: u64;
  /** What hooks have made of it. */
  madeNumber: u64;
  made0: u64;
  made1: u64;
  made2: u64;
  made3: u64;
  made4: u64;
  made5: u64;
  /** What each hook has noted of it. */
  mark0: u64;
  mark1: u64;
  mark2: u64;
  mark3: u64;
  mark4: u64;
  mark5: u64;
  mark6: u64;
  mark7: u64;
}
const MARKS_SIZE: usize = 64;

/** The first is the current one. */
const WAITING_MAX: u32 = CALL_RECORDS_SIZE / offsetof<CallRecord>() - 1;

function recordAt(thread: ThreadBlock, index: u32): CallRecord {
  return changetype<CallRecord>(areaOf(thread) + CALL_RECORDS_OFFSET + (index as usize) * offsetof<CallRecord>());
}

export function currentCall(thread: ThreadBlock): CallRecord {
  return recordAt(thread, 0);
}

function copyRecord(to: CallRecord, from: CallRecord): void {
  memory.copy(changetype<usize>(to), changetype<usize>(from), offsetof<CallRecord>());
}

/** The program asks for the call in the gate's frame. */
export function beginRecord(thread: ThreadBlock, frame: GateFrame): void {
  const record = currentCall(thread);
  record.site = thread.site;
  record.number = frame.rax;
  record.argument0 = frame.rdi;
  record.argument1 = frame.rsi;
  record.argument2 = frame.rdx;
  record.argument3 = frame.r10;
  record.argument4 = frame.r8;
  record.argument5 = frame.r9;
  memory.fill(changetype<usize>(record) + offsetof<CallRecord>("mark0"), 0, MARKS_SIZE);
}

/** Where a hook's mark is, by the hook's number from 0. */
export function markPlace(record: CallRecord, hook: u32): usize {
  assert(hook < 8, "a hook at system calls that is none of eight");
  return changetype<usize>(record) + offsetof<CallRecord>("mark0") + ((hook as usize) << 3);
}

/** Hooks have made of it what is in the gate's frame. */
export function noteMade(record: CallRecord, frame: GateFrame): void {
  record.madeNumber = frame.rax;
  record.made0 = frame.rdi;
  record.made1 = frame.rsi;
  record.made2 = frame.rdx;
  record.made3 = frame.r10;
  record.made4 = frame.r8;
  record.made5 = frame.r9;
}

/** The call is to be made as hooks want it. */
export function useMade(record: CallRecord, frame: GateFrame): void {
  frame.rax = record.madeNumber;
  frame.rdi = record.made0;
  frame.rsi = record.made1;
  frame.rdx = record.made2;
  frame.r10 = record.made3;
  frame.r8 = record.made4;
  frame.r9 = record.made5;
}

/** The program's argument registers are again what it had in them: a call changes none. */
export function restoreArguments(record: CallRecord, frame: GateFrame): void {
  frame.rdi = record.argument0;
  frame.rsi = record.argument1;
  frame.rdx = record.argument2;
  frame.r10 = record.argument3;
  frame.r8 = record.argument4;
  frame.r9 = record.argument5;
}
function restoreArgumentsIn(record: CallRecord, context: Context): void {
  context.rdi = record.argument0;
  context.rsi = record.argument1;
  context.rdx = record.argument2;
  context.r10 = record.argument3;
  context.r8 = record.argument4;
  context.r9 = record.argument5;
}

/** Whether hooks have changed what the kernel gets. */
export function isChanged(record: CallRecord): bool {
  return (
    record.madeNumber != record.number ||
    record.made0 != record.argument0 ||
    record.made1 != record.argument1 ||
    record.made2 != record.argument2 ||
    record.made3 != record.argument3 ||
    record.made4 != record.argument4 ||
    record.made5 != record.argument5
  );
}

/**
 * If the call in the gate's frame is the one that was begun before: hooks have seen it. The kernel has some calls made again
 * as restart_syscall.
 */
export function takeResumed(thread: ThreadBlock, frame: GateFrame): bool {
  const wasResumed = thread.hooked == RESUMED;
  thread.hooked = UNSEEN;
  const record = currentCall(thread);
  if (!wasResumed || record.site != thread.site) return false;
  const isRestart = frame.rax == (SYS_RESTART_SYSCALL as u64);
  if (frame.rax != record.number && !isRestart) return false;
  if (
    frame.rdi != record.argument0 ||
    frame.rsi != record.argument1 ||
    frame.rdx != record.argument2 ||
    frame.r10 != record.argument3 ||
    frame.r8 != record.argument4 ||
    frame.r9 != record.argument5
  )
    return false;
  useMade(record, frame);
  if (isRestart) frame.rax = SYS_RESTART_SYSCALL;
  thread.hooked = SEEN;
  return true;
}

/** In the place of a call's number: an instruction that hooks have seen, and that the program executes next. */
const INSTRUCTION: u64 = u64.MAX_VALUE;

/** Hooks are done in front of the instruction at `site`, and a handler comes first. */
export function resumeAtInstruction(thread: ThreadBlock, site: u64): void {
  const record = currentCall(thread);
  record.site = site;
  record.number = INSTRUCTION;
  thread.hooked = RESUMED;
}

/** If the instruction at the thread's site is one that hooks have seen before the handler. */
export function isInstructionResumed(thread: ThreadBlock): bool {
  if (thread.hooked != RESUMED) return false;
  const record = currentCall(thread);
  if (record.number != INSTRUCTION || record.site != thread.site) return false;
  thread.hooked = UNSEEN;
  return true;
}

/** The instruction that the thread executes next if hooks have seen it; else 0. */
export function resumedInstruction(thread: ThreadBlock): u64 {
  const record = currentCall(thread);
  return thread.hooked == RESUMED && record.number == INSTRUCTION ? record.site : 0;
}
/** It is being executed. */
export function endInstruction(thread: ThreadBlock): void {
  thread.hooked = UNSEEN;
}

/** The call in the kernel, or on its way there, has been taken back: `context` is the state before the site. */
export function comeBack(thread: ThreadBlock, context: Context): void {
  if (thread.hooked != SEEN) return;
  const record = currentCall(thread);
  if (context.rax != (SYS_RESTART_SYSCALL as u64)) context.rax = record.number;
  restoreArgumentsIn(record, context);
  thread.hooked = RESUMED;
}

/** The call has ended without its hooks: a seccomp filter raised a signal for it. */
export function abandon(thread: ThreadBlock, context: Context): void {
  if (thread.hooked == SEEN) restoreArgumentsIn(currentCall(thread), context);
  thread.hooked = UNSEEN;
}

/** A handler of the program's is about to be entered, from `rip`: its signal frame is at `frame`. */
export function keepCall(thread: ThreadBlock, frame: u64, rip: u64): void {
  dropWaiting(thread, frame);
  const record = currentCall(thread);
  const wasResumed = thread.hooked == RESUMED;
  thread.hooked = UNSEEN;
  if (!wasResumed || record.site != rip) return;
  // The oldest has waited longest: what is most likely to have been left by longjmp.
  if (thread.waitingCalls == WAITING_MAX) removeWaiting(thread, 1);
  thread.waitingCalls += 1;
  const kept = recordAt(thread, thread.waitingCalls);
  copyRecord(kept, record);
  kept.frame = frame;
}

/** The program returns from a handler through the frame at `frame`, to `rip`. */
export function resumeCall(thread: ThreadBlock, frame: u64, rip: u64): void {
  thread.hooked = UNSEEN;
  for (let index = thread.waitingCalls; index != 0; index--) {
    const kept = recordAt(thread, index);
    if (kept.frame != frame) continue;
    if (kept.site == rip) {
      copyRecord(currentCall(thread), kept);
      thread.hooked = RESUMED;
    }
    removeWaiting(thread, index);
    return;
  }
}

function dropWaiting(thread: ThreadBlock, frame: u64): void {
  for (let index = thread.waitingCalls; index != 0; index--)
    if (recordAt(thread, index).frame == frame) removeWaiting(thread, index);
}

function removeWaiting(thread: ThreadBlock, index: u32): void {
  for (let next = index + 1; next <= thread.waitingCalls; next++)
    copyRecord(recordAt(thread, next - 1), recordAt(thread, next));
  thread.waitingCalls -= 1;
}

/** A child that shares this memory wakes up in the same call. */
export function shareCall(thread: ThreadBlock, child: ThreadBlock): void {
  child.hooked = SEEN;
  copyRecord(currentCall(child), currentCall(thread));
}
