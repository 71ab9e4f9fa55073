// The thread block: everything that the engine knows about one thread. Its place in the area is in src/abi/thread-block.ts.

import {
  BLOCK_ADDRESS,
  BLOCK_AFTER,
  BLOCK_DEAD,
  BLOCK_DEFERRED,
  BLOCK_FIRST_DEFERRED,
  BLOCK_OFFSET,
  BLOCK_RETURN_FRAME,
  BLOCK_SAVED_R11,
  BLOCK_SAVED_R14,
  BLOCK_SAVED_R15,
  BLOCK_SAVED_RCX,
  BLOCK_SELF,
  BLOCK_TID,
  DEFERRED_OFFSET,
  EXEC_SCRATCH_OFFSET,
  FRAME_FLAGS,
  FRAME_RAX,
  FRAME_RSP,
  FRAME_SIZE,
  FRAME_TARGET,
  RETURN_FRAME_OFFSET,
} from "../../abi/thread-block";

@unmanaged
export class ThreadBlock {
  self: u32;
  tid: u32;
  address: u64;
  savedRcx: u64;
  savedR11: u64;
  savedR15: u64;
  after: u64;
  /** How many signals in the deferred slots wait, and the slot of the first: one word (thread/deferred.ts). */
  deferred: u32;
  firstDeferred: u32;
  returnFrame: u64;
  savedR14: u64;
  dead: u32;
  /** The signal that the engine is sending the thread as the kernel would force it; 0 else. */
  forced: u32;

  /** The site of the system call that is being made, for rolling it back. */
  site: u64;
  /** The signal mask that the program believes this thread has. */
  programMask: u64;
  /** The mask of a ppoll, sigsuspend or the like that is in the kernel, while `temporaryMaskSet` is 1. */
  temporaryMask: u64;
  temporaryMaskSet: u32;
  /** The program's alternate stack: `sas_ss_sp`, `sas_ss_size`, `sas_ss_flags` of the kernel's task_struct. */
  alternateStack: u64;
  alternateStackSize: u64;
  alternateStackFlags: u32;
  /** Engine pointer of the signal actions that this thread shares with others (`CLONE_SIGHAND`). */
  actions: u32;
  /** Signals of the engine's set that arrived while the program blocks them: bit n-1 for signal n. */
  pending: u64;
  /** Engine pointer of the block that clone prepares for the child, and its number. */
  child: u32;
  childBirth: u32;
  /** The number of this block among all that were handed out. */
  birth: u32;
  /** Flags of the clone that is under way. */
  cloneFlags: u64;
  /** Flags of the clone that this thread comes from; 0 for the first thread of a process with memory of its own. */
  birthFlags: u64;
  /** Process address and size of memory that execve of this thread's vfork child still uses. */
  scratch: u64;
  scratchSize: u64;
  /** 1 when this thread's process lives in the memory of the process that made it (CLONE_VM, vfork). */
  borrowed: u32;
  /** The process's number: the thread group's id. */
  pid: u32;
  /** 1 once this thread's gs base is what the program made it (thread/gs-base.ts). */
  hasProgramGs: u32;
  /** What this thread, and the one that made it, is called where it matters whether it is still there (thread/presence.ts). */
  name: u32;
  creator: u32;
  /** How often this thread came to a place where it was in no trampoline but the one that led there, and at the last question. */
  passages: u32;
  passagesAsked: u32;
  /** 1 while it handles a signal: where that interrupted it is in the kernel's frame only. */
  inSignal: u32;
  /** A word for the kernel to look at. */
  probe: u32;
  /** 1 when the thread is about to end, or gone. */
  leaving: u32;
  /** How often in a row it was sent back to a place where a trap was gone (jit/turn.ts), and where. */
  retries: u32;
  retriedAt: u64;
  /** A signal mask, and a stack_t, on their way to the kernel. */
  mask: u64;
  signalStack: u64;
  signalStackFlags: u64;
  signalStackSize: u64;
  /** The program's last fault: `trap_nr`, `error_code` and `cr2` of the kernel's thread_struct, without the engine's own. */
  lastTrap: u64;
  lastError: u64;
  lastFaultAddress: u64;
  /** The program's trap flag across a clone. */
  heldFlags: u64;
  /** Where the trap flag's next SIGTRAP is not one that the program would see natively (thread/single-step.ts). */
  silentStep: u64;
  /** 1 while the kernel's Syscall User Dispatch catches this thread's calls (kernel/user-dispatch.ts). */
  dispatched: u32;
  /** 1 when the call on its way into the gate was caught so: its site may be patched. */
  caught: u32;
  /** 1 while the program has Syscall User Dispatch on for itself: calls outside its range are dispatched to it. */
  programDispatch: u32;
  /** The range that is allowed to make calls, as the kernel keeps it: `ip - start < size`. */
  programDispatchStart: u64;
  programDispatchSize: u64;
  /** Process address of the program's selector byte, or 0. */
  programDispatchSelector: u64;
  /** Process address of the newest seccomp filter (seccomp/filters.ts), or 0. */
  filters: u64;
  /** 1 in seccomp's strict mode. */
  isStrict: u32;
  /** What hooks know of the call that is being made: a value of hook/record.ts, which has its record. */
  hooked: u32;
  /** Records of calls that wait for a handler to return. */
  waitingCalls: u32;
  /** The hook that the thread is in, from 1; 0 else. */
  hook: u32;
  /** In which function of the hook (hook/call.ts), and whether under the engine lock. */
  hookPhase: u32;
  hookHasLock: u32;
  /** What the hook wants to become of the call, and the result that it gives it. */
  hookWish: u32;
  /** Bytes of the line that the hook is writing. */
  lineSize: u32;
  hookResult: u64;
  /** The instruction that `match` is asked about, or the event (EVENT_ of src/abi/hook-table.ts), and what is to be known of that. */
  hookPlace: u64;
  event0: u64;
  event1: u64;
  event2: u64;
  event3: u64;
  /** The record that the hook puts together (hook/records.ts): what it is, 0 when there is none, its kind, its pieces, its bytes. */
  recordForm: u32;
  recordKind: u32;
  recordPieces: u32;
  recordSize: u32;
  recordTime: u64;
  /** Bytes of the path that the hook has asked for (hook/paths.ts). */
  pathSize: u32;
  /** Engine pointer of the process's tally (hook/tally.ts), and the place of the process that the thread is making. */
  tally: u32;
  childPlace: u64;
}

