// The dispatch table: which system calls the engine looks at.
//
// A trampoline looks up the low 16 bits of eax in a table of 64 KiB: no compare, so RFLAGS stay the program's. 0 lets
// the call pass through; 1 sends it to the gate. The table is one shared anonymous mapping; trampolines have views of it
// in reach (patch/outpost.ts). A fork shares it with its parent, so the only change that it can have is one that is right
// for every process: all calls take the gate from then on (Syscall User Dispatch, kernel/user-dispatch.ts), or those that data is
// read or written by (jit/kernel-access.ts).

import { HOOK_CALL_MAX } from "../../abi/hook-table";
import { hasCallHooks, isHooked } from "../hook/table";
import { countCalls, exhaustive } from "../options";
import { claimMemory } from "../own-memory";
import { poke8, syscall } from "../process";
import { isError, syscall3 } from "./calls";
import { VIRTUALISED_END, isVirtualised } from "./dispatch";
import { SYS_MMAP, SYS_MPROTECT, SYS_RESTART_SYSCALL } from "./numbers";

export const DISPATCH_SIZE: u64 = 65536;
const MAP_SHARED_ANONYMOUS: u64 = 0x21;
const PROT_READ: u64 = 1;
const PROT_READ_WRITE: u64 = 3;

/** x32 numbers its own calls from here to 547: they alias nothing below, and the engine lets the kernel answer. */
const X32_FIRST: u32 = 512;
const X32_END: u32 = 548;

/** Process address of the table. */
export let dispatchTable: u64 = 0;
let allToGate: bool = false;

/** Makes the table, once, before anything is patched. */
export function createDispatchTable(): void {
  const got = syscall(SYS_MMAP, 0, DISPATCH_SIZE, PROT_READ_WRITE, MAP_SHARED_ANONYMOUS, -1, 0);
  assert(!isError(got), "no memory for the dispatch table");
  dispatchTable = got as u64;
  claimMemory(dispatchTable, dispatchTable + DISPATCH_SIZE);
  for (let number: u32 = 0; number < VIRTUALISED_END; number++)
    if (isVirtualised(number)) poke8(dispatchTable + (number as u64), 1);
  for (let number = X32_FIRST; number < X32_END; number++) poke8(dispatchTable + (number as u64), 1);
  if (hasCallHooks) hookCalls();
  syscall3(SYS_MPROTECT, dispatchTable, DISPATCH_SIZE, PROT_READ);
  if (countCalls || exhaustive) sendAllToGate();
}

/** What hooks want to see goes to the gate, and what the kernel has such a call made again as. */
function hookCalls(): void {
  for (let number: u64 = 0; number <= (HOOK_CALL_MAX as u64); number++)
    if (isHooked(number)) poke8(dispatchTable + number, 1);
  poke8(dispatchTable + (SYS_RESTART_SYSCALL as u64), 1);
}

/** Lets no call of these numbers pass through any more, likewise; false when the kernel does not let the table be written. */
export function sendToGate(numbers: StaticArray<u32>): bool {
  if (allToGate) return true;
  if (isError(syscall3(SYS_MPROTECT, dispatchTable, DISPATCH_SIZE, PROT_READ_WRITE))) return false;
  for (let i = 0; i < numbers.length; i++) poke8(dispatchTable + (unchecked(numbers[i]) as u64), 1);
  syscall3(SYS_MPROTECT, dispatchTable, DISPATCH_SIZE, PROT_READ);
  return true;
}

/** Lets no call pass through any more, here and in all processes that share the table. */
export function sendAllToGate(): void {
  if (allToGate) return;
  allToGate = true;
  const result = syscall3(SYS_MPROTECT, dispatchTable, DISPATCH_SIZE, PROT_READ_WRITE);
  assert(result == 0, "the dispatch table cannot be written");
  for (let i: u64 = 0; i < DISPATCH_SIZE; i++) poke8(dispatchTable + i, 1);
  syscall3(SYS_MPROTECT, dispatchTable, DISPATCH_SIZE, PROT_READ);
}
