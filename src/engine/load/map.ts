// Mapping an ELF file as the kernel does: load_elf_binary and load_elf_interp of fs/binfmt_elf.c.
//
// One reservation of the whole image finds the place, the segments are mapped over it, the rest of the last file page is
// zeroed and the pages of bss behind it are anonymous. Executable segments are mapped without PROT_EXEC, patched, and
// only then become executable (patch/executable.ts).

import { mapExecutable } from "../patch/executable";
import { avoid } from "../patch/territory";
import { addressOf, isError, syscall2, syscall4 } from "../kernel/calls";
import { EEXIST, EINVAL, EIO, ENOEXEC, ENOMEM } from "../kernel/errno";
import { SYS_MMAP, SYS_MUNMAP, SYS_PREAD64 } from "../kernel/numbers";
import { poke8, syscall } from "../process";
import { randomBits } from "./randomness";
import {
  ET_DYN,
  FileHeader,
  PAGE_SIZE,
  PF_W,
  PF_X,
  PROGRAM_HEADER_SIZE,
  PT_INTERP,
  PT_LOAD,
  PT_PHDR,
  isNativeElf,
  pageCeil,
  pageFloor,
  programHeader,
  protectionOf,
} from "./elf";

export const PROT_READ: u64 = 1;
export const PROT_WRITE: u64 = 2;
export const PROT_EXEC: u64 = 4;
export const MAP_SHARED: u64 = 1;
export const MAP_PRIVATE: u64 = 2;
export const MAP_FIXED: u64 = 0x10;
export const MAP_ANONYMOUS: u64 = 0x20;
export const MAP_FIXED_NOREPLACE: u64 = 0x100000;

/** ELF_ET_DYN_BASE of arch/x86/include/asm/elf.h: two thirds of the 47-bit address space. */
export const PIE_BASE: u64 = 0x555555554000;
/** mmap_rnd_bits of AMD64's default: 28 bits of pages. */
const PIE_RANDOM_MASK: u64 = ((1 as u64) << 28) - 1;
const BRK_ROOM: u64 = 0x22000000;
const TASK_SIZE: u64 = 0x7ffffffff000;

/** An ELF file that is being mapped, and what its mapping gave. */
@unmanaged
export class Image {
  descriptor: i32;
  headerCount: u32;
  header: usize;
  headers: usize;
  /** What is added to the file's addresses. */
  bias: u64;
  entry: u64;
  /** Process address of the program headers, or 0: AT_PHDR. */
  headersAddress: u64;
  startCode: u64;
  endCode: u64;
  startData: u64;
  endData: u64;
  /** End of bss: where brk starts. */
  end: u64;
  /** The lowest mapped address, and the end of the reservation: the image's place. */
  low: u64;
  high: u64;
  /** End of the first segment's file pages, which start at `low`. */
  firstEnd: u64;
}

function readAt(descriptor: i32, pointer: usize, size: usize, offset: u64): bool {
  return syscall4(SYS_PREAD64, descriptor, addressOf(pointer), size, offset) == (size as i64);
}

/**
 * Reads file header and program headers.
 * @param header engine pointer of 64 bytes, @param headers of PROGRAM_HEADERS_MAX bytes
 * @returns 0 or -errno, as execve would
 */
export function readHeaders(image: Image): i64 {
  const header = changetype<FileHeader>(image.header);
  if (!readAt(image.descriptor, image.header, 64, 0)) return -ENOEXEC;
  if (!isNativeElf(header)) return -ENOEXEC;
  image.headerCount = header.phnum;
  const size = (header.phnum as usize) * PROGRAM_HEADER_SIZE;
  if (!readAt(image.descriptor, image.headers, size, header.phoff)) return -EIO;
  return 0;
}

/** The PT_INTERP segment's index, or -1. */
export function interpreterSegment(image: Image): i32 {
  for (let i: u32 = 0; i < image.headerCount; i++) if (programHeader(image.headers, i).type == PT_INTERP) return i;
  return -1;
}

/** Reserves the place of a position-independent image; gives its address or -errno. */
function reserve(size: u64, alignment: u64, hasInterpreter: bool): i64 {
  const flags = MAP_PRIVATE | MAP_ANONYMOUS;
  // A program with an interpreter goes where the kernel puts it, with room for brk; libraries go with the mappings.
  for (let attempt = 0; hasInterpreter && attempt < 16; attempt++) {
    const wanted = (PIE_BASE + (randomBits(PIE_RANDOM_MASK) << 12)) & ~(alignment - 1);
    const got = syscall(SYS_MMAP, wanted, size, 0, flags | MAP_FIXED_NOREPLACE, -1, 0);
    if (got != -EEXIST) return got;
  }
  const room = alignment > PAGE_SIZE ? size + alignment : size;
  const got = syscall(SYS_MMAP, 0, room, 0, flags, -1, 0);
  if (isError(got) || room == size) return got;
  const start = ((got as u64) + alignment - 1) & ~(alignment - 1);
  if (start != (got as u64)) syscall2(SYS_MUNMAP, got, start - (got as u64));
  const rest = (got as u64) + room - (start + size);
  if (rest != 0) syscall2(SYS_MUNMAP, start + size, rest);
  return start as i64;
}

