// What a link /proc/PID/exe stands for when the kernel says the launcher: the program that the launcher runs there.
//
// The link may be spelled in any way: through `.` and `..`, /proc/self/root, a descriptor, another mount of procfs, a
// symbolic link. So nothing is guessed from the spelling: the kernel says where a link is when it is opened with
// O_PATH | O_NOFOLLOW, since the descriptor's own link in /proc/self/fd then reads "/proc/123/exe". What runs there, the
// process's maps say: the file that its program headers are mapped from (AT_PHDR in auxv is the program's). Its name there
// is made by the same d_path as the link's own, renamed and deleted files included, and who may read the link may read
// maps and auxv (PTRACE_MODE_READ).
//
// Reached it is by that name, or, when that leads to another file or nowhere, through the descriptor that held-files.ts
// keeps or through map_files (CAP_SYS_ADMIN or CAP_CHECKPOINT_RESTORE).

import { leadsToProgram, programAddress, programPath } from "../load/identity";
import { AT_ENTRY, AT_NULL, AT_PHDR } from "../load/auxiliary";
import { NO_DESCRIPTOR } from "../options";
import { ThreadBlock, execScratchOf } from "../thread/block";
import { frameBufferOf } from "../thread/deferred";
import { appendBytes, appendDecimal, appendHex, appendText, startsWithText } from "../text";
import { addressOf, isError, syscall1, syscall2, syscall3, syscall4 } from "./calls";
import { heldProgram, isLauncher } from "./held-files";
import {
  SYS_CLOSE,
  SYS_FSTATFS,
  SYS_NEWFSTATAT,
  SYS_OPENAT,
  SYS_READ,
  SYS_READLINK,
  SYS_READLINKAT,
  SYS_STAT,
} from "./numbers";

const AT_FDCWD: i64 = -100;
const O_CLOEXEC: u64 = 0x80000;
/** O_PATH | O_NOFOLLOW | O_CLOEXEC */
const OPEN_LINK: u64 = 0x2a0000;
const PROC_SUPER_MAGIC: u64 = 0x9fa0;
/** The kernel follows no more links than this: MAXSYMLINKS of include/linux/namei.h. */
const LINKS_MAX: u32 = 40;

// Offsets in the thread's exec scratch. exec.ts keeps clear of them.
/** Zero-terminated: what the link says, " (deleted)" included. */
const TEXT_OFFSET: usize = 0x0000;
/** The process's directory in procfs, with a slash at its end. */
const DIRECTORY_OFFSET: usize = 0x1010;
const DIRECTORY_MAX: usize = 0x100;
const FILE_OFFSET: usize = 0x1120;
const STAT_OFFSET: usize = 0x1310;
const LINK_OFFSET: usize = 0x1410;
const LINK_MAX: usize = 0xc00;
const BUFFER_OFFSET: usize = 0x3080;
const BUFFER_SIZE: usize = 0x1180;
const PROGRAM_OFFSET: usize = 0x4210;

/** What maps say about the program. */
@unmanaged
class Program {
  start: u64;
  end: u64;
  inode: u64;
  /** Engine pointer: how far a line has been read. */
  at: u32;
  /** 1 for the calling process. */
  isOwn: u32;
}

function programOf(thread: ThreadBlock): Program {
  return changetype<Program>(execScratchOf(thread) + PROGRAM_OFFSET);
}

// ---- whose link it is

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

/** Whether a path names this process's own link as it usually is spelled: nothing more has to be asked then. */
function isPlainlyOwn(thread: ThreadBlock, path: usize): bool {
  const at = skipText(path, "/proc/");
  if (at == 0) return false;
  const scratch = frameBufferOf(thread) + 0xf00;
  let next = skipText(at, "self/");
  if (next == 0) next = skipText(at, "thread-self/");
  if (next == 0) {
    next = skipNumber(at, thread.pid, scratch);
    if (next != 0) next = skipText(next, "/");
  }
  if (next == 0 || !startsWithText(next, "exe") || load<u8>(next + 3) != 0) return false;
  // A new root directory may have no /proc, or one that does not know the process.
  return syscall3(SYS_READLINK, addressOf(path), addressOf(scratch), 1) == 1;
}

