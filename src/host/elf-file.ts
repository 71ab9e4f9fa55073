// An ELF file as `flicker inspect` reads it: the ELF-64 Object File Format 1.5 and /usr/include/elf.h. What the engine reads
// for itself (src/engine/load/elf.ts) is read here again for people: names, sections, symbols, and a reason in words for a
// file that is no program. The engine's own verdict on the headers comes afterwards and may be stricter.

import { closeSync, fstatSync, openSync, readFileSync, readSync } from "node:fs";

/** A file that cannot be inspected, as one line: what was wanted, what was found. */
export class ElfError extends Error {}

export interface Segment {
  readonly offset: number;
  readonly address: bigint;
  readonly fileSize: number;
  readonly memorySize: bigint;
  readonly executable: boolean;
}

export interface Section {
  readonly name: string;
  readonly type: number;
  readonly executable: boolean;
  readonly compressed: boolean;
  readonly address: bigint;
  readonly offset: number;
  readonly size: number;
  readonly link: number;
}

export type Kind = "executable" | "position-independent executable" | "shared library" | "static executable" | "vDSO";

export interface ElfFile {
  readonly path: string;
  readonly bytes: Buffer;
  readonly kind: Kind;
  readonly segments: readonly Segment[];
  readonly sections: readonly Section[];
  readonly hasSymbolTable: boolean;
  /** The path of PT_INTERP, as the file has it. */
  readonly interpreter: string | null;
  /** Names of the libraries that it needs, and where it says they may be (DT_RPATH, DT_RUNPATH). */
  readonly needed: readonly string[];
  readonly libraryPath: readonly string[];
}

const ET_EXEC = 2;
const ET_DYN = 3;
const EM_X86_64 = 62;
const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const PT_INTERP = 3;
const PF_X = 1;
const SHT_SYMTAB = 2;
const SHT_NOBITS = 8;
const SHF_EXECINSTR = 4n;
const SHF_COMPRESSED = 0x800n;
const DT_NEEDED = 1n;
const DT_STRTAB = 5n;
const DT_RPATH = 15n;
const DT_RUNPATH = 29n;
const DT_FLAGS_1 = 0x6ffffffbn;
const DF_1_PIE = 0x08000000n;
const FILE_HEADER_SIZE = 64;
const PROGRAM_HEADER_SIZE = 56;
const SECTION_HEADER_SIZE = 64;
/** More than any linker's; the engine reads as many as the kernel does. */
const FILE_MAX = 0x7fffffff;

/** e_machine of what people have lying about: elf.h. */
const MACHINES: Readonly<Record<number, string>> = {
  3: "32-bit x86",
  8: "MIPS",
  20: "32-bit PowerPC",
  21: "PowerPC",
  22: "S/390",
  40: "32-bit ARM",
  43: "SPARC",
  50: "Itanium",
  183: "AArch64",
  243: "RISC-V",
  247: "BPF",
  258: "LoongArch",
};
const TYPES: Readonly<Record<number, string>> = {
  0: "an ELF file of no type",
  1: "a relocatable object: link it first",
  4: "a core dump",
};

/** The reason for an error of the file system, as libc says it. */
function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  const reasons: Readonly<Record<string, string>> = {
    ENOENT: "No such file or directory",
    ENOTDIR: "Not a directory",
    EACCES: "Permission denied",
    EISDIR: "Is a directory",
    ELOOP: "Too many levels of symbolic links",
    EMFILE: "Too many open files",
  };
  return reasons[code ?? ""] ?? message;
}

/** Reads a regular file. @throws ElfError */
function readRegular(path: string): Buffer {
  let descriptor;
  try {
    // O_NONBLOCK: a FIFO without a writer would block.
    descriptor = openSync(path, 0o4000);
  } catch (error) {
    throw new ElfError(`${path}: ${reasonOf(error)}`);
  }
  try {
    const stat = fstatSync(descriptor);
    if (stat.isDirectory()) throw new ElfError(`${path}: Is a directory`);
    if (!stat.isFile()) throw new ElfError(`${path}: not a regular file`);
    if (stat.size > FILE_MAX) throw new ElfError(`${path}: ${stat.size} bytes; more than 2 GiB cannot be inspected`);
    return readFileSync(descriptor);
  } catch (error) {
    throw error instanceof ElfError ? error : new ElfError(`${path}: ${reasonOf(error)}`);
  } finally {
    closeSync(descriptor);
  }
}

