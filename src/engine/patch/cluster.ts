// A cluster: a contiguous piece of the program's code, copied into linear memory, in which sites are planned.
//
// Tactics change the copy; the caller writes it back once the plan is committed. What is known of control flow is one
// byte map: where instructions start, or may start. Control may enter at each of these starts and, once the plan is
// written, must find there what it found before, or a jump to it. Nothing else is assumed.

import { Address } from "../process";
import {
  FLOW_CALL_INDIRECT,
  FLOW_CALL_RELATIVE,
  FLOW_JUMP_RELATIVE,
  INSTRUCTION_MAX,
  Instruction,
  PREFIX_LOCK,
} from "../x86/instruction";
import { decode } from "../x86/decode";
import { INSIDE, WHOLE } from "../scan/instructions";
import { LOCK_FILLING, LOCK_FREE, locksOf } from "./locks";
import { JUMP_SIZE, endsFlow, relocatedSize } from "./relocate";

@unmanaged
export class Cluster {
  /** Where the code is in the process. */
  address: Address;
  size: u32;
  /** The copy: `size` bytes, filled by the caller, changed by the plan. */
  code: usize;
  /** A byte for each of the code: not 0 where an instruction starts, or control enters one (scan/instructions.ts). Filled by the caller. */
  boundary: usize;
  /** A byte for each of the code (patch/locks.ts). Zero unless the caller knows of locks. */
  locks: usize;
  /** Handed to the emitter for each site. */
  cookie: usize;
}

/**
 * Finds more instruction starts: called for a site when a tactic looks for victims other than its successor.
 * @param cluster the `Cluster`, whose `boundary` is added to; its `code` may be partly patched
 * @param offset the site's, in the cluster
 */
export type Explore = (cluster: usize, offset: u32) => void;

/** Decodes the instruction at an offset of the copy; gives its length or 0. */
export function decodeAt(cluster: Cluster, offset: u32, instruction: Instruction): u32 {
  if (offset >= cluster.size) return 0;
  return decode(cluster.code + offset, cluster.size - offset, changetype<usize>(instruction));
}

function isBoundary(cluster: Cluster, offset: u32): bool {
  return offset < cluster.size && load<u8>(cluster.boundary + offset) != 0;
}

/** Whether control can only enter the instruction at its start. */
export function isEnteredAtStart(cluster: Cluster, offset: u32, instruction: Instruction): bool {
  // glibc jumps over the lock prefix when there is one thread: `cmpl $0,%fs:24; je 1f; lock; 1: cmpxchg`.
  // Where a whole function is known, it is known which ones are (scan/instructions.ts).
  const isKnown = offset < cluster.size && (load<u8>(cluster.boundary + offset) & WHOLE) != 0;
  if ((instruction.prefixes & PREFIX_LOCK) != 0 && !isKnown) return false;
  for (let i: u32 = 1; i < (instruction.length as u32); i++) if (isBoundary(cluster, offset + i)) return false;
  return true;
}

const before = changetype<Instruction>(memory.data(offsetof<Instruction>(), 8));

/** Whether the instruction before `offset` is a call, or may be one. */
function mayFollowCall(cluster: Cluster, offset: u32): bool {
  for (let size: u32 = 1; size <= (INSTRUCTION_MAX as u32); size++) {
    if (size > offset) return true;
    if (!isBoundary(cluster, offset - size)) continue;
    if (decodeAt(cluster, offset - size, before) != size) continue;
    return before.flow == FLOW_CALL_RELATIVE || before.flow == FLOW_CALL_INDIRECT;
  }
  return true;
}

/** Whether a call can be evicted and stay one of the same size: to a trampoline, which jumps to where it went. */
export function staysCall(instruction: Instruction): bool {
  return instruction.flow == FLOW_CALL_RELATIVE && (instruction.length as u32) == JUMP_SIZE;
}

/**
 * Decodes the instruction at an offset if it can be evicted: it and its successor are known to start there, nothing has
 * touched it, and it can run elsewhere.
 * @param withCalls whether it may be one that `staysCall`
 */
export function decodeVictim(cluster: Cluster, offset: u32, instruction: Instruction, withCalls: bool): bool {
  if (!isBoundary(cluster, offset) || load<u8>(cluster.boundary + offset) == INSIDE) return false;
  const length = decodeAt(cluster, offset, instruction);
  if (length == 0 || !isBoundary(cluster, offset + length)) return false;
  if (locksOf(cluster.locks, offset, length) != LOCK_FREE) return false;
  if (!isEnteredAtStart(cluster, offset, instruction)) return false;
  if (relocatedSize(instruction) == 0 && !(withCalls && staysCall(instruction))) return false;
  // Go's `rewindmorestack` reads the `jmp` that follows `call morestack` (runtime/sys_x86.go).
  return instruction.flow != FLOW_JUMP_RELATIVE || !mayFollowCall(cluster, offset);
}

//             0 | 1  2  3  4 ..
//   before   c3 |66 2e 0f 1f ..     ret | nopw ..: filling up to the next function
//   B1       e9 |xx xx xx xx ..     jmp: any rel32
//
/**
 * How many bytes behind an instruction that never goes on belong to nobody: a patch takes them for the instruction's own, and keeps
 * and restores them with it.
 */
export function fillingBehind(cluster: Cluster, offset: u32, instruction: Instruction): u32 {
  const length: u32 = instruction.length;
  if (!endsFlow(instruction)) return 0;
  let count: u32 = 0;
  for (let at = offset + length; at < cluster.size && length + count < (INSTRUCTION_MAX as u32); at++) {
    if (load<u8>(cluster.locks + at) != LOCK_FILLING) break;
    count += 1;
  }
  return count;
}
