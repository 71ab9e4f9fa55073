// The launcher's file: a position-independent ELF64 (ET_DYN) without an interpreter and without anything to relocate.
// ELF: https://gabi.xinuos.com, System V ABI AMD64 supplement.
//
//   file                                          memory
//   ELF header, program headers, build id, rodata r--
//   text                                          r-x
//   globals, page-aligned linear memory, data     rw-   zeros behind the data are bss: not in the file
//   data further up in linear memory              rw-   a segment of its own for each island in a sea of zeros
//   ... and so on for each further module
//   .debug_frame, .symtab, .strtab, section headers     not loaded; for gdb, perf and objdump
//
// Segments start on their own pages, in memory as in the file. AssemblyScript reserves zeroed tables between initialised
// data: the engine has some 30 KB of data spread over 2.5 MB. Islands keep most of the zeros out of the file; each is two
// more mappings, so small gaps are not worth one.

import { createHash } from "node:crypto";
import { Label } from "../x64/operands.js";
import type { AssembledSymbol, Reference, SectionWriter } from "../x64/sections.js";
import type { CompiledMemory } from "../x64/compile.js";
import { encodeCallFrames } from "./call-frames.js";

export class LinkError extends Error {}

const PAGE = 4096;
const HEADER_SIZE = 64;
const PROGRAM_HEADER_SIZE = 56;
const SECTION_HEADER_SIZE = 64;
const SYMBOL_SIZE = 24;

const ET_DYN = 3;
const EM_X86_64 = 62;
const PT_LOAD = 1;
const PT_NOTE = 4;
const PT_GNU_STACK = 0x6474e551;
const PF_X = 1;
const PF_W = 2;
const PF_R = 4;
const SHT_PROGBITS = 1;
const SHT_SYMTAB = 2;
const SHT_STRTAB = 3;
const SHT_NOTE = 7;
const SHT_NOBITS = 8;
const SHF_WRITE = 1;
const SHF_ALLOC = 2;
const SHF_EXECINSTR = 4;
const STT_OBJECT = 1;
const STT_FUNC = 2;

const alignUp = (value: number, alignment: number): number => Math.ceil(value / alignment) * alignment;

/** Where each part lies. Up to the end of text, file offset and address are the same number. */
interface Layout {
  readonly programHeaders: number;
  readonly note: number;
  readonly rodata: number;
  readonly rodataEnd: number;
  readonly text: number;
  readonly textEnd: number;
  /** Byte 0 of each linear memory. */
  readonly memories: readonly number[];
  /** The end of the last one. */
  readonly memoryEnd: number;
  readonly islands: readonly Island[];
}

/** A part of the modules' memories that comes from the file, with the zeros behind it. */
interface Island {
  readonly address: number;
  readonly fileOffset: number;
  readonly fileSize: number;
  readonly memorySize: number;
}

const NOTE_SIZE = 12 + 4 + 20;
/** Fewer zeros than this between two pieces of data are cheaper in the file than as a mapping of their own. */
const SEA_MIN = 0x40000;

