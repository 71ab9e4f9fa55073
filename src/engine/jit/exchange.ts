// Changing bytes of pages that other threads may be writing to: nothing that they write is lost.

import { Address, compareExchange32, peek32 } from "../process";

const word = memory.data(4, 4);

/** Changes those bytes of the aligned word at `at` that lie in [address, address + size); false when others are there. */
function exchangeWord(at: Address, address: Address, from: usize, to: usize, size: u32): bool {
  while (true) {
    const found = peek32(at);
    store<u32>(word, found);
    for (let i: u32 = 0; i < 4; i++) {
      const offset = at + (i as u64) - address;
      if (offset >= (size as u64)) continue;
      if (load<u8>(word + i) != load<u8>(from + (offset as usize))) return false;
      store<u8>(word + i, load<u8>(to + (offset as usize)));
    }
    if (compareExchange32(at, found, load<u32>(word)) == found) return true;
  }
}

/** Whether the aligned word at `at` differs in the two images of [address, address + size). */
function differs(at: Address, address: Address, from: usize, to: usize, size: u32): bool {
  for (let i: u32 = 0; i < 4; i++) {
    const offset = at + (i as u64) - address;
    if (offset < (size as u64) && load<u8>(from + (offset as usize)) != load<u8>(to + (offset as usize))) return true;
  }
  return false;
}

/**
 * Puts the bytes of one image in the place of another's, where they differ: [address, address + size) of the process, which
 * can be written. A word that is not as `from` has it stays as it is.
 */
export function exchangeBytes(address: Address, from: usize, to: usize, size: u32): void {
  const end = address + (size as u64);
  for (let at = address & ~3; at < end;) {
    const offset = (at - address) as usize;
    if (at >= address && at + 8 <= end && load<u64>(from + offset) == load<u64>(to + offset)) {
      at += 8;
      continue;
    }
    if (differs(at, address, from, to, size)) exchangeWord(at, address, from, to, size);
    at += 4;
  }
}
