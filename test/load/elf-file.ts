// Small ELF files, made field by field: for files that no linker makes.
//
// A file is its header, its program headers and the bytes that `contents` puts at file offsets. What is not given is
// right; what is given is written as it is, however wrong.

export const ET_REL = 1;
export const ET_EXEC = 2;
export const ET_DYN = 3;
export const ET_CORE = 4;
export const EM_386 = 3;
export const EM_X86_64 = 62;
export const EM_AARCH64 = 183;

export const PT_LOAD = 1;
export const PT_INTERP = 3;
export const PT_PHDR = 6;
export const PT_GNU_STACK = 0x6474e551;

export const PF_X = 1;
export const PF_W = 2;
export const PF_R = 4;

export const HEADER_SIZE = 64;
export const PROGRAM_HEADER_SIZE = 56;

export interface Segment {
  type?: number;
  flags?: number;
  offset?: bigint;
  vaddr?: bigint;
  filesz?: bigint;
  memsz?: bigint;
  align?: bigint;
}

export interface ElfFile {
  magic?: number;
  class?: number;
  data?: number;
  type?: number;
  machine?: number;
  entry?: bigint;
  phoff?: bigint;
  phentsize?: number;
  phnum?: number;
  segments?: Segment[];
  contents?: readonly { offset: number; bytes: Uint8Array }[];
  /** Size of the file, when it is not where the contents end. */
  size?: number;
}

export function encodeElf(file: ElfFile): Uint8Array {
  const segments = file.segments ?? [];
  const end = Math.max(
    HEADER_SIZE + PROGRAM_HEADER_SIZE * segments.length,
    ...(file.contents ?? []).map(({ offset, bytes }) => offset + bytes.length),
  );
  const bytes = new Uint8Array(end);
  const view = new DataView(bytes.buffer);
  const u64 = (at: number, value: bigint): void => view.setBigUint64(at, BigInt.asUintN(64, value), true);
  view.setUint32(0, file.magic ?? 0x464c457f, true);
  bytes[4] = file.class ?? 2;
  bytes[5] = file.data ?? 1;
  bytes[6] = 1;
  view.setUint16(16, file.type ?? ET_EXEC, true);
  view.setUint16(18, file.machine ?? EM_X86_64, true);
  view.setUint32(20, 1, true);
  u64(24, file.entry ?? 0n);
  u64(32, file.phoff ?? BigInt(HEADER_SIZE));
  view.setUint16(52, HEADER_SIZE, true);
  view.setUint16(54, file.phentsize ?? PROGRAM_HEADER_SIZE, true);
  view.setUint16(56, file.phnum ?? segments.length, true);
  segments.forEach((segment, i) => {
    const at = HEADER_SIZE + PROGRAM_HEADER_SIZE * i;
    view.setUint32(at, segment.type ?? PT_LOAD, true);
    view.setUint32(at + 4, segment.flags ?? PF_R, true);
    u64(at + 8, segment.offset ?? 0n);
    u64(at + 16, segment.vaddr ?? 0n);
    u64(at + 24, segment.vaddr ?? 0n);
    u64(at + 32, segment.filesz ?? 0n);
    u64(at + 40, segment.memsz ?? segment.filesz ?? 0n);
    u64(at + 48, segment.align ?? 4096n);
  });
  for (const { offset, bytes: content } of file.contents ?? []) bytes.set(content, offset);
  if (file.size === undefined) return bytes;
  const sized = new Uint8Array(file.size);
  sized.set(bytes.subarray(0, file.size));
  return sized;
}

/** Where the parts of `program` are. */
export const TEXT_OFFSET = 0x1000;
export const DATA_OFFSET = 0x2000;
const MESSAGE = "alive\n";
const TEXT_VADDR = 0x1000;
const DATA_VADDR = 0x3000;
const DATA_SIZE = 0x100;
const BSS_SIZE = 0x2000;
export const PROGRAM_STATUS = 42;