function checkIdentification(path: string, bytes: Buffer): void {
  if (bytes.length === 0) throw new ElfError(`${path}: empty file`);
  if (bytes.toString("latin1", 0, 2) === "#!") {
    const interpreter = bytes.toString("latin1", 2, 256).split("\n", 1)[0]?.trim().split(/\s/, 1)[0] ?? "";
    throw new ElfError(`${path}: a script; inspect its interpreter, ${interpreter}`);
  }
  if (bytes.toString("latin1", 0, 4) !== "\x7fELF") throw new ElfError(`${path}: not an ELF file`);
  if (bytes.length < FILE_HEADER_SIZE) {
    throw new ElfError(`${path}: truncated: ${bytes.length} bytes, of which the file header alone needs 64`);
  }
  const machine = bytes.readUInt8(5) === 2 ? bytes.readUInt16BE(18) : bytes.readUInt16LE(18);
  if (bytes.readUInt8(4) !== 2 || bytes.readUInt8(5) !== 1 || machine !== EM_X86_64) {
    // x32 has the machine of AMD64 and the class of 32 bits.
    const name = machine === EM_X86_64 ? "x32" : (MACHINES[machine] ?? `machine ${machine}`);
    throw new ElfError(`${path}: not a 64-bit x86 program (it is for ${name})`);
  }
  const type = bytes.readUInt16LE(16);
  if (type !== ET_EXEC && type !== ET_DYN) {
    throw new ElfError(`${path}: not a program or library: ${TYPES[type] ?? `ELF type ${type}`}`);
  }
}

interface ProgramHeaders {
  readonly segments: Segment[];
  readonly interpreter: string | null;
  /** File offset and size of PT_DYNAMIC. */
  readonly dynamic: readonly [number, number] | null;
}

function readProgramHeaders(path: string, bytes: Buffer): ProgramHeaders {
  const start = bytes.readBigUInt64LE(32);
  const count = bytes.readUInt16LE(56);
  if (count === 0) throw new ElfError(`${path}: no program headers: nothing of it is ever mapped`);
  const end = start + BigInt(count * PROGRAM_HEADER_SIZE);
  if (bytes.readUInt16LE(54) !== PROGRAM_HEADER_SIZE) throw new ElfError(`${path}: program headers of an unknown size`);
  if (end > BigInt(bytes.length)) {
    throw new ElfError(`${path}: truncated: ${bytes.length} bytes, program headers at 0x${start.toString(16)}`);
  }
  const segments: Segment[] = [];
  let interpreter: string | null = null;
  let dynamic: [number, number] | null = null;
  for (let at = Number(start); at < Number(end); at += PROGRAM_HEADER_SIZE) {
    const type = bytes.readUInt32LE(at);
    const [offset, fileSize] = [bytes.readBigUInt64LE(at + 8), bytes.readBigUInt64LE(at + 32)];
    if (type === PT_INTERP) interpreter = stringAt(bytes, Number(offset));
    if (type !== PT_LOAD && type !== PT_DYNAMIC) continue;
    if (offset + fileSize > BigInt(bytes.length)) {
      if (type === PT_DYNAMIC) continue;
      const wanted = `a segment needs bytes 0x${offset.toString(16)} to 0x${(offset + fileSize).toString(16)}`;
      throw new ElfError(`${path}: truncated: ${bytes.length} bytes, ${wanted}`);
    }
    if (type === PT_DYNAMIC) dynamic = [Number(offset), Number(fileSize)];
    else {
      segments.push({
        offset: Number(offset),
        address: bytes.readBigUInt64LE(at + 16),
        fileSize: Number(fileSize),
        memorySize: bytes.readBigUInt64LE(at + 40),
        executable: (bytes.readUInt32LE(at + 4) & PF_X) !== 0,
      });
    }
  }
  if (segments.length === 0) throw new ElfError(`${path}: no loadable segment: nothing of it is ever mapped`);
  return { segments, interpreter, dynamic };
}

/** A zero-terminated string; "" outside of the file. */
export function stringAt(bytes: Buffer, at: number): string {
  const end = bytes.indexOf(0, at);
  return at >= bytes.length || end < 0 ? "" : bytes.toString("utf8", at, end);
}

