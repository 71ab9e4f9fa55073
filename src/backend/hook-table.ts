// The hook table (src/abi/hook-table.ts): rows, and behind them the lists and strings that they refer to.

import * as abi from "../abi/hook-table.js";
import type { Assembler } from "./x64/assembler.js";
import { namesOf, type Compiled } from "./x64/compile.js";
import type { Label } from "./x64/operands.js";

/** A place in a hook's memory that the engine prints, and sets to zero, when a process ends. */
export interface HookCounter {
  readonly name: string;
  readonly offset: number;
}

/** What `before` adds to a counter each time. */
export interface CounterSum {
  /** Its place among the hook's counters. */
  readonly counter: number;
  /** 1 to 127. */
  readonly amount: number;
}

/** How a hook is asked about instructions, through its export `match`. */
export interface InstructionMatcher {
  /** NEEDS_ of ../abi/instruction-record.ts. */
  readonly needs: number;
  /** Where in its memory it looks for the record. */
  readonly record: number;
}

/** What the table says of a hook beside its code. */
export interface HookDescription {
  /** What messages call it. */
  readonly title: string;
  /** The numbers of the system calls that it sees. */
  readonly calls: readonly number[];
  readonly counters: readonly HookCounter[];
  /** All that `before` does, when that is adding to counters: then trampolines do it. Empty: it does more, or there is none. */
  readonly sums: readonly CounterSum[];
  /** null: it is not asked. */
  readonly matcher: InstructionMatcher | null;
  /** Where in the hook's source the instruction at this offset of its module comes from. */
  readonly placeOf: (offset: number) => string | null;
}

export interface CompiledHook extends HookDescription {
  /** What its symbols begin with: hook1, hook2... */
  readonly symbol: string;
  readonly compiled: Compiled;
  readonly isExclusive: boolean;
}

const TABLE = "hookTable";

/** Emits the table of a launcher with these hooks, in the order in which they see a call. */
export function emitHookTable(a: Assembler, hooks: readonly CompiledHook[]): void {
  a.section("rodata");
  a.align(8);
  a.global(TABLE);
  const strings: [Label, string][] = [];
  const text = (value: string): Label => {
    const label = a.label();
    strings.push([label, value]);
    return label;
  };
  a.u32(hooks.length);
  a.u32(0);
  a.bytes(callSet(hooks.flatMap(({ calls }) => calls)));
  const lists = hooks.map((hook) => emitRow(a, hook, text(hook.title)));
  for (const [i, { traps, counters, sums }] of lists.entries()) {
    const hook = hooks[i] as CompiledHook;
    a.align(4);
    a.bind(traps);
    for (const { site } of hook.compiled.traps) {
      const place = hook.placeOf(site.offset);
      a.u32Offset(site.label, TABLE);
      a.u32Offset(text(`${site.kind} ${place === null ? `in ${site.function}` : `at ${place}`}`), TABLE);
    }
    a.bind(counters);
    for (const { name, offset } of hook.counters) {
      a.u32(offset);
      a.u32Offset(text(name), TABLE);
    }
    a.bind(sums);
    a.u32(hook.sums.length);
    for (const { counter, amount } of hook.sums) {
      a.u32(counter);
      a.u32(amount);
    }
  }
  for (const [label, value] of strings) {
    a.bind(label);
    a.bytes(Buffer.from(`${value}\0`));
  }
  a.section("text");
}

function emitRow(a: Assembler, hook: CompiledHook, title: Label): { traps: Label; counters: Label; sums: Label } {
  const [traps, counters] = [a.label(), a.label()];
  const { compiled, symbol } = hook;
  const names = namesOf(symbol);
  const entry = (name: string): void => {
    if (compiled.functions.has(name)) a.u32Offset(`${names.entry}${name}`, TABLE);
    else a.u32(0);
  };
  entry("beforeCall");
  entry("afterCall");
  a.u32Offset(names.memory, TABLE);
  a.u32(compiled.size);
  a.u32Offset(title, TABLE);
  const replaces = compiled.functions.has("replace");
  a.u32((hook.isExclusive ? abi.HOOK_EXCLUSIVE : 0) | (replaces ? abi.HOOK_REPLACES : 0));
  a.u32Offset(traps, TABLE);
  a.u32(compiled.traps.length);
  a.u32Offset(counters, TABLE);
  a.u32(hook.counters.length);
  a.bytes(callSet(hook.calls));
  entry("match");
  entry("mayMatch");
  a.u32(hook.matcher?.needs ?? 0);
  a.u32(hook.matcher?.record ?? 0);
  entry(replaces ? "replace" : "before");
  const sums = a.label();
  if (hook.sums.length > 0) a.u32Offset(sums, TABLE);
  else a.u32(0);
  for (const name of abi.EVENT_NAMES) entry(name);
  entry("after");
  return { traps, counters, sums };
}

function callSet(numbers: readonly number[]): Uint8Array {
  const set = new Uint8Array(abi.HOOK_CALLS_SIZE);
  for (const number of numbers) {
    const at = number >> 3;
    if (number <= abi.HOOK_CALL_MAX) set[at] = (set[at] as number) | (1 << (number & 7));
  }
  return set;
}
