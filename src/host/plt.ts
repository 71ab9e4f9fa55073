// Names of PLT entries: in a stripped program `call 2f4b0` is a call of malloc, and only the relocation of the slot that the
// entry jumps through says so. System V ABI, AMD64 supplement, section 5.2 ("Procedure Linkage Table").
//
// An entry is some of `endbr64`, `bnd`, and `jmp *slot(%rip)` (ff 25 <disp32>), in 8 or 16 bytes of a section .plt, .plt.sec or
// .plt.got; the first of .plt leads to the dynamic linker and has no relocation.

import { type ElfFile, type Section, stringAt } from "./elf-file.js";
import { findLibraries } from "./find-file.js";
import { Symbols } from "./symbols.js";

const SHT_RELA = 4;
const RELA_SIZE = 24;
const SYMBOL_SIZE = 24;
const R_X86_64_GLOB_DAT = 6;
const R_X86_64_JUMP_SLOT = 7;
const ENTRY_MAX = 16;
const JUMP_SIZE = 6;

/** Slots of the GOT -> names of the functions whose addresses the dynamic linker puts there. */
function slotsOf({ bytes, sections }: ElfFile): Map<bigint, string> {
  const slots = new Map<bigint, string>();
  for (const { type, offset, size, link } of sections) {
    const symbols = sections[link];
    const strings = symbols === undefined ? undefined : sections[symbols.link];
    if (type !== SHT_RELA || symbols === undefined || strings === undefined) continue;
    for (let at = offset; at + RELA_SIZE <= Math.min(offset + size, bytes.length); at += RELA_SIZE) {
      const kind = bytes.readUInt32LE(at + 8);
      if (kind !== R_X86_64_GLOB_DAT && kind !== R_X86_64_JUMP_SLOT) continue;
      const symbol = symbols.offset + bytes.readUInt32LE(at + 12) * SYMBOL_SIZE;
      if (symbol + SYMBOL_SIZE > bytes.length) continue;
      slots.set(bytes.readBigUInt64LE(at), stringAt(bytes, strings.offset + bytes.readUInt32LE(symbol)));
    }
  }
  return slots;
}

/** Addresses of PLT entries -> the names of the functions that they call. */
export class LinkageTable {
  private readonly sections: readonly Section[];
  private readonly slots: ReadonlyMap<bigint, string>;

  constructor(private readonly file: ElfFile) {
    this.sections = file.sections.filter(({ name, executable }) => executable && name.startsWith(".plt"));
    this.slots = this.sections.length > 0 ? slotsOf(file) : new Map();
  }

  /** The function that the PLT entry at an address leads to, or null. */
  nameAt(address: bigint): string | null {
    const section = this.sections.find((each) => address >= each.address && address < each.address + BigInt(each.size));
    if (section === undefined) return null;
    const at = section.offset + Number(address - section.address);
    const entry = this.file.bytes.subarray(at, at + ENTRY_MAX);
    const jump = entry.indexOf("\xff\x25", 0, "latin1");
    if (jump < 0 || jump + JUMP_SIZE > entry.length) return null;
    return this.slots.get(address + BigInt(jump + JUMP_SIZE + entry.readInt32LE(jump + 2))) ?? null;
  }
}

/** Which of the libraries that a file loads has a function: the first that exports it, as the dynamic linker looks. */
export class Libraries {
  private loaded: readonly { readonly path: string; readonly symbols: Symbols }[] | null = null;

  constructor(private readonly file: ElfFile) {}

  /** The path of the library, or null where none that is installed exports the name. */
  fileOf(name: string): string | null {
    this.loaded ??= findLibraries(this.file, () => {}).map((library) => ({
      path: library.path,
      symbols: new Symbols(library),
    }));
    return this.loaded.find(({ symbols }) => symbols.exports(name))?.path ?? null;
  }
}