/** Where a descriptor that was opened with O_PATH leads: the kernel's d_path, zero-terminated in the scratch, or 0. */
function pathOfDescriptor(scratch: usize, descriptor: i64): usize {
  const file = scratch + FILE_OFFSET;
  const link = scratch + LINK_OFFSET;
  store<u8>(appendDecimal(appendText(file, "/proc/thread-self/fd/"), descriptor as u64), 0);
  const size = syscall3(SYS_READLINK, addressOf(file), addressOf(link), LINK_MAX);
  if (isError(size) || (size as usize) >= LINK_MAX) return 0;
  store<u8>(link + (size as usize), 0);
  return link;
}

/** The last component of a path. */
function nameIn(path: usize): usize {
  let name = path;
  for (let at = path; load<u8>(at) != 0; at++) if (load<u8>(at) == 47) name = at + 1;
  return name;
}

function isOnProc(scratch: usize, descriptor: i64): bool {
  const stat = scratch + STAT_OFFSET;
  return syscall2(SYS_FSTATFS, descriptor, addressOf(stat)) == 0 && load<u64>(stat) == PROC_SUPER_MAGIC;
}

/**
 * One step along symbolic links. With a link of procfs named exe it writes the directory of the process.
 * @returns 0 there or where it leads no further, else the next path
 */
function followLink(scratch: usize, descriptor: i64): usize {
  const link = pathOfDescriptor(scratch, descriptor);
  if (link == 0) return 0;
  const name = nameIn(link);
  if (isOnProc(scratch, descriptor) && startsWithText(name, "exe") && load<u8>(name + 3) == 0) {
    if (name - link >= DIRECTORY_MAX) return 0;
    store<u8>(name, 0);
    store<u8>(appendBytes(scratch + DIRECTORY_OFFSET, link), 0);
    return 0;
  }
  // What a relative link says begins in the link's own directory.
  const room = LINK_MAX - (name - link);
  const text = scratch + BUFFER_OFFSET;
  const size = syscall4(
    SYS_READLINKAT,
    descriptor,
    addressOf(scratch + FILE_OFFSET + 0x1e0),
    addressOf(text),
    BUFFER_SIZE,
  );
  if (isError(size) || (size as usize) >= room) return 0;
  store<u8>(text + (size as usize), 0);
  store<u8>(appendBytes(load<u8>(text) == 47 ? link : name, text), 0);
  return link;
}

/** Finds whose link a path leads to, along symbolic links; the directory of the process is then in the scratch. */
function findDirectory(scratch: usize, directory: i64, path: usize, onlyLast: bool): bool {
  store<u8>(scratch + DIRECTORY_OFFSET, 0);
  store<u8>(scratch + FILE_OFFSET + 0x1e0, 0);
  for (let links: u32 = 0; links < LINKS_MAX && path != 0; links++) {
    const descriptor = syscall4(SYS_OPENAT, directory, addressOf(path), OPEN_LINK, 0);
    if (isError(descriptor)) return false;
    path = followLink(scratch, descriptor);
    syscall1(SYS_CLOSE, descriptor);
    directory = AT_FDCWD;
    if (onlyLast) break;
  }
  return load<u8>(scratch + DIRECTORY_OFFSET) != 0;
}

// ---- which program runs there

function openOfProcess(scratch: usize, name: string): i64 {
  const file = scratch + FILE_OFFSET;
  store<u8>(appendText(appendBytes(file, scratch + DIRECTORY_OFFSET), name), 0);
  return syscall4(SYS_OPENAT, AT_FDCWD, addressOf(file), O_CLOEXEC, 0);
}

