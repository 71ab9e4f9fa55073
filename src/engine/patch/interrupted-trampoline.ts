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
import { INSTRUCTION, Record, SITE, findInstruction, findTrampoline, translate } from "./record";
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

/** Whether an address is in any trampoline. */
export function isTrampoline(thread: ThreadBlock, rip: Address): bool {
  lockEngine(thread);
  const found = findTrampoline(rip) != 0 || findTrapTrampoline(rip) != 0;
  unlockEngine();
  return found;
}

/** `e9 <rel32>` at the end of a trampoline. */
const JUMP_OPCODE: u32 = 0xe9;

/** Where the jump back is, behind an instruction that is done. */
function endOf(record: Record): Address {
  const behind = behindOf(record);
  return behind != 0 ? behind + (WAY_SIZE as u64) : record.address + (record.done as u64);
}

/**
 * Whether a thread is between two trampolines: the one's instruction is done, and the jump behind it leads straight to the next
 * one's (patch/plan.ts). That is the only place where the program's state is that between the two.
 */
export function isBetweenTrampolines(thread: ThreadBlock, rip: Address): bool {
  lockEngine(thread);
  const pointer = findTrampoline(rip);
  const record = changetype<Record>(pointer);
  let isBetween = pointer != 0 && record.kind != SITE && record.done != 0 && rip == endOf(record);
  if (isBetween) {
    const to = rip + JUMP_SIZE + (peek32(rip + 1) as i32 as i64 as u64);
    isBetween = peek8(rip) == JUMP_OPCODE && to != record.original + (record.length as u64);
  }
  unlockEngine();
  return isBetween;
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
