// The ring that records go to (src/abi/ring.ts), as the processes of a traced tree see it: mapped, shared, written by all.
//
// `--ring HOST:FILE` says where it is: the descriptor FILE of the process HOST, which /proc/HOST/fd leads to although no name
// does. Every followed execve opens it again before the old program is gone and hands the descriptor over, so nothing is left
// open that a program could close. Where /proc may lead nowhere (a new root, other credentials) it is opened before the way
// is lost, and held, as the launcher's file is (kernel/held-files.ts).
//
// Nobody waits for a thread that is gone: the lock says whose it is, and so does each record. What the lock protects is whole
// at each instant, since a record's header is written before the head that makes it part of the ring.

import {
  RECORD_ALIGNMENT,
  RECORD_ELSEWHERE,
  RECORD_KIND,
  RECORD_PADDING,
  RECORD_WRITER,
  RECORD_WRITING,
  RING_CALLS,
  RING_CLOSED,
  RING_DATA,
  RING_EVENTS,
  RING_EXECVE,
  RING_FIRST,
  RING_FLAGS,
  RING_FOLLOW,
  RING_HEAD,
  RING_LOCK,
  RING_LOSSLESS,
  RING_LOST,
  RING_MAGIC,
  RING_MAGIC_AT,
  RING_SIZE,
  RING_SUMS,
  RING_TAIL,
  RING_TAIL_AGAIN,
  RING_TIMES,
} from "../../abi/ring";
import { hookOnly, silenceHooks } from "../hook/table";
import { addressOf, isError, syscall0, syscall1, syscall2, syscall3, syscall4, syscall6 } from "../kernel/calls";
import {
  SYS_CLOCK_GETTIME,
  SYS_CLOSE,
  SYS_FCNTL,
  SYS_FSTAT,
  SYS_FUTEX,
  SYS_GETPPID,
  SYS_MMAP,
  SYS_MUNMAP,
  SYS_OPENAT,
} from "../kernel/numbers";
import {
  NO_DESCRIPTOR,
  RING_ELSEWHERE,
  RING_NONE,
  RING_SILENT,
  RING_USED,
  ringDescriptor,
  ringFile,
  ringHost,
  ringState,
  setRingState,
} from "../options";
import { claimMemory, releaseMemory } from "../own-memory";
import { Address, compareExchange32, pause, peek32, peek64, poke32, poke64 } from "../process";
import { appendDecimal, appendText } from "../text";
import { ThreadBlock } from "../thread/block";
import { isNumberGone } from "../thread/presence";

/** Where it is mapped, or 0. */
export let ring: Address = 0;
let dataSize: u64 = 0;
let flags: u32 = 0;

const AT_FDCWD: u64 = -100;
/** O_RDWR, without and with O_CLOEXEC. */
const OPEN_FLAGS: u64 = 2;
const O_CLOEXEC: u64 = 0x80000;
const F_SETFD: u64 = 2;
const F_DUPFD_CLOEXEC: u64 = 1030;
const FD_CLOEXEC: u64 = 1;
/** Out of the way of programs that count on low numbers. */
const DESCRIPTOR_MIN: u64 = 900;
const PROT_READ_WRITE: u64 = 3;
const MAP_SHARED: u64 = 1;

const path = memory.data(64, 8);
/** struct stat: st_dev at 0, st_ino at 8, st_size at 48. */
const stat = memory.data(144, 8);
let device: u64 = 0;
let inode: u64 = 0;
/** A descriptor that is kept for an execve in a place without a way to the host's. */
let held: u32 = NO_DESCRIPTOR;

function openRing(closeOnExec: u64): i64 {
  let at = appendDecimal(appendText(path, "/proc/"), ringHost);
  at = appendDecimal(appendText(at, "/fd/"), ringFile);
  store<u8>(at, 0);
  return syscall4(SYS_OPENAT, AT_FDCWD, addressOf(path), OPEN_FLAGS | closeOnExec, 0);
}

function isRing(descriptor: u64): bool {
  if (syscall2(SYS_FSTAT, descriptor, addressOf(stat)) != 0) return false;
  return load<u64>(stat) == device && load<u64>(stat, 8) == inode;
}

function map(descriptor: u64): bool {
  if (syscall2(SYS_FSTAT, descriptor, addressOf(stat)) != 0) return false;
  const size = load<u64>(stat, 48);
  if (size <= (RING_DATA as u64)) return false;
  const got = syscall6(SYS_MMAP, 0, size, PROT_READ_WRITE, MAP_SHARED, descriptor, 0);
  if (isError(got)) return false;
  const place = got as u64;
  const isWhole = peek32(place + RING_MAGIC_AT) == RING_MAGIC && peek64(place + RING_SIZE) + RING_DATA == size;
  if (!isWhole || !claimMemory(place, place + size)) {
    syscall2(SYS_MUNMAP, place, size);
    return false;
  }
  ring = place;
  dataSize = size - RING_DATA;
  flags = peek32(ring + RING_FLAGS);
  device = load<u64>(stat);
  inode = load<u64>(stat, 8);
  return true;
}