/**
 * Code that stores to data and bss, adds up bss (0 unless the loader left something there), says `alive` and ends with
 * status 42 + the sum. Position-independent.
 */
function code(): Uint8Array {
  const bytes: number[] = [];
  const rel32 = (target: number, after: number): void => {
    const distance = target - (TEXT_VADDR + bytes.length + 4 + after);
    for (let i = 0; i < 4; i++) bytes.push((distance >> (8 * i)) & 0xff);
  };
  // movb $1, data+0x80(%rip)
  bytes.push(0xc6, 0x05);
  rel32(DATA_VADDR + 0x80, 1);
  bytes.push(1);
  // lea  data+DATA_SIZE(%rip), %rsi ; mov $BSS_SIZE, %ecx ; xor %ebx, %ebx ; xor %eax, %eax
  bytes.push(0x48, 0x8d, 0x35);
  rel32(DATA_VADDR + DATA_SIZE, 0);
  bytes.push(0xb9, BSS_SIZE & 0xff, BSS_SIZE >> 8, 0, 0, 0x31, 0xdb, 0x31, 0xc0);
  // lodsb ; add %eax, %ebx ; movb $1, -1(%rsi) ; loop
  bytes.push(0xac, 0x01, 0xc3, 0xc6, 0x46, 0xff, 0x01, 0xe2, 0xf7);
  // lea  data(%rip), %rsi ; mov $6, %edx ; mov $1, %edi ; mov $1, %eax ; syscall
  bytes.push(0x48, 0x8d, 0x35);
  rel32(DATA_VADDR, 0);
  bytes.push(0xba, MESSAGE.length, 0, 0, 0, 0xbf, 1, 0, 0, 0, 0xb8, 1, 0, 0, 0, 0x0f, 0x05);
  // lea  42(%rbx), %edi ; mov $60, %eax ; syscall
  bytes.push(0x8d, 0x7b, PROGRAM_STATUS, 0xb8, 60, 0, 0, 0, 0x0f, 0x05);
  return Uint8Array.from(bytes);
}

/** A program with headers, text, data and bss. `base` is added to all its addresses. */
export function program(
  options: { type?: number; base?: bigint; interpreter?: string; change?: (file: ElfFile) => void } = {},
): ElfFile {
  const base = options.base ?? (options.type === ET_DYN ? 0n : 0x400000n);
  const path = options.interpreter === undefined ? null : Buffer.from(`${options.interpreter}\0`, "latin1");
  const file: ElfFile = {
    type: options.type ?? ET_EXEC,
    entry: base + BigInt(TEXT_VADDR),
    segments: [
      { flags: PF_R, offset: 0n, vaddr: base, filesz: 0x800n },
      { flags: PF_R | PF_X, offset: BigInt(TEXT_OFFSET), vaddr: base + BigInt(TEXT_VADDR), filesz: 0x100n },
      {
        ...{ flags: PF_R | PF_W, offset: BigInt(DATA_OFFSET), vaddr: base + BigInt(DATA_VADDR) },
        ...{ filesz: BigInt(DATA_SIZE), memsz: BigInt(DATA_SIZE + BSS_SIZE) },
      },
      { type: PT_GNU_STACK, flags: PF_R | PF_W },
    ],
    contents: [
      { offset: TEXT_OFFSET, bytes: code() },
      { offset: DATA_OFFSET, bytes: Buffer.from(MESSAGE) },
      // What lies behind the data in the file must not be seen in bss.
      { offset: DATA_OFFSET + DATA_SIZE, bytes: new Uint8Array(0x300).fill(0xcc) },
    ],
  };
  if (path !== null) {
    file.segments!.unshift({ type: PT_INTERP, offset: 0x400n, vaddr: base + 0x400n, filesz: BigInt(path.length) });
    file.contents = [...file.contents!, { offset: 0x400, bytes: path }];
  }
  options.change?.(file);
  return file;
}
