// Counts beginnings and ends of an instruction, and adds up what is in rdi then.
import { Context, Counter } from "flicker/hook";

const begins = new Counter("begins");
const ends = new Counter("ends");
const found = new Counter("found");
const left = new Counter("left");

export function before(context: Context): void {
  begins.add(1);
  found.add(context.rdi);
}
export function after(context: Context): void {
  ends.add(1);
  left.add(context.rdi);
}
