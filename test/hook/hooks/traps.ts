// What goes wrong in a hook, by the number of the call.
import { SystemCall, read } from "flicker/hook";

const table = new StaticArray<u32>(4);

export function beforeCall(call: SystemCall): void {
  const zero = call.argument(0) as u32;
  if (call.number == 110) store<u32>(0x7ffffff0 + zero, 1);
  if (call.number == 102) store<u32>(64, 7 / zero);
  if (call.number == 104) unreachable();
  if (call.number == 107) assert(zero != 0, "zero is one");
  if (call.number == 108) table[zero + 4] = 1;
  if (call.number == 39) call.retry();
  if (call.number == 186) read(0x7ffffff0, call.site, 8);
}
