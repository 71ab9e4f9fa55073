// On request, trampolines have names and unwind data: for perf (--perf-map) and for gdb (--gdb-jit). Called wherever code is
// patched or goes away; without the options nothing is done or kept.

import { gdbJit, perfMap } from "../options";
import { Address } from "../process";
import { forgetNames, nameCode, nameCodeInMemory } from "./code-names";
import { beginGdbJit, updateGdbJit } from "./gdb-jit";
import { beginPerfMap, copyPerfMap, extendPerfMap } from "./perf-map";

/** The process image begins. */
export function beginDescribing(handedOver: bool): void {
  if (perfMap) beginPerfMap(handedOver);
  if (gdbJit) beginGdbJit();
}

function describe(start: Address, end: Address): void {
  if (perfMap) extendPerfMap(start, end);
  if (gdbJit) updateGdbJit();
}

/** The code in [start, end), which maps the file of a descriptor from `offset` on, has been patched. Under the engine lock. */
export function describeCode(start: Address, end: Address, descriptor: i32, offset: u64): void {
  if (!perfMap && !gdbJit) return;
  nameCode(start, end, descriptor, offset);
  describe(start, end);
}

/** The same for code without a file, whose addresses count from `base`. */
export function describeCodeInMemory(start: Address, end: Address, base: Address, name: string): void {
  if (!perfMap && !gdbJit) return;
  nameCodeInMemory(start, end, base, name);
  describe(start, end);
}

/** Code in [start, end) that has its name already has been patched again. */
export function describeAgain(start: Address, end: Address): void {
  if (perfMap || gdbJit) describe(start, end);
}

/** The patched code in [start, end) is gone. */
export function forgetDescribed(start: Address, end: Address): void {
  if (!perfMap && !gdbJit) return;
  forgetNames(start, end);
  if (gdbJit) updateGdbJit();
}

/** In the child of a fork that copied memory. */
export function describeFork(): void {
  if (perfMap) copyPerfMap();
}
