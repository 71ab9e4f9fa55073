// Files cannot be removed: the call is not made.
import { SystemCall, log } from "flicker/hook";

const EPERM: i64 = 1;

export function matchCall(number: u32): bool {
  return number == 87 || number == 263;
}
export function beforeCall(call: SystemCall): void {
  const path = call.number == 87 ? call.argument(0) : call.argument(1);
  log.text("keeps ").string(path).end();
  call.skip(-EPERM);
}