/** Maps one PT_LOAD segment. */
function mapSegment(image: Image, index: u32): i64 {
  const segment = programHeader(image.headers, index);
  const start = image.bias + pageFloor(segment.vaddr);
  const inPage = segment.vaddr & (PAGE_SIZE - 1);
  const fileEnd = image.bias + segment.vaddr + segment.filesz;
  const memoryEnd = image.bias + segment.vaddr + segment.memsz;
  const protection = protectionOf(segment.flags);
  const flags = MAP_PRIVATE | MAP_FIXED;
  if (segment.filesz != 0) {
    const size = pageCeil(segment.filesz + inPage);
    const offset = segment.offset - inPage;
    const got =
      segment.flags & PF_X
        ? mapExecutable(start, size, protection, flags, image.descriptor, offset)
        : syscall(SYS_MMAP, start, size, protection, flags, image.descriptor, offset);
    if (isError(got)) return got;
  }
  if (segment.memsz > segment.filesz) {
    const zeroEnd = pageCeil(fileEnd);
    // padzero: only a writable segment has a tail to clear.
    if (segment.flags & PF_W && segment.filesz != 0) {
      const stop = zeroEnd;
      for (let at = fileEnd; at < stop; at++) poke8(at, 0);
    }
    const bssStart = segment.filesz != 0 ? zeroEnd : start;
    const bssEnd = pageCeil(memoryEnd);
    if (bssEnd > bssStart) {
      const got = syscall(SYS_MMAP, bssStart, bssEnd - bssStart, protection, flags | MAP_ANONYMOUS, -1, 0);
      if (isError(got)) return got;
    }
  }
  return 0;
}

/**
 * Maps an image whose headers have been read.
 * @param isProgram false for the interpreter
 * @returns 0 or -errno; on failure nothing of it stays mapped
 */
export function mapImage(image: Image, isProgram: bool): i64 {
  const header = changetype<FileHeader>(image.header);
  let low: u64 = u64.MAX_VALUE;
  let high: u64 = 0;
  let alignment: u64 = PAGE_SIZE;
  let phdrVaddr: u64 = 0;
  for (let i: u32 = 0; i < image.headerCount; i++) {
    const segment = programHeader(image.headers, i);
    if (segment.type == PT_PHDR) phdrVaddr = segment.vaddr;
    if (segment.type != PT_LOAD) continue;
    if (segment.filesz > segment.memsz || segment.memsz > TASK_SIZE || segment.vaddr > TASK_SIZE - segment.memsz)
      return -EINVAL;
    if (((segment.vaddr - segment.offset) & (PAGE_SIZE - 1)) != 0) return -EINVAL;
    if (pageFloor(segment.vaddr) < low) low = pageFloor(segment.vaddr);
    if (pageCeil(segment.vaddr + segment.memsz) > high) high = pageCeil(segment.vaddr + segment.memsz);
    if (segment.align > alignment && (segment.align & (segment.align - 1)) == 0) alignment = segment.align;
  }
  if (low >= high) return -EINVAL;

  let place: i64;
  if (header.type == ET_DYN) {
    const hasInterpreter = interpreterSegment(image) >= 0;
    place = reserve(high - low, alignment, hasInterpreter);
    image.bias = (place as u64) - low;
  } else {
    place = syscall(SYS_MMAP, low, high - low, 0, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
    image.bias = 0;
  }
  if (isError(place)) return place == -EEXIST ? -ENOMEM : place;
  // Trampolines must leave brk room to grow: it starts at most 32 MiB behind the program.
  if (isProgram) avoid(image.bias + high, image.bias + high + BRK_ROOM);
  image.low = image.bias + low;
  image.high = image.bias + high;
  image.entry = image.bias + header.entry;
  image.startCode = u64.MAX_VALUE;
  image.startData = 0;
  image.endCode = 0;
  image.endData = 0;
  image.end = 0;
  image.headersAddress = phdrVaddr != 0 ? image.bias + phdrVaddr : 0;

  let mappedEnd = image.low;
  for (let i: u32 = 0; i < image.headerCount; i++) {
    const segment = programHeader(image.headers, i);
    if (segment.type != PT_LOAD) continue;
    const start = image.bias + segment.vaddr;
    // Holes between segments are not part of the image: the kernel leaves the interpreter's mapped without access,
    // and a program's unmapped.
    const floor = pageFloor(start);
    if (floor > mappedEnd) syscall2(SYS_MUNMAP, mappedEnd, floor - mappedEnd);
    mappedEnd = pageCeil(start + segment.memsz);
    const result = mapSegment(image, i);
    if (isError(result)) {
      syscall2(SYS_MUNMAP, image.low, image.high - image.low);
      return result;
    }
    if (floor == image.low) image.firstEnd = pageCeil(start + segment.filesz);
    if (start < image.startCode) image.startCode = start;
    if (start > image.startData) image.startData = start;
    if (segment.flags & PF_X && start + segment.filesz > image.endCode) image.endCode = start + segment.filesz;
    if (start + segment.filesz > image.endData) image.endData = start + segment.filesz;
    if (start + segment.memsz > image.end) image.end = start + segment.memsz;
    if (image.headersAddress == 0 && header.phoff >= segment.offset && header.phoff < segment.offset + segment.filesz)
      image.headersAddress = start + (header.phoff - segment.offset);
  }
  return 0;
}
