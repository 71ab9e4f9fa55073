// A thread was interrupted in trampoline memory, or in the jump that a site or victim became: the program's state there.

import { runHooksBehind, runHooksInSignal } from "../hook/instruction";
import { endInstruction, resumedInstruction } from "../hook/record";
import { Address, peek32, peek8 } from "../process";
import { Context } from "../thread/signal-frame";
import { lockEngine, unlockEngine } from "../thread/lock";
import { ThreadBlock } from "../thread/block";
import { AFTER_SAVES, resumesAfter, syscallTrampolineState } from "../thread/trampoline";
import { isError } from "../kernel/calls";
import { findTrapTrampoline } from "./traps";
import { yieldGs } from "./yield-gs";
import {
  behindHooks,
  behindOf,
  descriptorAt,
  instructionTrampolineState,
  passInline,
  wayFrom,
} from "./instruction-trampoline";
import { JUMP_SIZE } from "./relocate";
import { INSTRUCTION, Record, SITE, findInstruction, findTrampoline, tailEnd, translate } from "./record";
import { WAY_SIZE } from "./way-to-hooks";

/**
 * A fault in the stores through gs that are a trampoline's start, or that of its way to hooks behind an instruction: the program has changed gs base unseen (`mov` or `pop` to gs).
 * @returns whether it was that: the thread then begins again there, without them
 */
export function retryWithoutGs(thread: ThreadBlock, context: Context): bool {
  lockEngine(thread);
  let trampoline: Address = 0;
  const pointer = findTrampoline(context.rip);
  if (pointer == 0) trampoline = findTrapTrampoline(context.rip);
  else if (changetype<Record>(pointer).kind == SITE) trampoline = changetype<Record>(pointer).address;
  else trampoline = wayFrom(changetype<Record>(pointer), context.rip);
  const faulted = trampoline != 0 && context.rip - trampoline < AFTER_SAVES && !isError(yieldGs());
  if (faulted) context.rip = trampoline;
  unlockEngine();
  return faulted;
}

/**
 * If the thread stands at the start of a way to hooks, or of sums, which it cannot go through: passes it by.
 * @returns whether it was that
 */
export function passHooks(thread: ThreadBlock, context: Context): bool {
  lockEngine(thread);
  const pointer = findTrampoline(context.rip);
  const record = changetype<Record>(pointer);
  const isThere = pointer != 0 && wayFrom(record, context.rip) == context.rip;
  const descriptor = isThere ? descriptorAt(record, context.rip) : 0;
  if (isThere && descriptor == 0) context.rip = passInline(thread, record);
  unlockEngine();
  if (descriptor != 0) runHooksInSignal(thread, context, descriptor);
  return isThere;
}

/** A context that is at an instruction whose hooks are done goes on behind them, where the trampoline is still there. */
export function goOnBehindHooks(thread: ThreadBlock, context: Context): void {
  const site = resumedInstruction(thread);
  if (site == 0 || site != context.rip) return;
  lockEngine(thread);
  const pointer = findInstruction(site);
  const behind = pointer == 0 ? 0 : behindHooks(changetype<Record>(pointer));
  unlockEngine();
  if (behind == 0) return;
  context.rip = behind;
  endInstruction(thread);
}

/** Turns a context inside any trampoline into the program's state; leaves every other context alone. */
export function stateInTrampoline(thread: ThreadBlock, context: Context): void {
  let descriptor: Address = 0;
  lockEngine(thread);
  const pointer = findTrampoline(context.rip);
  if (pointer != 0) {
    const record = changetype<Record>(pointer);
    if (record.kind == SITE) syscallTrampolineState(thread, context, record.address);
    else if (record.kind == INSTRUCTION) descriptor = instructionTrampolineState(thread, context, record);
    else context.rip = translate(record, context.rip);
  } else {
    const trampoline = findTrapTrampoline(context.rip);
    if (trampoline != 0) syscallTrampolineState(thread, context, trampoline);
  }
  unlockEngine();
  if (descriptor != 0) runHooksBehind(thread, context, descriptor);
}

/** `e9 <rel32>` at the end of a trampoline. */
const JUMP_OPCODE: u32 = 0xe9;

/** Where the jump back leads to, behind an instruction that is done. */
function goesTo(record: Record): Address {
  const behind = behindOf(record);
  const jump = behind != 0 ? behind + (WAY_SIZE as u64) : record.address + (tailEnd(record) as u64);
  assert(peek8(jump) == JUMP_OPCODE, "a trampoline has no jump back");
  return jump + JUMP_SIZE + (peek32(jump + 1) as i32 as i64 as u64);
}

/** TF of RFLAGS. */
const TRAP_FLAG: u64 = 0x100;

/**
 * A thread has come to a place in a trampoline, and a trap with it. The program sees that of an instruction that is done behind the jump
 * back. Where that leads straight to the next instruction's trampoline (patch/plan.ts), or `popf` has cleared the flag, it is
 * this one.
 */
function isSilentAt(thread: ThreadBlock, record: Record, context: Context): bool {
  if (record.kind == SITE || record.done == 0) return true;
  const done = record.address + (record.done as u64);
  const tail = record.address + (tailEnd(record) as u64);
  if (context.rip == done) {
    if (tail != done) thread.silentStep = tail;
    return (context.flags & TRAP_FLAG) != 0 && goesTo(record) == record.original + (record.length as u64);
  }
  // None behind `popf` itself: it has set the flag, and the program sees no trap in front of the next instruction.
  if (tail != done && context.rip == tail) thread.silentStep = goesTo(record);
  return true;
}

/** Whether a thread whose step has ended is in a trampoline, at a place that the program must not see. */
export function isSilentInTrampoline(thread: ThreadBlock, context: Context): bool {
  lockEngine(thread);
  const pointer = findTrampoline(context.rip);
  const isSilent =
    pointer != 0 ? isSilentAt(thread, changetype<Record>(pointer), context) : findTrapTrampoline(context.rip) != 0;
  unlockEngine();
  return isSilent;
}

/** Where the program goes on, if `rip` is behind the `syscall` of a site's trampoline; else 0. */
export function resumesFromTrampoline(thread: ThreadBlock, rip: Address): Address {
  lockEngine(thread);
  const pointer = findTrampoline(rip);
  let trampoline = findTrapTrampoline(rip);
  if (pointer != 0 && changetype<Record>(pointer).kind == SITE) trampoline = changetype<Record>(pointer).address;
  unlockEngine();
  return trampoline == 0 ? 0 : resumesAfter(trampoline, rip);
}
