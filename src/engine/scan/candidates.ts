// Candidates: where the bytes `0f 05` stand. What is code is decided afterwards (scan/evidence.ts); decoding a large
// program whole would cost a hundred times as much as this search.
//
// Eight places at a time: the eight bytes where 05 must be and, one byte further down, those where 0f must be. Their
// differences from both are zero together at a candidate, and `(x - 01...) & ~x & 80...` tells whether a byte of a word is
// zero; the lowest bit that is set is right, bits above it may be carries (Mycroft's test, "Hacker's Delight" 6-1).

import { Address, peek64, peek8 } from "../process";

const HIGHS: u64 = 0x8080808080808080;
const FIVES: u64 = 0x0505050505050505;
const AES: u64 = 0xaeaeaeaeaeaeaeae;
const FIFTEENS: u64 = 0x0f0f0f0f0f0f0f0f;
const ONES: u64 = 0x0101010101010101;
/** The same in memory: constants that the loop loads stay in registers, others are ten bytes of code wherever they are used. */
const constants = memory.data<u64>([FIVES, AES, FIFTEENS, ONES]);

/** Whether an instruction that reads or writes gs base has been come across: `rdgsbase`, `wrgsbase`. */
export let gsBaseSeen: bool = false;

/** The high bit of a byte that is zero, and perhaps of bytes above it. */
function zeros(x: u64, ones: u64): u64 {
  return (x - ones) & ~x;
}

/**
 * `f3 [REX] 0f ae /1` is rdgsbase, `/3` wrgsbase, with a register as operand: SDM volume 2. Four bytes do not come together
 * by chance, and what a mistake costs is time, so nobody asks whether it is code.
 * @param at where `0f ae` stands, @param start where there is code in front of it, @param end where it ends
 */
function lookForGsBase(at: Address, start: Address, end: Address): void {
  if (at + 3 > end) return;
  const operands = peek8(at + 2);
  if ((operands & 0xe8) != 0xc8) return;
  if (at >= start + 1 && peek8(at - 1) == 0xf3) gsBaseSeen = true;
  else if (at >= start + 2 && peek8(at - 2) == 0xf3 && (peek8(at - 1) & 0xf0) == 0x40) gsBaseSeen = true;
}

/** The next `0f 05` or `0f ae` at or after `from` whose two bytes are below `end`; `end` if there is none. */
function nextMatch(from: Address, end: Address): Address {
  const fives = load<u64>(constants);
  const aes = load<u64>(constants, 8);
  const fifteens = load<u64>(constants, 16);
  const ones = load<u64>(constants, 24);
  let at = from;
  for (; at + 33 <= end; at += 32) {
    let first = peek64(at) ^ fifteens;
    let second = peek64(at + 1);
    let found = zeros(first | (second ^ fives), ones) | zeros(first | (second ^ aes), ones);
    first = peek64(at + 8) ^ fifteens;
    second = peek64(at + 9);
    found |= zeros(first | (second ^ fives), ones) | zeros(first | (second ^ aes), ones);
    first = peek64(at + 16) ^ fifteens;
    second = peek64(at + 17);
    found |= zeros(first | (second ^ fives), ones) | zeros(first | (second ^ aes), ones);
    first = peek64(at + 24) ^ fifteens;
    second = peek64(at + 25);
    found |= zeros(first | (second ^ fives), ones) | zeros(first | (second ^ aes), ones);
    if ((found & HIGHS) != 0) break;
  }
  for (; at + 9 <= end; at += 8) {
    const first = peek64(at) ^ fifteens;
    const second = peek64(at + 1);
    const found = (zeros(first | (second ^ fives), ones) | zeros(first | (second ^ aes), ones)) & HIGHS;
    if (found != 0) return at + (ctz(found) >> 3);
  }
  for (; at + 2 <= end; at++) if (peek8(at) == 0x0f && (peek8(at + 1) == 5 || peek8(at + 1) == 0xae)) return at;
  return end;
}

/**
 * The next `0f 05` at or after `from` whose two bytes are below `end`. What reads or writes gs base on the way is noticed.
 * @returns its address, or `end`
 */
export function nextCandidate(from: Address, end: Address): Address {
  let at = nextMatch(from, end);
  while (at != end && peek8(at + 1) != 5) {
    lookForGsBase(at, from, end);
    at = nextMatch(at + 1, end);
  }
  return at;
}
