// The decoder and the facts, for facts.test.ts: one instruction in, one `Facts` out.

export { abort } from "../../src/engine/assertion";
import { decode } from "../../src/engine/x86/decode";
import { FACTS_SIZE, describe } from "../../src/engine/x86/facts";
import { INSTRUCTION_SIZE } from "../../src/engine/x86/instruction";

const code = memory.data(32, 16);
const instruction = memory.data(64, 16);
const facts = memory.data(64, 16);

export function codePointer(): usize {
  return code;
}
export function factsPointer(): usize {
  return facts;
}
export function instructionPointer(): usize {
  return instruction;
}
/** Decodes and describes the `size` bytes at `code`. Gives the length, 0 for invalid. */
export function describeCode(size: u32): u32 {
  assert(INSTRUCTION_SIZE <= 64);
  assert(FACTS_SIZE <= 64);
  const length = decode(code, size, instruction);
  if (length != 0) describe(code, instruction, facts);
  return length;
}
