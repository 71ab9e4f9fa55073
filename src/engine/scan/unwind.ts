// Functions by the file's own word: the unwind table that compilers write for exceptions and backtraces.
//
// An FDE says where a function starts and how long it is. The start is an instruction's start for certain, which no vote
// among decodings can say (scan/evidence.ts). .eh_frame_hdr is a table of all FDEs sorted by their function's address:
//
//   +0  version 1, encodings of: pointer to .eh_frame (any of 4 bytes), count (udata4), table (datarel | sdata4)
//   +4  pointer to .eh_frame,  +8  count,  +12  pairs of i32: function - header, FDE - header
//
// Linux Standard Base Core 5.0, 10.6 "Exception Frames"; DWARF 5, 6.4.1. The files of musl, Go and of hand-written
// assembly have no FDEs, or few: what is in none of them is not decided here.
//
// The entry point is a certain start, too. Few candidates ask (patch/verdict.ts), all with --strict. Everything is read
// from the file with pread, an entry of the table at a time, about 20 reads a question; who reads all functions copies the
// table first.

import { addressOf, syscall4 } from "../kernel/calls";
import { SYS_PREAD64 } from "../kernel/numbers";
import {
  ELF_MAGIC,
  FileHeader,
  PF_X,
  PROGRAM_HEADER_SIZE,
  PT_GNU_EH_FRAME,
  PT_LOAD,
  ProgramHeader,
  programHeader,
} from "../load/elf";

const fileHeader = memory.data(64, 8);
/** Program headers, as many as an ordinary file has. */
const HEADERS_MAX: u32 = 64;
const headers = memory.data(3584, 8);
let headerCount: u32 = 0;

let descriptor: i32 = -1;
/** Address in the file's own terms of .eh_frame_hdr, and its number of FDEs: 0 when there is nothing to search. */
let table: u64 = 0;
let fdeCount: u32 = 0;

const TABLE_ENCODINGS: u32 = 0x3b03;
const buffer = memory.data(64, 8);

/** Offset in the file of the program's entry point, or u64.MAX_VALUE. */
export let entryOffset: u64 = 0;

/** Start and end, as offsets in the file, of the function that `findFunction` or `readFunction` found. */
export let functionStart: u64 = 0;
export let functionEnd: u64 = 0;

/** The segment that holds a byte: by its offset in the file if `byOffset`, else by its address. Null when none does. */
function segmentOf(place: u64, byOffset: bool): ProgramHeader | null {
  for (let i: u32 = 0; i < headerCount; i++) {
    const segment = programHeader(headers, i);
    if (segment.type != PT_LOAD) continue;
    if (place - (byOffset ? segment.offset : segment.vaddr) < segment.filesz) return segment;
  }
  return null;
}

/** The address that a byte of the file has in the file's own terms, as objdump prints it; its offset where no segment has it. */
export function linkAddressOf(offset: u64): u64 {
  const segment = segmentOf(offset, true);
  return segment == null ? offset : offset - segment.offset + segment.vaddr;
}

// A copy of the file from `copyStart` on, by its own addresses, in memory of the caller's: see `copyUnwindTable`.
let copy: usize = 0;
let copyStart: u64 = 0;
let copySize: usize = 0;

/** Reads bytes at an address of the file's own. */
function readAt(address: u64, size: usize): bool {
  if (address - copyStart + (size as u64) <= (copySize as u64) && address >= copyStart) {
    memory.copy(buffer, copy + ((address - copyStart) as usize), size);
    return true;
  }
  const segment = segmentOf(address, false);
  if (segment == null) return false;
  const offset = address - segment.vaddr + segment.offset;
  return syscall4(SYS_PREAD64, descriptor, addressOf(buffer), size, offset) == (size as i64);
}

/** Reads a word of 4 or 8 bytes at an address of the open file's own, sign-extended, into `word`; false when none is there. */
export function readWord(address: u64, size: usize): bool {
  if (!readAt(address, size)) return false;
  word = size == 4 ? (load<i32>(buffer) as i64) : load<i64>(buffer);
  return true;
}
export let word: i64 = 0;

/** Whether code of the open file is at an address of the file's own. */
export function isCodeAt(address: u64): bool {
  const segment = segmentOf(address, false);
  return segment != null && (segment.flags & PF_X) != 0;
}

