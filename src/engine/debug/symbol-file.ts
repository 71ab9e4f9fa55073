// An ELF file in memory that tells gdb about trampolines: a symbol for each, and how its frame is unwound.
//
//       0  Elf64_Ehdr
//      64  section names
//     128  Elf64_Shdr[]: null, .debug_frame, .symtab, .strtab, .shstrtab, then .text, without contents, for each piece of
//          trampoline memory
//          Elf64_Sym[], strings, call frame information (src/backend/elf/call-frames.ts says how that reads)
//
// gdb drops sections that overlap those of other files, so pieces are as small as trampolines need: a slot, or the one
// trampoline of a trap. All trampolines of the process are in one file, since a slot holds those of several libraries.
//
// A trampoline is a frame whose caller is the program at the site, with the registers as they are; its return address is
// that behind the site, as if the site were a call. A debugger looks a caller's rules up one byte before its return
// address, which is in the site, and that is where the program's own unwind data says the right thing. An evicted
// instruction that is done has the rules of the next instruction, whose first byte is therefore in front of the "return
// address".
//
// Everything is written through process addresses: the size follows from the number of trampolines, 160 bytes each at
// most, and would not fit the engine's own memory for a hundred thousand of them.

import { isError, syscall2 } from "../kernel/calls";
import { SYS_MMAP, SYS_MUNMAP } from "../kernel/numbers";
import { ELF_MAGIC, pageCeil } from "../load/elf";
import { ENTERED_BY_CALL, STUB, VICTIM } from "../patch/record";
import { SLOT_SIZE } from "../patch/slot";
import { slotOf } from "../patch/territory";
import { claimMemory, releaseMemory } from "../own-memory";
import { Address, copyOut, poke16, poke32, poke64, poke8, syscall } from "../process";
import { AFTER_SAVES, SYSCALL, SYSCALL_SIZE } from "../thread/trampoline";
import { appendText } from "../text";
import { NAME_MAX, appendName } from "./code-names";
import { ISLAND, Trampoline, visitIslands, visitTrampolines } from "./trampolines";

const PROT_READ_WRITE: u64 = 3;
const MAP_PRIVATE_ANONYMOUS: u64 = 0x22;

const HEADER_SIZE: u64 = 64;
const NAMES_OFFSET: u64 = 64;
const SECTIONS_OFFSET: u64 = 128;
const SECTION_SIZE: u64 = 64;
const SYMBOL_SIZE: u64 = 24;
const FRAME_MAX: u64 = 72;
/** .debug_frame, .symtab, .strtab, .shstrtab behind the null section. */
const FIRST_TEXT: u32 = 5;
/** SHN_LORESERVE, less a margin. */
const SECTIONS_MAX: u32 = 0xfe00;

const ET_DYN_LITTLE_64: u32 = 0x00010102; // ELFCLASS64, ELFDATA2LSB, EV_CURRENT
const SHT_PROGBITS: u32 = 1;
const SHT_SYMTAB: u32 = 2;
const SHT_STRTAB: u32 = 3;
const SHT_NOBITS: u32 = 8;
const SHF_ALLOC_EXEC: u64 = 6;
const STT_FUNC: u32 = 2;

const name = memory.data(256, 8);

let count: u32 = 0;
let sections: u32 = 0;
/** The piece of trampoline memory that the last trampoline was in. */
let pieceStart: Address = 0;
let pieceEnd: Address = 0;

let image: Address = 0;
let symbolAt: Address = 0;
let stringAt: Address = 0;
let strings: Address = 0;
let frameAt: Address = 0;
let frames: Address = 0;

/** Whether the trampoline begins a piece of its own; then that is the current piece. */
function beginsPiece(trampoline: Trampoline): bool {
  if (trampoline.address >= pieceStart && trampoline.address < pieceEnd) return false;
  if (slotOf(trampoline.address) != null) {
    pieceStart = trampoline.address & ~((SLOT_SIZE as u64) - 1);
    pieceEnd = pieceStart + (SLOT_SIZE as u64);
  } else {
    pieceStart = trampoline.address;
    pieceEnd = pieceStart + (trampoline.size as u64);
  }
  return true;
}

function countOne(trampoline: Trampoline): void {
  if (sections == SECTIONS_MAX) return;
  if (beginsPiece(trampoline)) sections += 1;
  count += 1;
}

