// A thread was interrupted in trampoline memory, or in the jump that a site or victim became: the program's state there.

import { Context } from "../thread/signal-frame";
import { lockEngine, unlockEngine } from "../thread/lock";
import { ThreadBlock } from "../thread/block";
import { syscallTrampolineState } from "../thread/trampoline";
import { findTrapTrampoline } from "./traps";
import { Record, SITE, findTrampoline, translate } from "./record";

/** Turns a context inside any trampoline into the program's state; leaves every other context alone. */
export function stateInTrampoline(thread: ThreadBlock, context: Context): void {
  lockEngine(thread);
  const pointer = findTrampoline(context.rip);
  if (pointer != 0) {
    const record = changetype<Record>(pointer);
    if (record.kind == SITE) syscallTrampolineState(thread, context, record.address);
    else context.rip = translate(record, context.rip);
  } else {
    const trampoline = findTrapTrampoline(context.rip);
    if (trampoline != 0) syscallTrampolineState(thread, context, trampoline);
  }
  unlockEngine();
}
