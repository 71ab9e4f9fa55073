// Finding the program: what execve does before it maps anything.
//
// A path is opened, checked as the kernel would (regular, executable), and followed through `#!` lines
// (fs/binfmt_script.c) to an ELF file. Used twice: by the launcher for its own program, and before a followed execve, to
// know whether the kernel would run the target natively better or refuse it (kernel/exec.ts).

import { addressOf, isError, syscall1, syscall2, syscall4, syscall5 } from "../kernel/calls";
import { EACCES, ELOOP, ENOEXEC, ETXTBSY } from "../kernel/errno";
import {
  SYS_CLOSE,
  SYS_EXECVEAT,
  SYS_FACCESSAT2,
  SYS_FGETXATTR,
  SYS_FSTAT,
  SYS_OPENAT,
  SYS_PREAD64,
} from "../kernel/numbers";
import { FileHeader, isNativeElf } from "./elf";

export const AT_FDCWD: i32 = -100;
export const AT_EMPTY_PATH: u64 = 0x1000;
const AT_EACCESS: u64 = 0x200;
const X_OK: u64 = 1;

const O_NONBLOCK: u64 = 0x800;
const O_NOCTTY: u64 = 0x100;
export const O_CLOEXEC: u64 = 0x80000;

/** struct stat of AMD64: st_mode is at 24. */
const STAT_SIZE: usize = 144;
const STAT_MODE: usize = 24;
const S_IFMT: u32 = 0xf000;
const S_IFREG: u32 = 0x8000;
const S_ISUID: u32 = 0x800;
const S_ISGID: u32 = 0x400;
const S_IXGRP: u32 = 0x8;

/** BINPRM_BUF_SIZE: what the kernel reads to recognise a format, and all of a `#!` line that counts. */
export const HEAD_SIZE: usize = 256;
/** search_binary_handler gives up behind this many interpreters. */
export const SCRIPT_DEPTH_MAX: u32 = 5;

/** What a file is for execve. */
export const KIND_ELF: i64 = 1;
export const KIND_SCRIPT: i64 = 2;
/** The kernel must run it itself: set-user-ID, file capabilities, a foreign format. */
export const KIND_FOREIGN: i64 = 3;

/** An open file and its first bytes. `head` has room for HEAD_SIZE + STAT_SIZE bytes. */
@unmanaged
export class Candidate {
  descriptor: i32;
  headSize: u32;
  head: usize;
  /** What `probe` found the path itself to be: KIND_ELF or KIND_SCRIPT. */
  firstKind: u32;
}

export const CANDIDATE_BUFFER_SIZE: usize = HEAD_SIZE + STAT_SIZE;

/**
 * Opens a file that execve is to run and says what it is.
 * @param path process address of a zero-terminated path
 * @returns KIND_* with the descriptor open, or -errno with nothing open
 */
export function openCandidate(candidate: Candidate, directory: i32, path: u64): i64 {
  const descriptor = syscall4(SYS_OPENAT, directory as i64, path, O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0);
  if (isError(descriptor)) return descriptor;
  candidate.descriptor = descriptor as i32;
  const kind = classify(candidate);
  if (isError(kind)) syscall1(SYS_CLOSE, descriptor);
  return kind;
}

function classify(candidate: Candidate): i64 {
  const descriptor = candidate.descriptor;
  const stat = candidate.head + HEAD_SIZE;
  const empty = stat + STAT_SIZE - 1;
  const failed = syscall2(SYS_FSTAT, descriptor, addressOf(stat));
  if (isError(failed)) return failed;
  const mode = load<u32>(stat, STAT_MODE);
  if ((mode & S_IFMT) != S_IFREG) return -EACCES;
  store<u8>(empty, 0);
  const access = syscall4(SYS_FACCESSAT2, descriptor, addressOf(empty), X_OK, AT_EMPTY_PATH | AT_EACCESS);
  if (isError(access)) return access;
  if (mode & S_ISUID || (mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP)) return KIND_FOREIGN;
  if (hasCapabilities(candidate)) return KIND_FOREIGN;
  const size = syscall4(SYS_PREAD64, descriptor, addressOf(candidate.head), HEAD_SIZE, 0);
  if (isError(size)) return size;
  candidate.headSize = size as u32;
  if (size >= 2 && load<u16>(candidate.head) == 0x2123) return KIND_SCRIPT;
  if (size >= 64 && isNativeElf(changetype<FileHeader>(candidate.head))) return KIND_ELF;
  return KIND_FOREIGN;
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

/**
 * Splits a `#!` line as fs/binfmt_script.c does.
 * @returns 0 or -ENOEXEC
 */
export function parseScriptLine(candidate: Candidate, line: ScriptLine): i64 {
  const head = candidate.head;
  const limit = head + (candidate.headSize as usize);
  let end = head + 2;
  while (end < limit && load<u8>(end) != 10 && load<u8>(end) != 0) end++;
  if (end == head + HEAD_SIZE) {
    // The line is longer than the buffer: the interpreter's path at least must be whole.
    let at = head + 2;
    while (at < end && isBlank(load<u8>(at))) at++;
    while (at < end && !isBlank(load<u8>(at))) at++;
    if (at == end) return -ENOEXEC;
    end--;
  }
  while (end > head + 2 && isBlank(load<u8>(end - 1))) end--;
  store<u8>(end, 0);
  let at = head + 2;
  while (isBlank(load<u8>(at))) at++;
  if (load<u8>(at) == 0) return -ENOEXEC;
  line.interpreter = at;
  line.argument = 0;
  while (load<u8>(at) != 0 && !isBlank(load<u8>(at))) at++;
  if (load<u8>(at) == 0) return 0;
  store<u8>(at++, 0);
  while (isBlank(load<u8>(at))) at++;
  if (load<u8>(at) != 0) line.argument = at;
  return 0;
}

export const AT_EXECVE_CHECK: u64 = 0x10000;

/**
 * Asks the kernel whether it would run an open file (Linux 6.14), for what only it knows: that the file is open for
 * writing somewhere. An older kernel does not know the question, and a file that is being written is run.
 */
function checkExecutable(candidate: Candidate): i64 {
  const stat = candidate.head + HEAD_SIZE;
  // An empty string and an array of it, in the room of the stat that has been looked at.
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
  return result == -ETXTBSY || result == -EACCES ? result : 0;
}

/**
 * Whether a followed execve of this file would go as natively: every file on the way to the ELF can be opened, is
 * executable and is of a kind that the launcher maps. Nothing stays open.
 * @returns 0 when it can be followed, or another value when the kernel must be asked
 */
export function probe(candidate: Candidate, line: ScriptLine, directory: i32, path: u64): i64 {
  for (let depth: u32 = 0; depth <= SCRIPT_DEPTH_MAX; depth++) {
    const kind = openCandidate(candidate, directory, path);
    if (isError(kind)) return kind;
    const checked = checkExecutable(candidate);
    syscall1(SYS_CLOSE, candidate.descriptor);
    if (isError(checked)) return checked;
    if (depth == 0) candidate.firstKind = kind as u32;
    if (kind == KIND_ELF) return 0;
    if (kind == KIND_FOREIGN) return -ENOEXEC;
    const parsed = parseScriptLine(candidate, line);
    if (isError(parsed)) return parsed;
    directory = AT_FDCWD;
    path = addressOf(line.interpreter);
  }
  return -ELOOP;
}
