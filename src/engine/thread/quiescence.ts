// When nobody is in a trampoline any more whose code is gone: then its memory is free for another.
//
// Trampolines are retired while threads run. Nothing leads to them from then on, so a thread that was in one of them leaves it
// and never comes back. It has left
//
//   when it has come to a gate twice since: the first time it may have come from there, and go back;
//   when it fetched from a page that could not be run: it is in the program's code;
//   when it sleeps in the kernel, and neither its program counter nor the site of its call is one of theirs: /proc says so.
//
// A thread that computes, and does none of this, holds up the release; where the limits of patch/executable.ts are reached, new
// sites become traps, or stay. One question is open at a time, with all that was retired before it.
//
// All functions expect the caller to hold the engine lock.

import { addressOf, isError, syscall1, syscall2, syscall3, syscall4 } from "../kernel/calls";
import { SYS_CLOCK_GETTIME, SYS_CLOSE, SYS_OPENAT, SYS_READ } from "../kernel/numbers";
import { beginRipening, countRetired, isInRipening, isRipening, releaseRipe } from "../patch/record";
import { isFiltered } from "../seccomp/filters";
import { appendDecimal, appendText } from "../text";
import { forEachThread } from "./areas";
import { ThreadBlock } from "./block";

/** So many passages since the question are enough. */
const PASSAGES: u32 = 2;
/** With fewer trampolines in wait nobody is asked. */
const RETIRED_MIN: u32 = 256;

/** The thread is at a place of the program's own code. */
export function noteOutside(thread: ThreadBlock): void {
  thread.passages += PASSAGES;
}

function beginQuestion(thread: ThreadBlock): bool {
  thread.passagesAsked = thread.passages;
  return true;
}

const AT_FDCWD: u64 = -100;
const O_RDONLY_CLOEXEC: u64 = 0x80000;
const path = memory.data(64, 8);
const answer = memory.data(256, 8);

/** The number behind the last space of the answer, which is hexadecimal: the program counter. */
function programCounter(size: usize): u64 {
  let at = size;
  while (at > 0 && load<u8>(answer + at - 1) != 0x20) at--;
  let value: u64 = 0;
  for (at += 2; at < size; at++) {
    const digit = load<u8>(answer + at);
    if (digit < 0x30) break;
    value = (value << 4) | ((digit > 0x39 ? digit - 0x57 : digit - 0x30) as u64);
  }
  return value;
}

/** Whether a thread sleeps in the kernel, outside of what was retired: proc_pid_syscall of fs/proc/base.c. */
function sleepsElsewhere(thread: ThreadBlock): bool {
  if (thread.inSignal) return false;
  let end = appendText(path, "/proc/self/task/");
  end = appendText(appendDecimal(end, thread.tid), "/syscall");
  store<u8>(end, 0);
  const file = syscall4(SYS_OPENAT, AT_FDCWD, addressOf(path), O_RDONLY_CLOEXEC, 0);
  if (isError(file)) return false;
  const size = syscall3(SYS_READ, file as u64, addressOf(answer), 255);
  syscall1(SYS_CLOSE, file as u64);
  // "running", or the call's number, six arguments, stack pointer and program counter.
  if (size < 16) return false;
  return !isInRipening(programCounter(size as usize), thread.site);
}

let mayAsk: bool = false;
let areQuiet: bool = false;

/** Whether the thread has left all that was retired before the question. */
function isOutside(thread: ThreadBlock): bool {
  if (thread.passages - thread.passagesAsked >= PASSAGES) return true;
  if (mayAsk && sleepsElsewhere(thread)) {
    noteOutside(thread);
    return true;
  }
  areQuiet = false;
  return false;
}

const CLOCK_MONOTONIC_COARSE: u64 = 6;
/** /proc is asked no more often than that, in nanoseconds. */
const PATIENCE: u64 = 20000000;
const now = memory.data(16, 8);
let askedAt: u64 = 0;

/** Whether it is time to ask /proc: a filter may end the process for that. */
function isTimeToAsk(): bool {
  if (isFiltered) return false;
  syscall2(SYS_CLOCK_GETTIME, CLOCK_MONOTONIC_COARSE, addressOf(now));
  const nanoseconds = load<u64>(now) * 1000000000 + load<u64>(now, 8);
  if (nanoseconds - askedAt < PATIENCE) return false;
  askedAt = nanoseconds;
  return true;
}

/** Frees the trampolines that all threads have left, if it is worth to look. */
export function releaseQuiet(): void {
  if (countRetired() < RETIRED_MIN) return;
  if (isRipening()) {
    mayAsk = isTimeToAsk();
    areQuiet = true;
    forEachThread(isOutside);
    if (!areQuiet) return;
    releaseRipe();
  }
  beginRipening();
  forEachThread(beginQuestion);
}
