// /proc/self/exe and its aliases: they name the program, not the launcher that the kernel ran.
//
// The path is looked at before the kernel sees it; only what ends in "exe" and means this process is answered here, with
// the program's own file in its place. Everything else goes to the kernel as it is.

import { isOwnLink, isProgramDeleted, programMappingPath, programPath } from "../load/identity";
import { GateFrame, ThreadBlock, execScratchOf } from "../thread/block";
import { frameBufferOf } from "../thread/deferred";
import { programSyscall, tryCopyIn, tryCopyOut } from "../process";
import { appendBytes, appendDecimal, appendText, copyString, startsWithText } from "../text";
import { finish, passToKernel } from "./call";
import { addressOf, syscall3, syscall4 } from "./calls";
import { EFAULT, EINVAL, ETXTBSY } from "./errno";
import {
  SYS_LSTAT,
  SYS_NEWFSTATAT,
  SYS_OPEN,
  SYS_OPENAT,
  SYS_OPENAT2,
  SYS_READLINK,
  SYS_READLINKAT,
  SYS_STATX,
} from "./numbers";

const AT_FDCWD: i64 = -100;
const AT_SYMLINK_NOFOLLOW: u64 = 0x100;
const AT_EMPTY_PATH: u64 = 0x1000;
const O_ACCMODE: u64 = 3;
const O_TRUNC: u64 = 0x200;
const O_NOFOLLOW: u64 = 0x20000;

function skipText(at: usize, literal: string): usize {
  return startsWithText(at, literal) ? at + (literal.length as usize) : 0;
}

/** Skips a decimal number that must be `value`; gives 0 when it is not there. */
function skipNumber(at: usize, value: u64, buffer: usize): usize {
  const end = appendDecimal(buffer, value);
  const size = end - buffer;
  for (let i: usize = 0; i < size; i++) if (load<u8>(at + i) != load<u8>(buffer + i)) return 0;
  return at + size;
}

/** Whether a zero-terminated path names this process's executable link. */
export function namesOwnExe(thread: ThreadBlock, path: usize): bool {
  let at = skipText(path, "/proc/");
  if (at == 0) return false;
  const scratch = frameBufferOf(thread) + 0xf00;
  let next = skipText(at, "self/");
  if (next == 0) next = skipText(at, "thread-self/");
  if (next == 0) {
    next = skipNumber(at, thread.pid, scratch);
    if (next == 0) next = skipNumber(at, thread.tid, scratch);
    if (next != 0) next = skipText(next, "/");
  }
  if (next == 0) return false;
  at = skipText(next, "task/");
  if (at != 0) {
    next = skipNumber(at, thread.tid, scratch);
    if (next != 0) next = skipText(next, "/");
    if (next == 0) return false;
  }
  if (!startsWithText(next, "exe") || load<u8>(next + 3) != 0) return false;
  // A new root directory may have no /proc, or one that does not know the process.
  return syscall3(SYS_READLINK, addressOf(path), addressOf(scratch), 1) == 1;
}

const PATH_MAX: usize = 4096;
/** struct stat: st_ino is at 8. */
const STAT_INODE: usize = 8;

/** Whether a path's last component is "exe". */
function endsInExe(path: usize, size: usize): bool {
  if (size < 3 || !startsWithText(path + size - 3, "exe")) return false;
  return size == 3 || load<u8>(path + size - 4) == 47;
}

/**
 * Whether the path of a call names this process's executable link, however it gets there: through `.`, `..`, /proc/self/root,
 * relative to a directory. What is not spelled plainly is compared by inode.
 */
function isOwnExe(thread: ThreadBlock, directory: i64, address: u64): bool {
  const path = frameBufferOf(thread);
  const size = copyString(path, address, PATH_MAX - 256);
  if (size < 0) return false;
  if (size != 0 && !endsInExe(path, size as usize)) return false;
  if (size != 0 && namesOwnExe(thread, path)) return true;
  const stat = execScratchOf(thread);
  const flags = size == 0 ? AT_EMPTY_PATH : AT_SYMLINK_NOFOLLOW;
  if (syscall4(SYS_NEWFSTATAT, directory, addressOf(path), addressOf(stat), flags) != 0) return false;
  return isOwnLink(load<u64>(stat, STAT_INODE));
}

function readOwnExe(thread: ThreadBlock, frame: GateFrame, buffer: u64, size: u64): u32 {
  if ((size as i32) <= 0) return finish(thread, frame, -EINVAL);
  const text = execScratchOf(thread);
  let end = appendBytes(text, programPath);
  if (isProgramDeleted()) end = appendText(end, " (deleted)");
  const length = (end - text) as u64;
  const count = length < size ? length : size;
  if (tryCopyOut(buffer, text, count as usize) != 0) return finish(thread, frame, -EFAULT);
  return finish(thread, frame, count as i64);
}

/** Makes the call for the program's own file in place of the link. */
function callForProgram(thread: ThreadBlock, frame: GateFrame, isAt: bool): u32 {
  const path = addressOf(isProgramDeleted() ? programMappingPath() : programPath);
  const result = isAt
    ? programSyscall(frame.rax, frame.rdi, path, frame.rdx, frame.r10, frame.r8, frame.r9)
    : programSyscall(frame.rax, path, frame.rsi, frame.rdx, frame.r10, frame.r8, frame.r9);
  return finish(thread, frame, result);
}

/** open of the link: a running program cannot be written (deny_write_access). */
function openOwnExe(thread: ThreadBlock, frame: GateFrame, flags: u64, isAt: bool): u32 {
  if (flags & O_NOFOLLOW) return passToKernel(frame);
  if (flags & (O_ACCMODE | O_TRUNC)) return finish(thread, frame, -ETXTBSY);
  return callForProgram(thread, frame, isAt);
}

/** open, stat, lstat, readlink */
export function pathCall(thread: ThreadBlock, frame: GateFrame): u32 {
  const number = frame.rax as u32;
  // The link itself, and its time of birth, are the kernel's.
  if (number == SYS_LSTAT || !isOwnExe(thread, AT_FDCWD, frame.rdi)) return passToKernel(frame);
  if (number == SYS_READLINK) return readOwnExe(thread, frame, frame.rsi, frame.rdx);
  if (number == SYS_OPEN) return openOwnExe(thread, frame, frame.rsi, false);
  return callForProgram(thread, frame, false);
}

/** openat, openat2, newfstatat, readlinkat, statx */
export function pathCallAt(thread: ThreadBlock, frame: GateFrame): u32 {
  const number = frame.rax as u32;
  if (number == SYS_NEWFSTATAT && frame.r10 & (AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) return passToKernel(frame);
  if (number == SYS_STATX && frame.rdx & (AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) return passToKernel(frame);
  if (!isOwnExe(thread, frame.rdi as i32, frame.rsi)) return passToKernel(frame);
  if (number == SYS_READLINKAT) return readOwnExe(thread, frame, frame.rdx, frame.r10);
  if (number == SYS_OPENAT) return openOwnExe(thread, frame, frame.rdx, true);
  if (number == SYS_OPENAT2) {
    const flags = frameBufferOf(thread);
    if (tryCopyIn(flags, frame.rdx, 8) != 0) return passToKernel(frame);
    return openOwnExe(thread, frame, load<u64>(flags), true);
  }
  return callForProgram(thread, frame, true);
}
