// Who the program is: its file, as the launcher found it.

import { addressOf, isError, syscall2, syscall3 } from "../kernel/calls";
import { SYS_FSTAT, SYS_READLINK, SYS_STAT } from "../kernel/numbers";
import { STAT_DEVICE, STAT_INODE } from "../kernel/stat";
import { appendBytes, appendDecimal, appendText } from "../text";

const PATH_MAX: usize = 4096;

/** The absolute path of the program's file, zero-terminated; as the kernel's links have it, " (deleted)" included. */
export const programPath = memory.data(4352, 8);

/** A struct stat. */
const stat = memory.data(144, 8);
const path = memory.data(64, 8);

let programDevice: u64 = 0;
let programInode: u64 = 0;

/** An address in the program's first segment. */
export let programAddress: u64 = 0;

/** Records the program's file, at the start. `fallback` is the path that was run. */
export function identify(descriptor: i32, fallback: usize): void {
  let at = appendText(path, "/proc/thread-self/fd/");
  at = appendDecimal(at, descriptor as u64);
  store<u8>(at, 0);
  const size = syscall3(SYS_READLINK, addressOf(path), addressOf(programPath), PATH_MAX);
  if (isError(size)) store<u8>(appendBytes(programPath, fallback), 0);
  else store<u8>(programPath + (size as usize), 0);
  if (syscall2(SYS_FSTAT, descriptor, addressOf(stat)) == 0) {
    programDevice = load<u64>(stat, STAT_DEVICE);
    programInode = load<u64>(stat, STAT_INODE);
  }
}

/** Records where the program's first segment is mapped. */
export function identifyMapping(start: u64): void {
  programAddress = start;
}

/** Whether a struct stat is of the program's file. */
export function isProgram(file: usize): bool {
  return load<u64>(file, STAT_DEVICE) == programDevice && load<u64>(file, STAT_INODE) == programInode;
}

/** Whether a path leads to the program's file. `buffer` is for a struct stat. */
export function leadsToProgram(to: usize, buffer: usize): bool {
  return syscall2(SYS_STAT, addressOf(to), addressOf(buffer)) == 0 && isProgram(buffer);
}

/** Whether the path that was recorded at the start leads to the program's file. */
export function isProgramReachable(): bool {
  return leadsToProgram(programPath, stat);
}
