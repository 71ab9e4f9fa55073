// The unwind table that compilers write for exceptions and backtraces.
//
// An FDE says where a function starts and how long it is. The start is an instruction's start for certain, which no vote
// among decodings can say (scan/evidence.ts). .eh_frame_hdr is a table of all FDEs sorted by their function's address:
//
//   +0  version 1, encodings of: pointer to .eh_frame (any of 4 bytes), count (udata4), table (datarel | sdata4)
//   +4  pointer to .eh_frame,  +8  count,  +12  pairs of i32: function - header, FDE - header
//
// Linux Standard Base Core 5.0, 10.6 "Exception Frames"; DWARF 5, 6.4.1. The files of musl, Go and of hand-written
// assembly have no FDEs, or few.

import { PT_GNU_EH_FRAME } from "../load/elf";
import { bytesRead as buffer, isCodeAt, readAt, segmentOf, segmentOfType } from "./code-file";

/** Address in the file's own terms of .eh_frame_hdr, and its number of FDEs: 0 when there is nothing to search. */
let table: u64 = 0;
let fdeCount: u32 = 0;

const TABLE_ENCODINGS: u32 = 0x3b03;

/** Address in the file's own terms of the function that `readFde` read, and its size in bytes. */
export let fdeAddress: u64 = 0;
export let fdeSize: u64 = 0;

/** Where the table of the open file is; with all that lies behind it in its segment, .eh_frame is there. */
export function unwindTableAddress(): u64 {
  return table;
}
export function unwindTableSize(): usize {
  const segment = segmentOf(table, false);
  return fdeCount == 0 || segment == null ? 0 : ((segment.vaddr + segment.filesz - table) as usize);
}

/** Finds the table of the open file; gives how many functions it describes. */
export function openUnwindTable(): u32 {
  fdeCount = 0;
  const segment = segmentOfType(PT_GNU_EH_FRAME);
  if (segment == null) return 0;
  table = segment.vaddr;
  if (!readAt(table, 12)) return 0;
  const pointerSize = load<u8>(buffer, 1) & 7;
  if (load<u8>(buffer) != 1 || pointerSize != 3 || load<u16>(buffer, 2) != (TABLE_ENCODINGS as u16)) return 0;
  fdeCount = load<u32>(buffer, 8);
  return fdeCount;
}

/** Reads one pair of the table into the buffer. */
function readPair(index: u32): bool {
  return readAt(table + 12 + ((index as u64) << 3), 8);
}

/** Bytes of a pointer with a DWARF encoding, or 0 for one of variable size. */
function sizeOfEncoding(encoding: u8): u32 {
  const format = encoding & 7;
  if (format == 0 || format == 4) return 8;
  if (format == 3) return 4;
  return 0;
}

/**
 * Whether the CIE that was read last is of signal frames (`S`). Their FDEs start a byte before the code, since unwinders look
 * for the byte before a return address (sysdeps/unix/sysv/linux/x86_64/libc_sigaction.c of glibc).
 */
export let isSignalFrame: bool = false;

/** The encoding of a CIE's code addresses: the argument of `R` in its augmentation string. 0xff when it cannot be read. */
function codeEncoding(cie: u64): u8 {
  memory.fill(buffer, 0, 64);
  isSignalFrame = false;
  if (!readAt(cie, 40)) return 0xff;
  // length u32, id u32, version u8, augmentation string
  const text = buffer + 9;
  if (load<u8>(text) == 0) return 0;
  if (load<u8>(text) != 122) return 0xff;
  let at = text;
  while (load<u8>(at) != 0) at++;
  // Alignment of code and of data, the return address's register, the size of the augmentation: four LEB128.
  at++;
  for (let i = 0; i < 4; i++) {
    while (load<u8>(at) & 0x80) at++;
    at++;
  }
  for (let letter = text + 1; load<u8>(letter) != 0; letter++) if (load<u8>(letter) == 83) isSignalFrame = true;
  for (let letter = text + 1; load<u8>(letter) != 0; letter++) {
    const name = load<u8>(letter);
    if (name == 82) return load<u8>(at);
    if (name == 76) at += 1;
    else if (name == 80) at += 1 + sizeOfEncoding(load<u8>(at));
  }
  return 0;
}

/** Size of the function that an FDE describes, or 0 when it cannot be read. */
function sizeOfFunction(fde: u64): u64 {
  if (!readAt(fde, 8)) return 0;
  // A length of ffffffff introduces the 64-bit format, which nobody writes for AMD64.
  if (load<u32>(buffer) == 0xffffffff) return 0;
  const size = sizeOfEncoding(codeEncoding(fde + 4 - (load<u32>(buffer, 4) as u64)));
  if (size == 0 || !readAt(fde + 8 + (size as u64), size)) return 0;
  return size == 4 ? (load<u32>(buffer) as u64) : load<u64>(buffer);
}

/** Number of FDEs whose function starts at or below an address of the file's own; -1 when the table cannot be read. */
export function fdesUpTo(address: u64): i32 {
  const wanted = (address - table) as i64;
  let low: u32 = 0;
  let high = fdeCount;
  while (low < high) {
    const middle = low + (high - low) / 2;
    if (!readPair(middle)) return -1;
    if ((load<i32>(buffer) as i64) <= wanted) low = middle + 1;
    else high = middle;
  }
  return low as i32;
}

/**
 * Reads FDE `index`, in order of address, into `fdeAddress`, `fdeSize` and `isSignalFrame`; false when it cannot be read, or
 * describes no code.
 */
export function readFde(index: u32): bool {
  if (!readPair(index)) return false;
  fdeAddress = table + (load<i32>(buffer) as i64 as u64);
  fdeSize = sizeOfFunction(table + (load<i32>(buffer, 4) as i64 as u64));
  return fdeSize != 0 && isCodeAt(fdeAddress);
}
