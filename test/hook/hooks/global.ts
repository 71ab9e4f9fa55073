// Counts in a global that changes, with a tally by argument: one thread at a time may be in it.
import { SystemCall, log } from "flicker/hook";

let count: u64 = 0;

export function beforeCall(call: SystemCall): void {
  if (call.number == 110) count++;
  if (call.number == 231) log.text("counted ").unsigned(count).end();
}
