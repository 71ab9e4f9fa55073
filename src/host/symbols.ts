// Names for addresses: the functions of .symtab and .dynsym, and sections where no function is known.

import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
import { stringAt, type ElfFile } from "./elf-file.js";

export interface Function {
  /** As in the symbol table. */
  readonly symbol: string;
  readonly start: bigint;
  /** Where the next function starts, for those that do not say their size. */
  readonly end: bigint;
}

const SHT_SYMTAB = 2;
const SHT_DYNSYM = 11;
const SYMBOL_SIZE = 24;
const SHN_UNDEF = 0;
const STT_NOTYPE = 0;
const STT_FUNC = 2;
const STT_GNU_IFUNC = 10;
const STB_LOCAL = 0;

interface Symbol {
  readonly name: string;
  readonly address: bigint;
  readonly size: bigint;
  /** Whether other files can call it by its name. */
  readonly isExported: boolean;
  /** Less is better: of `read`, `__read` and `__GI___read`, people know the first. */
  readonly rank: number;
}

function rankOf(name: string, binding: number): number {
  const underscores = /^_*/.exec(name)![0].length;
  return underscores * 1000 + (binding === STB_LOCAL ? 500 : 0) + name.length;
}

export class Symbols {
  private readonly functions: Function[];
  private readonly byName = new Map<string, bigint>();
  private readonly exported = new Set<string>();

  constructor(private readonly file: ElfFile) {
    const symbols = file.sections
      .filter(({ type }) => type === SHT_SYMTAB || type === SHT_DYNSYM)
      .flatMap(({ type, offset, size, link }) => {
        const isDynamic = type === SHT_DYNSYM;
        return this.readTable(offset, size, file.sections[link]?.offset ?? 0, isDynamic);
      });
    for (const { name, address, isExported } of symbols) {
      this.byName.set(name, address);
      if (isExported) this.exported.add(name);
    }
    symbols.sort((a, b) => (a.address < b.address ? -1 : a.address > b.address ? 1 : a.rank - b.rank));
    const unique = symbols.filter(({ address }, i) => i === 0 || address !== symbols[i - 1]!.address);
    this.functions = unique.map(({ name, address, size }, i) => ({
      symbol: name,
      start: address,
      end: size !== 0n ? address + size : this.endOf(address, unique[i + 1]?.address),
    }));
  }

  private readTable(offset: number, size: number, strings: number, isDynamic: boolean): Symbol[] {
    const { bytes, sections } = this.file;
    const symbols: Symbol[] = [];
    for (let at = offset; at + SYMBOL_SIZE <= offset + size; at += SYMBOL_SIZE) {
      const [type, binding] = [bytes.readUInt8(at + 4) & 15, bytes.readUInt8(at + 4) >> 4];
      const section = bytes.readUInt16LE(at + 6);
      if (section === SHN_UNDEF) continue;
      if (type !== STT_FUNC && type !== STT_GNU_IFUNC && (type !== STT_NOTYPE || !sections[section]?.executable))
        continue;
      const name = stringAt(bytes, strings + bytes.readUInt32LE(at));
      if (name === "") continue;
      const [address, length] = [bytes.readBigUInt64LE(at + 8), bytes.readBigUInt64LE(at + 16)];
      symbols.push({
        name,
        address,
        size: length,
        rank: rankOf(name, binding),
        isExported: isDynamic && binding !== STB_LOCAL,
      });
    }
    return symbols;
  }

  private endOf(address: bigint, next: bigint | undefined): bigint {
    const section = this.sectionOf(address);
    const end = section === undefined ? address : section.address + BigInt(section.size);
    return next !== undefined && next < end ? next : end;
  }

  private sectionOf(address: bigint): ElfFile["sections"][number] | undefined {
    return this.file.sections.find(
      (section) => section.executable && address >= section.address && address < section.address + BigInt(section.size),
    );
  }

  sectionName(address: bigint): string | null {
    return this.sectionOf(address)?.name ?? null;
  }

  /** The function that holds an address. */
  functionAt(address: bigint): Function | null {
    let low = 0;
    let high = this.functions.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.functions[middle]!.start <= address) low = middle + 1;
      else high = middle;
    }
    const found = this.functions[low - 1];
    return found !== undefined && address < found.end ? found : null;
  }

  /** Whether other files can call a function of this name. */
  exports(name: string): boolean {
    return this.exported.has(name);
  }

  /** Where functions start, in order. */
  starts(): bigint[] {
    return this.functions.map(({ start }) => start);
  }

  /** The function of a name: its symbol, or what that demangles to, with or without parameters. */
  functionNamed(name: string): Function | null {
    const address = this.byName.get(name);
    if (address !== undefined) return this.functionAt(address);
    for (const candidate of this.functions) {
      const readable = demangle(candidate.symbol);
      if (readable !== candidate.symbol && (readable === name || readable.startsWith(`${name}(`))) return candidate;
    }
    return null;
  }

  /** `function+0x12`, `.text+0x1234` or `0x401234`. */
  nameOf(address: bigint): string {
    const found = this.functionAt(address);
    if (found !== null) return withOffset(demangle(found.symbol), address - found.start);
    const section = this.sectionOf(address);
    return section === undefined ? `0x${address.toString(16)}` : withOffset(section.name, address - section.address);
  }
}

function withOffset(name: string, offset: bigint): string {
  return offset === 0n ? name : `${name}+0x${offset.toString(16)}`;
}

/** The parts of gecko-profiler-demangle that its own entry would put together if Node could import wasm. */
interface Demangler {
  __wbg_set_wasm(exports: WebAssembly.Exports): void;
  demangle_any(name: string): string;
}
let demangler: Demangler | undefined;

export async function loadDemangler(): Promise<void> {
  if (demangler !== undefined) return;
  const name = "gecko-profiler-demangle/index_bg.js";
  const glue = (await import(name)) as Demangler & Record<string, WebAssembly.ImportValue>;
  const wasm = readFileSync(createRequire(import.meta.url).resolve("gecko-profiler-demangle/index_bg.wasm"));
  const { instance } = await WebAssembly.instantiate(wasm, { "./index_bg.js": glue });
  glue.__wbg_set_wasm(instance.exports);
  (instance.exports["__wbindgen_start"] as () => void)();
  demangler = glue;
}

/** What a C++ or Rust symbol stands for; other names as they are, and all of them until `loadDemangler` has been called. */
export function demangle(symbol: string): string {
  return /^_[ZR]/.test(symbol) ? (demangler?.demangle_any(symbol) ?? symbol) : symbol;
}
