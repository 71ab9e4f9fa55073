// A program that sets the trap flag in its own RFLAGS gets a SIGTRAP behind each of its instructions. What the engine put
// in their place traps more often: behind the jump at a site, inside its trampoline, at the ends of a gate. Those traps are
// swallowed here; the engine itself runs without the flag (src/backend/gates).
//
// A `syscall` ends in sysret or iret, which restores the flag, and the trap comes behind the instruction after that. So
// natively no SIGTRAP is seen between a `syscall` and the next instruction: the jump out of a trampoline or gate to that
// place is silent, too. So is that out of a trampoline whose `popf` has set the flag. An evicted instruction's trampoline ends in a
// jump whose trap is the instruction's own; the one in front of that jump is, where the jump leads into the next instruction's
// trampoline, or the instruction has cleared the flag.

import { gateExitJump, gateNative, gateNativeEnd, textStart } from "../gates";
import { isInstructionIsland, isIsland } from "../patch/outpost";
import { isSilentInTrampoline, resumesFromTrampoline } from "../patch/interrupted-trampoline";
import { memoryBase } from "../process";
import { isInArea } from "./areas";
import { ThreadBlock } from "./block";
import { Context } from "./signal-frame";

/** TRAP_TRACE of include/uapi/asm-generic/siginfo.h: the trap flag. */
export const TRAP_TRACE: i32 = 2;

/** Where the program goes on when a thread is on its way out behind a system call; else 0. */
function resumesAt(thread: ThreadBlock, context: Context): u64 {
  const rip = context.rip;
  if (isInArea(thread, context.rsp)) return 0;
  if (rip == gateExitJump()) return context.rcx;
  if (rip > gateNative() && rip < gateNativeEnd()) return thread.after;
  return resumesFromTrampoline(thread, rip);
}

/** Whether a SIGTRAP of the trap flag is one that the program would not see natively. */
export function isSilentStep(thread: ThreadBlock, context: Context): bool {
  const rip = context.rip;
  const silent = thread.silentStep;
  thread.silentStep = resumesAt(thread, context);
  if (rip == silent) return true;
  const isEngine = isInArea(thread, context.rsp) || (rip >= textStart() && rip < memoryBase());
  if (!isEngine && !isIsland(rip) && !isInstructionIsland(rip) && !isSilentInTrampoline(thread, context)) return false;
  // It is yet to come there.
  if (thread.silentStep == 0) thread.silentStep = silent;
  return true;
}
