// Who the program is: what /proc/self/exe must say, while the kernel's own link names the launcher.

import { addressOf, isError, syscall2, syscall3, syscall4 } from "../kernel/calls";
import { SYS_FSTAT, SYS_LSTAT, SYS_OPENAT, SYS_READLINK, SYS_STAT } from "../kernel/numbers";
import { appendBytes, appendDecimal, appendHex, appendText } from "../text";

const PATH_MAX: usize = 4096;
const AT_FDCWD: u64 = -100;

/** The absolute path of the program's file, zero-terminated. */
export const programPath = memory.data(4352, 8);

/** struct stat: st_dev at 0, st_ino at 8. */
const stat = memory.data(144, 8);
const path = memory.data(64, 8);

let programDevice: u64 = 0;
let programInode: u64 = 0;
let linkInode: u64 = 0;

/** Path of the program's first mapping in /proc/self/map_files, which leads to its file even when that is deleted. */
const mappingPath = memory.data(96, 8);

/** Records the program's file, at the start. `fallback` is the path that was run. */
export function identify(descriptor: i32, fallback: usize): void {
  let at = appendText(path, "/proc/thread-self/fd/");
  at = appendDecimal(at, descriptor as u64);
  store<u8>(at, 0);
  const size = syscall3(SYS_READLINK, addressOf(path), addressOf(programPath), PATH_MAX);
  if (isError(size)) store<u8>(appendBytes(programPath, fallback), 0);
  else store<u8>(programPath + (size as usize), 0);
  if (syscall2(SYS_FSTAT, descriptor, addressOf(stat)) == 0) {
    programDevice = load<u64>(stat);
    programInode = load<u64>(stat, 8);
  }
  store<u8>(appendText(path, "/proc/self/exe"), 0);
  if (syscall2(SYS_LSTAT, addressOf(path), addressOf(stat)) == 0) linkInode = load<u64>(stat, 8);
}

/** Records where the program's first segment is mapped. */
export function identifyMapping(start: u64, end: u64): void {
  let at = appendText(mappingPath, "/proc/self/map_files/");
  at = appendHex(at, start);
  at = appendText(at, "-");
  at = appendHex(at, end);
  store<u8>(at, 0);
}

/** Whether the program's path no longer leads to its file. */
export function isProgramDeleted(): bool {
  if (syscall2(SYS_STAT, addressOf(programPath), addressOf(stat)) != 0) return true;
  return load<u64>(stat) != programDevice || load<u64>(stat, 8) != programInode;
}

/** Opens the program's file whose path leads there no more; gives a descriptor or -errno (it takes CAP_SYS_ADMIN). */
export function openDeletedProgram(flags: u64): i64 {
  return syscall4(SYS_OPENAT, AT_FDCWD, addressOf(mappingPath), flags, 0);
}

/** Path of the program's mapping, for calls that take a path. */
export function programMappingPath(): usize {
  return mappingPath;
}

/** Whether an inode number of procfs is that of this process's executable link. */
export function isOwnLink(inode: u64): bool {
  return inode == linkInode && inode != 0;
}