/** What a module's memory holds at the start, at an offset from the start of the first module's globals. */
interface Data {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

/** Where the modules' memories begin and end, counted from the start of the first one's globals, and what is in them. */
function placeMemories(modules: readonly CompiledMemory[]): { starts: number[]; size: number; data: Data[] } {
  const starts: number[] = [];
  const data: Data[] = [];
  let size = 0;
  for (const { globals, segments, size: memorySize } of modules) {
    const start = size + alignUp(globals.length, PAGE);
    starts.push(start);
    data.push({ offset: start - globals.length, bytes: globals });
    for (const { offset, bytes } of segments) data.push({ offset: start + offset, bytes });
    size = start + alignUp(memorySize, PAGE);
  }
  return { starts, size, data: data.filter(({ bytes }) => bytes.length > 0) };
}

function layOut(sections: SectionWriter["sections"], modules: ReturnType<typeof placeMemories>): Layout {
  const [text, rodata] = sections;
  const pieces = dataPieces(modules.data);
  const programHeaders = 4 + pieces.length;
  const note = HEADER_SIZE + programHeaders * PROGRAM_HEADER_SIZE;
  const rodataAt = alignUp(note + NOTE_SIZE, Math.max(16, rodata.alignment));
  const rodataEnd = rodataAt + rodata.size;
  const textAt = alignUp(rodataEnd, PAGE);
  const textEnd = textAt + text.size;
  const data = alignUp(textEnd, PAGE);
  const memoryEnd = data + modules.size;
  let fileOffset = data;
  const islands = pieces.map(({ start, end }, i): Island => {
    const address = data + start;
    const next = pieces[i + 1];
    const fileSize = end - start;
    const island = { address, fileOffset, fileSize, memorySize: (next ? data + next.start : memoryEnd) - address };
    fileOffset = alignUp(fileOffset + fileSize, PAGE);
    return island;
  });
  return {
    ...{ programHeaders, note, rodata: rodataAt, rodataEnd, text: textAt, textEnd },
    ...{ memories: modules.starts.map((start) => data + start), memoryEnd, islands },
  };
}

/** Ranges of the modules' memories that the file holds; they start at pages. */
function dataPieces(data: Data[]): { start: number; end: number }[] {
  const pieces = [{ start: 0, end: 0 }];
  for (const { offset, bytes } of data.sort((left, right) => left.offset - right.offset)) {
    const last = pieces[pieces.length - 1] as { start: number; end: number };
    const end = offset + bytes.length;
    if (offset - last.end < SEA_MIN) last.end = Math.max(last.end, end);
    else pieces.push({ start: offset - (offset % PAGE), end });
  }
  return pieces;
}

/**
 * Links what was assembled into a launcher.
 * @param modules whose memories are in this order; that of the engine is the last, since it goes on behind it
 * @throws LinkError naming a symbol that nobody defines
 */
export function linkLauncher(assembler: SectionWriter, modules: readonly CompiledMemory[]): Uint8Array {
  assembler.finish();
  const memories = placeMemories(modules);
  const layout = layOut(assembler.sections, memories);
  const starts = [layout.text, layout.rodata];
  const symbols = [...assembler.symbols.values()].map((symbol) => ({
    ...symbol,
    address: (starts[symbol.section] as number) + symbol.offset,
  }));
  const addresses = new Map(symbols.map(({ name, address }) => [name, address]));
  for (const [name, address] of [
    ...modules.map(({ memory }, i) => [memory, layout.memories[i] as number] as const),
    ...[["memoryEnd", layout.memoryEnd] as const],
    ...[["textStart", layout.text] as const, ["textEnd", layout.textEnd] as const],
    ...[["launcherStart", 0] as const, ["launcherEnd", alignUp(layout.memoryEnd, PAGE)] as const],
  ]) {
    if (addresses.has(name)) throw new LinkError(`link: symbol ${name} is the linker's own`);
    addresses.set(name, address);
  }
  const places = modules.flatMap(({ symbols: named }, i) =>
    named.map(({ name, offset }) => ({ name, address: (layout.memories[i] as number) + offset })),
  );
  for (const { name, address } of places) if (!addresses.has(name)) addresses.set(name, address);
  resolve(assembler, starts, addresses);

  const entry = addresses.get("_start");
  if (entry === undefined) throw new LinkError("link: no symbol _start: nothing says where the launcher begins");
  const { islands } = layout;
  const lastIsland = islands[islands.length - 1] as Island;
  const image = new Image(lastIsland.fileOffset + lastIsland.fileSize);
  image.set(layout.text, assembler.sections[0].bytes);
  image.set(layout.rodata, assembler.sections[1].bytes);
  const put = (address: number, bytes: Uint8Array): void => {
    const island = islands.findLast((candidate) => candidate.address <= address) as Island;
    image.set(island.fileOffset + address - island.address, bytes);
  };
  const first = (islands[0] as Island).address;
  for (const { offset, bytes } of memories.data) put(first + offset, bytes);
  writeProgramHeaders(image, layout);
  const callFrames = encodeCallFrames(assembler.frames.rows, layout.text, layout.textEnd);
  const objects = modules.map(({ memory, size }, i) => ({ name: memory, address: layout.memories[i] as number, size }));
  writeDebugSections(
    image,
    layout,
    symbols,
    [...objects, ...places.map((place) => ({ ...place, size: 0 }))],
    callFrames,
  );
  writeHeader(image, entry, layout.programHeaders);
  writeBuildId(image, layout.note);
  return image.bytes;
}

function resolve(assembler: SectionWriter, starts: readonly number[], addresses: ReadonlyMap<string, number>): void {
  const missing = new Set<string>();
  const addressOf = (of: string | Label): number => {
    if (of instanceof Label) return (starts[of.section] as number) + of.offset;
    const address = addresses.get(of);
    if (address === undefined) missing.add(of);
    return address ?? 0;
  };
  for (const reference of assembler.references) {
    const value = addressOf(reference.target) + reference.addend - baseOf(reference, starts, addressOf);
    if (value !== (value | 0)) throw new LinkError(`link: ${String(reference.target)} is out of reach of 32 bits`);
    (assembler.sections[reference.section] as (typeof assembler.sections)[0]).setI32(reference.offset, value);
  }
  if (missing.size > 0) throw new LinkError(`link: undefined symbol: ${[...missing].sort().join(", ")}`);
}

function baseOf(reference: Reference, starts: readonly number[], addressOf: (of: string | Label) => number): number {
  if (reference.base !== null) return addressOf(reference.base);
  return (starts[reference.section] as number) + reference.offset;
}

/** A growing file image. */
class Image {
  bytes: Uint8Array;
  view: DataView;

