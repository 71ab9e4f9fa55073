// Each getppid is made three times.
import { Counter, SystemCall } from "flicker/hook";

const made = new Counter("made");
let turn: u32 = 0;

export function matchCall(number: u32): bool {
  return number == 110;
}
export function afterCall(call: SystemCall): void {
  made.add(1);
  turn++;
  if (turn % 3 != 0) call.retry();
}
