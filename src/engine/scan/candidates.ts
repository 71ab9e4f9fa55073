// Candidates: where the bytes `0f 05` stand. What is code is decided afterwards (scan/evidence.ts); decoding a large
// program whole would cost a hundred times as much as this search.
//
// Eight bytes at a time: a byte of 05 is rarer in code than 0f, and `(x - 01...) & ~x & 80...` finds one in a word
// (Mycroft's test, "Hacker's Delight" 6-1). False finds above a true one only cost a second look.

import { Address, peek64, peek8 } from "../process";

const ONES: u64 = 0x0101010101010101;
const HIGHS: u64 = 0x8080808080808080;
const FIVES: u64 = 0x0505050505050505;

function hasFive(word: u64): bool {
  const x = word ^ FIVES;
  return ((x - ONES) & ~x & HIGHS) != 0;
}

/**
 * The next `0f 05` at or after `from` whose two bytes are below `end`.
 * @returns its address, or `end`
 */
export function nextCandidate(from: Address, end: Address): Address {
  // `at` is where the 05 may be.
  let at = from + 1;
  for (; at < end && (at & 7) != 0; at++) if (peek8(at) == 5 && peek8(at - 1) == 0x0f) return at - 1;
  for (; at + 8 <= end; at += 8) {
    if (!hasFive(peek64(at))) continue;
    for (let i: u64 = 0; i < 8; i++) if (peek8(at + i) == 5 && peek8(at + i - 1) == 0x0f) return at + i - 1;
  }
  for (; at < end; at++) if (peek8(at) == 5 && peek8(at - 1) == 0x0f) return at - 1;
  return end;
}
