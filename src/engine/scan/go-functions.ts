// The table that Go's linker writes for tracebacks, .gopclntab: Go's files have no unwind table. All of Go's functions are in it, and
// lie one behind the other, assembly and the runtime's own too, with `int3` in between.
//
//   +0   magic u32: 0xfffffff0 (Go 1.18) or 0xfffffff1 (1.20), 0, 0, quantum 1, size of a pointer 8
//   +8   functions u64,  +16 files u64,  +24 text u64: `runtime.text`, or 0 in position-independent files, for ld.so to fill in
//   +64  offset of functab: pairs of u32, start - text and more; then the last one's end
//
// runtime/symtab.go (pcHeader, functab) and debug/gosym/pclntab.go of Go. Where another linker makes a position-independent file of Go
// and C, the table has no section of its own: it is somewhere in .data.rel.ro.

import { SECTION_HEADER_SIZE, SectionHeader } from "./sections";
import { FileHeader } from "../load/elf";
import { bytesRead, codeOffsetOf, entryOffset, fileHeader, isCodeAt, readAt, readFile } from "./code-file";

const MAGIC_1_18: u64 = 0x08010000fffffff0;
const MAGIC_1_20: u64 = 0x08010000fffffff1;
const HEADER_SIZE: u64 = 72;
/** What sections' names begin with, 8 bytes of them; and a mask for a name with its zero. */
const TEXT_NAME: u64 = 0x747865742e; // .text
const TEXT_NAME_MASK: u64 = 0xffffffffffff;
const GO_NOTE_NAME: u64 = 0x6f672e65746f6e2e; // .note.go.buildid
const SHT_PROGBITS: u32 = 1;
const SHT_RELA: u32 = 4;
const R_X86_64_RELATIVE: u64 = 8;
const SHF_WRITE: u64 = 1;
const SHF_ALLOC: u64 = 2;
const SHF_EXECINSTR: u64 = 4;
/** More than any program has. */
const FUNCTIONS_MAX: u64 = 0x1000000;

const section = changetype<SectionHeader>(memory.data(64, 8));
const nameBuffer = memory.data(8, 8);

/** Addresses in the file's own terms: of `runtime.text`, of its end, and of functab. */
let text: u64 = 0;
let textEnd: u64 = 0;
let functab: u64 = 0;
let count: u32 = 0;

/** Address in the file's own terms of the function that `readGoFunction` read, and its size with the filling behind it, in bytes. */
export let goAddress: u64 = 0;
export let goSize: u64 = 0;

function readSection(index: u32): bool {
  const file = changetype<FileHeader>(fileHeader);
  const offset = file.shoff + (index as u64) * (SECTION_HEADER_SIZE as u64);
  return readFile(changetype<usize>(section), SECTION_HEADER_SIZE, offset);
}

/** Reads the first section whose name begins so into `section`. */
function findSection(name: u64, mask: u64): bool {
  const file = changetype<FileHeader>(fileHeader);
  if (!readSection(file.shstrndx)) return false;
  const names = section.offset;
  for (let i: u32 = 1; i < (file.shnum as u32) && readSection(i); i++)
    if (readFile(nameBuffer, 8, names + (section.name as u64)) && (load<u64>(nameBuffer) & mask) == name) return true;
  return false;
}

const PIECE_SIZE: u64 = 4096;
const piece = memory.data(4096, 8);

/** What ld.so adds the file's base to for the word at an address: the addend of its Elf64_Rela (offset, info, addend), or 0. */
function relocatedWord(address: u64): u64 {
  const entries: u64 = PIECE_SIZE / 24;
  for (let i: u32 = 1; i < (changetype<FileHeader>(fileHeader).shnum as u32) && readSection(i); i++) {
    if (section.type != SHT_RELA || (section.flags & SHF_ALLOC) == 0) continue;
    for (let left = section.size / 24, at = section.offset; left != 0;) {
      const some = min(left, entries);
      if (!readFile(piece, (some * 24) as usize, at)) break;
      for (let entry = piece; entry < piece + ((some * 24) as usize); entry += 24)
        if (load<u64>(entry) == address && load<u64>(entry, 8) == R_X86_64_RELATIVE) return load<u64>(entry, 16);
      left -= some;
      at += some * 24;
    }
  }
  return 0;
}

