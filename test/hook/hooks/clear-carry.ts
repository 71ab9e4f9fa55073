// Behind an instruction, CF is cleared; nothing is called in front of it.
import { Context, Counter } from "flicker/hook";

const CF: u64 = 1;
const ends = new Counter("ends");

export function after(context: Context): void {
  ends.add(1);
  context.flags &= ~CF;
}
