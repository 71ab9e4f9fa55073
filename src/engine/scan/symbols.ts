// Names of functions, from the symbol table of the file whose code is being looked at: .symtab, or .dynsym where a file is
// stripped. Only where a function starts is a name looked for: scan/functions.ts says where that is.
//
// The table, its strings and an index by address are read into memory outside of the engine's linear memory, where a debug
// build's hundreds of thousands of symbols would not fit, and given back when the file is done.

import { addressOf, isError, syscall2, syscall4 } from "../kernel/calls";
import { SYS_MMAP, SYS_MUNMAP, SYS_PREAD64 } from "../kernel/numbers";
import { ELF_MAGIC, FileHeader, pageCeil } from "../load/elf";
import { Address, peek16, peek32, peek64, peek8, poke32, poke8, syscall } from "../process";
import { SECTION_HEADER_SIZE, SectionHeader } from "./sections";

const SHT_SYMTAB: u32 = 2;
const SHT_DYNSYM: u32 = 11;
/** Elf64_Sym: st_name u32, st_info u8, st_other u8, st_shndx u16, st_value u64, st_size u64. */
const SYMBOL_SIZE: u64 = 24;
const STT_FUNC: u32 = 2;
const STT_GNU_IFUNC: u32 = 10;
const STB_LOCAL: u32 = 0;

const PROT_READ_WRITE: u64 = 3;
const MAP_PRIVATE_ANONYMOUS: u64 = 0x22;
/** Tables larger than this are no symbols that anybody reads. */
const SIZE_MAX: u64 = 0x20000000;

const fileHeader = memory.data(64, 8);
const section = memory.data(64, 8);
const name = memory.data(2048, 8);
const NAME_MAX: usize = 2047;

/** symbols | strings | index: u32 numbers of symbols + 1, by a hash of their addresses. */
let symbols: Address = 0;
let size: u64 = 0;
let symbolCount: u64 = 0;
let strings: Address = 0;
let stringsSize: u64 = 0;
let index: Address = 0;
let mask: u64 = 0;

function readExactly(descriptor: i32, to: Address, count: u64, offset: u64): bool {
  return syscall4(SYS_PREAD64, descriptor, to, count, offset) == (count as i64);
}

function readSection(descriptor: i32, number: u32): bool {
  const header = changetype<FileHeader>(fileHeader);
  const offset = header.shoff + (number as u64) * (SECTION_HEADER_SIZE as u64);
  return readExactly(descriptor, addressOf(section), SECTION_HEADER_SIZE, offset);
}

/** Reads the header of the table of symbols into `section`; false when there is none. */
function findTable(descriptor: i32): bool {
  const header = changetype<FileHeader>(fileHeader);
  if (!readExactly(descriptor, addressOf(fileHeader), 64, 0) || header.magic != ELF_MAGIC) return false;
  if (header.shentsize != SECTION_HEADER_SIZE) return false;
  let dynamic: u32 = 0;
  for (let number: u32 = 0; number < (header.shnum as u32); number++) {
    if (!readSection(descriptor, number)) return false;
    const type = changetype<SectionHeader>(section).type;
    if (type == SHT_SYMTAB) return true;
    if (type == SHT_DYNSYM) dynamic = number;
  }
  return dynamic != 0 && readSection(descriptor, dynamic);
}

/** Gets the names of a file ready; what cannot be read has none. */
export function openSymbols(descriptor: i32): void {
  closeSymbols();
  if (!findTable(descriptor)) return;
  const table = changetype<SectionHeader>(section);
  const tableOffset = table.offset;
  const tableSize = table.size;
  if (!readSection(descriptor, table.link)) return;
  stringsSize = table.size;
  if (tableSize + stringsSize > SIZE_MAX || stringsSize == 0) return;
  symbolCount = tableSize / SYMBOL_SIZE;
  let slots: u64 = 16;
  while (slots < 2 * symbolCount) slots <<= 1;
  mask = slots - 1;
  const indexOffset = (tableSize + stringsSize + 7) & ~7;
  size = pageCeil(indexOffset + (slots << 2));
  const got = syscall(SYS_MMAP, 0, size, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0);
  if (isError(got)) return;
  symbols = got as u64;
  strings = symbols + tableSize;
  index = symbols + indexOffset;
  if (
    readExactly(descriptor, symbols, tableSize, tableOffset) &&
    readExactly(descriptor, strings, stringsSize, table.offset)
  )
    return buildIndex();
  closeSymbols();
}

/** Gives the memory back. */
export function closeSymbols(): void {
  if (symbols != 0) syscall2(SYS_MUNMAP, symbols, size);
  symbols = 0;
}

function isFunction(symbol: Address): bool {
  const type = peek8(symbol + 4) & 15;
  return (type == STT_FUNC || type == STT_GNU_IFUNC) && peek16(symbol + 6) != 0;
}

/** Less is better: of `read`, `__read` and `__GI___read`, people know the first (src/host/symbols.ts has the same order). */
function rankOf(symbol: Address): u32 {
  const text = nameAt(symbol);
  let underscores: u32 = 0;
  let length: u32 = 0;
  for (; length < (NAME_MAX as u32); length++) {
    const byte = peek8(text + (length as u64));
    if (byte == 0) break;
    if (byte == 95 && underscores == length) underscores += 1;
  }
  return underscores * 1000 + (peek8(symbol + 4) >> 4 == STB_LOCAL ? 500 : 0) + length;
}

/** A name that a damaged file has outside of its strings is an empty one: the last byte of the strings is a zero. */
function nameAt(symbol: Address): Address {
  return strings + min(peek32(symbol) as u64, stringsSize - 1);
}

/** The slot of the index that has an address, or the empty one where it belongs. */
function slotFor(value: u64): Address {
  let slot = (value * 0x9e3779b97f4a7c15) >> 32;
  let place = index + ((slot & mask) << 2);
  for (let number = peek32(place); number != 0; number = peek32(place)) {
    if (peek64(symbols + ((number - 1) as u64) * SYMBOL_SIZE + 8) == value) break;
    slot += 1;
    place = index + ((slot & mask) << 2);
  }
  return place;
}

function buildIndex(): void {
  poke8(strings + stringsSize - 1, 0);
  for (let number: u64 = 0; number < symbolCount; number++) {
    const symbol = symbols + number * SYMBOL_SIZE;
    if (!isFunction(symbol)) continue;
    const place = slotFor(peek64(symbol + 8));
    const other = peek32(place);
    if (other != 0 && rankOf(symbols + ((other - 1) as u64) * SYMBOL_SIZE) <= rankOf(symbol)) continue;
    poke32(place, (number + 1) as u32);
  }
}

/** The name of the function that starts at an address of the file's own: engine pointer of a zero-terminated text, or 0. */
export function functionName(address: u64): usize {
  if (symbols == 0) return 0;
  const number = peek32(slotFor(address));
  if (number == 0) return 0;
  const text = nameAt(symbols + ((number - 1) as u64) * SYMBOL_SIZE);
  let length: usize = 0;
  for (; length < NAME_MAX; length++) {
    const byte = peek8(text + (length as u64));
    if (byte == 0) break;
    store<u8>(name + length, byte);
  }
  store<u8>(name + length, 0);
  return length == 0 ? 0 : name;
}
