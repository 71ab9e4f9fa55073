// Finding the program: what execve does before it maps anything.
//
// A path is opened, checked as the kernel would (regular, executable), and followed through `#!` lines
// (fs/binfmt_script.c) to an ELF file, whose interpreter is opened and checked too: all that load_elf_binary of
// fs/binfmt_elf.c does before begin_new_exec, behind which execve has no errors any more and bad files die by SIGSEGV.
// Used twice: by the launcher for its own program, and before a followed execve, to know whether the kernel would refuse
// the target or run it natively better (kernel/exec.ts).

import { addressOf, isError, syscall0, syscall1, syscall2, syscall3, syscall4, syscall5 } from "../kernel/calls";
import { EACCES, EIO, ELIBBAD, ELOOP, ENOEXEC, ENOSYS, EPERM, ETXTBSY } from "../kernel/errno";
import {
  SYS_CLOSE,
  SYS_EXECVEAT,
  SYS_FACCESSAT,
  SYS_FACCESSAT2,
  SYS_FGETXATTR,
  SYS_FSTAT,
  SYS_FSTATFS,
  SYS_GETEGID,
  SYS_GETEUID,
  SYS_OPENAT,
  SYS_PERSONALITY,
  SYS_PRCTL,
  SYS_PREAD64,
} from "../kernel/numbers";
import { STAT_GROUP, STAT_MODE, STAT_SIZEOF, STAT_USER } from "../kernel/stat";
import {
  ELF_MAGIC,
  EM_X86_64,
  FILE_HEADER_SIZE,
  FileHeader,
  PROGRAM_HEADER_SIZE,
  PT_INTERP,
  hasProgramHeaders,
  headersSize,
  isNativeElf,
  programHeader,
} from "./elf";
import { appendDecimal, appendText } from "../text";

export const AT_FDCWD: i32 = -100;
export const AT_EMPTY_PATH: u64 = 0x1000;
export const AT_EACCESS: u64 = 0x200;
export const X_OK: u64 = 1;
export const R_OK: u64 = 4;

const O_NONBLOCK: u64 = 0x800;
const O_NOCTTY: u64 = 0x100;
export const O_CLOEXEC: u64 = 0x80000;

/** struct statfs: f_flags at 80. */
const STATFS_FLAGS: usize = 80;
const ST_NOSUID: u64 = 2;
const PR_GET_NO_NEW_PRIVS: u64 = 39;
/** READ_IMPLIES_EXEC | ADDR_NO_RANDOMIZE | ADDR_COMPAT_LAYOUT | MMAP_PAGE_ZERO of include/uapi/linux/personality.h */
const PER_CLEAR_ON_SETID: i64 = 0x0740000;
const S_IFMT: u32 = 0xf000;
const S_IFREG: u32 = 0x8000;
const S_ISUID: u32 = 0x800;
const S_ISGID: u32 = 0x400;
const S_IXGRP: u32 = 0x8;

/** BINPRM_BUF_SIZE: what the kernel reads to recognise a format, and all of a `#!` line that counts. */
export const HEAD_SIZE: usize = 256;
/** exec_binprm gives up when it comes to one file more than this: an ELF file behind at most five scripts. */
export const SCRIPT_DEPTH_MAX: u32 = 5;

/** What a file is for execve. */
export const KIND_ELF: i64 = 1;
export const KIND_SCRIPT: i64 = 2;
/** Neither: the kernel refuses it, or has a format for it that the launcher does not map. */
export const KIND_FOREIGN: i64 = 3;
/** Set-user-ID, set-group-ID or with file capabilities: the kernel must run it itself. */
export const KIND_PRIVILEGED: i64 = 4;

/** An open file and its first bytes. Whoever makes one sets the three buffers. */
@unmanaged
export class Candidate {
  descriptor: i32;
  /** What `probe` found the path itself to be: KIND_ELF or KIND_SCRIPT. */
  firstKind: u32;
  /** CANDIDATE_BUFFER_SIZE bytes; the file's first HEAD_SIZE are in front, with zeros behind a file that is shorter. */
  head: usize;
  /** HEADERS_BUFFER_SIZE bytes. */
  headers: usize;
  /** PATH_MAX bytes: the interpreter's path, once checkProgram has found one. */
  path: usize;
  /** The interpreter's open descriptor, or -1: what checkProgram found. */
  interpreter: i32;
  /** 1 when checkProgram's error is about the interpreter. */
  blamesInterpreter: u32;
}

