// Sections as fences: which parts of an executable mapping are code, by the file's own word.
//
// Linkers that make one read-execute segment of everything (lld --no-rosegment, old ld) put relocation tables, strings
// and constants into executable pages; a vote among decodings is easily fooled by tables. Section headers tell them
// apart: only what has SHF_EXECINSTR is searched. A file without usable section headers is searched whole.

import { addressOf, isError, syscall4 } from "../kernel/calls";
import { SYS_PREAD64 } from "../kernel/numbers";
import { ELF_MAGIC, FileHeader } from "../load/elf";

/** Elf64_Shdr */
@unmanaged
export class SectionHeader {
  name: u32;
  type: u32;
  flags: u64;
  address: u64;
  offset: u64;
  size: u64;
  link: u32;
  info: u32;
  alignment: u64;
  entrySize: u64;
}
export const SECTION_HEADER_SIZE: u16 = 64;
const SHT_NOBITS: u32 = 8;
const SHF_EXECINSTR: u64 = 4;

const header = memory.data(64, 8);
/** Section headers are read this many at a time. */
const BATCH: u32 = 64;
const batch = memory.data(4096, 8);

/** Ranges of file offsets that are code: u64 start, u64 end, ascending and apart. */
const RANGES_MAX: u32 = 256;
const ranges = memory.data(4096, 8);
let rangeCount: u32 = 0;

export function codeRangeCount(): u32 {
  return rangeCount;
}
export function codeRangeStart(index: u32): u64 {
  return load<u64>(ranges + (index << 4));
}
export function codeRangeEnd(index: u32): u64 {
  return load<u64>(ranges + (index << 4), 8);
}

function readExactly(descriptor: i32, pointer: usize, size: usize, offset: u64): bool {
  return syscall4(SYS_PREAD64, descriptor, addressOf(pointer), size, offset) == (size as i64);
}

/** Adds a range, merged with the last when they touch; false when it is out of order or there are too many. */
function addRange(start: u64, end: u64): bool {
  if (rangeCount != 0) {
    const last = ranges + ((rangeCount - 1) << 4);
    if (start < load<u64>(last)) return false;
    if (start <= load<u64>(last, 8)) {
      if (end > load<u64>(last, 8)) store<u64>(last, end, 8);
      return true;
    }
  }
  if (rangeCount == RANGES_MAX) return false;
  store<u64>(ranges + (rangeCount << 4), start);
  store<u64>(ranges + (rangeCount << 4), end, 8);
  rangeCount += 1;
  return true;
}

/** Reads the code ranges of sections from a file; false when it has no usable section headers. */
function readSections(descriptor: i32): bool {
  if (!readExactly(descriptor, header, 64, 0)) return false;
  const file = changetype<FileHeader>(header);
  if (file.magic != ELF_MAGIC || file.shoff == 0 || file.shnum == 0) return false;
  if (file.shentsize != SECTION_HEADER_SIZE) return false;
  const count: u32 = file.shnum;
  for (let first: u32 = 0; first < count; first += BATCH) {
    const size = min(BATCH, count - first) * (SECTION_HEADER_SIZE as u32);
    const offset = file.shoff + (first as u64) * (SECTION_HEADER_SIZE as u64);
    const got = syscall4(SYS_PREAD64, descriptor, addressOf(batch), size, offset);
    if (isError(got) || got != (size as i64)) return false;
    for (let at: u32 = 0; at < size; at += SECTION_HEADER_SIZE) {
      const section = changetype<SectionHeader>(batch + at);
      if ((section.flags & SHF_EXECINSTR) == 0 || section.type == SHT_NOBITS || section.size == 0) continue;
      if (section.offset + section.size < section.offset) return false;
      if (!addRange(section.offset, section.offset + section.size)) return false;
    }
  }
  return rangeCount != 0;
}

/** Finds the ranges of a file's bytes that are code. Without usable section headers that is everything. */
export function findCodeRanges(descriptor: i32): void {
  rangeCount = 0;
  if (readSections(descriptor)) return;
  allIsCode();
}

/** For a mapping that no file describes. */
export function allIsCode(): void {
  rangeCount = 0;
  addRange(0, u64.MAX_VALUE);
}