/** An entry of the process's auxiliary vector, or 0. */
function auxiliaryOfProcess(scratch: usize, type: u64): u64 {
  const file = openOfProcess(scratch, "auxv");
  if (isError(file)) return 0;
  const vector = scratch + BUFFER_OFFSET;
  const size = syscall3(SYS_READ, file, addressOf(vector), BUFFER_SIZE);
  syscall1(SYS_CLOSE, file);
  for (let at: usize = 0; !isError(size) && at + 16 <= (size as usize) && load<u64>(vector + at) != AT_NULL; at += 16)
    if (load<u64>(vector + at) == type) return load<u64>(vector + at, 8);
  return 0;
}

/** Reads a number in a line of maps, and steps over the byte behind it. */
function readNumber(program: Program, base: u64): u64 {
  let at: usize = program.at;
  let value: u64 = 0;
  for (; ; at++) {
    const byte = load<u8>(at);
    const digit: u64 = byte >= 97 ? (byte as u64) - 87 : (byte as u64) - 48;
    if (byte < 48 || digit >= base) break;
    value = value * base + digit;
  }
  program.at = (at as u32) + 1;
  return value;
}

/** A newline in a name is written \012 in maps. */
function copyName(to: usize, from: usize): void {
  while (load<u8>(from) != 0) {
    const isNewline = startsWithText(from, "\\012");
    store<u8>(to++, isNewline ? 10 : load<u8>(from));
    from += isNewline ? 4 : 1;
  }
  store<u8>(to, 0);
}

/** `start-end perms offset major:minor inode   path`; true when the mapping holds the address and has a path. */
function readMapping(scratch: usize, program: Program, line: usize, address: u64): bool {
  program.at = line as u32;
  program.start = readNumber(program, 16);
  program.end = readNumber(program, 16);
  if (address < program.start || address >= program.end) return false;
  program.at += 5;
  for (let i = 0; i < 3; i++) readNumber(program, 16);
  program.inode = readNumber(program, 10);
  let name: usize = program.at;
  while (load<u8>(name) == 32) name++;
  if (load<u8>(name) != 47) return false;
  copyName(scratch + TEXT_OFFSET, name);
  return true;
}

/** The end of the line that starts at `at`, or 0 when it is not whole. */
function lineEnd(at: usize, end: usize): usize {
  for (; at < end; at++) if (load<u8>(at) == 10) return at;
  return 0;
}

/** Finds the file that is mapped at an address of the process. */
function findMapping(scratch: usize, program: Program, address: u64): bool {
  const file = openOfProcess(scratch, "maps");
  if (isError(file)) return false;
  const buffer = scratch + BUFFER_OFFSET;
  let filled: usize = 0;
  let isFound = false;
  while (!isFound && filled < BUFFER_SIZE) {
    const got = syscall3(SYS_READ, file, addressOf(buffer + filled), BUFFER_SIZE - filled);
    if (got <= 0) break;
    const end = buffer + filled + (got as usize);
    let line = buffer;
    for (let next = lineEnd(line, end); next != 0 && !isFound; next = lineEnd(line, end)) {
      store<u8>(next, 0);
      isFound = readMapping(scratch, program, line, address);
      line = next + 1;
    }
    filled = end - line;
    memory.copy(buffer, line, filled);
  }
  syscall1(SYS_CLOSE, file);
  return isFound;
}

/** The calling process's program: as maps have it, or, when they cannot be read, as it was at the start. */
function findOwnProgram(scratch: usize, program: Program): bool {
  program.isOwn = 1;
  store<u8>(appendText(scratch + DIRECTORY_OFFSET, "/proc/self/"), 0);
  if (findMapping(scratch, program, programAddress)) return true;
  program.start = program.end = program.inode = 0;
  store<u8>(appendBytes(scratch + TEXT_OFFSET, programPath), 0);
  return true;
}

