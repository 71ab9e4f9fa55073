// What the engine cannot go on without, as calls with typical arguments: whether a filter lets them through is asked of
// filters that have no prefix, and of those that a new launcher will start under.

import { Address } from "../process";
import {
  SYS_EXECVE,
  SYS_FUTEX,
  SYS_GETTID,
  SYS_MMAP,
  SYS_MPROTECT,
  SYS_MREMAP,
  SYS_MUNMAP,
  SYS_RT_SIGACTION,
  SYS_RT_SIGPROCMASK,
  SYS_RT_SIGRETURN,
  SYS_SIGALTSTACK,
} from "../kernel/numbers";
import { ThreadBlock } from "../thread/block";
import { lets, mayCall, verdictUnder } from "./filters";

/** An address of no importance. */
const SOMEWHERE: u64 = 0x570000000000;
const PAGE_SIZE: u64 = 4096;

const MAP_SHARED_ANONYMOUS: u64 = 0x21;
const MAP_PRIVATE: u64 = 0x02;
const MAP_PRIVATE_FIXED: u64 = 0x12;
const MAP_PRIVATE_ANONYMOUS: u64 = 0x22;
/** As for the memory of threads: with MAP_STACK (thread/areas.ts). */
const MAP_PRIVATE_ANONYMOUS_NOREPLACE: u64 = 0x120022;
const MREMAP_MAYMOVE_FIXED: u64 = 3;
const FUTEX_WAIT_PRIVATE: u64 = 128;
const FUTEX_WAKE_PRIVATE: u64 = 129;
const FUTEX_TRYLOCK_PI_PRIVATE: u64 = 136;

const PROT_NONE: u64 = 0;
const PROT_READ: u64 = 1;
const PROT_READ_WRITE: u64 = 3;
const PROT_READ_EXECUTE: u64 = 5;

let asked: Address = 0;
let place: Address = 0;

/** Whether the filters in question let a call through. */
function allows(thread: ThreadBlock, number: u64, a: u64, b: u64, c: u64, d: u64, e: u64 = 0): bool {
  return lets(verdictUnder(asked, thread, place, number, a, b, c, d, e, 0));
}

function allowsMmap(thread: ThreadBlock, protection: u64, flags: u64, descriptor: u64): bool {
  return allows(thread, SYS_MMAP, SOMEWHERE, PAGE_SIZE, protection, flags, descriptor);
}

function allowsMprotect(thread: ThreadBlock, protection: u64): bool {
  return allows(thread, SYS_MPROTECT, SOMEWHERE, PAGE_SIZE, protection, 0);
}

/** The calls of the prefix. */
function allowsPrefix(thread: ThreadBlock): bool {
  return (
    allowsMmap(thread, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1) &&
    allowsMmap(thread, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS_NOREPLACE, -1) &&
    allowsMprotect(thread, PROT_READ) &&
    allowsMprotect(thread, PROT_READ_WRITE) &&
    allowsMprotect(thread, PROT_READ_EXECUTE) &&
    allows(thread, SYS_MUNMAP, SOMEWHERE, PAGE_SIZE, 0, 0) &&
    allows(thread, SYS_FUTEX, SOMEWHERE, FUTEX_WAIT_PRIVATE, 2, 0) &&
    allows(thread, SYS_FUTEX, SOMEWHERE, FUTEX_WAKE_PRIVATE, 1, 0) &&
    allows(thread, SYS_FUTEX, SOMEWHERE, FUTEX_TRYLOCK_PI_PRIVATE, 0, 0) &&
    allows(thread, SYS_RT_SIGPROCMASK, 2, SOMEWHERE, 0, 8) &&
    allows(thread, SYS_RT_SIGACTION, 11, SOMEWHERE, 0, 8) &&
    allows(thread, SYS_RT_SIGRETURN, 0, 0, 0, 0) &&
    allows(thread, SYS_SIGALTSTACK, SOMEWHERE, 0, 0, 0) &&
    allows(thread, SYS_GETTID, 0, 0, 0, 0)
  );
}

/** Whether a filter without a prefix lets the engine go on. */
export function letsEngineGoOn(thread: ThreadBlock, node: Address): bool {
  asked = node;
  place = SOMEWHERE;
  return allowsPrefix(thread);
}

/**
 * Whether a launcher can start under the thread's filters. What opens and reads the program is not asked for here: the
 * engine has just done the same to look at it.
 */
export function letsLauncherStart(thread: ThreadBlock): bool {
  if (!mayCall(SYS_EXECVE, SOMEWHERE, SOMEWHERE, SOMEWHERE, 0, 0, 0)) return false;
  asked = thread.filters;
  // Its memory and the site itself come before the site.
  place = 0;
  return (
    allowsMmap(thread, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS_NOREPLACE, -1) &&
    allowsMprotect(thread, PROT_READ_EXECUTE) &&
    allowsMmap(thread, PROT_READ_WRITE, MAP_SHARED_ANONYMOUS, -1) &&
    allowsMmap(thread, PROT_NONE, MAP_PRIVATE, 3) &&
    allowsMmap(thread, PROT_READ, MAP_PRIVATE_FIXED, 3) &&
    allowsMmap(thread, PROT_READ_WRITE, MAP_PRIVATE_FIXED, 3) &&
    allows(thread, SYS_MREMAP, SOMEWHERE, 0, PAGE_SIZE, MREMAP_MAYMOVE_FIXED, SOMEWHERE)
  );
}
