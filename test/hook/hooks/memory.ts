// getppid(address, 0) gives the word at an address, and getppid(address, 1) whether it could be written.
import { SystemCall, peek64, poke64, read, write } from "flicker/hook";

const buffer = memory.data(16);

export function matchCall(number: u32): bool {
  return number == 110;
}
export function beforeCall(call: SystemCall): void {
  const address = call.argument(0);
  if (call.argument(1) != 0) return call.skip(poke64(address, 1) || write(address, buffer, 8) ? 1 : 0);
  const word = peek64(address);
  if (read(buffer, address, 8)) assert(load<u64>(buffer) == word);
  if (word == 0x1122334455667788) poke64(address, 0x99);
  call.skip(word as i64);
}