/**
 * At the start of a process image, before the dispatch table is made: maps the ring that the options name.
 * @returns false when the first program cannot have it
 */
export function attachRing(thread: ThreadBlock, handedOver: bool): bool {
  const state = ringState & ~RING_ELSEWHERE;
  if (state == RING_NONE) return true;
  let isMapped = false;
  if (state == RING_USED) {
    const opened = handedOver ? (ringDescriptor as i64) : openRing(O_CLOEXEC);
    if (!isError(opened) && opened != (NO_DESCRIPTOR as i64)) {
      isMapped = map(opened as u64);
      // One that was held before is held on.
      if (handedOver && isMapped && opened >= (DESCRIPTOR_MIN as i64)) {
        held = opened as u32;
        syscall3(SYS_FCNTL, opened as u64, F_SETFD, FD_CLOEXEC);
      } else syscall1(SYS_CLOSE, opened as u64);
    }
  }
  if (!isMapped) {
    setRingState(RING_SILENT);
    silenceHooks();
    return handedOver;
  }
  if (!handedOver) poke32(ring + RING_FIRST, thread.tid);
  hookOnly(ring + RING_CALLS);
  // A thread of this number held the lock when this one, which has its number now, executed the program.
  if (peek32(ring + RING_LOCK) == writerName(thread)) freeRing();
  return true;
}

/** In the child of a fork that copied memory: one that is not followed writes nothing, nor does what it executes. */
export function ringAfterFork(): void {
  if (ring == 0) return;
  // Who does not see its parent is in another pid namespace: getppid(2).
  if (syscall0(SYS_GETPPID) == 0) setRingState(ringState | RING_ELSEWHERE);
  if (flags & RING_FOLLOW) return;
  syscall2(SYS_MUNMAP, ring, dataSize + RING_DATA);
  releaseMemory(ring, ring + dataSize + RING_DATA);
  ring = 0;
  setRingState(RING_SILENT);
  silenceHooks();
}

/** Before a followed execve: opens the ring for the new program's launcher; NO_DESCRIPTOR if that is not to have it. */
export function openRingForExec(thread: ThreadBlock): u32 {
  if (ring == 0 || !isFollowed(thread)) return NO_DESCRIPTOR;
  const opened = openRing(0);
  if (!isError(opened)) return opened as u32;
  if (held == NO_DESCRIPTOR || !isRing(held)) return NO_DESCRIPTOR;
  syscall3(SYS_FCNTL, held, F_SETFD, 0);
  return held;
}

/** The execve has failed. */
export function closeRingForExec(descriptor: u32): void {
  if (descriptor == NO_DESCRIPTOR) return;
  if (descriptor == held) syscall3(SYS_FCNTL, held, F_SETFD, FD_CLOEXEC);
  else syscall1(SYS_CLOSE, descriptor);
}

/** Before /proc may lead nowhere. Under the engine lock. */
export function holdRing(): void {
  if (ring == 0 || (held != NO_DESCRIPTOR && isRing(held))) return;
  const opened = openRing(O_CLOEXEC);
  if (isError(opened)) return;
  const duplicate = syscall3(SYS_FCNTL, opened, F_DUPFD_CLOEXEC, DESCRIPTOR_MIN);
  syscall1(SYS_CLOSE, opened);
  held = isError(duplicate) ? NO_DESCRIPTOR : (duplicate as u32);
}

/** Whether this thread is one whose records are wanted. */
export function isFollowed(thread: ThreadBlock): bool {
  return (flags & RING_FOLLOW) != 0 || peek32(ring + RING_FIRST) == thread.tid;
}

/** Whether the thread can write a record. */
export function canRecord(thread: ThreadBlock): bool {
  return ring != 0 && peek32(ring + RING_CLOSED) == 0 && isFollowed(thread);
}
/** Whether the engine says what no hook sees. */
export function recordsEvents(thread: ThreadBlock): bool {
  return ring != 0 && (flags & RING_EVENTS) != 0 && canRecord(thread);
}
/** Whether hooks see the execve that a program comes from. */
export function showsExecve(thread: ThreadBlock): bool {
  return recordsEvents(thread) && (flags & RING_EXECVE) != 0;
}

