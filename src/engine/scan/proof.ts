// What certainly is at a candidate: decoding begins at a start that is known, and goes straight on.
//
// Compilers put no data into a function's range on AMD64, and assembly's tables mostly stand outside `.cfi_startproc` and
// `.cfi_endproc`. So bytes inside a range of the unwind table that do not decode are an error in code, not data. What is in
// no function is proven only as far as control falls through from the program's entry point.

import { Address, copyIn } from "../process";
import {
  FLOW_JUMP_INDIRECT,
  FLOW_JUMP_RELATIVE,
  FLOW_RETURN,
  FLOW_STOP,
  INSTRUCTION_MAX,
  Instruction,
} from "../x86/instruction";
import { decode } from "../x86/decode";
import { entryOffset } from "./code-file";
import { findFunction, functionEnd, functionStart } from "./functions";

/** Nothing is proven. */
export const PROOF_NONE: u32 = 0;
/** An instruction of its function starts there. */
export const PROOF_CODE: u32 = 1;
/** It is inside another instruction of its function. */
export const PROOF_INTERIOR: u32 = 2;
/** Its function does not decode: `undecodable` says where. */
export const PROOF_ERROR: u32 = 3;

/** For PROOF_ERROR: the address that does not decode. */
export let undecodable: Address = 0;

const instruction = changetype<Instruction>(memory.data(offsetof<Instruction>(), 8));
const COPY_SIZE: u64 = 4096;
const copy = memory.data(4096, 8);
let copyStart: Address = 0;
let copyEnd: Address = 0;

/** Decodes at an address below `end`; gives the instruction's length or 0. */
function lengthAt(address: Address, end: Address): u32 {
  if (address < copyStart || min(address + (INSTRUCTION_MAX as u64), end) > copyEnd) {
    copyStart = address;
    copyEnd = min(address + COPY_SIZE, end);
    copyIn(copy, copyStart, (copyEnd - copyStart) as usize);
  }
  const pointer = copy + ((address - copyStart) as usize);
  return decode(pointer, (copyEnd - address) as u32, changetype<usize>(instruction));
}

/** Decodes a function from its start to the candidate in it. */
function proveInFunction(from: Address, at: Address, end: Address): u32 {
  let here = from;
  while (here < at) {
    const length = lengthAt(here, end);
    if (length == 0) {
      undecodable = here;
      return PROOF_ERROR;
    }
    here += length;
  }
  if (here != at) return PROOF_INTERIOR;
  return PROOF_CODE;
}

/** Follows control from the entry point as long as it falls through: behind a call that does not return may be anything. */
function proveFromEntry(from: Address, at: Address, end: Address): u32 {
  let here = from;
  while (here < at) {
    const length = lengthAt(here, end);
    const flow = instruction.flow;
    if (length == 0 || flow == FLOW_JUMP_RELATIVE || flow == FLOW_JUMP_INDIRECT) return PROOF_NONE;
    if (flow == FLOW_RETURN || flow == FLOW_STOP) return PROOF_NONE;
    here += length;
  }
  if (here != at) return PROOF_NONE;
  return PROOF_CODE;
}

/**
 * What the certain starts of a file prove about a candidate.
 * @param offset the candidate's in the file whose tables are open (scan/functions.ts), @param at its address
 * @param start where the mapping starts, @param end where what can be read of it ends
 */
export function prove(offset: u64, at: Address, start: Address, end: Address): u32 {
  copyEnd = 0;
  if (findFunction(offset)) {
    if (offset - functionStart > at - start) return PROOF_NONE;
    return proveInFunction(at - (offset - functionStart), at, min(at + (functionEnd - offset), end));
  }
  if (entryOffset > offset || offset - entryOffset > at - start) return PROOF_NONE;
  return proveFromEntry(at - (offset - entryOffset), at, end);
}
