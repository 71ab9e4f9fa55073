// Candidates: where the bytes `0f 05` stand. What is code is decided afterwards (scan/evidence.ts); decoding a large
// program whole would cost a hundred times as much as this search.
//
// Eight places at a time: the eight bytes where 05 must be and, one byte further down, those where 0f must be. Their
// differences from both are zero together at a candidate, and `(x - 01...) & ~x & 80...` tells whether a byte of a word is
// zero; the lowest bit that is set is right, bits above it may be carries (Mycroft's test, "Hacker's Delight" 6-1).

import { Address, peek64, peek8 } from "../process";

const ONES: u64 = 0x0101010101010101;
const HIGHS: u64 = 0x8080808080808080;
const FIVES: u64 = 0x0505050505050505;
const FIFTEENS: u64 = 0x0f0f0f0f0f0f0f0f;

/** A zero byte for each of the eight places from `at` on at which `0f 05` stands. */
function differences(at: Address): u64 {
  return (peek64(at) ^ FIFTEENS) | (peek64(at + 1) ^ FIVES);
}

/**
 * The next `0f 05` at or after `from` whose two bytes are below `end`.
 * @returns its address, or `end`
 */
export function nextCandidate(from: Address, end: Address): Address {
  let at = from;
  for (; at + 33 <= end; at += 32) {
    const a = differences(at);
    const b = differences(at + 8);
    const c = differences(at + 16);
    const d = differences(at + 24);
    if (((((a - ONES) & ~a) | ((b - ONES) & ~b) | ((c - ONES) & ~c) | ((d - ONES) & ~d)) & HIGHS) != 0) break;
  }
  for (; at + 9 <= end; at += 8) {
    const x = differences(at);
    const zeros = (x - ONES) & ~x & HIGHS;
    if (zeros != 0) return at + (ctz(zeros) >> 3);
  }
  for (; at + 2 <= end; at++) if (peek8(at) == 0x0f && peek8(at + 1) == 5) return at;
  return end;
}
