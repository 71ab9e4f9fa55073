// The gdb JIT interface: how gdb learns of code that no file holds ("JIT Compilation Interface" in its manual). gdb looks for
// two symbols, reads a list of symbol files in memory behind the one, and has a breakpoint at the other, which is called
// after each change.
//
//   struct jit_descriptor { u32 version, action; jit_code_entry *relevant, *first; }
//   struct jit_code_entry { jit_code_entry *next, *previous; const char *file; u64 size; }
//
// The launcher's symbol table must not have these names. A debugger that attaches takes the launcher for the program and
// does not know where it lies, since the kernel's AT_ENTRY is the program's: it would put its breakpoint at an address
// that is not mapped, and then refuse to continue. So the names are in another ELF file in memory, whose address stands
// behind the descriptor (`gdbJitDescriptor` in the launcher's symbol table), and dist/flicker-gdb.py loads it. The
// function is on a page of its own: when it is called gdb looks for the file whose symbol is there, which must be this one.
//
// There is one symbol file for all trampolines (symbol-file.ts), made anew when there are more or fewer.

import { addressOf, isError, syscall3 } from "../kernel/calls";
import { SYS_MMAP, SYS_MPROTECT } from "../kernel/numbers";
import { ELF_MAGIC } from "../load/elf";
import { claimMemory } from "../own-memory";
import { Address, debuggerEvent, poke8, syscall } from "../process";
import { appendText } from "../text";
import { dropSymbolFile, makeSymbolFile, symbolFile, symbolFileSize } from "./symbol-file";

const REGISTER: u32 = 1;
const UNREGISTER: u32 = 2;

// struct jit_descriptor, and at 24 the address of the file with the names.
const ACTION: usize = 4;
const RELEVANT: usize = 8;
const FIRST: usize = 16;
const NAMES: usize = 24;
/** A symbol of the launcher: the backend makes one of each exported constant. */
export const gdbJitDescriptor = memory.data(32, 8);

const ENTRY_FILE: usize = 16;
const ENTRY_SIZE: usize = 24;
const entry = memory.data(32, 8);

// The file with the names: Elf64_Ehdr, Elf64_Phdr, strings, three Elf64_Sym, four Elf64_Shdr: null, .symtab, .strtab, and
// .text, the page of the function.
const PROGRAM_HEADER: usize = 64;
const STRINGS: usize = 120;
const STRINGS_SIZE: usize = 96;
const SYMBOLS: usize = STRINGS + STRINGS_SIZE;
const SYMBOL_SIZE: usize = 24;
const SECTIONS: usize = SYMBOLS + 3 * SYMBOL_SIZE;
const SECTION_SIZE: usize = 64;
const NAMES_SIZE: usize = SECTIONS + 4 * SECTION_SIZE;
const names = memory.data(544, 8);

const TEXT_SECTION: u32 = 3;
const SHN_ABS: u32 = 0xfff1;
const STB_GLOBAL_FUNC: u32 = 0x12;
const STB_GLOBAL_OBJECT: u32 = 0x11;

const PAGE_SIZE: u64 = 4096;
const PROT_READ_WRITE: u64 = 3;
const PROT_READ_EXECUTE: u64 = 5;
const MAP_PRIVATE_ANONYMOUS: u64 = 0x22;
/** `ret`, or 0 when there is no memory: then gdb gets to know nothing. */
let eventFunction: Address = 0;

function writeSymbol(index: usize, nameOffset: u32, info: u32, section: u32, value: u64, size: u64): void {
  const at = names + SYMBOLS + index * SYMBOL_SIZE;
  store<u32>(at, nameOffset);
  store<u32>(at, info | (section << 16), 4);
  store<u64>(at, value, 8);
  store<u64>(at, size, 16);
}

function writeSection(
  index: usize,
  nameOffset: u32,
  type: u32,
  flags: u64,
  address: u64,
  offset: usize,
  size: usize,
): usize {
  const at = names + SECTIONS + index * SECTION_SIZE;
  store<u32>(at, nameOffset);
  store<u32>(at, type, 4);
  store<u64>(at, flags, 8);
  store<u64>(at, address, 16);
  store<u64>(at, offset, 24);
  store<u64>(at, size, 32);
  store<u64>(at, 8, 48);
  return at;
}

