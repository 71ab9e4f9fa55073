// Changes arguments, numbers and results.
import { SystemCall } from "flicker/hook";

export function beforeCall(call: SystemCall): void {
  if (call.number == 1 && call.argument(2) == 7) call.setArgument(2, 3);
  // getuid becomes getpid, lseek is not made at all.
  if (call.number == 102) call.number = 39;
  if (call.number == 8) call.skip(77);
}
export function afterCall(call: SystemCall): void {
  if (call.number == 110) call.result = 4242;
}
