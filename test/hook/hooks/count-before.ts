// Counts beginnings alone: the kernel answers without coming back to the engine.
import { Counter, SystemCall } from "flicker/hook";

const getppids = new Counter("getppid");
const reads = new Counter("read");

export function matchCall(number: u32): bool {
  return number == 0 || number == 110;
}
export function beforeCall(call: SystemCall): void {
  if (call.number == 110) getppids.add(1);
  else if (call.argument(2) == 1) reads.add(1);
}
