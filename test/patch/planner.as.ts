// The planner with exports for Node, and an emitter for tests: the relocated instruction, or the `syscall` itself, and a
// jump on. A real trampoline does more in between; for the planner only its size matters.

import "../../src/engine/assertion";
import { decode } from "../../src/engine/x86/decode";
import { Instruction } from "../../src/engine/x86/instruction";
import { Cluster } from "../../src/engine/patch/cluster";
import { Record, originalBytes } from "../../src/engine/patch/record";
import { JUMP_SIZE, emitJump, relocate } from "../../src/engine/patch/relocate";
import { beginPlan, planCluster } from "../../src/engine/patch/plan";
import { Address } from "../../src/engine/process";

export { abandonPlan, addCluster, boundTrampolines, commitPlan, endPlan } from "../../src/engine/patch/plan";
export { avoid, avoidNothing, countSlots, releaseEmptySlots } from "../../src/engine/patch/territory";
export {
  carryLocks,
  countRecords,
  findSite,
  findTrampoline,
  findVictim,
  forgetRange,
  restoreCopy,
  widenToPatches,
} from "../../src/engine/patch/record";
export { allocate, allocateTemporary, releaseTemporary, remaining, temporaryMark } from "../../src/engine/patch/arena";
import { translate } from "../../src/engine/patch/record";

const instruction = changetype<Instruction>(memory.data(offsetof<Instruction>(), 8));

function emitTest(pointer: usize, recordPointer: usize, resume: Address): u32 {
  const record = changetype<Record>(recordPointer);
  decode(originalBytes(record), record.length, changetype<usize>(instruction));
  let size = relocate(instruction, originalBytes(record), record.original, pointer, record.address);
  if (size == 0) {
    memory.copy(pointer, originalBytes(record), record.length);
    size = record.length;
  }
  emitJump(pointer + size, record.address + (size as u64), resume);
  return size + JUMP_SIZE;
}

export function begin(trampolineSize: u32): void {
  beginPlan(trampolineSize, emitTest);
}

export function plan(cluster: usize, offsets: usize, count: u32, fates: usize): i32 {
  return planCluster(changetype<Cluster>(cluster), offsets, count, fates);
}

export function translateTo(record: usize, rip: Address): Address {
  return translate(changetype<Record>(record), rip);
}

/** `relocate` by itself: gives the size or 0. `pointer` has the bytes; the result goes to `to`. */
export function relocateOne(pointer: usize, size: u32, address: Address, to: usize, target: Address): u32 {
  if (decode(pointer, size, changetype<usize>(instruction)) == 0) return 0;
  return relocate(instruction, pointer, address, to, target);
}
