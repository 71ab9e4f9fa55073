// Lines of text, put together in a buffer of the caller's: the engine has no strings of its own but literals.
//
// Every function appends at engine pointer `at` and gives the pointer behind what it wrote.

import { addressOf, syscall3 } from "./kernel/calls";
import { SYS_WRITE } from "./kernel/numbers";
import { tryCopyIn } from "./process";

export const STDERR: u64 = 2;

/** Appends an ASCII literal. */
export function appendText(at: usize, literal: string): usize {
  const from = changetype<usize>(literal);
  for (let i = 0; i < literal.length; i++) store<u8>(at++, load<u16>(from + ((i as usize) << 1)) as u8);
  return at;
}

export function appendDecimal(at: usize, value: u64): usize {
  let divisor: u64 = 1;
  while (value / divisor >= 10) divisor *= 10;
  for (; divisor != 0; divisor /= 10) store<u8>(at++, (48 + ((value / divisor) % 10)) as u8);
  return at;
}

/** Appends `digits` hexadecimal digits, or as many as the value needs when `digits` is 0. */
export function appendHex(at: usize, value: u64, digits: u32 = 0): usize {
  let count = digits;
  if (count == 0) {
    count = 1;
    while (count < 16 && value >> (4 * count) != 0) count++;
  }
  while (count-- > 0) {
    const digit = ((value >> (4 * count)) & 15) as u8;
    store<u8>(at++, digit < 10 ? 48 + digit : 87 + digit);
  }
  return at;
}

/** Appends a zero-terminated string of linear memory, without its zero. */
export function appendBytes(at: usize, from: usize): usize {
  for (let byte = load<u8>(from); byte != 0; byte = load<u8>(++from)) store<u8>(at++, byte);
  return at;
}

/** Length of a zero-terminated string of linear memory, in bytes, without its zero. */
export function lengthOf(pointer: usize): usize {
  let at = pointer;
  while (load<u8>(at) != 0) at++;
  return at - pointer;
}

/** Whether a zero-terminated string of linear memory is this ASCII literal. */
export function equalsText(pointer: usize, literal: string): bool {
  return startsWithText(pointer, literal) && load<u8>(pointer + (literal.length as usize)) == 0;
}

/** Whether a zero-terminated string of linear memory starts with this ASCII literal. */
export function startsWithText(pointer: usize, literal: string): bool {
  const from = changetype<usize>(literal);
  for (let i: usize = 0; i < (literal.length as usize); i++) {
    if (load<u8>(pointer + i) != (load<u16>(from + (i << 1)) as u8)) return false;
  }
  return true;
}

/** Writes to a descriptor what stands between two engine pointers. */
export function writeOut(descriptor: u64, start: usize, end: usize): void {
  let at = start;
  while (at < end) {
    const written = syscall3(SYS_WRITE, descriptor, addressOf(at), end - at);
    if (written <= 0) return;
    at += written as usize;
  }
}

const PAGE_SIZE: u64 = 4096;

/**
 * Copies a zero-terminated string of the program's into linear memory, its zero included.
 * @returns its length without the zero; -1 when it cannot be read, -2 when it does not fit in `room` bytes
 */
export function copyString(pointer: usize, address: u64, room: usize): isize {
  let copied: usize = 0;
  while (copied < room) {
    // Never over a page's end: the next page may not be there.
    let step = (PAGE_SIZE - ((address + copied) & (PAGE_SIZE - 1))) as usize;
    if (step > room - copied) step = room - copied;
    if (tryCopyIn(pointer + copied, address + copied, step) != 0) return -1;
    for (let i: usize = 0; i < step; i++) if (load<u8>(pointer + copied + i) == 0) return (copied + i) as isize;
    copied += step;
  }
  return -2;
}
