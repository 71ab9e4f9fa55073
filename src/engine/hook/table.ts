// The hooks that are linked into this launcher: what src/abi/hook-table.ts says of each. They are numbered from 0, in the
// order in which they see a call; their memories, like the table, are in the process, outside of the engine's linear memory.

import {
  EVENT_COUNT,
  HOOK_AFTER,
  HOOK_AFTER_INSTRUCTION,
  HOOK_BEFORE,
  HOOK_BEFORE_INSTRUCTION,
  HOOK_CALLS,
  HOOK_CALL_MAX,
  HOOK_COUNT,
  HOOK_COUNTERS,
  HOOK_COUNTER_COUNT,
  HOOK_EVENTS,
  HOOK_EXCLUSIVE,
  HOOK_FLAGS,
  HOOK_INLINE,
  HOOK_MATCH,
  HOOK_MAY_MATCH,
  HOOK_MEMORY,
  HOOK_MEMORY_SIZE,
  HOOK_NAME,
  HOOK_NEEDS,
  HOOK_OWN_CALLS,
  HOOK_RECORD,
  HOOK_REPLACES,
  HOOK_ROWS,
  HOOK_ROW_SIZE,
  HOOK_TRAPS,
  HOOK_TRAP_COUNT,
} from "../../abi/hook-table";
import { hookTable } from "../gates";
import { countSites } from "../options";
import { Address, peek32, peek8 } from "../process";

/** Eight, and `--match`, which is the last of them. */
export const HOOKS_MAX: u32 = 9;
/** How many hooks there are. */
export let hookCount: u32 = 0;
/** Whether any of them is called for system calls. */
export let hasCallHooks: bool = false;
/** How many counters they have in all. */
export let counterCount: u32 = 0;

/** Bit n: hook n is called in front of instructions, and behind them. */
let inFront: u32 = 0;
let behind: u32 = 0;
/** Those in front whose instruction is not executed. */
let replacing: u32 = 0;
/** Those that one thread at a time may be in. */
let exclusive: u32 = 0;
/** Their entries, which are looked up each time: u64 for each hook and `--match`. */
const befores = memory.data(72, 8);
const afters = memory.data(72, 8);

/** Bit n: some hook is called at event n. */
let events: u32 = 0;

/** Whether any of them is called at all. */
let hasCalledHooks: bool = false;

/** Whether what hooks have seen, or a site has counted, is to be remembered across handlers (record.ts). */
export function remembersCalls(): bool {
  return hasCalledHooks || countSites;
}

/** Which calls hooks see of those that they want to see: a set in the process, or 0 for all. */
let calls: Address = 0;

/** Hooks see the calls of this set alone. */
export function hookOnly(set: Address): void {
  calls = set;
}
/** No hook is called in this process. */
export function silenceHooks(): void {
  hookCount = 0;
  counterCount = 0;
  hasCallHooks = false;
  hasCalledHooks = false;
  events = 0;
}

/** At the start of a process image. */
export function adoptHooks(): void {
  hookCount = peek32(hookTable() + HOOK_COUNT);
  assert(hookCount <= HOOKS_MAX, "more hooks than a launcher can have");
  for (let hook: u32 = 0; hook < hookCount; hook++) {
    store<u64>(befores + (hook << 3), follow(rowOf(hook) + HOOK_BEFORE_INSTRUCTION));
    store<u64>(afters + (hook << 3), follow(rowOf(hook) + HOOK_AFTER_INSTRUCTION));
    const flags = peek32(rowOf(hook) + HOOK_FLAGS);
    if (flags & HOOK_REPLACES) replacing |= 1 << hook;
    if (flags & HOOK_EXCLUSIVE) exclusive |= 1 << hook;
    counterCount += peek32(rowOf(hook) + HOOK_COUNTER_COUNT);
    if (beforeEntry(hook) != 0 || afterEntry(hook) != 0) hasCallHooks = true;
    if (beforeInstructionEntry(hook) != 0) inFront |= 1 << hook;
    if (afterInstructionEntry(hook) != 0) behind |= 1 << hook;
    if (hasCallHooks || inFront != 0) hasCalledHooks = true;
    for (let event: u32 = 0; event < (EVENT_COUNT as u32); event++)
      if (eventEntry(hook, event) != 0) events |= 1 << event;
  }
}

function rowOf(hook: u32): Address {
  return hookTable() + HOOK_ROWS + (hook as u64) * HOOK_ROW_SIZE;
}

/** The address that a rel32 of the table stands for, or 0. */
function follow(place: Address): Address {
  const distance = peek32(place) as i32 as i64;
  return distance == 0 ? 0 : hookTable() + (distance as u64);
}

function isInSet(set: Address, number: u64): bool {
  if (number > (HOOK_CALL_MAX as u64)) return false;
  let bits = peek8(set + (number >> 3));
  if (calls != 0) bits &= peek8(calls + (number >> 3));
  return ((bits >> ((number & 7) as u32)) & 1) != 0;
}

