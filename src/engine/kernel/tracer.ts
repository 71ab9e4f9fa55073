// Whether a debugger that runs under Flicker traces a thread (gdb, strace).
//
// A debugger knows the program that it starts by what the kernel's execve leaves: the entry point in auxv, the interpreter
// where its file says, the first instruction. The launcher in its place would show it the launcher's, and its breakpoints
// would be written into the engine. So what such a debugger starts is the kernel's to execute. A debugger from outside
// (`strace -f flicker run ...`) wants to see Flicker's own doing: it changes nothing.

import { ThreadBlock } from "../thread/block";
import { frameBufferOf } from "../thread/deferred";
import { appendDecimal, appendText, startsWithText } from "../text";
import { addressOf, isError, syscall1, syscall2, syscall3, syscall4 } from "./calls";
import { SYS_CLOSE, SYS_OPENAT, SYS_READ, SYS_STAT } from "./numbers";

const AT_FDCWD: u64 = -100;
const O_RDONLY_CLOEXEC: u64 = 0x80000;

/** TracerPid is in the first lines of the file. */
const STATUS_SIZE: usize = 512;
// Offsets in the thread's frame buffer: the status file's text and a zero; a path; two of struct stat.
const PATH_OFFSET: usize = 0x210;
const OWN_OFFSET: usize = 0x240;
const OTHER_OFFSET: usize = 0x2d0;

/** The process that traces the calling thread, or 0; also when there is no /proc to tell. */
function tracerOf(buffer: usize): u64 {
  const path = buffer + PATH_OFFSET;
  store<u8>(appendText(path, "/proc/thread-self/status"), 0);
  const file = syscall4(SYS_OPENAT, AT_FDCWD, addressOf(path), O_RDONLY_CLOEXEC, 0);
  if (isError(file)) return 0;
  const size = syscall3(SYS_READ, file, addressOf(buffer), STATUS_SIZE);
  syscall1(SYS_CLOSE, file);
  if (isError(size)) return 0;
  store<u8>(buffer + (size as usize), 0);
  for (let at = buffer; load<u8>(at) != 0; at++) {
    if (load<u8>(at) != 10 || !startsWithText(at + 1, "TracerPid:\t")) continue;
    let pid: u64 = 0;
    for (at += 12; load<u8>(at) >= 48 && load<u8>(at) < 58; at++) pid = pid * 10 + ((load<u8>(at) - 48) as u64);
    return pid;
  }
  return 0;
}

/** Fills a struct stat: st_dev at 0, st_ino at 8. */
function statExe(path: usize, end: usize, stat: usize): bool {
  store<u8>(appendText(end, "/exe"), 0);
  return syscall2(SYS_STAT, addressOf(path), addressOf(stat)) == 0;
}

export function isTracedFromWithin(thread: ThreadBlock): bool {
  const buffer = frameBufferOf(thread);
  const tracer = tracerOf(buffer);
  if (tracer == 0) return false;
  const path = buffer + PATH_OFFSET;
  const own = buffer + OWN_OFFSET;
  const other = buffer + OTHER_OFFSET;
  if (!statExe(path, appendText(path, "/proc/thread-self"), own)) return false;
  if (!statExe(path, appendDecimal(appendText(path, "/proc/"), tracer), other)) return false;
  return load<u64>(own) == load<u64>(other) && load<u64>(own, 8) == load<u64>(other, 8);
}
