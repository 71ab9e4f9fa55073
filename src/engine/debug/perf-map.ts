// The perf map: /tmp/perf-PID.map, where `perf report` looks for the names of code that no file describes. A line is
// START SIZE NAME, numbers in hexadecimal (tools/perf/Documentation/jit-interface.txt).
//
// The file is opened, appended to and closed whenever code is patched: programs close descriptors that they do not know,
// and chroot. PID is the number that the process itself sees, which perf looks up too (NSpid). The child of a fork writes
// a map of its own with all its parent's lines; what is executed in the same process adds to its predecessor's. perf
// reads no map that belongs to somebody else, so neither a link nor another user's file is written to.
//
// Not handled: lines of code that was unmapped stay (the samples of that time need them), and a program under a seccomp
// filter that forbids openat: the filter judges these calls as well.

import { addressOf, isError, syscall1, syscall4 } from "../kernel/calls";
import { SYS_CLOSE, SYS_GETPID, SYS_OPENAT } from "../kernel/numbers";
import { Address } from "../process";
import { STDERR, appendDecimal, appendHex, appendText, writeOut } from "../text";
import { NAME_MAX, appendName } from "./code-names";
import { Trampoline, visitIslands, visitTrampolines } from "./trampolines";

const AT_FDCWD: u64 = -100;
/** O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW, and O_TRUNC. */
const OPEN_FLAGS: u64 = 0xa0541;
const O_TRUNC: u64 = 0x200;
const OPEN_MODE: u64 = 0o644;

/** "/tmp/perf-PID.map". */
const path = memory.data(64, 8);
const BUFFER_SIZE: usize = 16384;
const buffer = memory.data(16384, 8);
const LINE_MAX: usize = NAME_MAX + 40;
let end: usize = buffer;
let file: u64 = 0;
/** The first of the outposts that have no line yet. */
let islands: u32 = 0;
/** 1 once the map could not be written: nothing more is tried, since nothing more would be of use. */
let failed: bool = false;

function flush(): void {
  writeOut(file, buffer, end);
  end = buffer;
}

function addLine(trampoline: Trampoline): void {
  if (end + LINE_MAX > buffer + BUFFER_SIZE) flush();
  let at = appendHex(end, trampoline.address);
  at = appendHex(appendText(at, " "), trampoline.size);
  at = appendName(appendText(at, " "), trampoline.kind, trampoline.original);
  end = appendText(at, "\n");
}

function open(flags: u64): bool {
  if (failed) return false;
  const at = appendDecimal(appendText(path, "/tmp/perf-"), syscall1(SYS_GETPID, 0) as u64);
  store<u8>(appendText(at, ".map"), 0);
  const got = syscall4(SYS_OPENAT, AT_FDCWD, addressOf(path), OPEN_FLAGS | flags, OPEN_MODE);
  failed = isError(got);
  file = got as u64;
  return !failed;
}

function appendLines(start: Address, stop: Address): void {
  visitTrampolines(start, stop, addLine);
  islands = visitIslands(islands, addLine);
  flush();
  syscall1(SYS_CLOSE, file);
}

/** The process image begins: a map that an earlier process of the same number left is emptied. */
export function beginPerfMap(handedOver: bool): void {
  if (handedOver) return;
  if (open(O_TRUNC)) {
    syscall1(SYS_CLOSE, file);
    return;
  }
  const at = appendText(buffer, "flicker: --perf-map: /tmp/perf-PID.map cannot be written: perf will show addresses\n");
  writeOut(STDERR, buffer, at);
}

/** Adds the trampolines of code in [start, end). Under the engine lock. */
export function extendPerfMap(start: Address, stop: Address): void {
  if (open(0)) appendLines(start, stop);
}

/** In the child of a fork that copied memory. */
export function copyPerfMap(): void {
  islands = 0;
  if (open(O_TRUNC)) appendLines(0, u64.MAX_VALUE);
}
