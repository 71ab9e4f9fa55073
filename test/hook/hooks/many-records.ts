// Records that a reader can check: getppid(first, count, bytes, size) writes `count` of them, numbered, with some bytes of memory.

import { SystemCall, ring } from "flicker/hook";

const GETPPID: u32 = 110;

export function matchCall(number: u32): bool {
  return number == GETPPID;
}

export function beforeCall(call: SystemCall): void {
  const first = call.argument(0);
  const count = call.argument(1);
  const size = call.argument(3);
  for (let i: u64 = 0; i < count; i++) {
    if (!ring.begin(7)) return;
    ring.u64(first + i);
    if (size != 0) ring.memory(call.argument(2), ((first + i) % size) as u32, 5);
    ring.end();
  }
}