export const BLOCK_SIZE = offsetof<ThreadBlock>();

/** The registers that a gate saved, in its frame at the top of the engine stack. */
@unmanaged
export class GateFrame {
  r15: u64;
  r14: u64;
  r13: u64;
  r12: u64;
  r10: u64;
  r9: u64;
  r8: u64;
  rbp: u64;
  rdi: u64;
  rsi: u64;
  rdx: u64;
  rbx: u64;
  rax: u64;
  r11: u64;
  rcx: u64;
  target: u64;
  flags: u64;
  rsp: u64;
}

/** The layouts that gates and engine share must agree; called once at the start. */
export function assertLayouts(): void {
  assert(offsetof<ThreadBlock>("self") == BLOCK_SELF, "ThreadBlock.self");
  assert(offsetof<ThreadBlock>("tid") == BLOCK_TID, "ThreadBlock.tid");
  assert(offsetof<ThreadBlock>("address") == BLOCK_ADDRESS, "ThreadBlock.address");
  assert(offsetof<ThreadBlock>("savedRcx") == BLOCK_SAVED_RCX, "ThreadBlock.savedRcx");
  assert(offsetof<ThreadBlock>("savedR11") == BLOCK_SAVED_R11, "ThreadBlock.savedR11");
  assert(offsetof<ThreadBlock>("savedR15") == BLOCK_SAVED_R15, "ThreadBlock.savedR15");
  assert(offsetof<ThreadBlock>("after") == BLOCK_AFTER, "ThreadBlock.after");
  assert(offsetof<ThreadBlock>("deferred") == BLOCK_DEFERRED, "ThreadBlock.deferred");
  assert(offsetof<ThreadBlock>("firstDeferred") == BLOCK_FIRST_DEFERRED, "ThreadBlock.firstDeferred");
  assert(offsetof<ThreadBlock>("dead") == BLOCK_DEAD, "ThreadBlock.dead");
  assert(offsetof<ThreadBlock>("returnFrame") == BLOCK_RETURN_FRAME, "ThreadBlock.returnFrame");
  assert(BLOCK_SIZE <= <usize>(RETURN_FRAME_OFFSET - BLOCK_OFFSET), "ThreadBlock has no room");
  assert(offsetof<ThreadBlock>("savedR14") == BLOCK_SAVED_R14, "ThreadBlock.savedR14");
  assert(offsetof<GateFrame>("rax") == FRAME_RAX, "GateFrame.rax");
  assert(offsetof<GateFrame>("target") == FRAME_TARGET, "GateFrame.target");
  assert(offsetof<GateFrame>("flags") == FRAME_FLAGS, "GateFrame.flags");
  assert(offsetof<GateFrame>("rsp") == FRAME_RSP, "GateFrame.rsp");
  assert(offsetof<GateFrame>() == FRAME_SIZE, "GateFrame");
}

/** The engine pointer of the area that a block lives in. */
export function areaOf(thread: ThreadBlock): usize {
  return changetype<usize>(thread) - BLOCK_OFFSET;
}

/** The frame of the gate that the thread came in through. Its place is constant, because gates never nest. */
export function gateFrameOf(thread: ThreadBlock): GateFrame {
  return changetype<GateFrame>(changetype<usize>(thread) - FRAME_SIZE);
}

export function returnFrameOf(thread: ThreadBlock): usize {
  return areaOf(thread) + RETURN_FRAME_OFFSET;
}

/** 20 KiB of the thread's own for paths and file heads of an execve. */
export function execScratchOf(thread: ThreadBlock): usize {
  return areaOf(thread) + EXEC_SCRATCH_OFFSET;
}

export function deferredOf(thread: ThreadBlock): usize {
  return areaOf(thread) + DEFERRED_OFFSET;
}
