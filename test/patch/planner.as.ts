// The planner with exports for Node, and an emitter for tests: the relocated instruction, or the `syscall` itself, and a
// jump on. A real trampoline does more in between; for the planner only its size matters.

import "../../src/engine/assertion";
import { decode } from "../../src/engine/x86/decode";
import { FLOW_CALL_RELATIVE, Instruction } from "../../src/engine/x86/instruction";
import { Cluster } from "../../src/engine/patch/cluster";
import { ENTERED_BY_CALL, Record, originalBytes, translate } from "../../src/engine/patch/record";
import { JUMP_SIZE, emitJump, placeOf, relocate } from "../../src/engine/patch/relocate";
import { beginPlan, planCluster } from "../../src/engine/patch/plan";
import { planInBulk } from "../../src/engine/patch/territory";
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

const instruction = changetype<Instruction>(memory.data(offsetof<Instruction>(), 8));

/** A call that is entered by a call jumps on: `call rel32` as `jmp rel32`, `ff /2` as `ff /4`. */
function emitCall(pointer: usize, record: Record): u32 {
  const bytes = originalBytes(record);
  if (instruction.flow == FLOW_CALL_RELATIVE) {
    emitJump(pointer, record.address, placeOf(instruction, bytes, record.original));
    return JUMP_SIZE;
  }
  memory.copy(pointer, bytes, record.length);
  store<u8>(pointer + instruction.modrmOffset, (instruction.modrm & 0xc7) | 0x20);
  if (instruction.ripRelative) {
    const distance = placeOf(instruction, bytes, record.original) - (record.address + (record.length as u64));
    store<u32>(pointer + instruction.dispOffset, distance as u32);
  }
  return record.length;
}

function emitTest(pointer: usize, recordPointer: usize, resume: Address): u32 {
  const record = changetype<Record>(recordPointer);
  decode(originalBytes(record), record.length, changetype<usize>(instruction));
  if (record.entry == ENTERED_BY_CALL) return emitCall(pointer, record);
  let size = relocate(instruction, originalBytes(record), record.original, pointer, record.address);
  if (size == 0) {
    memory.copy(pointer, originalBytes(record), record.length);
    size = record.length;
  }
  emitJump(pointer + size, record.address + (size as u64), resume);
  return size + JUMP_SIZE;
}

export function begin(trampolineSize: u32, isInBulk: bool): void {
  beginPlan(trampolineSize, emitTest, null);
  if (isInBulk) planInBulk();
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