export const CANDIDATE_BUFFER_SIZE: usize = HEAD_SIZE + STAT_SIZEOF;
const PATH_MAX: usize = 4096;
/** Program headers are read this many at a time. */
const HEADERS_BATCH: u32 = 16;
export const HEADERS_BUFFER_SIZE: usize = 16 * PROGRAM_HEADER_SIZE;

/**
 * Opens a file that execve is to run and says what it is.
 * @param path process address of a zero-terminated path
 * @returns KIND_* with the descriptor open, or -errno with nothing open
 */
export function openCandidate(candidate: Candidate, directory: i32, path: u64): i64 {
  const mode = openExecutable(candidate, directory, path);
  if (isError(mode)) return mode;
  const kind = classify(candidate, mode as u32);
  if (isError(kind)) syscall1(SYS_CLOSE, candidate.descriptor);
  return kind;
}

/** do_open_execat of fs/exec.c. Gives the file's mode with the descriptor open, or -errno with nothing open. */
function openExecutable(candidate: Candidate, directory: i32, path: u64): i64 {
  const descriptor = syscall4(SYS_OPENAT, directory as i64, path, O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0);
  if (isError(descriptor)) return descriptor;
  candidate.descriptor = descriptor as i32;
  const mode = executableMode(candidate);
  if (isError(mode)) syscall1(SYS_CLOSE, descriptor);
  return mode;
}

/** The mode of a regular file that this process may execute, or -errno. */
function executableMode(candidate: Candidate): i64 {
  const descriptor = candidate.descriptor;
  const stat = candidate.head + HEAD_SIZE;
  const empty = stat + STAT_SIZEOF - 1;
  const failed = syscall2(SYS_FSTAT, descriptor, addressOf(stat));
  if (isError(failed)) return failed;
  const mode = load<u32>(stat, STAT_MODE);
  if ((mode & S_IFMT) != S_IFREG) return -EACCES;
  store<u8>(empty, 0);
  // Looks at the mount's noexec, too.
  let access = syscall4(SYS_FACCESSAT2, descriptor, addressOf(empty), X_OK, AT_EMPTY_PATH | AT_EACCESS);
  // A seccomp filter older than the call (Linux 5.8) does not know it; faccessat asks for the real user.
  if (access == -EPERM || access == -ENOSYS) {
    const path = candidate.head;
    store<u8>(appendDecimal(appendText(path, "/proc/self/fd/"), descriptor), 0);
    access = syscall3(SYS_FACCESSAT, AT_FDCWD, addressOf(path), X_OK);
  }
  if (isError(access)) return access;
  const checked = checkExecutable(candidate);
  return isError(checked) ? checked : mode;
}

function classify(candidate: Candidate, mode: u32): i64 {
  if (changesIdentity(candidate, mode) || hasCapabilities(candidate)) return KIND_PRIVILEGED;
  memory.fill(candidate.head, 0, HEAD_SIZE);
  const size = syscall4(SYS_PREAD64, candidate.descriptor, addressOf(candidate.head), HEAD_SIZE, 0);
  if (isError(size)) return size;
  if (load<u16>(candidate.head) == 0x2123) return KIND_SCRIPT;
  const header = changetype<FileHeader>(candidate.head);
  return isNativeElf(header) && hasProgramHeaders(header) ? KIND_ELF : KIND_FOREIGN;
}

