// A walk over all trampolines of the process, for those who name them.

import { ISLAND_SIZE, OUTPOST_COUNT, countBuilt, islandOf, outpostAt, serialOf } from "../patch/outpost";
import { Record, SITE, forEachTrampoline } from "../patch/record";
import { forEachTrap } from "../patch/traps";
import { Address } from "../process";
import { SYSCALL_SIZE, SYSCALL_TRAMPOLINE_SIZE } from "../thread/trampoline";
import { hasName } from "./code-names";

/** One trampoline, whoever made it. */
@unmanaged
export class Trampoline {
  address: Address;
  original: Address;
  size: u32;
  /** Of patch/record.ts, or ISLAND. */
  kind: u8;
  /** Of the original instruction. */
  length: u8;
  /** For an evicted instruction: where in the trampoline it is done. */
  done: u8;
  /** ENTERED_BY_JUMP or ENTERED_BY_CALL. */
  entry: u8;
}

/** The jump of an outpost. */
export const ISLAND: u8 = 5;

export type VisitTrampoline = (trampoline: Trampoline) => void;

const current = changetype<Trampoline>(memory.data(offsetof<Trampoline>(), 8));
/** Index in the function table: no closures here. */
let visitor: i32 = 0;
let low: Address = 0;
let high: Address = 0;

function visitRecord(record: Record): void {
  if (!hasName(record.kind) || record.original < low || record.original >= high) return;
  current.address = record.address;
  current.original = record.original;
  current.size = record.size;
  current.kind = record.kind;
  current.length = record.length;
  current.done = record.done;
  current.entry = record.entry;
  call_indirect<void>(visitor, current);
}

function visitTrap(site: Address, address: Address): void {
  if (site < low || site >= high) return;
  current.address = address;
  current.original = site;
  current.size = SYSCALL_TRAMPOLINE_SIZE;
  current.kind = SITE;
  current.length = SYSCALL_SIZE as u8;
  current.done = 0;
  current.entry = 0;
  call_indirect<void>(visitor, current);
}

/** Calls `visit` for each trampoline that stands for code in [start, end). Under the engine lock. */
export function visitTrampolines(start: Address, end: Address, visit: VisitTrampoline): void {
  visitor = visit.index;
  low = start;
  high = end;
  forEachTrampoline(visitRecord);
  forEachTrap(visitTrap);
}

/** Calls `visit` for the jump of each outpost but the first `known` that were built; gives how many were. */
export function visitIslands(known: u32, visit: VisitTrampoline): u32 {
  for (let i: u32 = 0; i < OUTPOST_COUNT; i++) {
    if (outpostAt(i) == 0 || serialOf(i) <= known) continue;
    current.address = islandOf(outpostAt(i));
    current.original = current.address;
    current.size = ISLAND_SIZE as u32;
    current.kind = ISLAND;
    current.length = 0;
    current.done = 0;
    current.entry = 0;
    visit(current);
  }
  return countBuilt();
}