/** Whether some hook wants to see the call with this number: a whole rax. */
export function isHooked(number: u64): bool {
  return isInSet(hookTable() + HOOK_CALLS, number);
}
/** Whether this one does. */
export function isHookedBy(hook: u32, number: u64): bool {
  return isInSet(rowOf(hook) + HOOK_OWN_CALLS, number);
}

/** The entry that is called before or after a call, or 0. */
export function beforeEntry(hook: u32): Address {
  return follow(rowOf(hook) + HOOK_BEFORE);
}
export function afterEntry(hook: u32): Address {
  return follow(rowOf(hook) + HOOK_AFTER);
}

/** The entries that are asked about an instruction (src/engine/match.ts), or 0. */
export function matchEntry(hook: u32): Address {
  return follow(rowOf(hook) + HOOK_MATCH);
}
export function mayMatchEntry(hook: u32): Address {
  return follow(rowOf(hook) + HOOK_MAY_MATCH);
}
/** The entry that is called in front of an instruction, or 0. */
export function beforeInstructionEntry(hook: u32): Address {
  return load<u64>(befores + (hook << 3));
}
/** The entry that is called behind an instruction, or 0. */
export function afterInstructionEntry(hook: u32): Address {
  return load<u64>(afters + (hook << 3));
}
/** Of hooks that act at an instruction, those that are called in front of it, and those behind it. */
export function hooksInFront(hooks: u32): u32 {
  return hooks & inFront;
}
export function hooksBehind(hooks: u32): u32 {
  return hooks & behind;
}
/** Whether the instruction is not executed once this entry has been called. */
export function replaces(hook: u32): bool {
  return ((replacing >> hook) & 1) != 0;
}
/** Whether some hook is called at an event, and the entry of one, or 0. */
export function isEventHooked(event: u32): bool {
  return ((events >> event) & 1) != 0;
}
export function eventEntry(hook: u32, event: u32): Address {
  return follow(rowOf(hook) + HOOK_EVENTS + ((event as u64) << 2));
}
/** How many counters `before` adds to, when it does nothing else; 0 when it does, or there is none. */
export function inlineCount(hook: u32): u32 {
  const list = follow(rowOf(hook) + HOOK_INLINE);
  return list == 0 ? 0 : peek32(list);
}
/** The `i`-th of them, by its number among the hook's, and what is added. */
export function inlineCounter(hook: u32, i: u32): u32 {
  return peek32(follow(rowOf(hook) + HOOK_INLINE) + 4 + ((i as u64) << 3));
}
export function inlineAmount(hook: u32, i: u32): u32 {
  return peek32(follow(rowOf(hook) + HOOK_INLINE) + 8 + ((i as u64) << 3));
}
/** A counter's number among those of all hooks. */
export function counterIndex(hook: u32, counter: u32): u32 {
  let index = counter;
  for (let other: u32 = 0; other < hook; other++) index += countersOf(other);
  return index;
}

/** What they want to know of it: NEEDS_ bits. */
export function matchNeeds(hook: u32): u32 {
  return peek32(rowOf(hook) + HOOK_NEEDS);
}
/** Where in the hook's memory they look for it. */
export function matchRecord(hook: u32): u32 {
  return peek32(rowOf(hook) + HOOK_RECORD);
}

/** Its memory, for `size` bytes at `pointer`: a process address, or 0 when they are not all inside. */
export function hookMemory(hook: u32, pointer: u32, size: u32): Address {
  if ((pointer as u64) + (size as u64) > (peek32(rowOf(hook) + HOOK_MEMORY_SIZE) as u64)) return 0;
  return follow(rowOf(hook) + HOOK_MEMORY) + (pointer as u64);
}

/** What messages call it: a zero-terminated string in the process. */
export function hookName(hook: u32): Address {
  return follow(rowOf(hook) + HOOK_NAME);
}

/** Whether one thread at a time may be in it. */
export function isExclusive(hook: u32): bool {
  return ((exclusive >> hook) & 1) != 0;
}

/** What to say of a fault at this instruction of a hook's, a zero-terminated string in the process; 0 when it is none. */
export function trapText(hook: u32, rip: Address): Address {
  const count = peek32(rowOf(hook) + HOOK_TRAP_COUNT);
  let row = follow(rowOf(hook) + HOOK_TRAPS);
  for (let i: u32 = 0; i < count; i++, row += 8) if (follow(row) == rip) return follow(row + 4);
  return 0;
}

export function countersOf(hook: u32): u32 {
  return peek32(rowOf(hook) + HOOK_COUNTER_COUNT);
}
/** Where in the process a counter is, and its name. */
export function counterPlace(hook: u32, counter: u32): Address {
  const row = follow(rowOf(hook) + HOOK_COUNTERS) + ((counter as u64) << 3);
  return hookMemory(hook, peek32(row), 8);
}
export function counterName(hook: u32, counter: u32): Address {
  return follow(follow(rowOf(hook) + HOOK_COUNTERS) + ((counter as u64) << 3) + 4);
}