/** Section headers; none where they are missing or lie outside of the file. */
function readSections(bytes: Buffer): Section[] {
  const start = bytes.readBigUInt64LE(40);
  const count = bytes.readUInt16LE(60);
  const size = BigInt(bytes.length);
  if (start === 0n || bytes.readUInt16LE(58) !== SECTION_HEADER_SIZE) return [];
  if (start + BigInt(count * SECTION_HEADER_SIZE) > size) return [];
  const headerAt = (index: number): number => Number(start) + index * SECTION_HEADER_SIZE;
  const namesIndex = bytes.readUInt16LE(62);
  const names = namesIndex < count ? bytes.readBigUInt64LE(headerAt(namesIndex) + 24) : size;
  const sections: Section[] = [];
  for (let at = headerAt(0); at < headerAt(count); at += SECTION_HEADER_SIZE) {
    const type = bytes.readUInt32LE(at + 4);
    const [offset, length] = [bytes.readBigUInt64LE(at + 24), bytes.readBigUInt64LE(at + 32)];
    const isInside = type !== SHT_NOBITS && offset + length <= size;
    const name = names + BigInt(bytes.readUInt32LE(at));
    sections.push({
      name: name < size ? stringAt(bytes, Number(name)) : "",
      type,
      executable: (bytes.readBigUInt64LE(at + 8) & SHF_EXECINSTR) !== 0n && isInside,
      compressed: (bytes.readBigUInt64LE(at + 8) & SHF_COMPRESSED) !== 0n,
      address: bytes.readBigUInt64LE(at + 16),
      offset: isInside ? Number(offset) : 0,
      size: isInside ? Number(length) : 0,
      link: bytes.readUInt32LE(at + 40),
    });
  }
  return sections;
}

/** Entries of PT_DYNAMIC: tag and value. */
function readDynamic(bytes: Buffer, place: readonly [number, number] | null): [bigint, bigint][] {
  const entries: [bigint, bigint][] = [];
  if (place === null) return entries;
  const [start, size] = place;
  for (let at = start; at + 16 <= start + size; at += 16) {
    entries.push([bytes.readBigUInt64LE(at), bytes.readBigUInt64LE(at + 8)]);
  }
  return entries;
}

function kindOf(bytes: Buffer, interpreter: string | null, dynamic: readonly [bigint, bigint][]): Kind {
  const isDynamic = bytes.readUInt16LE(16) === ET_DYN;
  if (!isDynamic) return interpreter !== null ? "executable" : "static executable";
  const flags = dynamic.find(([tag]) => tag === DT_FLAGS_1)?.[1] ?? 0n;
  if ((flags & DF_1_PIE) === 0n) return "shared library";
  return interpreter !== null ? "position-independent executable" : "static executable";
}

/** The strings of some entries of PT_DYNAMIC; none where the table lies outside of the file. */
function dynamicStrings(bytes: Buffer, { segments }: ProgramHeaders, dynamic: readonly [bigint, bigint][]) {
  const table = dynamic.find(([tag]) => tag === DT_STRTAB)?.[1];
  const segment = segments.find(
    ({ address, fileSize }) => table !== undefined && table >= address && table < address + BigInt(fileSize),
  );
  return (...tags: bigint[]): string[] => {
    if (table === undefined || segment === undefined) return [];
    const start = BigInt(segment.offset) + table - segment.address;
    return dynamic
      .filter(([tag, value]) => tags.includes(tag) && start + value < BigInt(bytes.length))
      .map(([, value]) => stringAt(bytes, Number(start + value)));
  };
}

function parse(path: string, bytes: Buffer, kind?: Kind): ElfFile {
  checkIdentification(path, bytes);
  const headers = readProgramHeaders(path, bytes);
  const sections = readSections(bytes);
  const dynamic = readDynamic(bytes, headers.dynamic);
  const strings = dynamicStrings(bytes, headers, dynamic);
  return {
    path,
    bytes,
    kind: kind ?? kindOf(bytes, headers.interpreter, dynamic),
    interpreter: headers.interpreter,
    needed: strings(DT_NEEDED),
    libraryPath: strings(DT_RPATH, DT_RUNPATH).flatMap((path) => path.split(":")),
    segments: headers.segments,
    sections,
    hasSymbolTable: sections.some(({ type }) => type === SHT_SYMTAB),
  };
}

/**
 * Reads a program or library.
 * @throws ElfError
 */
export function readElfFile(path: string): ElfFile {
  return parse(path, readRegular(path));
}

/** The name under which /proc/PID/maps lists the vDSO. */
export const VDSO_NAME = "[vdso]";

/**
 * The vDSO that this kernel maps into every process, Node's own among them.
 * @throws ElfError where it is off (vdso=0)
 */
export function readVdso(): ElfFile {
  const line = /^([0-9a-f]+)-([0-9a-f]+) .*\[vdso\]$/m.exec(readFileSync("/proc/self/maps", "latin1"));
  if (line === null) throw new ElfError(`${VDSO_NAME}: this kernel maps none`);
  const [start, end] = [parseInt(line[1]!, 16), parseInt(line[2]!, 16)];
  const bytes = Buffer.alloc(end - start);
  const memory = openSync("/proc/self/mem", "r");
  try {
    readSync(memory, bytes, 0, bytes.length, start);
  } finally {
    closeSync(memory);
  }
  return parse(VDSO_NAME, bytes, "vDSO");
}
