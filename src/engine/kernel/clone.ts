// clone, clone3, fork, vfork.
//
// Both sides wake up in the gate, the child on a stack of the program's choosing, so the engine hands the parent its block
// in r14 and the child its own in r15. Both get their registers back from their blocks at once; every signal is blocked
// until then. The arguments stay the program's
// own: Go reads the register of clone's stack argument after the call.
//
// What shares memory gets a block of its own (threads, vfork children, CLONE_VM alone). What copies memory keeps its
// parent's block at the same address; the engine lock is held across such a fork, so that the child finds whole data. All
// trampoline memory is private, so each side changes its own from there on.

import { gateClone } from "../gates";
import { clearActions, copyActions, releaseOtherActions, shareActions } from "../thread/actions";
import { resetAlternateStack } from "../thread/alternate-stack";
import {
  allocateBlock,
  armAlternateStack,
  expectGone,
  isStill,
  releaseBlock,
  releaseOtherAreas,
} from "../thread/areas";
import { GateFrame, ThreadBlock } from "../thread/block";
import { frameBufferOf } from "../thread/deferred";
import { inheritGs, settleGs } from "../thread/gs-base";
import { shareWithChild } from "../jit/calls";
import { inheritViews, noteSharer } from "../jit/lend";
import { endLending, lendEngine, lockEngine, resetLockAfterFork, unlockEngine } from "../thread/lock";
import { nameAsCreated, nameFirst, nameSharing } from "../thread/presence";
import { FLAG_TRAP, kernelMask } from "../thread/signal-frame";
import { clearCounts } from "../patch/site-counts";
import { resetCounters } from "../hook/counters";
import { atFork, atThread } from "../hook/events";
import { beginCopied, beginSharing, placeChild } from "../hook/tally";
import { describeFork } from "../debug/describe";
import { recordStart } from "../ring/events";
import { ringAfterFork } from "../ring/ring";
import { endDeparture, forgetDeparture } from "../stats/departure";
import { reportFork } from "../stats/report";
import { tryCopyIn } from "../process";
import { LEAVE, finish, passToKernel, undo } from "./call";
import { addressOf, isError, syscall0 } from "./calls";
import {
  CLONE_CLEAR_SIGHAND,
  CLONE_FILES,
  CLONE_SIGHAND,
  CLONE_THREAD,
  CLONE_VFORK,
  CLONE_VM,
  isVfork,
} from "./clone-flags";
import { EAGAIN } from "./errno";
import { SYS_CLONE, SYS_CLONE3, SYS_FORK, SYS_GETTID, SYS_VFORK } from "./numbers";
import { setKernelMask } from "./signal-calls";
import { renewDispatch } from "./user-dispatch";

/** Whether another process may share this one's table of descriptors. */
export let areDescriptorsShared: bool = false;

/** CLONE_ARGS_SIZE_VER0 of include/uapi/linux/sched.h. */
const CLONE_ARGS_SIZE_MIN: u64 = 64;

/** The block of a child that will share this memory; 0 when memory is out. Under the engine lock. */
function blockForChild(thread: ThreadBlock, frame: GateFrame, flags: u64): usize {
  const pointer = allocateBlock(thread);
  if (pointer == 0) return 0;
  const child = changetype<ThreadBlock>(pointer);
  const actions = flags & CLONE_SIGHAND ? shareActions(thread.actions) : copyActions(thread.actions);
  if (actions == 0) {
    releaseBlock(child);
    return 0;
  }
  child.actions = actions as u32;
  child.creator = thread.name;
  child.savedR14 = frame.r14;
  child.savedR15 = frame.r15;
  child.site = thread.site;
  child.after = thread.after;
  child.programMask = thread.programMask;
  child.cloneFlags = flags;
  child.birthFlags = flags;
  child.borrowed = flags & CLONE_THREAD ? thread.borrowed : 1;
  if (child.borrowed && !isVfork(flags)) expectGone();
  child.pid = thread.pid;
  child.tally = thread.tally;
  // It starts with its parent's gs base, and its parent leaves the engine before.
  settleGs(thread);
  child.hasProgramGs = thread.hasProgramGs;
  child.filters = thread.filters;
  child.heldFlags = thread.heldFlags;
  child.lastTrap = thread.lastTrap;
  child.lastError = thread.lastError;
  child.lastFaultAddress = thread.lastFaultAddress;
  // sas_ss_reset in copy_process of kernel/fork.c: a thread starts without one, a vfork child keeps its parent's.
  if ((flags & (CLONE_VM | CLONE_VFORK)) == CLONE_VM) {
    resetAlternateStack(child);
  } else {
    child.alternateStack = thread.alternateStack;
    child.alternateStackSize = thread.alternateStackSize;
    child.alternateStackFlags = thread.alternateStackFlags;
  }
  return pointer;
}