  constructor(size: number) {
    this.bytes = new Uint8Array(size);
    this.view = new DataView(this.bytes.buffer);
  }

  set(offset: number, bytes: Uint8Array): void {
    this.bytes.set(bytes, offset);
  }

  /** Appends at a multiple of eight and gives the offset. */
  append(bytes: Uint8Array): number {
    const offset = alignUp(this.bytes.length, 8);
    const grown = new Uint8Array(offset + bytes.length);
    grown.set(this.bytes);
    grown.set(bytes, offset);
    this.bytes = grown;
    this.view = new DataView(grown.buffer);
    return offset;
  }

  u16(offset: number, value: number): void {
    this.view.setUint16(offset, value, true);
  }
  u32(offset: number, value: number): void {
    this.view.setUint32(offset, value, true);
  }
  u64(offset: number, value: number): void {
    this.view.setBigUint64(offset, BigInt(value), true);
  }
}

function writeProgramHeaders(image: Image, layout: Layout): void {
  const { note, rodataEnd, text, textEnd, islands } = layout;
  const headers: [
    type: number,
    flags: number,
    address: number,
    offset: number,
    file: number,
    memory: number,
    align: number,
  ][] = [
    [PT_LOAD, PF_R, 0, 0, rodataEnd, rodataEnd, PAGE],
    [PT_LOAD, PF_R | PF_X, text, text, textEnd - text, textEnd - text, PAGE],
    ...islands.map(({ address, fileOffset, fileSize, memorySize }): (typeof headers)[0] => {
      return [PT_LOAD, PF_R | PF_W, address, fileOffset, fileSize, memorySize, PAGE];
    }),
    [PT_NOTE, PF_R, note, note, NOTE_SIZE, NOTE_SIZE, 4],
    [PT_GNU_STACK, PF_R | PF_W, 0, 0, 0, 0, 16],
  ];
  for (const [i, [type, flags, address, offset, file, memory, align]] of headers.entries()) {
    const at = HEADER_SIZE + i * PROGRAM_HEADER_SIZE;
    image.u32(at, type);
    image.u32(at + 4, flags);
    image.u64(at + 8, offset);
    image.u64(at + 16, address);
    image.u64(at + 24, address);
    image.u64(at + 32, file);
    image.u64(at + 40, memory);
    image.u64(at + 48, align);
  }
}

/** Strings of a .strtab, each once. */
class StringTable {
  private readonly offsets = new Map<string, number>();
  private text = "\0";

  add(name: string): number {
    const known = this.offsets.get(name);
    if (known !== undefined) return known;
    const offset = Buffer.byteLength(this.text);
    this.offsets.set(name, offset);
    this.text += `${name}\0`;
    return offset;
  }

