// /proc/self/exe, /proc/PID/exe and their aliases: they name the program, not the launcher that the kernel ran.
//
// Each call that follows a link at the end of a path is looked at before the kernel sees it; only what ends in "exe" and
// leads to the launcher is answered here, with the program's own file in its place (exe-link.ts). Everything else goes to
// the kernel as it is.

import { GateFrame, ThreadBlock } from "../thread/block";
import { frameBufferOf } from "../thread/deferred";
import { programSyscall, tryCopyIn, tryCopyOut } from "../process";
import { copyString, lengthOf } from "../text";
import { finish, passToKernel } from "./call";
import { addressOf, isError, syscall4 } from "./calls";
import { EFAULT, EINVAL, ETXTBSY } from "./errno";
import { endsInExe, exePath, exeText, findProgram } from "./exe-link";
import { SYS_FACCESSAT2, SYS_OPEN, SYS_OPENAT, SYS_OPENAT2, SYS_READLINK } from "./numbers";
import { AT_SYMLINK_FOLLOW, COLUMNS, NONE, pathCalls } from "./path-arguments";

const AT_FDCWD: i64 = -100;
const AT_EACCESS: u64 = 0x200;
const O_ACCMODE: u64 = 3;
const O_WRONLY: u64 = 1;
const O_RDWR: u64 = 2;
const O_CREAT_EXCL: u64 = 0xc0;
const O_TRUNC: u64 = 0x200;
const O_DIRECTORY: u64 = 0x10000;
const O_NOFOLLOW: u64 = 0x20000;
const O_PATH: u64 = 0x200000;
const R_OK: u64 = 4;
const W_OK: u64 = 2;
function argumentOf(frame: GateFrame, index: u32): u64 {
  if (index == 0) return frame.rdi;
  if (index == 1) return frame.rsi;
  if (index == 2) return frame.rdx;
  if (index == 3) return frame.r10;
  return index == 4 ? frame.r8 : frame.r9;
}

const PATH_MAX: usize = 4096;

/** Whether the path of a call ends in a link of procfs that leads to the launcher; exe-link.ts then has the program. */
function isExe(thread: ThreadBlock, directory: i64, address: u64): bool {
  const path = frameBufferOf(thread);
  const size = copyString(path, address, PATH_MAX - 256);
  return size > 0 && endsInExe(path, size as usize) && findProgram(thread, directory, path, true);
}

/** Makes the call with another path, which is absolute: a directory beside it means nothing. */
function callWithPath(thread: ThreadBlock, frame: GateFrame, index: u32, path: u64): u32 {
  const result = programSyscall(
    frame.rax,
    index == 0 ? path : frame.rdi,
    index == 1 ? path : frame.rsi,
    frame.rdx,
    frame.r10,
    index == 4 ? path : frame.r8,
    frame.r9,
  );
  return finish(thread, frame, result);
}

/** Calls that do something with the file at the end of a path. */
export function pathCall(thread: ThreadBlock, frame: GateFrame): u32 {
  let row = 0;
  while (unchecked(pathCalls[row]) != (frame.rax as u32)) row += COLUMNS;
  const directory = unchecked(pathCalls[row + 1]);
  const path = unchecked(pathCalls[row + 2]);
  const flags = unchecked(pathCalls[row + 3]);
  const flag = unchecked(pathCalls[row + 4]);
  if (flags != NONE && ((argumentOf(frame, flags) & flag) != 0) != (flag == AT_SYMLINK_FOLLOW))
    return passToKernel(frame);
  const from: i64 = directory == NONE ? AT_FDCWD : (argumentOf(frame, directory) as i32);
  if (!isExe(thread, from, argumentOf(frame, path))) return passToKernel(frame);
  return callWithPath(thread, frame, path, addressOf(exePath(thread)));
}

/** open, openat, openat2, creat, truncate: a program that runs cannot be written (deny_write_access). */
export function openCall(thread: ThreadBlock, frame: GateFrame): u32 {
  const number = frame.rax as u32;
  const isAt = number == SYS_OPENAT || number == SYS_OPENAT2;
  let flags: u64 = O_WRONLY;
  if (number == SYS_OPEN) flags = frame.rsi;
  else if (number == SYS_OPENAT) flags = frame.rdx;
  else if (number == SYS_OPENAT2) {
    const how = frameBufferOf(thread);
    // No way of resolving (RESOLVE_*) comes through a link of procfs.
    if (tryCopyIn(how, frame.rdx, 24) != 0 || load<u64>(how, 16) != 0) return passToKernel(frame);
    flags = load<u64>(how);
  }
  if (flags & O_NOFOLLOW || (flags & O_CREAT_EXCL) == O_CREAT_EXCL) return passToKernel(frame);
  if (!isExe(thread, isAt ? (frame.rdi as i32) : AT_FDCWD, isAt ? frame.rsi : frame.rdi)) return passToKernel(frame);
  const path = addressOf(exePath(thread));
  const mode = flags & O_ACCMODE;
  // The third mode asks for both rights and gives neither.
  const isWritten = mode == O_WRONLY || mode == O_RDWR || (flags & O_TRUNC) != 0;
  if (flags & (O_PATH | O_DIRECTORY) || !isWritten) return callWithPath(thread, frame, isAt ? 1 : 0, path);
  const wanted = mode == O_WRONLY ? W_OK : W_OK | R_OK;
  const failed = syscall4(SYS_FACCESSAT2, AT_FDCWD, path, wanted, AT_EACCESS);
  return finish(thread, frame, isError(failed) ? failed : -ETXTBSY);
}

/** readlink, readlinkat */
export function readlinkCall(thread: ThreadBlock, frame: GateFrame): u32 {
  const isAt = frame.rax != SYS_READLINK;
  const directory: i64 = isAt ? (frame.rdi as i32) : AT_FDCWD;
  const path = frameBufferOf(thread);
  const length = copyString(path, isAt ? frame.rsi : frame.rdi, PATH_MAX - 256);
  if (length < 0 || (length == 0 && (!isAt || directory < 0))) return passToKernel(frame);
  if (length != 0 && !endsInExe(path, length as usize)) return passToKernel(frame);
  if (!findProgram(thread, directory, path, false)) return passToKernel(frame);
  const buffer = isAt ? frame.rdx : frame.rsi;
  const room = isAt ? frame.r10 : frame.rdx;
  if ((room as i32) <= 0) return finish(thread, frame, -EINVAL);
  const text = exeText(thread);
  const size = lengthOf(text) as u64;
  const count = size < room ? size : room;
  if (tryCopyOut(buffer, text, count as usize) != 0) return finish(thread, frame, -EFAULT);
  return finish(thread, frame, count as i64);
}