function visitAll(one: (trampoline: Trampoline) => void): void {
  pieceStart = 0;
  pieceEnd = 0;
  sections = FIRST_TEXT;
  visitTrampolines(0, u64.MAX_VALUE, one);
  visitIslands(0, one);
}

function writeSection(index: u32, nameOffset: u32, type: u32, flags: u64, offset: u64, size: u64): Address {
  const at = image + SECTIONS_OFFSET + (index as u64) * SECTION_SIZE;
  poke32(at, nameOffset);
  poke32(at + 4, type);
  poke64(at + 8, flags);
  poke64(at + 24, offset);
  poke64(at + 32, size);
  poke64(at + 48, 8);
  return at;
}

// ---- Call frame information

function byte(value: u32): void {
  poke8(frameAt++, value);
}

const RCX: u32 = 2;
const R11: u32 = 11;
const RIP: u32 = 16;

/** DW_CFA_val_expression: the caller's register is a constant, DW_OP_const8u. */
function isConstant(register: u32, value: u64): void {
  byte(0x16);
  byte(register);
  byte(9);
  byte(0x0e);
  poke64(frameAt, value);
  frameAt += 8;
}

/** DW_CFA_undefined. */
function isLost(register: u32): void {
  byte(0x07);
  byte(register);
}

/** DW_CFA_def_cfa_offset: the CFA is that far above rsp. */
function defineOffset(offset: u32): void {
  byte(0x0e);
  byte(offset);
}

/** DW_CFA_advance_loc. */
function advance(distance: u32): void {
  assert(distance < 0x40, "a trampoline's part is too long to be stepped over at once");
  byte(0x40 | distance);
}

/** An island's frame: the descriptor in rcx leads to the site, as in src/backend/gates/unwinding.ts. */
function describeIsland(): void {
  // DW_CFA_val_expression rip, 14 bytes: breg2 0, dup, deref_size 4, const1u 32, shl,
  byte(0x16);
  byte(RIP);
  byte(14);
  poke64(frameAt, 0x2420080494120072);
  // const1u 32, shra, plus, plus_uconst 2
  poke32(frameAt + 8, 0x22262008);
  poke16(frameAt + 12, 0x0223);
  frameAt += 14;
  isLost(RCX);
  isLost(R11);
}

function describeSite(trampoline: Trampoline): void {
  const after = trampoline.original + SYSCALL_SIZE;
  isConstant(RIP, after);
  advance(AFTER_SAVES as u32);
  isLost(RCX);
  isLost(R11);
  advance((SYSCALL + SYSCALL_SIZE - AFTER_SAVES) as u32);
  isConstant(RCX, after);
}

function describeVictim(trampoline: Trampoline): void {
  const next = trampoline.original + (trampoline.length as u64);
  isConstant(RIP, next);
  if (trampoline.entry == ENTERED_BY_CALL) defineOffset(8);
  if (trampoline.done == 0 || (trampoline.done as u32) >= trampoline.size) return;
  advance(trampoline.done);
  isConstant(RIP, next + 1);
}

function describe(trampoline: Trampoline): void {
  const start = frameAt;
  frameAt += 4;
  poke32(frameAt, 0); // the CIE is at the start
  poke64(frameAt + 4, trampoline.address);
  poke64(frameAt + 12, trampoline.size);
  frameAt += 20;
  if (trampoline.kind == ISLAND) describeIsland();
  else if (trampoline.kind == VICTIM) describeVictim(trampoline);
  else if (trampoline.kind == STUB) isConstant(RIP, trampoline.original + (trampoline.length as u64));
  else describeSite(trampoline);
  while (((frameAt - start) & 7) != 4) byte(0);
  poke32(start, (frameAt - start - 4) as u32);
}

/** The common part: CFA = rsp, nothing moved. */
function describeCommon(): void {
  poke32(frameAt, 20);
  poke32(frameAt + 4, 0xffffffff);
  // version 4, no augmentation, addresses of 8 bytes, no segments, factors 1 and -8, return address, DW_CFA_def_cfa rsp+0
  poke64(frameAt + 8, 0x0c10780100080004);
  poke64(frameAt + 16, 0x00000007);
  frameAt += 24;
}