/** Bytes that a copy of the open file's table has, with all that lies behind it in its segment: .eh_frame is there. */
export function unwindTableSize(): usize {
  const segment = segmentOf(table, false);
  return fdeCount == 0 || segment == null ? 0 : ((segment.vaddr + segment.filesz - table) as usize);
}

/** Copies that into memory of the caller's, which answers for the file until the next one is opened, or until `dropCopy`. */
export function copyUnwindTable(pointer: usize): void {
  const size = unwindTableSize();
  const segment = segmentOf(table, false)!;
  const got = syscall4(SYS_PREAD64, descriptor, addressOf(pointer), size, table - segment.vaddr + segment.offset);
  if (got != (size as i64)) return;
  copy = pointer;
  copyStart = table;
  copySize = size;
}

export function dropCopy(): void {
  copySize = 0;
}

/** Gets a file's table ready for `findFunction`. */
export function openUnwindTable(fileDescriptor: i32): void {
  descriptor = fileDescriptor;
  fdeCount = 0;
  copySize = 0;
  entryOffset = u64.MAX_VALUE;
  if (syscall4(SYS_PREAD64, descriptor, addressOf(fileHeader), 64, 0) != 64) return;
  const file = changetype<FileHeader>(fileHeader);
  if (file.magic != ELF_MAGIC || (file.phentsize as usize) != PROGRAM_HEADER_SIZE) return;
  headerCount = min(file.phnum as u32, HEADERS_MAX);
  const size = (headerCount as usize) * PROGRAM_HEADER_SIZE;
  if (syscall4(SYS_PREAD64, descriptor, addressOf(headers), size, file.phoff) != (size as i64)) return;
  const entrySegment = segmentOf(file.entry, false);
  if (entrySegment != null && (entrySegment.flags & PF_X) != 0)
    entryOffset = file.entry - entrySegment.vaddr + entrySegment.offset;
  for (let i: u32 = 0; i < headerCount; i++) {
    const segment = programHeader(headers, i);
    if (segment.type != PT_GNU_EH_FRAME) continue;
    table = segment.vaddr;
    if (!readAt(table, 12)) return;
    const pointerSize = load<u8>(buffer, 1) & 7;
    if (load<u8>(buffer) != 1 || pointerSize != 3 || load<u16>(buffer, 2) != (TABLE_ENCODINGS as u16)) return;
    fdeCount = load<u32>(buffer, 8);
    return;
  }
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
let isSignalFrame: bool = false;

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

/** How many functions the table of the open file describes. */
export function functionCount(): u32 {
  return fdeCount;
}

/**
 * Reads function `index`, in order of address, into `functionStart` and `functionEnd`; false when it cannot be read, or is
 * where signal handlers return to.
 */
export function readFunction(index: u32): bool {
  if (!readPair(index)) return false;
  const start = table + (load<i32>(buffer) as i64 as u64);
  const size = sizeOfFunction(table + (load<i32>(buffer, 4) as i64 as u64));
  const segment = segmentOf(start, false);
  if (size == 0 || isSignalFrame || segment == null || (segment.flags & PF_X) == 0) return false;
  functionStart = start - segment.vaddr + segment.offset;
  functionEnd = functionStart + size;
  return true;
}

/** Finds the function that holds the byte at an offset in the file; false when the table knows none. */
export function findFunction(offset: u64): bool {
  if (fdeCount == 0) return false;
  const segment = segmentOf(offset, true);
  if (segment == null || (segment.flags & PF_X) == 0) return false;
  const address = offset - segment.offset + segment.vaddr;
  const wanted = (address - table) as i64;
  // The last pair at or below the address.
  let low: u32 = 0;
  let high = fdeCount;
  while (low < high) {
    const middle = low + (high - low) / 2;
    if (!readPair(middle)) return false;
    if ((load<i32>(buffer) as i64) <= wanted) low = middle + 1;
    else high = middle;
  }
  if (low == 0 || !readPair(low - 1)) return false;
  const start = table + (load<i32>(buffer) as i64 as u64);
  const size = sizeOfFunction(table + (load<i32>(buffer, 4) as i64 as u64));
  if (address - start >= size) return false;
  functionStart = offset - (address - start);
  functionEnd = functionStart + size;
  return true;
}