function isMagic(pointer: usize): bool {
  return load<u64>(pointer) == MAGIC_1_18 || load<u64>(pointer) == MAGIC_1_20;
}

/** Reads the header of a table at an address; false when it is none, or says what cannot be. */
function readHeader(table: u64): bool {
  if (!readAt(table, 32) || !isMagic(bytesRead)) return false;
  const functions = load<u64>(bytesRead, 8);
  text = load<u64>(bytesRead, 24);
  if (functions == 0 || functions > FUNCTIONS_MAX || !readAt(table + HEADER_SIZE - 8, 8)) return false;
  functab = table + load<u64>(bytesRead);
  if (text == 0) text = relocatedWord(table + 24);
  const isGuessed = text == 0;
  if (isGuessed && findSection(TEXT_NAME, TEXT_NAME_MASK)) text = section.address;
  if (!isCodeAt(text) || !readAt(functab, 4) || load<u32>(bytesRead) != 0) return false;
  if (!readAt(functab + (functions << 3), 4)) return false;
  textEnd = text + (load<u32>(bytesRead) as u64);
  count = functions as u32;
  // What Go's own linker has not linked may have other code in front in .text.
  return !isGuessed || isFunctionAtEntry();
}

function isFunctionAtEntry(): bool {
  const place = findGoFunction(text + (entryOffset - codeOffsetOf(text)));
  return place >= 0 && readGoFunction(place as u32) && codeOffsetOf(goAddress) == entryOffset;
}

/** Looks for a table in a section of `size` bytes. */
function searchTable(address: u64, offset: u64, size: u64): bool {
  for (let at: u64 = 0; at + HEADER_SIZE <= size; at += PIECE_SIZE) {
    const length = min(PIECE_SIZE, size - at) as usize;
    if (!readFile(piece, length, offset + at)) return false;
    for (let i: usize = 0; i + 8 <= length; i += 8) {
      if (isMagic(piece + i)) return readHeader(address + at + (i as u64));
    }
  }
  return false;
}

/** Finds the table of the open file; gives how many functions it describes. */
export function openGoTable(): u32 {
  count = 0;
  const file = changetype<FileHeader>(fileHeader);
  if (file.shentsize != SECTION_HEADER_SIZE || !findSection(GO_NOTE_NAME, u64.MAX_VALUE)) return 0;
  for (let i: u32 = 1; i < (file.shnum as u32) && readSection(i); i++) {
    if (section.type != SHT_PROGBITS || (section.flags & (SHF_ALLOC | SHF_EXECINSTR)) != SHF_ALLOC) continue;
    if (readHeader(section.address)) return count;
    if (readSection(i) && section.flags & SHF_WRITE && searchTable(section.address, section.offset, section.size))
      return count;
  }
  count = 0;
  return 0;
}

/** The code that the table describes, [start, end), in the file's own terms. */
export function goTextStart(): u64 {
  return text;
}
export function goTextEnd(): u64 {
  return textEnd;
}

/** Where functab is, and its size in bytes. */
export function goTableAddress(): u64 {
  return functab;
}
export function goTableSize(): usize {
  return ((count as usize) << 3) + 4;
}

/** Reads function `index`, in order of address, into `goAddress` and `goSize`; false when it cannot be read. */
export function readGoFunction(index: u32): bool {
  if (!readAt(functab + ((index as u64) << 3), 12)) return false;
  const start = load<u32>(bytesRead);
  const end = load<u32>(bytesRead, 8);
  goAddress = text + (start as u64);
  goSize = (end - start) as u64;
  return end > start && isCodeAt(goAddress);
}

/** The number of the function that holds an address of the file's own; -1 when none does, or the table cannot be read. */
export function findGoFunction(address: u64): i32 {
  if (count == 0 || address < text || address >= textEnd) return -1;
  let low: u32 = 0;
  let high = count;
  while (low + 1 < high) {
    const middle = low + (high - low) / 2;
    if (!readAt(functab + ((middle as u64) << 3), 4)) return -1;
    if (text + (load<u32>(bytesRead) as u64) <= address) low = middle;
    else high = middle;
  }
  return low as i32;
}
