// A signal comes behind an instruction.
import { Context, raise } from "flicker/hook";

const SIGALRM: u32 = 14;

export function after(context: Context): void {
  raise(SIGALRM);
}
