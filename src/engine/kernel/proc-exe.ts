// /proc/self/exe and its aliases: they name the program, not the launcher that the kernel ran.
//
// The path is looked at before the kernel sees it; only what ends in "/exe" under /proc and means this process is
// answered here, with the program's own path in its place. Everything else goes to the kernel as it is.

import { programPath } from "../load/start";
import { GateFrame, ThreadBlock } from "../thread/block";
import { frameBufferOf } from "../thread/deferred";
import { syscall, tryCopyIn, tryCopyOut } from "../process";
import { appendDecimal, copyString, lengthOf, startsWithText } from "../text";
import { finish, passToKernel } from "./call";
import { addressOf } from "./calls";
import { EFAULT, EINVAL } from "./errno";
import { SYS_LSTAT, SYS_NEWFSTATAT, SYS_READLINK, SYS_READLINKAT, SYS_STATX } from "./numbers";

/** "/proc/thread-self/exe" and "/proc/<pid>/task/<tid>/exe" fit. */
const PATH_ROOM: usize = 64;
const AT_SYMLINK_NOFOLLOW: u64 = 0x100;

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
  return startsWithText(next, "exe") && load<u8>(next + 3) == 0;
}

/** The bytes "/proc/" as the low six bytes of a u64. */
const PROC: u64 = 0x2f636f72702f;

/** Whether the path of a call names this process's executable link. */
function isOwnExe(thread: ThreadBlock, address: u64): bool {
  const path = frameBufferOf(thread);
  // The first bytes decide for nearly every path. A shorter string may end just before a page that is not there: what
  // cannot be read is left to the kernel.
  if (address == 0 || tryCopyIn(path, address, 8) != 0) return false;
  if ((load<u64>(path) & 0xffffffffffff) != PROC) return false;
  if (copyString(path, address, PATH_ROOM) < 0) return false;
  return namesOwnExe(thread, path);
}

function readOwnExe(thread: ThreadBlock, frame: GateFrame, buffer: u64, size: u64): u32 {
  if ((size as i32) <= 0) return finish(thread, frame, -EINVAL);
  const length = lengthOf(programPath) as u64;
  const count = length < size ? length : size;
  if (tryCopyOut(buffer, programPath, count as usize) != 0) return finish(thread, frame, -EFAULT);
  return finish(thread, frame, count as i64);
}

/** Makes the call for the program's own path in place of the link. */
function callForProgram(thread: ThreadBlock, frame: GateFrame, isAt: bool): u32 {
  const path = addressOf(programPath);
  const result = isAt
    ? syscall(frame.rax, frame.rdi, path, frame.rdx, frame.r10, frame.r8, frame.r9)
    : syscall(frame.rax, path, frame.rsi, frame.rdx, frame.r10, frame.r8, frame.r9);
  return finish(thread, frame, result);
}

/** open, stat, lstat, readlink */
export function pathCall(thread: ThreadBlock, frame: GateFrame): u32 {
  if (!isOwnExe(thread, frame.rdi)) return passToKernel(frame);
  const number = frame.rax as u32;
  if (number == SYS_READLINK) return readOwnExe(thread, frame, frame.rsi, frame.rdx);
  // The link itself, and its time of birth, are the kernel's.
  if (number == SYS_LSTAT) return passToKernel(frame);
  return callForProgram(thread, frame, false);
}

/** openat, newfstatat, readlinkat, statx */
export function pathCallAt(thread: ThreadBlock, frame: GateFrame): u32 {
  if (!isOwnExe(thread, frame.rsi)) return passToKernel(frame);
  const number = frame.rax as u32;
  if (number == SYS_READLINKAT) return readOwnExe(thread, frame, frame.rdx, frame.r10);
  if (number == SYS_NEWFSTATAT && frame.r10 & AT_SYMLINK_NOFOLLOW) return passToKernel(frame);
  if (number == SYS_STATX && frame.rdx & AT_SYMLINK_NOFOLLOW) return passToKernel(frame);
  return callForProgram(thread, frame, true);
}
