// Counts conditional jumps with a short displacement, as its own `match` has it.
import { Context, Counter, Instruction } from "flicker/hook";

const jumps = new Counter("short conditional jumps");

export function match(instruction: Instruction): bool {
  return instruction.isConditional && instruction.size == 2;
}
export function before(context: Context): void {
  jumps.add(1);
}
