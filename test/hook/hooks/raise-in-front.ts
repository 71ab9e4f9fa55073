// A signal comes in front of an instruction.
import { Context, raise } from "flicker/hook";

const SIGALRM: u32 = 14;

export function before(context: Context): void {
  raise(SIGALRM);
}
