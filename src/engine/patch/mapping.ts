// The mapping that is being patched, as messages and statistics name it: its file, and where in the file an address is.
//
// The file's path is read only when somebody asks: most mappings have nothing to say. Paths are kept once each, for good,
// in a pool of fixed size. One mapping at a time, under the engine lock.

import { addressOf, isError, syscall3 } from "../kernel/calls";
import { SYS_READLINK } from "../kernel/numbers";
import { Address } from "../process";
import { appendDecimal, appendText, lengthOf } from "../text";

const PATH_MAX: usize = 4096;

let descriptor: i32 = -1;
let start: Address = 0;
let end: Address = 0;
let offset: u64 = 0;
let file: usize = 0;
let number: u32 = 0;

/** Zero-terminated paths one behind the other; an empty one ends them. */
const POOL_SIZE: usize = 32768;
const pool = memory.data(32768, 8);
const link = memory.data(64, 8);
const path = memory.data(4104, 8);
/** Stands for a path that cannot be read (no /proc, for instance in a chroot) or kept. */
const unknown = memory.data(16, 8);

/** For `beginMapping`: the vDSO, which no file holds, and memory that the program made executable. */
export const NO_FILE: i32 = -1;
export const IN_MEMORY: i32 = -2;

/** [start, end) is about to be patched; it shows the file of `descriptor` from `fileOffset` on. */
export function beginMapping(startAddress: Address, endAddress: Address, fileDescriptor: i32, fileOffset: u64): void {
  start = startAddress;
  end = endAddress;
  descriptor = fileDescriptor;
  offset = fileOffset;
  file = 0;
  number += 1;
}

/** Tells this mapping from all others. */
export function mappingNumber(): u32 {
  return number;
}
export function mappingDescriptor(): i32 {
  return descriptor;
}

export function mappingStart(): Address {
  return start;
}
export function mappingEnd(): Address {
  return end;
}

/** Where in its file an address of the mapping is. */
export function fileOffsetOf(address: Address): u64 {
  return offset + (address - start);
}

function unknownFile(): usize {
  store<u8>(appendText(unknown, "(a file)"), 0);
  return unknown;
}

/** The pool's copy of a path. */
function keepPath(from: usize): usize {
  let at = pool;
  while (load<u8>(at) != 0) {
    if (memory.compare(at, from, lengthOf(from) + 1) == 0) return at;
    at += lengthOf(at) + 1;
  }
  const size = lengthOf(from) + 1;
  // One byte stays zero: the end.
  if (at + size >= pool + POOL_SIZE) return unknownFile();
  memory.copy(at, from, size);
  return at;
}

function readPath(): usize {
  if (descriptor == NO_FILE || descriptor == IN_MEMORY) {
    store<u8>(appendText(path, descriptor == NO_FILE ? "[vdso]" : "(memory)"), 0);
    return keepPath(path);
  }
  store<u8>(appendDecimal(appendText(link, "/proc/thread-self/fd/"), descriptor as u64), 0);
  const size = syscall3(SYS_READLINK, addressOf(link), addressOf(path), PATH_MAX);
  if (isError(size)) return unknownFile();
  store<u8>(path + (size as usize), 0);
  return keepPath(path);
}

/** Engine pointer of the path of the mapping's file: zero-terminated, for good. */
export function mappingFile(): usize {
  if (file == 0) file = readPath();
  return file;
}

// Mappings that are remembered, for addresses that the statistics name when the process ends.
@unmanaged
class Remembered {
  start: Address;
  end: Address;
  offset: u64;
  file: usize;
  padding: u32;
}

const REMEMBERED_MAX: u32 = 128;
const remembered = memory.data(4096, 8);
let rememberedCount: u32 = 0;

function rememberedAt(index: u32): Remembered {
  return changetype<Remembered>(remembered + (index as usize) * offsetof<Remembered>());
}

/** Keeps the mapping's name for `findRemembered`. The last one stands for an address that had several. */
export function rememberMapping(): void {
  if (rememberedCount == REMEMBERED_MAX) return;
  const entry = rememberedAt(rememberedCount++);
  entry.start = start;
  entry.end = end;
  entry.offset = offset;
  entry.file = mappingFile();
}

/** Engine pointer of the path of the file that was remembered for an address, or 0; its offset is `foundOffset`. */
export function findRemembered(address: Address): usize {
  for (let i = rememberedCount; i-- > 0;) {
    const entry = rememberedAt(i);
    if (address < entry.start || address >= entry.end) continue;
    foundOffset = entry.offset + (address - entry.start);
    return entry.file;
  }
  return 0;
}
export let foundOffset: u64 = 0;
