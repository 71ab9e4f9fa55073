// A thread was interrupted in trampoline memory, or in the jump that a site or victim became: the program's state there.

import { runHooksInSignal } from "../hook/instruction";
import { Address } from "../process";
import { Context } from "../thread/signal-frame";
import { lockEngine, unlockEngine } from "../thread/lock";
import { ThreadBlock } from "../thread/block";
import { AFTER_SAVES, resumesAfter, syscallTrampolineState } from "../thread/trampoline";
import { isError } from "../kernel/calls";
import { findTrapTrampoline } from "./traps";
import { yieldGs } from "./yield-gs";
import { descriptorOf, hasHooks, instructionTrampolineState, passInline } from "./instruction-trampoline";
import { INSTRUCTION, Record, SITE, findTrampoline, translate } from "./record";

/**
 * A fault in the stores through gs at a trampoline's start: the program has changed gs base unseen (`mov` or `pop` to gs).
 * @returns whether it was that: the thread then begins the trampoline again, without them
 */
export function retryWithoutGs(thread: ThreadBlock, context: Context): bool {
  lockEngine(thread);
  let trampoline: Address = 0;
  const pointer = findTrampoline(context.rip);
  if (pointer == 0) trampoline = findTrapTrampoline(context.rip);
  else if (changetype<Record>(pointer).kind == SITE || hasHooks(changetype<Record>(pointer)))
    trampoline = changetype<Record>(pointer).address;
  const faulted = trampoline != 0 && context.rip - trampoline < AFTER_SAVES && !isError(yieldGs());
  if (faulted) context.rip = trampoline;
  unlockEngine();
  return faulted;
}

/**
 * If the thread stands at the start of a trampoline with hooks, which it cannot go through: passes it by.
 * @returns whether it was that
 */
export function passHooks(thread: ThreadBlock, context: Context): bool {
  lockEngine(thread);
  const pointer = findTrampoline(context.rip);
  const record = changetype<Record>(pointer);
  const isThere = pointer != 0 && record.address == context.rip && hasHooks(record);
  const descriptor = isThere ? descriptorOf(record) : 0;
  if (isThere && descriptor == 0) context.rip = passInline(thread, record);
  unlockEngine();
  if (descriptor != 0) runHooksInSignal(thread, context, descriptor);
  return isThere;
}

/** Turns a context inside any trampoline into the program's state; leaves every other context alone. */
export function stateInTrampoline(thread: ThreadBlock, context: Context): void {
  lockEngine(thread);
  const pointer = findTrampoline(context.rip);
  if (pointer != 0) {
    const record = changetype<Record>(pointer);
    if (record.kind == SITE) syscallTrampolineState(thread, context, record.address);
    else if (record.kind == INSTRUCTION) instructionTrampolineState(thread, context, record);
    else context.rip = translate(record, context.rip);
  } else {
    const trampoline = findTrapTrampoline(context.rip);
    if (trampoline != 0) syscallTrampolineState(thread, context, trampoline);
  }
  unlockEngine();
}

/** Whether an address is in any trampoline. */
export function isTrampoline(thread: ThreadBlock, rip: Address): bool {
  lockEngine(thread);
  const found = findTrampoline(rip) != 0 || findTrapTrampoline(rip) != 0;
  unlockEngine();
  return found;
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
