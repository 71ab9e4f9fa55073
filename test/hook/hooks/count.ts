// Counts how often it sees getppid and read begin and end.
import { Counter, SystemCall } from "flicker/hook";

const GETPPID: u64 = 110;

const before = new Counter("getppid before");
const after = new Counter("getppid after");
const readsBefore = new Counter("read before");
const readsAfter = new Counter("read after");

export function matchCall(number: u32): bool {
  return number == 0 || number == 110;
}
export function beforeCall(call: SystemCall): void {
  if (call.number == GETPPID) before.add(1);
  else if (call.argument(2) == 1) readsBefore.add(1);
}
export function afterCall(call: SystemCall): void {
  if (call.number == GETPPID) after.add(1);
  else if (call.argument(2) == 1) readsAfter.add(1);
}
