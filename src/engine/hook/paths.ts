// Paths for hooks: of a descriptor, and of a string of the program's with the folder that it is relative to in front. A path is
// kept in memory of the thread's own, where the pieces of a record are else, until the hook asks for another.

import { addressOf, isError, syscall3 } from "../kernel/calls";
import { SYS_READLINK } from "../kernel/numbers";
import { Address, tryCopyIn } from "../process";
import { findRemembered, foundOffset } from "../patch/mapping";
import { appendDecimal, appendHex, appendText, lengthOf } from "../text";
import { runningThread } from "../thread/areas";
import { ThreadBlock, execScratchOf } from "../thread/block";
import { frameBufferOf } from "../thread/deferred";
import { lockEngine, unlockEngine } from "../thread/lock";
import { NO_RECORD } from "./call";
import { failHook } from "./failure";
import { appendRangeToLine } from "./line";
import { CHUNK, isForeign } from "./memory";

const PATH_OFFSET: usize = 0x1000;
/** A path of the program's is never longer (include/uapi/linux/limits.h). */
const PATH_MAX: u32 = 4096;
const SLASH: u8 = 47;
const DOT: u8 = 46;

/** Bytes of a string of the program's with its zero, as far as it can be read; at most `most`. `buffer` has 256 bytes. */
export function stringSize(buffer: usize, address: Address, most: u32): u32 {
  let size: u32 = 0;
  while (size < most) {
    // As far as a page goes: the next need not be there.
    const from = address + (size as u64);
    const step = min<u32>(min<u32>(most - size, 256), CHUNK - ((from & (CHUNK - 1)) as u32));
    const copied = step - (tryCopyIn(buffer, from, step) as u32);
    let length: u32 = 0;
    while (length < copied && load<u8>(buffer + (length as usize)) != 0) length++;
    if (length < copied) return size + length + 1;
    size += copied;
    if (copied != step) break;
  }
  return size;
}

/** What /proc says of a descriptor, or of the current folder for AT_FDCWD: bytes of it in `buffer`, 0 for none. */
export function pathOfDescriptor(buffer: usize, descriptor: u32): u32 {
  const AT_FDCWD: u32 = -100;
  let at = appendText(buffer, "/proc/thread-self/");
  if (descriptor == AT_FDCWD) at = appendText(at, "cwd");
  else at = appendDecimal(appendText(at, "fd/"), descriptor);
  store<u8>(at, 0);
  const size = syscall3(SYS_READLINK, addressOf(buffer), addressOf(buffer), CHUNK);
  return isError(size) ? 0 : (size as u32);
}

function placeOfPath(thread: ThreadBlock): usize {
  if (thread.recordForm != NO_RECORD) failHook(thread, "a path is asked for while a record is put together");
  thread.pathSize = 0;
  return execScratchOf(thread) + PATH_OFFSET;
}

/** The path of a descriptor; gives its size, 0 for none. */
export function hookPathOf(descriptor: u32): u32 {
  const thread = runningThread();
  thread.pathSize = pathOfDescriptor(placeOfPath(thread), descriptor);
  return thread.pathSize;
}

/** The path at an address of the program's, relative to a descriptor; gives its size, 0 when there is none. */
export function hookPathAt(directory: u32, address: Address): u32 {
  const thread = runningThread();
  const path = placeOfPath(thread);
  const buffer = frameBufferOf(thread);
  const size = stringSize(buffer, address, PATH_MAX);
  if (size == 0 || !isForeign(thread, address, size as u64)) return 0;
  if (tryCopyIn(buffer, address, size) != 0 || load<u8>(buffer + (size as usize) - 1) != 0) return 0;
  let from: usize = 0;
  let inFront: u32 = 0;
  if (load<u8>(buffer) != SLASH) {
    inFront = pathOfDescriptor(path, directory);
    if (inFront == 0) return 0;
    while (load<u8>(buffer + from) == DOT && load<u8>(buffer + from + 1) == SLASH) from += 2;
    // Behind the root and in front of nothing there is no slash.
    if (inFront > 1 && load<u8>(buffer + from) != 0) store<u8>(path + (inFront++ as usize), SLASH);
  }
  const length = size - 1 - (from as u32);
  memory.copy(path + (inFront as usize), buffer + from, length);
  thread.pathSize = inFront + length;
  return thread.pathSize;
}

/** Appends the path to the hook's line. */
export function hookLinePath(): void {
  const thread = runningThread();
  const start = execScratchOf(thread) + PATH_OFFSET;
  appendRangeToLine(thread, start, start + (thread.pathSize as usize));
}

/** Appends where an address is: `FILE+0xOFFSET` in a mapping of a file in which instructions are sites, else the address. */
export function hookLinePlace(address: Address): void {
  const thread = runningThread();
  const buffer = frameBufferOf(thread);
  if (!thread.hookHasLock) lockEngine(thread);
  const file = findRemembered(address);
  const end = appendHex(appendText(buffer, file == 0 ? "0x" : "+0x"), file == 0 ? address : foundOffset);
  if (!thread.hookHasLock) unlockEngine();
  if (file != 0) appendRangeToLine(thread, file, file + lengthOf(file));
  appendRangeToLine(thread, buffer, end);
}

/** One byte of the path; 0 behind its end. */
export function hookPathByte(index: u32): u32 {
  const thread = runningThread();
  return index < thread.pathSize ? load<u8>(execScratchOf(thread) + PATH_OFFSET + (index as usize)) : 0;
}
