// ELF as the loader needs it: /usr/include/elf.h, the ELF-64 Object File Format 1.5, and fs/binfmt_elf.c for what the
// kernel accepts.

/** Elf64_Ehdr */
@unmanaged
export class FileHeader {
  magic: u32;
  class: u8;
  data: u8;
  identVersion: u8;
  osabi: u8;
  identPadding: u64;
  type: u16;
  machine: u16;
  version: u32;
  entry: u64;
  phoff: u64;
  shoff: u64;
  flags: u32;
  ehsize: u16;
  phentsize: u16;
  phnum: u16;
  shentsize: u16;
  shnum: u16;
  shstrndx: u16;
}
export const FILE_HEADER_SIZE: usize = 64;

/** Elf64_Phdr */
@unmanaged
export class ProgramHeader {
  type: u32;
  flags: u32;
  offset: u64;
  vaddr: u64;
  paddr: u64;
  filesz: u64;
  memsz: u64;
  align: u64;
}
export const PROGRAM_HEADER_SIZE: usize = 56;

export const ELF_MAGIC: u32 = 0x464c457f;
export const ELFCLASS32: u8 = 1;
export const ET_EXEC: u16 = 2;
export const ET_DYN: u16 = 3;
export const EM_X86_64: u16 = 62;

export const PT_LOAD: u32 = 1;
export const PT_INTERP: u32 = 3;
export const PT_PHDR: u32 = 6;
export const PT_GNU_EH_FRAME: u32 = 0x6474e550;
export const PT_GNU_STACK: u32 = 0x6474e551;

export const PF_X: u32 = 1;
export const PF_W: u32 = 2;
export const PF_R: u32 = 4;

/** ELF_MIN_ALIGN: one page. */
export const PAGE_SIZE: u64 = 4096;
/** The kernel reads at most this much of program headers: load_elf_phdrs. */
export const PROGRAM_HEADERS_MAX: u32 = 65536;

export function pageFloor(value: u64): u64 {
  return value & ~(PAGE_SIZE - 1);
}
export function pageCeil(value: u64): u64 {
  return (value + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1);
}

/**
 * Whether the kernel would take these bytes for a program of its own kind: load_elf_binary's first checks. It looks at
 * neither class nor byte order nor version; a 32-bit file fails by its machine or by the size of its program headers.
 */
export function isNativeElf(header: FileHeader): bool {
  return header.magic == ELF_MAGIC && hasProgramType(header) && header.machine == EM_X86_64;
}

export function hasProgramType(header: FileHeader): bool {
  return header.type == ET_EXEC || header.type == ET_DYN;
}

/** Whether program headers are as load_elf_phdrs wants them, and lie at a file offset that exists. */
export function hasProgramHeaders(header: FileHeader): bool {
  return (
    header.phentsize == (PROGRAM_HEADER_SIZE as u16) &&
    header.phnum > 0 &&
    headersSize(header) <= (PROGRAM_HEADERS_MAX as usize) &&
    (header.phoff as i64) >= 0
  );
}

/** Size of all program headers, in bytes. */
export function headersSize(header: FileHeader): usize {
  return (header.phnum as usize) * PROGRAM_HEADER_SIZE;
}

export function programHeader(headers: usize, index: u32): ProgramHeader {
  return changetype<ProgramHeader>(headers + (index as usize) * PROGRAM_HEADER_SIZE);
}

/** PROT_* of a segment's PF_*. */
export function protectionOf(flags: u32): u64 {
  return ((flags & PF_R ? 1 : 0) | (flags & PF_W ? 2 : 0) | (flags & PF_X ? 4 : 0)) as u64;
}