  get bytes(): Uint8Array {
    return Buffer.from(this.text);
  }
}

interface SectionHeader {
  name: string;
  type: number;
  flags: number;
  start: number;
  /** When it is not `start`. */
  fileOffset?: number;
  size: number;
  link?: number;
  info?: number;
  align: number;
  entrySize?: number;
}

/**
 * `src/engine/patch/plan/commitPlan` of the wasm name section is engine/patch/plan/commitPlan to its reader, and the entry
 * `engine.onSyscall` is engine/onSyscall: gdb takes names with a dot for Ada's and shows them otherwise.
 */
const readableName = (name: string): string => name.replace(/^src\//, "").replace(/^engine\./, "engine/");

function writeDebugSections(
  image: Image,
  layout: Layout,
  all: readonly (AssembledSymbol & { address: number })[],
  places: readonly { readonly name: string; readonly address: number; readonly size: number }[],
  callFrames: Uint8Array,
): void {
  // Marks and ends of ranges are no functions: whoever looks an address up would find them in place of the function.
  const symbols = all.filter(({ kind, size }) => kind === "object" || (kind === "function" && size > 0));
  const names = new StringTable();
  const table = new DataView(new ArrayBuffer(SYMBOL_SIZE * (symbols.length + places.length + 1)));
  const put = (i: number, name: string, type: number, section: number, address: number, size: number): void => {
    table.setUint32(i * SYMBOL_SIZE, names.add(name), true);
    table.setUint8(i * SYMBOL_SIZE + 4, type); // STB_LOCAL
    table.setUint16(i * SYMBOL_SIZE + 6, section, true);
    table.setBigUint64(i * SYMBOL_SIZE + 8, BigInt(address), true);
    table.setBigUint64(i * SYMBOL_SIZE + 16, BigInt(size), true);
  };
  // Section numbers as listed below: 2 rodata, 3 text, 4 the first of the data.
  for (const [i, { name, kind, section, address, size }] of symbols.entries()) {
    const type = kind === "function" ? STT_FUNC : STT_OBJECT;
    put(i + 1, readableName(name), type, section === 0 ? 3 : 2, address, size);
  }
  for (const [i, { name, address, size }] of places.entries()) {
    put(symbols.length + 1 + i, name, STT_OBJECT, 4, address, size);
  }

  const frames = image.append(callFrames);
  const symtab = image.append(new Uint8Array(table.buffer));
  const strtab = image.append(names.bytes);
  const sectionNames = new StringTable();
  const { note, rodata, rodataEnd, text, textEnd, islands } = layout;
  const bss = islands.flatMap(({ address, fileSize, memorySize }): SectionHeader[] => {
    const header = {
      name: ".bss",
      type: SHT_NOBITS,
      flags: SHF_ALLOC | SHF_WRITE,
      start: address + fileSize,
      align: 1,
    };
    return memorySize > fileSize ? [{ ...header, size: memorySize - fileSize }] : [];
  });
  const headers: SectionHeader[] = [
    { name: "", type: 0, flags: 0, start: 0, size: 0, align: 0 },
    { name: ".note.gnu.build-id", type: SHT_NOTE, flags: SHF_ALLOC, start: note, size: NOTE_SIZE, align: 4 },
    { name: ".rodata", type: SHT_PROGBITS, flags: SHF_ALLOC, start: rodata, size: rodataEnd - rodata, align: 16 },
    {
      name: ".text",
      type: SHT_PROGBITS,
      flags: SHF_ALLOC | SHF_EXECINSTR,
      start: text,
      size: textEnd - text,
      align: 16,
    },
    ...islands.map(({ address, fileOffset, fileSize }): SectionHeader => {
      const flags = SHF_ALLOC | SHF_WRITE;
      return { name: ".data", type: SHT_PROGBITS, flags, start: address, fileOffset, size: fileSize, align: PAGE };
    }),
    ...bss,
    { name: ".debug_frame", type: SHT_PROGBITS, flags: 0, start: frames, size: callFrames.length, align: 8 },
    {
      ...{ name: ".symtab", type: SHT_SYMTAB, flags: 0, start: symtab, size: table.byteLength, align: 8 },
      ...{ link: 6 + islands.length + bss.length, info: symbols.length + places.length + 1, entrySize: SYMBOL_SIZE },
    },
    { name: ".strtab", type: SHT_STRTAB, flags: 0, start: strtab, size: names.bytes.length, align: 1 },
  ];
  const last: SectionHeader = { name: ".shstrtab", type: SHT_STRTAB, flags: 0, start: 0, size: 0, align: 1 };
  for (const { name } of [...headers, last]) sectionNames.add(name);
  last.start = image.append(sectionNames.bytes);
  last.size = sectionNames.bytes.length;
  headers.push(last);

  const at = image.append(new Uint8Array(headers.length * SECTION_HEADER_SIZE));
  for (const [i, header] of headers.entries()) {
    const place = at + i * SECTION_HEADER_SIZE;
    image.u32(place, header.name === "" ? 0 : sectionNames.add(header.name));
    image.u32(place + 4, header.type);
    image.u64(place + 8, header.flags);
    image.u64(place + 16, (header.flags & SHF_ALLOC) !== 0 ? header.start : 0);
    image.u64(place + 24, header.fileOffset ?? header.start);
    image.u64(place + 32, header.size);
    image.u32(place + 40, header.link ?? 0);
    image.u32(place + 44, header.info ?? 0);
    image.u64(place + 48, header.align);
    image.u64(place + 56, header.entrySize ?? 0);
  }
  image.u64(0x28, at); // e_shoff
  image.u16(0x3c, headers.length); // e_shnum
  image.u16(0x3e, headers.length - 1); // e_shstrndx
}

function writeHeader(image: Image, entry: number, programHeaders: number): void {
  image.set(0, Uint8Array.from([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0])); // ELF64, little-endian, version 1, System V
  image.u16(0x10, ET_DYN);
  image.u16(0x12, EM_X86_64);
  image.u32(0x14, 1); // e_version
  image.u64(0x18, entry);
  image.u64(0x20, HEADER_SIZE); // e_phoff
  image.u16(0x34, HEADER_SIZE);
  image.u16(0x36, PROGRAM_HEADER_SIZE);
  image.u16(0x38, programHeaders);
  image.u16(0x3a, SECTION_HEADER_SIZE);
}

/** NT_GNU_BUILD_ID: a hash of all the rest, so that equal launchers have equal ids. */
function writeBuildId(image: Image, note: number): void {
  image.u32(note, 4);
  image.u32(note + 4, 20);
  image.u32(note + 8, 3);
  image.set(note + 12, Buffer.from("GNU\0"));
  image.set(note + 16, createHash("sha256").update(image.bytes).digest().subarray(0, 20));
}