function writeOne(trampoline: Trampoline): void {
  if (sections == SECTIONS_MAX) return;
  if (beginsPiece(trampoline)) {
    const at = writeSection(sections++, 1, SHT_NOBITS, SHF_ALLOC_EXEC, 0, pieceEnd - pieceStart);
    poke64(at + 16, pieceStart);
    poke64(at + 48, 1);
  }
  const end = appendName(name, trampoline.kind, trampoline.original);
  assert(end - name < (NAME_MAX as usize), "a trampoline's name is longer than its maximum");
  store<u8>(end, 0);
  copyOut(stringAt, name, end - name + 1);
  poke32(symbolAt, (stringAt - strings) as u32);
  poke32(symbolAt + 4, STT_FUNC | ((sections - 1) << 16));
  poke64(symbolAt + 8, trampoline.address);
  poke64(symbolAt + 16, trampoline.size);
  symbolAt += SYMBOL_SIZE;
  stringAt += (end - name + 1) as u64;
  describe(trampoline);
}

function writeFileHeader(): void {
  poke32(image, ELF_MAGIC);
  poke32(image + 4, ET_DYN_LITTLE_64);
  poke16(image + 16, 3); // ET_DYN
  poke16(image + 18, 62); // EM_X86_64
  poke32(image + 20, 1);
  poke64(image + 40, SECTIONS_OFFSET);
  poke16(image + 52, HEADER_SIZE as u32);
  poke16(image + 58, SECTION_SIZE as u32);
  poke16(image + 60, sections);
  poke16(image + 62, 4); // .shstrtab
}

/** ".text" at 1, ".debug_frame" at 7, ".symtab" at 20, ".strtab" at 28, ".shstrtab" at 36; ends at 46. */
function writeSectionNames(): void {
  memory.fill(name, 0, 64);
  appendText(name + 1, ".text");
  appendText(name + 7, ".debug_frame");
  appendText(name + 20, ".symtab");
  appendText(name + 28, ".strtab");
  appendText(name + 36, ".shstrtab");
  copyOut(image + NAMES_OFFSET, name, 64);
}

export let symbolFile: Address = 0;
export let symbolFileSize: u64 = 0;
/** Of the mapping. */
let mappedSize: u64 = 0;

/** Unmaps the file that was made last. */
export function dropSymbolFile(): void {
  if (symbolFile != 0 && syscall2(SYS_MUNMAP, symbolFile, mappedSize) == 0)
    releaseMemory(symbolFile, symbolFile + mappedSize);
  symbolFile = 0;
}

/**
 * Makes the file in new memory: `symbolFile`, `symbolFileSize`. Under the engine lock.
 * @returns false when there is no memory for it, or nothing to put there
 */
export function makeSymbolFile(): bool {
  count = 0;
  visitAll(countOne);
  if (count == 0) return false;
  const symbolsOffset = SECTIONS_OFFSET + (sections as u64) * SECTION_SIZE;
  const stringsOffset = symbolsOffset + ((count as u64) + 1) * SYMBOL_SIZE;
  const framesOffset = (stringsOffset + 1 + (count as u64) * (NAME_MAX as u64) + 7) & ~7;
  const size = framesOffset + 24 + (count as u64) * FRAME_MAX;
  mappedSize = pageCeil(size);
  const got = syscall(SYS_MMAP, 0, mappedSize, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0);
  if (isError(got)) return false;
  image = got as u64;
  claimMemory(image, image + mappedSize);
  symbolAt = image + symbolsOffset + SYMBOL_SIZE;
  strings = image + stringsOffset;
  stringAt = strings + 1;
  frames = image + framesOffset;
  frameAt = frames;
  describeCommon();
  visitAll(writeOne);
  writeFileHeader();
  writeSectionNames();
  writeSection(1, 7, SHT_PROGBITS, 0, framesOffset, frameAt - frames);
  const symtab = writeSection(2, 20, SHT_SYMTAB, 0, symbolsOffset, symbolAt - image - symbolsOffset);
  poke32(symtab + 40, 3); // sh_link: .strtab
  poke32(symtab + 44, ((symbolAt - image - symbolsOffset) / SYMBOL_SIZE) as u32); // sh_info: all are local
  poke64(symtab + 56, SYMBOL_SIZE);
  writeSection(3, 28, SHT_STRTAB, 0, stringsOffset, stringAt - strings);
  writeSection(4, 36, SHT_STRTAB, 0, NAMES_OFFSET, 46);
  symbolFile = image;
  symbolFileSize = frameAt - image;
  assert(symbolFileSize <= mappedSize, "the symbol file is longer than was counted");
  return true;
}