function writerName(thread: ThreadBlock): u32 {
  return ringState & RING_ELSEWHERE ? thread.tid | RECORD_ELSEWHERE : thread.tid;
}

/** Nanoseconds of CLOCK_REALTIME, if anybody wants to know. `buffer` is for a struct timespec. */
export function recordTime(buffer: usize): u64 {
  if ((flags & RING_TIMES) == 0) return 0;
  if (syscall2(SYS_CLOCK_GETTIME, 0, addressOf(buffer)) != 0) return 0;
  return load<u64>(buffer) * 1000000000 + load<u64>(buffer, 8);
}

// ---- waiting ----

/** Nobody changes it: waiting for it is sleeping, by a call that sandboxes leave to programs. */
const never = memory.data(4, 4);
/** struct timespec: 1 ms. */
const interval = memory.data<u64>([0, 1000000]);
const FUTEX_WAIT_PRIVATE: u64 = 128;
/** How long a writer that cannot see whether the host is there waits for room, in intervals: a minute. */
const INTERVALS_MAX: u32 = 60000;
const SPINS: u32 = 200;

function sleep(): void {
  syscall4(SYS_FUTEX, addressOf(never), FUTEX_WAIT_PRIVATE, 0, addressOf(interval));
}

/** Whether the kernel says that a number of the host's pid namespace is nobody's. What cannot be known is "no". */
function isWriterGone(name: u32, asker: ThreadBlock): bool {
  if (name & RECORD_ELSEWHERE || ringState & RING_ELSEWHERE) return false;
  return isNumberGone(name, asker);
}

function takeRing(thread: ThreadBlock): void {
  const mine = writerName(thread);
  for (let i: u32 = 0; i < SPINS; i++) {
    if (compareExchange32(ring + RING_LOCK, 0, mine) == 0) return;
    pause();
  }
  while (true) {
    const seen = compareExchange32(ring + RING_LOCK, 0, mine);
    if (seen == 0) return;
    sleep();
    // Nothing is half done: who is gone either has made its record part of the ring or has not.
    if (isWriterGone(seen, thread) && compareExchange32(ring + RING_LOCK, seen, mine) == seen) return;
  }
}

function freeRing(): void {
  poke32(ring + RING_LOCK, 0);
}

/** Adds to a sum that all processes of the tree share; gives what it was. */
export function addToSum(thread: ThreadBlock, index: u32, value: u64): u64 {
  if (ring == 0) return 0;
  const sum = ring + RING_SUMS + ((index as u64) << 3);
  takeRing(thread);
  const before = peek64(sum);
  poke64(sum, before + value);
  freeRing();
  return before;
}

// ---- records ----

export function recordSize(contentAndHeader: u64): u64 {
  return (contentAndHeader + RECORD_ALIGNMENT - 1) & ~((RECORD_ALIGNMENT as u64) - 1);
}

/**
 * Makes a record part of the ring, of `size` bytes with its header.
 * @returns where it is, to be filled and then committed; 0 when it is lost
 */
export function reserveRecord(thread: ThreadBlock, size: u64): Address {
  assert(size % RECORD_ALIGNMENT == 0, "a record's size is not a multiple of its alignment");
  let waits: u32 = 0;
  while (true) {
    takeRing(thread);
    const head = peek64(ring + RING_HEAD);
    const offset = head & (dataSize - 1);
    const padding = size > dataSize - offset ? dataSize - offset : 0;
    const tail = min(peek64(ring + RING_TAIL), peek64(ring + RING_TAIL_AGAIN));
    if (head - tail + padding + size <= dataSize) {
      if (padding != 0) {
        poke32(ring + RING_DATA + offset + RECORD_KIND, RECORD_PADDING);
        poke32(ring + RING_DATA + offset, padding as u32);
      }
      const at = ring + RING_DATA + ((head + padding) & (dataSize - 1));
      poke32(at + RECORD_WRITER, writerName(thread));
      poke32(at + RECORD_KIND, 0);
      poke32(at, (size as u32) | RECORD_WRITING);
      poke64(ring + RING_HEAD, head + padding + size);
      freeRing();
      return at;
    }
    const isLost = (flags & RING_LOSSLESS) == 0 || size > dataSize / 2 || peek32(ring + RING_CLOSED) != 0;
    if (isLost) poke64(ring + RING_LOST, peek64(ring + RING_LOST) + 1);
    freeRing();
    if (isLost) return 0;
    if (isWriterGone(ringHost, thread) || waits++ == INTERVALS_MAX) poke32(ring + RING_CLOSED, 1);
    else sleep();
  }
}

/** The record is whole. */
export function commitRecord(at: Address, size: u64): void {
  poke32(at, size as u32);
}