/** Whether execve of a file gives the process another user or group: bprm_fill_uid of fs/exec.c. */
function changesIdentity(candidate: Candidate, mode: u32): bool {
  const setsUser = (mode & S_ISUID) != 0;
  const setsGroup = (mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP);
  if (!setsUser && !setsGroup) return false;
  if (syscall5(SYS_PRCTL, PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1) return false;
  const stat = candidate.head + HEAD_SIZE;
  const user = load<u32>(stat, STAT_USER);
  const group = load<u32>(stat, STAT_GROUP);
  if (syscall2(SYS_FSTATFS, candidate.descriptor, addressOf(stat)) == 0 && load<u64>(stat, STATFS_FLAGS) & ST_NOSUID)
    return false;
  // The bits clear these even where they give nothing.
  if (syscall1(SYS_PERSONALITY, 0xffffffff) & PER_CLEAR_ON_SETID) return true;
  if (setsUser && user != (syscall0(SYS_GETEUID) as u32)) return true;
  return setsGroup && group != (syscall0(SYS_GETEGID) as u32);
}

/** File capabilities are gained by execve of the file only, so the kernel has to run it. */
function hasCapabilities(candidate: Candidate): bool {
  const name = candidate.head;
  // "security.capability"
  store<u64>(name, 0x7974697275636573);
  store<u64>(name, 0x696c69626170632e, 8);
  store<u32>(name, 0x00007974, 16);
  return syscall4(SYS_FGETXATTR, candidate.descriptor, addressOf(name), 0, 0) > 0;
}

/** A `#!` line: engine pointers of zero-terminated strings inside the head, which is changed. */
@unmanaged
export class ScriptLine {
  interpreter: usize;
  /** The one optional argument, or 0. */
  argument: usize;
}

function isBlank(byte: u8): bool {
  return byte == 32 || byte == 9;
}

/** The first byte in [at, last] that is no blank, or one past `last`. */
function skipBlanks(at: usize, last: usize): usize {
  while (at <= last && isBlank(load<u8>(at))) at++;
  return at;
}

/** The first blank or zero in [at, last], or one past `last`. */
function findTerminator(at: usize, last: usize): usize {
  while (at <= last && load<u8>(at) != 0 && !isBlank(load<u8>(at))) at++;
  return at;
}

/**
 * Splits a `#!` line as load_script of fs/binfmt_script.c does, to the byte: without a newline the line is all of the
 * head, zeros included, so that a file that ends in blanks has an empty argument, and `#!` alone an empty interpreter.
 * @returns 0 or -ENOEXEC
 */
export function parseScriptLine(candidate: Candidate, line: ScriptLine): i64 {
  const start = candidate.head + 2;
  const last = candidate.head + HEAD_SIZE - 1;
  let end = start;
  while (end <= last && load<u8>(end) != 10 && load<u8>(end) != 0) end++;
  if (end > last || load<u8>(end) != 10) {
    // The line may be longer than the head: the interpreter's path at least must be whole.
    const first = skipBlanks(start, last);
    if (first > last || findTerminator(first, last) > last) return -ENOEXEC;
    end = last;
  }
  while (isBlank(load<u8>(end - 1))) end--;
  const name = skipBlanks(start, end);
  if (name >= end) return -ENOEXEC;
  line.interpreter = name;
  line.argument = 0;
  const separator = findTerminator(name, end);
  if (separator <= end && load<u8>(separator) != 0) {
    const argument = skipBlanks(separator, end);
    if (argument <= end) line.argument = argument;
  }
  store<u8>(end, 0);
  if (line.argument != 0) store<u8>(separator, 0);
  return 0;
}

export const AT_EXECVE_CHECK: u64 = 0x10000;
/** Whether the kernel has been found to know AT_EXECVE_CHECK. */
export let isExecveCheckKnown: bool = false;

/**
 * Asks the kernel whether it would run an open file (Linux 6.14), for what only it knows: that the file is open for
 * writing somewhere. An older kernel does not know the question, and a file that is being written is run.
 */
function checkExecutable(candidate: Candidate): i64 {
  const stat = candidate.head + HEAD_SIZE;
  // An empty string and an array of it, over the first words of the stat: its mode and owner are still needed.
  store<u64>(stat, addressOf(stat + 16));
  store<u64>(stat, 0, 8);
  store<u8>(stat + 16, 0);
  const result = syscall5(
    SYS_EXECVEAT,
    candidate.descriptor,
    addressOf(stat + 16),
    addressOf(stat),
    addressOf(stat + 8),
    AT_EMPTY_PATH | AT_EXECVE_CHECK,
  );
  isExecveCheckKnown = result == 0;
  return result == -ETXTBSY || result == -EACCES ? result : 0;
}

/**
 * Opens the interpreter that a `#!` line names: open_exec of fs/exec.c.
 * @param path engine pointer of a zero-terminated path
 * @returns KIND_* with the descriptor open, or -errno
 */
export function openScriptInterpreter(candidate: Candidate, path: usize): i64 {
  // Not ENOENT: the kernel's own look-up of an empty path gives the current directory.
  if (load<u8>(path) == 0) return -EACCES;
  return openCandidate(candidate, AT_FDCWD, addressOf(path));
}

/** elf_read: 0 or -errno. */
function read(descriptor: i32, pointer: usize, size: usize, offset: u64): i64 {
  const got = syscall4(SYS_PREAD64, descriptor, addressOf(pointer), size, offset);
  if (isError(got)) return got;
  return got == (size as i64) ? 0 : -EIO;
}

/** Reads the path of the first PT_INTERP. Gives its size with the zero, 0 when there is none, or -errno. */
function readInterpreterPath(candidate: Candidate): i64 {
  const header = changetype<FileHeader>(candidate.head);
  const descriptor = candidate.descriptor;
  let found: i64 = 0;
  let pathOffset: u64 = 0;
  // All of them must be there, so they are read to the end.
  for (let first: u32 = 0; first < header.phnum; first += HEADERS_BATCH) {
    const count = min(HEADERS_BATCH, (header.phnum as u32) - first);
    const offset = header.phoff + (first as u64) * (PROGRAM_HEADER_SIZE as u64);
    if (read(descriptor, candidate.headers, (count as usize) * PROGRAM_HEADER_SIZE, offset) != 0) return -ENOEXEC;
    for (let i: u32 = 0; i < count && found == 0; i++) {
      const segment = programHeader(candidate.headers, i);
      if (segment.type != PT_INTERP) continue;
      found = segment.filesz < 2 || segment.filesz > (PATH_MAX as u64) ? -ENOEXEC : (segment.filesz as i64);
      pathOffset = segment.offset;
    }
  }
  if (found <= 0) return found;
  const failed = read(descriptor, candidate.path, found as usize, pathOffset);
  if (isError(failed)) return failed;
  return load<u8>(candidate.path + (found as usize) - 1) == 0 ? found : -ENOEXEC;
}

/** Whether the kernel would take an open file for an interpreter, as far as it looks before it maps the program. */
function checkInterpreter(descriptor: i32, header: usize): i64 {
  const failed = read(descriptor, header, FILE_HEADER_SIZE, 0);
  if (isError(failed)) return failed;
  const file = changetype<FileHeader>(header);
  if (file.magic != ELF_MAGIC || file.machine != EM_X86_64 || !hasProgramHeaders(file)) return -ELIBBAD;
  const last = file.phoff + (headersSize(file) as u64) - (PROGRAM_HEADER_SIZE as u64);
  return read(descriptor, header, PROGRAM_HEADER_SIZE, last) == 0 ? 0 : -ELIBBAD;
}

/**
 * What execve still answers with an error about an ELF file: its program headers and its interpreter.
 * @param candidate an open KIND_ELF; gets `interpreter`, `path` and `blamesInterpreter`
 * @returns 0, or -errno with `candidate.descriptor` alone open
 */
export function checkProgram(candidate: Candidate): i64 {
  candidate.interpreter = -1;
  candidate.blamesInterpreter = 0;
  const size = readInterpreterPath(candidate);
  if (size <= 0) return size;
  candidate.blamesInterpreter = 1;
  if (load<u8>(candidate.path) == 0) return -EACCES;
  const program = candidate.descriptor;
  const opened = openExecutable(candidate, AT_FDCWD, addressOf(candidate.path));
  const interpreter = candidate.descriptor;
  candidate.descriptor = program;
  if (isError(opened)) return opened;
  const checked = checkInterpreter(interpreter, candidate.headers);
  if (isError(checked)) syscall1(SYS_CLOSE, interpreter);
  else candidate.interpreter = interpreter;
  return checked;
}

/**
 * Whether a followed execve of this file would go as natively: every file on the way to the ELF and its interpreter can
 * be opened, is executable and is of a kind that the launcher maps. Nothing stays open.
 * @returns 0 when it can be followed, or another value when the kernel must be asked
 */
export function probe(candidate: Candidate, line: ScriptLine, directory: i32, path: u64): i64 {
  for (let depth: u32 = 0; depth <= SCRIPT_DEPTH_MAX; depth++) {
    const kind = openCandidate(candidate, directory, path);
    if (isError(kind)) return kind;
    const checked = kind == KIND_ELF ? checkProgram(candidate) : 0;
    syscall1(SYS_CLOSE, candidate.descriptor);
    if (isError(checked)) return checked;
    if (depth == 0) candidate.firstKind = kind as u32;
    if (kind == KIND_ELF) {
      if (candidate.interpreter >= 0) syscall1(SYS_CLOSE, candidate.interpreter);
      return 0;
    }
    if (kind != KIND_SCRIPT) return -ENOEXEC;
    const parsed = parseScriptLine(candidate, line);
    if (isError(parsed)) return parsed;
    if (load<u8>(line.interpreter) == 0) return -EACCES;
    directory = AT_FDCWD;
    path = addressOf(line.interpreter);
  }
  return -ELOOP;
}
