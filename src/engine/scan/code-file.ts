// The file whose code is being looked at: its segments, and bytes at addresses of its own, read with pread.

import { addressOf, syscall4 } from "../kernel/calls";
import { SYS_PREAD64 } from "../kernel/numbers";
import { ELF_MAGIC, FileHeader, PF_X, PROGRAM_HEADER_SIZE, PT_LOAD, ProgramHeader, programHeader } from "../load/elf";

/** The `FileHeader` of the open file. */
export const fileHeader = memory.data(64, 8);
/** Program headers, as many as an ordinary file has. */
const HEADERS_MAX: u32 = 64;
const headers = memory.data(3584, 8);
let headerCount: u32 = 0;

let descriptor: i32 = -1;
/** What `readAt` has read. */
export const bytesRead = memory.data(64, 8);

/** Offset in the file of the program's entry point, or u64.MAX_VALUE. */
export let entryOffset: u64 = 0;

/** The segment that holds a byte: by its offset in the file if `byOffset`, else by its address. Null when none does. */
export function segmentOf(place: u64, byOffset: bool): ProgramHeader | null {
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

/** Where the code at an address of the file's own is in the file; u64.MAX_VALUE when no code is there. */
export function codeOffsetOf(address: u64): u64 {
  const segment = segmentOf(address, false);
  if (segment == null || (segment.flags & PF_X) == 0) return u64.MAX_VALUE;
  return address - segment.vaddr + segment.offset;
}

/** Whether code of the open file is at an address of the file's own. */
export function isCodeAt(address: u64): bool {
  return codeOffsetOf(address) != u64.MAX_VALUE;
}

// A copy of the file from `copyStart` on, by its own addresses, in memory of the caller's.
let copy: usize = 0;
let copyStart: u64 = 0;
let copySize: usize = 0;

// What was read last, and what lies behind it: jump tables are read a word at a time.
const PIECE_SIZE: usize = 2048;
const piece = memory.data(2048, 8);
let pieceStart: u64 = 0;
let pieceEnd: u64 = 0;

/** Reads `size` bytes at an offset in the file. */
export function readFile(pointer: usize, size: usize, offset: u64): bool {
  return syscall4(SYS_PREAD64, descriptor, addressOf(pointer), size, offset) == (size as i64);
}

/** Reads up to 64 bytes at an address of the file's own into `bytesRead`; false when they are not there. */
export function readAt(address: u64, size: usize): bool {
  if (address - copyStart + (size as u64) <= (copySize as u64) && address >= copyStart) {
    memory.copy(bytesRead, copy + ((address - copyStart) as usize), size);
    return true;
  }
  const segment = segmentOf(address, false);
  if (segment == null) return false;
  const offset = address - segment.vaddr + segment.offset;
  if (offset < pieceStart || offset + (size as u64) > pieceEnd) {
    const got = syscall4(SYS_PREAD64, descriptor, addressOf(piece), PIECE_SIZE, offset);
    pieceStart = offset;
    pieceEnd = offset + (max<i64>(got, 0) as u64);
    if (got < (size as i64)) return false;
  }
  memory.copy(bytesRead, piece + ((offset - pieceStart) as usize), size);
  return true;
}

/** Reads a word of 4 or 8 bytes at an address of the open file's own, sign-extended, into `word`; false when none is there. */
export function readWord(address: u64, size: usize): bool {
  if (!readAt(address, size)) return false;
  word = size == 4 ? (load<i32>(bytesRead) as i64) : load<i64>(bytesRead);
  return true;
}
export let word: i64 = 0;

/** Copies [address, address + size) into memory of the caller's, which answers for the file until the next one is opened, or until `dropCopy`. */
export function copyOfFile(pointer: usize, address: u64, size: usize): void {
  const segment = segmentOf(address, false)!;
  if (!readFile(pointer, size, address - segment.vaddr + segment.offset)) return;
  copy = pointer;
  copyStart = address;
  copySize = size;
}

export function dropCopy(): void {
  copySize = 0;
}

/** No file is open: addresses are the process's, and offsets are the same. */
export function closeCodeFile(): void {
  descriptor = -1;
  headerCount = 0;
  copySize = 0;
  pieceEnd = 0;
}

/** Opens the file of a descriptor; false when it is no ELF file, or has headers that nobody writes. */
export function openCodeFile(fileDescriptor: i32): bool {
  descriptor = fileDescriptor;
  headerCount = 0;
  copySize = 0;
  pieceEnd = 0;
  entryOffset = u64.MAX_VALUE;
  if (!readFile(fileHeader, 64, 0)) return false;
  const file = changetype<FileHeader>(fileHeader);
  if (file.magic != ELF_MAGIC || (file.phentsize as usize) != PROGRAM_HEADER_SIZE) return false;
  const count = min(file.phnum as u32, HEADERS_MAX);
  if (!readFile(headers, (count as usize) * PROGRAM_HEADER_SIZE, file.phoff)) return false;
  headerCount = count;
  entryOffset = codeOffsetOf(file.entry);
  return true;
}

/** The first segment of a type, or null. */
export function segmentOfType(type: u32): ProgramHeader | null {
  for (let i: u32 = 0; i < headerCount; i++) {
    const segment = programHeader(headers, i);
    if (segment.type == type) return segment;
  }
  return null;
}
