// The filters of each thread, as the kernel has them: what they say of a call is known before it is made.
//
// The kernel keeps filters as a tree, each thread at its newest: children inherit, SECCOMP_FILTER_FLAG_TSYNC moves
// threads. A node here is memory of the process, read-only once it is in force; it is given back when nobody uses it, which the kernel
// alone could know: nodes stay until execve.
//
//   offset
//     0     previous: u64      address of the older node, or 0
//     8     length: u32        instructions, the prefix among them
//    12     prefix: u32        PREFIX_LENGTH, or 0
//    16     instructions

import { runningThread } from "../thread/areas";
import { GateFrame, ThreadBlock, deferredOf } from "../thread/block";
import { Address, peek32, peek64 } from "../process";
import {
  DATA_ARCHITECTURE,
  DATA_ARGUMENTS,
  DATA_INSTRUCTION_POINTER,
  DATA_NUMBER,
  INSTRUCTION_SIZE,
  LD_ABS,
  runFilter,
} from "./bpf";
import { AUDIT_ARCH_X86_64, RET_ALLOW } from "./prefix";
import { siteInstructionPointer } from "./site";

export const NODE_LENGTH: u64 = 8;
export const NODE_PREFIX: u64 = 12;
export const NODE_HEADER: u64 = 16;

export const RET_ACTION: u32 = 0xffff0000;
export const RET_KILL_THREAD: u32 = 0x00000000;
export const RET_TRAP: u32 = 0x00030000;
export const RET_USER_NOTIF: u32 = 0x7fc00000;
export const RET_TRACE: u32 = 0x7ff00000;
export const RET_LOG: u32 = 0x7ffc0000;

/** struct seccomp_data and scratch words, in the deferred region (thread/deferred.ts). */
const CALL_DATA_OFFSET: usize = 0x7900;

/** Whether any thread of this memory has a filter. */
export let isFiltered: bool = false;
/** A filter that is about to be in force for other threads too: until it is, they keep away from what it forbids. */
let coming: Address = 0;

export function setFiltered(): void {
  isFiltered = true;
}
export function setComing(node: Address): void {
  coming = node;
}

/** What all filters together say: seccomp_run_filters of kernel/seccomp.c. The lowest action wins, the newest filter first. */
function evaluate(newest: Address, data: usize): u32 {
  let verdict = RET_ALLOW;
  for (let node = newest; node != 0; node = peek64(node)) {
    const result = runFilter(node + NODE_HEADER, data);
    if (((result & RET_ACTION) as i32) < ((verdict & RET_ACTION) as i32)) verdict = result;
  }
  return verdict;
}

/** Fills the thread's struct seccomp_data. */
function describe(
  thread: ThreadBlock,
  instructionPointer: Address,
  number: u64,
  a: u64,
  b: u64,
  c: u64,
  d: u64,
  e: u64,
  f: u64,
): usize {
  const data = deferredOf(thread) + CALL_DATA_OFFSET;
  store<u32>(data, number as u32, DATA_NUMBER);
  store<u32>(data, AUDIT_ARCH_X86_64, DATA_ARCHITECTURE);
  store<u64>(data, instructionPointer, DATA_INSTRUCTION_POINTER);
  store<u64>(data, a, DATA_ARGUMENTS);
  store<u64>(data, b, DATA_ARGUMENTS + 8);
  store<u64>(data, c, DATA_ARGUMENTS + 16);
  store<u64>(data, d, DATA_ARGUMENTS + 24);
  store<u64>(data, e, DATA_ARGUMENTS + 32);
  store<u64>(data, f, DATA_ARGUMENTS + 40);
  return data;
}

/** What the thread's filters say of the call that it came to the gate with: a SECCOMP_RET value. */
export function verdictOf(thread: ThreadBlock, frame: GateFrame): u32 {
  return verdictUnder(
    thread.filters,
    thread,
    thread.after,
    frame.rax,
    frame.rdi,
    frame.rsi,
    frame.rdx,
    frame.r10,
    frame.r8,
    frame.r9,
  );
}

/** What a filter and those before it say of a call. */
export function verdictUnder(
  newest: Address,
  thread: ThreadBlock,
  instructionPointer: Address,
  number: u64,
  a: u64,
  b: u64,
  c: u64,
  d: u64,
  e: u64,
  f: u64,
): u32 {
  return evaluate(newest, describe(thread, instructionPointer, number, a, b, c, d, e, f));
}

/** Whether a call with this verdict is made as if there were no filter. */
export function lets(verdict: u32): bool {
  const action = verdict & RET_ACTION;
  return action == RET_ALLOW || action == RET_LOG;
}

/**
 * Whether a call of the engine's own may be made while `isFiltered`: no filter of the program's must ever do anything about one. What does
 * without an answer (statistics, names of files) does without it.
 */
export function mayCall(number: u64, a: u64, b: u64, c: u64, d: u64, e: u64, f: u64): bool {
  const thread = runningThread();
  if ((thread.filters | coming) == 0) return true;
  const data = describe(thread, siteInstructionPointer(), number, a, b, c, d, e, f);
  return lets(evaluate(thread.filters, data)) && lets(evaluate(coming, data));
}

/** Whether a filter asks where a call comes from. */
export function readsInstructionPointer(program: Address, length: u32): bool {
  for (let i: u32 = 0; i < length; i++) {
    const at = program + (i as u64) * INSTRUCTION_SIZE;
    if ((peek32(at) & 0xffff) != LD_ABS) continue;
    const offset = peek32(at + 4) as usize;
    if (offset == DATA_INSTRUCTION_POINTER || offset == DATA_INSTRUCTION_POINTER + 4) return true;
  }
  return false;
}