function writeNames(): void {
  const base = addressOf(names);
  store<u32>(names, ELF_MAGIC);
  store<u32>(names, 0x00010102, 4);
  store<u32>(names, 0x003e0003, 16); // ET_DYN, EM_X86_64
  store<u32>(names, 1, 20);
  store<u64>(names, PROGRAM_HEADER, 32);
  store<u64>(names, SECTIONS, 40);
  store<u32>(names, 0x00380040, 52); // sizes of file header and program header
  store<u32>(names, 0x00400001, 56); // one program header; size of a section header
  store<u32>(names, 0x00020004, 60); // four sections; the names of sections are in .strtab
  // One segment, so that addresses are the process's: p_vaddr is where it is.
  const segment = names + PROGRAM_HEADER;
  store<u32>(segment, 1);
  store<u32>(segment, 4, 4);
  store<u64>(segment, base, 16);
  store<u64>(segment, base, 24);
  store<u64>(segment, NAMES_SIZE, 32);
  store<u64>(segment, NAMES_SIZE, 40);
  store<u64>(segment, 8, 48);

  const strings = names + STRINGS;
  appendText(strings + 1, "__jit_debug_register_code");
  appendText(strings + 27, "__jit_debug_descriptor");
  appendText(strings + 50, ".symtab");
  appendText(strings + 58, ".strtab");
  appendText(strings + 66, ".text");
  writeSymbol(1, 1, STB_GLOBAL_FUNC, TEXT_SECTION, eventFunction, 1);
  writeSymbol(2, 27, STB_GLOBAL_OBJECT, SHN_ABS, addressOf(gdbJitDescriptor), 24);
  const symtab = writeSection(1, 50, 2, 0, 0, SYMBOLS, 3 * SYMBOL_SIZE);
  store<u32>(symtab, 2, 40);
  store<u32>(symtab, 1, 44);
  store<u64>(symtab, SYMBOL_SIZE, 56);
  writeSection(2, 58, 3, 0, 0, STRINGS, STRINGS_SIZE);
  writeSection(TEXT_SECTION, 66, 8, 6, eventFunction, 0, PAGE_SIZE as usize);
}

/** The process image begins: there is a descriptor, and nothing in it. */
export function beginGdbJit(): void {
  const got = syscall(SYS_MMAP, 0, PAGE_SIZE, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0);
  if (isError(got)) return;
  eventFunction = got as u64;
  claimMemory(eventFunction, eventFunction + PAGE_SIZE);
  poke8(eventFunction, 0xc3);
  syscall3(SYS_MPROTECT, eventFunction, PAGE_SIZE, PROT_READ_EXECUTE);
  writeNames();
  store<u32>(gdbJitDescriptor, 1);
  store<u64>(gdbJitDescriptor, addressOf(names), NAMES);
  // Whoever started the process can load the names here, before there is anything to announce.
  debuggerEvent(eventFunction);
}

function announce(action: u32): void {
  store<u32>(gdbJitDescriptor, action, ACTION);
  store<u64>(gdbJitDescriptor, addressOf(entry), RELEVANT);
  store<u64>(gdbJitDescriptor, action == REGISTER ? addressOf(entry) : 0, FIRST);
  debuggerEvent(eventFunction);
  store<u32>(gdbJitDescriptor, 0, ACTION);
}

/** Trampolines have come or gone. Without memory for the file gdb knows of none. Under the engine lock. */
export function updateGdbJit(): void {
  if (eventFunction == 0) return;
  if (symbolFile != 0) {
    announce(UNREGISTER);
    dropSymbolFile();
  }
  if (!makeSymbolFile()) return;
  store<u64>(entry, symbolFile, ENTRY_FILE);
  store<u64>(entry, symbolFileSize, ENTRY_SIZE);
  announce(REGISTER);
}