function findOtherProgram(scratch: usize, program: Program): bool {
  program.isOwn = 0;
  const headers = auxiliaryOfProcess(scratch, AT_PHDR);
  if (headers != 0 && findMapping(scratch, program, headers)) return true;
  const entry = auxiliaryOfProcess(scratch, AT_ENTRY);
  return entry != 0 && findMapping(scratch, program, entry);
}

/** Whether the directory in the scratch is this process's own. */
function isOwnDirectory(scratch: usize): bool {
  const stat = scratch + STAT_OFFSET;
  if (syscall2(SYS_STAT, addressOf(scratch + DIRECTORY_OFFSET), addressOf(stat)) != 0) return false;
  const device = load<u64>(stat);
  const inode = load<u64>(stat, 8);
  store<u8>(appendText(scratch + FILE_OFFSET, "/proc/self/"), 0);
  if (syscall2(SYS_STAT, addressOf(scratch + FILE_OFFSET), addressOf(stat)) != 0) return false;
  return load<u64>(stat) == device && load<u64>(stat, 8) == inode;
}

/**
 * Finds the program behind a link /proc/PID/exe that leads to the launcher.
 * @param path engine pointer of a zero-terminated path; empty when `directory` is a descriptor of the link itself
 * @param isFollowed whether a symbolic link at the path's end that is none of procfs's is followed
 * @returns whether it is such a link; exeText and exePath then say what it is
 */
export function findProgram(thread: ThreadBlock, directory: i64, path: usize, isFollowed: bool): bool {
  const scratch = execScratchOf(thread);
  const program = programOf(thread);
  if (load<u8>(path) == 0) {
    const link = pathOfDescriptor(scratch, directory);
    if (link == 0) return false;
    path = link;
    directory = AT_FDCWD;
    isFollowed = false;
  }
  if (isPlainlyOwn(thread, path)) return findOwnProgram(scratch, program);
  if (!leadsToLauncher(directory, path, scratch + STAT_OFFSET)) return false;
  if (!findDirectory(scratch, directory, path, !isFollowed)) return false;
  return isOwnDirectory(scratch) ? findOwnProgram(scratch, program) : findOtherProgram(scratch, program);
}

/** Whether a path leads to the launcher. `buffer` is for a struct stat. */
export function leadsToLauncher(directory: i64, path: usize, buffer: usize): bool {
  return syscall4(SYS_NEWFSTATAT, directory, addressOf(path), addressOf(buffer), 0) == 0 && isLauncher(buffer);
}

/** What the link that findProgram found says. */
export function exeText(thread: ThreadBlock): usize {
  return execScratchOf(thread) + TEXT_OFFSET;
}

/** A path that leads to the program's file; the one that the link says when nothing does. */
export function exePath(thread: ThreadBlock): usize {
  const scratch = execScratchOf(thread);
  const program = programOf(thread);
  const text = scratch + TEXT_OFFSET;
  const stat = scratch + STAT_OFFSET;
  const file = scratch + FILE_OFFSET;
  if (program.isOwn != 0) {
    if (leadsToProgram(text, stat)) return text;
    const held = heldProgram(stat);
    if (held != NO_DESCRIPTOR) {
      store<u8>(appendDecimal(appendText(file, "/proc/thread-self/fd/"), held), 0);
      return file;
    }
  } else if (syscall2(SYS_STAT, addressOf(text), addressOf(stat)) == 0 && load<u64>(stat, 8) == program.inode)
    return text;
  if (program.end == 0) return text;
  let at = appendBytes(file, scratch + DIRECTORY_OFFSET);
  at = appendText(at, "map_files/");
  at = appendHex(at, program.start);
  at = appendText(at, "-");
  store<u8>(appendHex(at, program.end), 0);
  return syscall2(SYS_STAT, addressOf(file), addressOf(stat)) == 0 ? file : text;
}

/** Whether a path's last component is "exe". */
export function endsInExe(path: usize, size: usize): bool {
  if (size < 3 || !startsWithText(path + size - 3, "exe")) return false;
  return size == 3 || load<u8>(path + size - 4) == 47;
}
