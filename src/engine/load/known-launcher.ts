// Which launcher has these hooks linked in, without asking Node: the cache knows which one they got the last time, and what
// that was made from (src/abi/known-launcher.ts). When none of those files has changed, it is the same again.
//
// The cache is trusted as Node trusts it (src/host/cache.ts): what is taken from it belongs to the user, and nobody else can
// write to it.

import { KNOWN_HEADER_SIZE, KNOWN_MAGIC, KNOWN_QUESTION_MAX, KNOWN_STATUS_SIZE } from "../../abi/known-launcher";
import { addressOf, isError, syscall0, syscall1, syscall2, syscall3 } from "../kernel/calls";
import {
  SYS_CLOSE,
  SYS_FSTAT,
  SYS_GETCWD,
  SYS_GETEUID,
  SYS_MMAP,
  SYS_MUNMAP,
  SYS_OPEN,
  SYS_STAT,
} from "../kernel/numbers";
import { STAT_CHANGED, STAT_INODE, STAT_MODE, STAT_MODIFIED, STAT_SIZE, STAT_USER } from "../kernel/stat";
import { Address, peek16, peek32, peek64, peek8, syscall } from "../process";
import { appendBytes, appendHex, appendText, copyString } from "../text";
import { MAP_PRIVATE, PROT_READ } from "./map";
import { InitialStack, environmentValue } from "./stack";

const PATH_MAX: usize = 4096;
/** A struct stat. */
const status = memory.data(144, 8);
const S_IFMT: u32 = 0xf000;
const S_IFREG: u32 = 0x8000;
const OTHERS_WRITE: u32 = 0x12;
const O_CLOEXEC: u64 = 0x80000;
const O_NOFOLLOW: u64 = 0x20000;
/** A file that says more was not written by Flicker. */
const FILE_MAX: u64 = 1 << 20;

const file = memory.data(4352, 8);
/** KNOWN_QUESTION_MAX bytes. */
const question = memory.data(8192, 8);
let questionEnd: usize = question;

/** Starts the question: `script` is bin/flicker's path in linear memory, `expression` a process address or 0. */
export function beginQuestion(script: usize, expression: Address, hasHooks: bool): bool {
  questionEnd = appendBytes(question, script) + 1;
  store<u8>(questionEnd - 1, 0);
  if (expression == 0) store<u8>(questionEnd++, 0);
  else if (!ask(expression)) return false;
  if (!hasHooks) return true;
  // Gives the size with the zero; "(unreachable)/..." when the folder is not under the root (fs/d_path.c).
  const size = syscall2(SYS_GETCWD, addressOf(questionEnd), question + KNOWN_QUESTION_MAX - questionEnd);
  if (isError(size)) return false;
  questionEnd += size as usize;
  return true;
}

/** Adds a string of the process to the question: false when there is no room. */
export function ask(text: Address): bool {
  const size = copyString(questionEnd, text, question + KNOWN_QUESTION_MAX - questionEnd);
  if (size < 0) return false;
  questionEnd += (size as usize) + 1;
  return true;
}

/** FNV-1a of 64 bits. */
function hashQuestion(): u64 {
  let hash: u64 = 0xcbf29ce484222325;
  for (let at = question; at < questionEnd; at++) hash = (hash ^ load<u8>(at)) * 0x100000001b3;
  return hash;
}

/** Puts the path of the file with the answer together; false when the environment does not say where the cache is. */
function nameFile(stack: InitialStack): bool {
  let base = environmentValue(stack, "XDG_CACHE_HOME");
  const isOwn = base != 0 && peek8(base) == 47;
  if (!isOwn) base = environmentValue(stack, "HOME");
  if (base == 0 || peek8(base) != 47) return false;
  const size = copyString(file, base, PATH_MAX);
  if (size < 0) return false;
  let end = file + (size as usize);
  if (!isOwn) end = appendText(end, "/.cache");
  store<u8>(appendHex(appendText(end, "/flicker/known/"), hashQuestion(), 16), 0);
  return true;
}

function isOursAlone(): bool {
  const mode = load<u32>(status, STAT_MODE);
  const user = syscall0(SYS_GETEUID) as u32;
  return (mode & S_IFMT) == S_IFREG && load<u32>(status, STAT_USER) == user && (mode & OTHERS_WRITE) == 0;
}

function nanoseconds(field: usize): u64 {
  return load<u64>(status + field) * 1_000_000_000 + load<u64>(status + field, 8);
}

/** Whether the file at process address `path` is as it was; `known` is where its numbers stand. */
function isUnchanged(known: Address, path: Address): bool {
  const missing = isError(syscall2(SYS_STAT, path, addressOf(status)));
  if (peek64(known) == 0) return missing;
  return (
    !missing &&
    peek64(known) == load<u64>(status, STAT_INODE) &&
    peek64(known + 8) == load<u64>(status, STAT_SIZE) &&
    peek64(known + 16) == nanoseconds(STAT_MODIFIED) &&
    peek64(known + 24) == nanoseconds(STAT_CHANGED)
  );
}

/** Gives the process address of the launcher's path in the mapped file, or 0 when it says nothing about this question as things are. */
function readAnswer(start: Address, size: u64): Address {
  const asked = (questionEnd - question) as u32;
  if (size < KNOWN_HEADER_SIZE + asked || peek32(start) != KNOWN_MAGIC || peek32(start + 4) != asked) return 0;
  let at = start + KNOWN_HEADER_SIZE;
  // Two questions may have the same hash.
  for (let i: u32 = 0; i < asked; i++) if (peek8(at + i) != load<u8>(question + i)) return 0;
  at += asked;
  let launcher: Address = 0;
  for (let left = peek32(start + 8); left != 0; left--) {
    if (at + KNOWN_STATUS_SIZE > start + size) return 0;
    const path = at + KNOWN_STATUS_SIZE;
    const length = peek16(path - 2);
    if (length == 0 || path + length > start + size || peek8(path + length - 1) != 0) return 0;
    if (!isUnchanged(at, path)) return 0;
    if (launcher == 0) {
      if (!isOursAlone()) return 0;
      launcher = path;
    }
    at = path + length;
  }
  return launcher;
}

/**
 * Copies the path of the launcher that the question got, with a zero behind it, to engine pointer `path`.
 * @param room bytes at `path`
 * @returns whether it is known and everything it was made from is as it was
 */
export function findKnownLauncher(stack: InitialStack, path: usize, room: usize): bool {
  if (!nameFile(stack)) return false;
  const descriptor = syscall3(SYS_OPEN, addressOf(file), O_CLOEXEC | O_NOFOLLOW, 0);
  if (isError(descriptor)) return false;
  const got = syscall2(SYS_FSTAT, descriptor, addressOf(status));
  const size = load<u64>(status, STAT_SIZE);
  const usable = !isError(got) && isOursAlone() && size != 0 && size <= FILE_MAX;
  const start = usable ? syscall(SYS_MMAP, 0, size, PROT_READ, MAP_PRIVATE, descriptor, 0) : -1;
  syscall1(SYS_CLOSE, descriptor);
  if (isError(start)) return false;
  const launcher = readAnswer(start, size);
  const known = launcher != 0 && copyString(path, launcher, room) > 0;
  syscall2(SYS_MUNMAP, start, size);
  return known;
}