function cloneWith(thread: ThreadBlock, frame: GateFrame, flags: u64): u32 {
  setKernelMask(thread, ~(0 as u64));
  if (thread.deferred != 0) return undo(thread, frame);
  // With every signal blocked a SIGTRAP of the trap flag would kill.
  thread.heldFlags = frame.flags & FLAG_TRAP;
  frame.flags &= ~FLAG_TRAP;
  lockEngine(thread);
  if ((flags & (CLONE_FILES | CLONE_THREAD)) == CLONE_FILES) areDescriptorsShared = true;
  let child: usize = changetype<usize>(thread);
  if (!(flags & CLONE_VM)) shareWithChild();
  if (flags & CLONE_VM) child = blockForChild(thread, frame, flags);
  else if (isVfork(flags) && !lendEngine(thread)) child = 0;
  if (flags & CLONE_VM || child == 0) unlockEngine();
  if (child == 0) {
    setKernelMask(thread, kernelMask(thread.programMask));
    frame.flags |= thread.heldFlags;
    return finish(thread, frame, -EAGAIN);
  }
  if (!(flags & CLONE_THREAD)) {
    placeChild(thread);
    if (flags & CLONE_VM) beginSharing(changetype<ThreadBlock>(child), thread);
  }
  thread.child = child as u32;
  thread.childBirth = changetype<ThreadBlock>(child).birth;
  thread.cloneFlags = flags;
  thread.savedR14 = frame.r14;
  thread.savedR15 = frame.r15;
  frame.r14 = thread.address;
  frame.r15 = addressOf(child);
  frame.target = gateClone();
  return LEAVE;
}

/** clone, clone3, fork and vfork, by number. */
export function clone(thread: ThreadBlock, frame: GateFrame): u32 {
  const number = frame.rax as u32;
  if (number == SYS_FORK) return cloneWith(thread, frame, 0);
  if (number == SYS_VFORK) return cloneWith(thread, frame, CLONE_VM | CLONE_VFORK);
  if (number == SYS_CLONE) return cloneWith(thread, frame, frame.rdi & 0xffffffff);
  assert(number == SYS_CLONE3, "not a call that clones");
  const buffer = frameBufferOf(thread);
  // The kernel words the error.
  if (frame.rsi < CLONE_ARGS_SIZE_MIN || tryCopyIn(buffer, frame.rdi, 8) != 0) return passToKernel(frame);
  return cloneWith(thread, frame, load<u64>(buffer));
}

function inChild(thread: ThreadBlock): void {
  const flags = thread.cloneFlags;
  thread.tid = syscall0(SYS_GETTID) as u32;
  if (flags & CLONE_VM) {
    const isProcess = (flags & CLONE_THREAD) == 0;
    // The number of a process is that of its first thread; a seccomp filter may forbid to ask for it.
    if (isProcess) thread.pid = thread.tid;
    nameSharing(thread, thread.creator, isProcess);
    inheritGs(thread);
    armAlternateStack(thread);
  } else {
    thread.pid = thread.tid;
    thread.pending = 0;
    thread.borrowed = 0;
    thread.birthFlags = 0;
    nameFirst(thread);
    resetLockAfterFork();
    inheritViews();
    forgetDeparture();
    releaseOtherAreas(thread);
    releaseOtherActions(thread.actions);
    describeFork();
    resetCounters(thread);
    beginCopied(thread);
    clearCounts();
    ringAfterFork();
  }
  renewDispatch(thread);
  if (flags & CLONE_CLEAR_SIGHAND) clearActions(thread, frameBufferOf(thread));
  if (!(flags & CLONE_THREAD)) reportFork(thread);
  if (!(flags & CLONE_VM)) atFork(thread);
  else if (flags & CLONE_THREAD) atThread(thread);
}

function inParent(thread: ThreadBlock, result: i64): void {
  const flags = thread.cloneFlags;
  if (!(flags & CLONE_VM)) {
    noteSharer(thread.pid, result);
    if (isVfork(flags)) endLending(thread);
    else unlockEngine();
    return;
  }
  lockEngine(thread);
  const child = changetype<ThreadBlock>(thread.child);
  // A vfork child is gone when its parent wakes up; nobody else knows that its block is free.
  if (isVfork(flags)) endDeparture(child);
  if (isError(result) || isVfork(flags)) releaseBlock(child);
  else if (isStill(thread.child, thread.childBirth)) nameAsCreated(child, thread, result as u32);
  unlockEngine();
}

/** Both sides of a clone come here, each with its own block, all signals blocked. */
export function afterClone(thread: ThreadBlock, frame: GateFrame): u32 {
  const result = frame.rax as i64;
  frame.flags |= thread.heldFlags;
  if (result == 0) inChild(thread);
  else {
    inParent(thread, result);
    if (result > 0 && !(thread.cloneFlags & CLONE_THREAD)) recordStart(thread, result as u32);
  }
  setKernelMask(thread, kernelMask(thread.programMask));
  return finish(thread, frame, result);
}
