// What certainly is at a candidate: its function is decoded from its first instruction, which the unwind table knows.
//
// Compilers put no data into a function's range on AMD64, and assembly's tables stand outside `.cfi_startproc` and
// `.cfi_endproc`. So a byte sequence inside a range that does not decode is an error in proven code, not data.

import { Address, copyIn } from "../process";
import { INSTRUCTION_MAX, Instruction } from "../x86/instruction";
import { decode } from "../x86/decode";
import { findFunction, functionEnd, functionStart } from "./unwind";

/** No function of the file's table holds it: nothing is proven. */
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

/**
 * Decodes a candidate's function from its start.
 * @param offset the candidate's in the file whose table is open (scan/unwind.ts), @param at its address
 * @param start where the mapping starts, @param end where what can be read of it ends
 * @param boundary gets a 1 for each instruction start from `window` on, `room` bytes
 */
export function prove(
  offset: u64,
  at: Address,
  start: Address,
  end: Address,
  boundary: usize,
  window: Address,
  room: u32,
): u32 {
  if (!findFunction(offset) || offset - functionStart > at - start) return PROOF_NONE;
  const stop = min(at + (functionEnd - offset), end);
  let here = at - (offset - functionStart);
  copyEnd = 0;
  while (here < at) {
    if (here >= window) store<u8>(boundary + ((here - window) as usize), 1);
    const length = lengthAt(here, stop);
    if (length == 0) {
      undecodable = here;
      return PROOF_ERROR;
    }
    here += length;
  }
  if (here != at) return PROOF_INTERIOR;
  while (here < stop && here - window < (room as u64)) {
    store<u8>(boundary + ((here - window) as usize), 1);
    const length = lengthAt(here, stop);
    if (length == 0) break;
    here += length;
  }
  return PROOF_CODE;
}
