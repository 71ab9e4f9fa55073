// The decoder and the facts alone, for the tests in this folder: linear memory in, `Instruction`s and `Facts` out.
//
// `decodeRun` decodes a whole buffer in wasm: calls from JavaScript cost more than the decoding.

export { abort } from "../../src/engine/assertion";
import { decode } from "../../src/engine/x86/decode";
import { FACTS_SIZE, describe } from "../../src/engine/x86/facts";
import { INSTRUCTION_SIZE } from "../../src/engine/x86/instruction";
export { decode };

const CODE_SIZE = 8 << 20;
const code = memory.data(CODE_SIZE, 16);
const instructions = memory.data(16 << 20, 16);
const facts = memory.data(64, 16);

export function codePointer(): usize {
  return code;
}
export function codeSize(): u32 {
  return CODE_SIZE;
}
export function instructionsPointer(): usize {
  return instructions;
}
export function instructionSize(): u32 {
  return INSTRUCTION_SIZE as u32;
}

export function factsPointer(): usize {
  return facts;
}

/** Fills `facts` for the decoded instruction at engine pointer `instruction`, whose bytes are at engine pointer `pointer`. */
export function describeAt(pointer: usize, instruction: usize): void {
  assert(FACTS_SIZE <= 64);
  describe(pointer, instruction, facts);
}

/**
 * Decodes `size` bytes at `code` one after the other; an invalid instruction counts as one byte, of length 0.
 * @returns the number of instructions, which are at `instructions`, at most `limit`
 */
export function decodeRun(start: u32, size: u32, limit: u32): u32 {
  let count: u32 = 0;
  let offset = start;
  while (offset < size && count < limit) {
    const instruction = instructions + count * INSTRUCTION_SIZE;
    const length = decode(code + offset, size - offset, instruction);
    if (length == 0) store<u8>(instruction, 0);
    offset += length == 0 ? 1 : length;
    count++;
  }
  return count;
}

/** Decodes without keeping anything, for the benchmark. Gives the number of instructions. */
export function decodeAll(size: u32): u32 {
  let count: u32 = 0;
  let offset: u32 = 0;
  while (offset < size) {
    const length = decode(code + offset, size - offset, instructions);
    offset += length == 0 ? 1 : length;
    count++;
  }
  return count;
}
