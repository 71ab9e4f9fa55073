// Reads behind a table when it is asked about an instruction.
import { Context, Instruction } from "flicker/hook";

const table = new StaticArray<u64>(16);

export function match(instruction: Instruction): bool {
  return table[instruction.size * 100] != 0;
}
export function before(context: Context): void {}
