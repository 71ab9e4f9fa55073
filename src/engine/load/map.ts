// Mapping an ELF file as the kernel does: load_elf_binary and load_elf_interp of fs/binfmt_elf.c (Linux 6.18).
//
// The image's place is taken whole before a byte of it is mapped, so that nothing of it can land on memory of the engine's:
// a reservation where the place is free to choose, else each run of pages that segments need, without replacing anything.
// Segments are mapped over that in the file's order, overlapping ones over each other as the kernel has it; the rest of
// the last file page is zeroed, and the pages of bss behind it are anonymous and writable whatever the segment's flags
// say (vm_brk_flags). Executable segments are mapped without PROT_EXEC, patched, and only then become executable
// (patch/executable.ts).
//
// What is refused here is refused by the kernel too, but there the old program is gone by then, and SIGSEGV ends the
// process. Two things the kernel does and this does not: it maps a segment of an ET_EXEC file over its own [stack], and
// of an interpreter whose addresses wrap around over its neighbours.

import { forgetCode, mapExecutable } from "../patch/executable";
import { avoid } from "../patch/territory";
import { addressOf, isError, syscall2, syscall4 } from "../kernel/calls";
import { EEXIST, EFAULT, EINVAL, ENOEXEC, ENOMEM } from "../kernel/errno";
import { SYS_MMAP, SYS_MUNMAP, SYS_PREAD64 } from "../kernel/numbers";
import { syscall, tryCopyOut } from "../process";
import { randomBits } from "./randomness";
import {
  ET_DYN,
  FILE_HEADER_SIZE,
  FileHeader,
  PAGE_SIZE,
  PF_W,
  PF_X,
  PROGRAM_HEADERS_MAX,
  PROGRAM_HEADER_SIZE,
  PT_LOAD,
  ProgramHeader,
  hasProgramHeaders,
  headersSize,
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
  /** Process address of the program headers: AT_PHDR. */
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

/** Why mapImage refused: what is wrong with the file, for a line that a person reads. */
export let refusal: string = "";
function refuse(why: string, error: i64): i64 {
  refusal = why;
  return error;
}

/**
 * Reads file header and program headers.
 * @param image its `header` points to 64 bytes, its `headers` to PROGRAM_HEADERS_MAX
 * @returns 0 or -ENOEXEC
 */
export function readHeaders(image: Image): i64 {
  const header = changetype<FileHeader>(image.header);
  // A file that is shorter than its header is one with zeros behind it, as in the kernel's linux_binprm.
  memory.fill(image.header, 0, FILE_HEADER_SIZE);
  if (isError(syscall4(SYS_PREAD64, image.descriptor, addressOf(image.header), FILE_HEADER_SIZE, 0))) return -ENOEXEC;
  if (!hasProgramHeaders(header)) return -ENOEXEC;
  image.headerCount = header.phnum;
  const size = headersSize(header);
  const got = syscall4(SYS_PREAD64, image.descriptor, addressOf(image.headers), size, header.phoff);
  return got == (size as i64) ? 0 : -ENOEXEC;
}

// Runs: the pages that segments need, sorted and merged. Engine pointers of the segments, by address.
const LOADS_MAX: u32 = PROGRAM_HEADERS_MAX / (PROGRAM_HEADER_SIZE as u32);
const sorted = memory.data(4704, 8);
let sortedCount: u32 = 0;

function sortedSegment(index: u32): ProgramHeader {
  return changetype<ProgramHeader>(load<u32>(sorted + (index << 2)));
}

/** The first page of a segment, before the bias. */
function startOf(segment: ProgramHeader): u64 {
  return pageFloor(segment.vaddr);
}
/** One past the last page. A segment without bytes has none. */
function endOf(segment: ProgramHeader): u64 {
  return segment.memsz == 0 ? startOf(segment) : pageCeil(segment.vaddr + segment.memsz);
}

/** Sorts the segments that have pages. Files have them sorted, so insertion is quick. */
function sortSegments(image: Image): void {
  sortedCount = 0;
  for (let i: u32 = 0; i < image.headerCount; i++) {
    const segment = programHeader(image.headers, i);
    if (segment.type != PT_LOAD || segment.memsz == 0) continue;
    let at = sortedCount++;
    assert(sortedCount <= LOADS_MAX, "more segments than program headers");
    for (; at > 0 && startOf(sortedSegment(at - 1)) > startOf(segment); at--)
      store<u32>(sorted + (at << 2), load<u32>(sorted + ((at - 1) << 2)));
    store<u32>(sorted + (at << 2), changetype<usize>(segment) as u32);
  }
}

/** The run that begins at sorted segment `first`: its end goes to `runEnd`. Gives the segment behind it. */
let runEnd: u64 = 0;
function runFrom(first: u32): u32 {
  runEnd = endOf(sortedSegment(first));
  let next = first + 1;
  for (; next < sortedCount && startOf(sortedSegment(next)) <= runEnd; next++)
    runEnd = max(runEnd, endOf(sortedSegment(next)));
  return next;
}

/** Unmaps the image's pages in [start, end). */
function unmapPart(image: Image, start: u64, end: u64): void {
  sortSegments(image);
  for (let i: u32 = 0; i < sortedCount;) {
    const from = max(start, image.bias + startOf(sortedSegment(i)));
    i = runFrom(i);
    const to = min(end, image.bias + runEnd);
    if (from >= to) continue;
    syscall2(SYS_MUNMAP, from, to - from);
    forgetCode(from, to);
  }
}

/** Unmaps an image that mapImage has mapped. */
export function unmapImage(image: Image): void {
  unmapPart(image, image.low, image.high);
}

/** Unmaps what an image has where another one's segments are to go. */
function replaceParts(image: Image, by: Image): void {
  for (let i: u32 = 0; i < by.headerCount; i++) {
    const segment = programHeader(by.headers, i);
    if (segment.type == PT_LOAD) unmapPart(image, startOf(segment), endOf(segment));
  }
}

/** An image's first PT_LOAD, or 0. */
function firstLoad(image: Image): usize {
  for (let i: u32 = 0; i < image.headerCount; i++) {
    const segment = programHeader(image.headers, i);
    if (segment.type == PT_LOAD) return changetype<usize>(segment);
  }
  return 0;
}

/** What the kernel finds wrong with one segment. An interpreter's addresses are looked at where they end up. */
function checkSegment(segment: ProgramHeader, isProgram: bool): i64 {
  if (segment.filesz > segment.memsz)
    return refuse("a segment has more bytes in the file than in memory", isProgram ? -EINVAL : -ENOMEM);
  if (segment.memsz > TASK_SIZE || (isProgram && !isInAddressSpace(segment.vaddr, segment.memsz)))
    return refuse("a segment lies outside the address space", isProgram ? -EINVAL : -ENOMEM);
  if (segment.filesz != 0 && ((segment.vaddr - segment.offset) & (PAGE_SIZE - 1)) != 0)
    return refuse("a segment's address and file offset do not fit the same page", -EINVAL);
  return 0;
}

function isInAddressSpace(address: u64, size: u64): bool {
  return address < TASK_SIZE && size <= TASK_SIZE - address;
}

/** The place of an image while it is looked for: total_mapping_size and maximum_alignment of fs/binfmt_elf.c. */
let low: u64 = 0;
let high: u64 = 0;
let alignment: u64 = 0;

function measure(image: Image, isProgram: bool): i64 {
  low = u64.MAX_VALUE;
  high = 0;
  alignment = PAGE_SIZE;
  for (let i: u32 = 0; i < image.headerCount; i++) {
    const segment = programHeader(image.headers, i);
    if (segment.type != PT_LOAD) continue;
    const checked = checkSegment(segment, isProgram);
    if (isError(checked)) return checked;
    low = min(low, startOf(segment));
    high = max(high, segment.vaddr + segment.memsz);
    if ((segment.align & (segment.align - 1)) == 0) alignment = max(alignment, segment.align);
  }
  // A program without segments starts, by its interpreter, or to fault at its entry.
  if (isProgram && firstLoad(image) == 0) {
    low = 0;
    return 0;
  }
  if (low == high && (!isProgram || changetype<FileHeader>(image.header).type == ET_DYN))
    return refuse("it has no bytes to load", -EINVAL);
  if (firstLoad(image) == 0) return refuse("it has no segment to load", -EINVAL);
  high = pageCeil(high);
  return 0;
}

/** Takes pages that are to be mapped: 0 or -errno. */
function claim(start: u64, end: u64): i64 {
  const flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
  const got = syscall(SYS_MMAP, start, end - start, 0, flags, -1, 0);
  return isError(got) ? got : 0;
}

/** Takes the runs of an image whose bias is given; on failure none. */
function claimRuns(image: Image, bias: u64): i64 {
  image.bias = bias;
  for (let i: u32 = 0; i < sortedCount;) {
    const start = bias + startOf(sortedSegment(i));
    i = runFrom(i);
    const result = claim(start, bias + runEnd);
    if (!isError(result)) continue;
    image.low = bias + low;
    if (start > image.low) unmapPart(image, image.low, start);
    return result;
  }
  return 0;
}

/** Gives back the holes between the runs of a reservation. */
function releaseHoles(place: u64): void {
  let end = place;
  for (let i: u32 = 0; i < sortedCount;) {
    const start = place + (startOf(sortedSegment(i)) - low);
    if (start > end) syscall2(SYS_MUNMAP, end, start - end);
    i = runFrom(i);
    end = place + (runEnd - low);
  }
  const last = place + (high - low);
  if (last > end) syscall2(SYS_MUNMAP, end, last - end);
}

/** Reserves `high - low` bytes. As the kernel does with a mapping of the file, which can be too long for its filesystem. */
function reserve(image: Image, first: ProgramHeader, address: u64, fixed: u64): i64 {
  if (first.filesz == 0) return syscall(SYS_MMAP, address, high - low, 0, MAP_PRIVATE | MAP_ANONYMOUS | fixed, -1, 0);
  const offset = first.offset - (first.vaddr & (PAGE_SIZE - 1));
  return syscall(SYS_MMAP, address, high - low, 0, MAP_PRIVATE | fixed, image.descriptor, offset);
}

/** A program with an interpreter goes where the kernel puts programs, with room for brk. */
function reserveProgram(image: Image, first: ProgramHeader): i64 {
  for (let attempt = 0; attempt < 16; attempt++) {
    const base = (PIE_BASE + (randomBits(PIE_RANDOM_MASK) << 12)) & ~(alignment - 1);
    const got = reserve(image, first, pageFloor(base - first.vaddr) + low, MAP_FIXED_NOREPLACE);
    if (got != -EEXIST) return got;
  }
  return reserve(image, first, 0, 0);
}

/** A program without interpreter goes with the mappings, its first segment at an address of its alignment. */
function reserveAligned(image: Image, first: ProgramHeader): i64 {
  const got = reserve(image, first, 0, 0);
  const inside = startOf(first) - low;
  if (isError(got) || (((got as u64) + inside) & (alignment - 1)) == 0) return got;
  syscall2(SYS_MUNMAP, got, high - low);
  // The kernel rounds down, where there is nothing in a new address space.
  const below = reserve(image, first, (((got as u64) + inside) & ~(alignment - 1)) - inside, MAP_FIXED_NOREPLACE);
  if (below != -EEXIST) return below;
  const room = high - low + alignment;
  const wide = syscall(SYS_MMAP, 0, room, 0, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (isError(wide)) return wide;
  syscall2(SYS_MUNMAP, wide, room);
  const aligned = ((wide as u64) + inside + alignment - 1) & ~(alignment - 1);
  return reserve(image, first, aligned - inside, MAP_FIXED_NOREPLACE);
}

/** Finds and takes the place of an image: its bias, and exactly the pages of its segments. */
function takePlace(image: Image, isProgram: bool, hasInterpreter: bool): i64 {
  const first = changetype<ProgramHeader>(firstLoad(image));
  if (changetype<FileHeader>(image.header).type != ET_DYN || changetype<usize>(first) == 0) return claimRuns(image, 0);
  const isFree = isProgram && hasInterpreter;
  // elf_load has no hint for a first segment without bytes in the file: it goes to address 0, which root may map.
  if (!isFree && first.filesz == 0) return claimRuns(image, pageFloor(0 - first.vaddr));
  let place: i64;
  if (isFree) place = reserveProgram(image, first);
  else if (isProgram) place = reserveAligned(image, first);
  else place = reserve(image, first, 0, 0);
  if (isError(place)) return place;
  image.bias = (place as u64) - low;
  releaseHoles(place as u64);
  return 0;
}

/** What a page that is partly bss is cleared with; never written. */
const zeros = memory.data(4096, 8);

/** Maps one PT_LOAD segment: elf_load. */
function mapSegment(image: Image, segment: ProgramHeader): i64 {
  const start = image.bias + pageFloor(segment.vaddr);
  const inPage = segment.vaddr & (PAGE_SIZE - 1);
  const protection = protectionOf(segment.flags);
  const flags = MAP_PRIVATE | MAP_FIXED;
  let bssStart = start;
  if (segment.filesz != 0) {
    const size = pageCeil(segment.filesz + inPage);
    const offset = segment.offset - inPage;
    const got =
      segment.flags & PF_X
        ? mapExecutable(start, size, protection, flags, image.descriptor, offset)
        : syscall(SYS_MMAP, start, size, protection, flags, image.descriptor, offset);
    if (isError(got)) return refuse("a segment cannot be mapped", got);
    if ((segment.flags & PF_X) == 0) forgetCode(start, start + size);
    bssStart = start + size;
  }
  if (segment.memsz <= segment.filesz) return 0;
  // padzero: what is not writable keeps what the file has behind the segment.
  const fileEnd = start + inPage + segment.filesz;
  if (segment.flags & PF_W && segment.filesz != 0 && tryCopyOut(fileEnd, zeros, (bssStart - fileEnd) as usize) != 0)
    return refuse("a segment lies behind the end of the file", -EFAULT);
  const bssEnd = pageCeil(start + inPage + segment.memsz);
  if (bssEnd == bssStart) return 0;
  const bssProtection = PROT_READ | PROT_WRITE | (segment.flags & PF_X ? PROT_EXEC : 0);
  const got = syscall(SYS_MMAP, bssStart, bssEnd - bssStart, bssProtection, flags | MAP_ANONYMOUS, -1, 0);
  if (isError(got)) return refuse("there is no memory for it", got);
  forgetCode(bssStart, bssEnd);
  return 0;
}

/** Whether an image's segments lie in the place that was measured, which an address that wraps around escapes. */
function isInside(image: Image): bool {
  for (let i: u32 = 0; i < sortedCount; i++) {
    const segment = sortedSegment(i);
    const size = endOf(segment) - startOf(segment);
    if (startOf(segment) - low > high - low || size > high - startOf(segment)) return false;
    if (!isInAddressSpace(image.bias + segment.vaddr, segment.memsz)) return false;
  }
  return true;
}

/**
 * Maps an image whose headers have been read.
 * @param isProgram false for the interpreter
 * @param hasInterpreter whether the program has one
 * @param below an image that this one may replace parts of: the program, for an interpreter that is not relocatable; or 0
 * @returns 0 or -errno with `refusal` set; on failure nothing of it stays mapped
 */
export function mapImage(image: Image, isProgram: bool, hasInterpreter: bool, below: usize): i64 {
  const measured = measure(image, isProgram);
  if (isError(measured)) return measured;
  if (below != 0 && changetype<FileHeader>(image.header).type != ET_DYN) replaceParts(changetype<Image>(below), image);
  sortSegments(image);
  const taken = takePlace(image, isProgram, hasInterpreter);
  if (isError(taken)) return refuse("there is no room for it in the address space", taken == -EEXIST ? -ENOMEM : taken);
  image.low = image.bias + low;
  image.high = image.bias + high;
  if (!isInside(image)) {
    unmapImage(image);
    return refuse("a segment lies outside the address space", -ENOMEM);
  }
  // Trampolines must leave brk room to grow: it starts at most 32 MiB behind the program.
  if (isProgram) avoid(image.high, image.high + BRK_ROOM);
  return mapSegments(image);
}

function mapSegments(image: Image): i64 {
  const header = changetype<FileHeader>(image.header);
  image.entry = image.bias + header.entry;
  image.startCode = u64.MAX_VALUE;
  image.startData = 0;
  image.endCode = 0;
  image.endData = 0;
  image.end = image.bias;
  image.headersAddress = image.bias;
  image.firstEnd = image.low;
  for (let i: u32 = 0; i < image.headerCount; i++) {
    const segment = programHeader(image.headers, i);
    if (segment.type != PT_LOAD) continue;
    const result = mapSegment(image, segment);
    if (isError(result)) {
      unmapImage(image);
      return result;
    }
    const start = image.bias + segment.vaddr;
    if (pageFloor(start) == image.low) image.firstEnd = pageCeil(start + segment.filesz);
    if (segment.flags & PF_X) image.startCode = min(image.startCode, start);
    if (segment.flags & PF_X) image.endCode = max(image.endCode, start + segment.filesz);
    image.startData = max(image.startData, start);
    image.endData = max(image.endData, start + segment.filesz);
    image.end = max(image.end, start + segment.memsz);
    if (header.phoff >= segment.offset && header.phoff < segment.offset + segment.filesz)
      image.headersAddress = start + (header.phoff - segment.offset);
  }
  return 0;
}

/** Whether an address is on a page of the image's segments. */
export function isInImage(image: Image, address: u64): bool {
  for (let i: u32 = 0; i < image.headerCount; i++) {
    const segment = programHeader(image.headers, i);
    if (segment.type != PT_LOAD) continue;
    if (address - (image.bias + startOf(segment)) < endOf(segment) - startOf(segment)) return true;
  }
  return false;
}
