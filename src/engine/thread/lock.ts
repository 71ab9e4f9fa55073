// The engine lock: one for all that threads share (areas, actions, trampolines, records).
//
// It can be a plain futex lock because a thread inside the engine is never interrupted by the program's code: signals
// that arrive there are deferred (thread/interrupted.ts), and the signal gate takes the lock only for a thread whose
// interrupted context is the program's. Nobody spins: a waiting thread sleeps, whatever its priority.
//
// The word is 0, or the name of the thread that holds the lock (thread/presence.ts) with WAITED when others wait for it
// (Drepper, "Futexes are tricky"). Two things are unlike an ordinary lock:
//
// - A holder can be killed alone, and the memory goes on: a process that shares memory without being a thread (vfork,
//   CLONE_VM), or a thread that a seccomp filter kills. Who has waited for long asks whether the holder is still there,
//   and takes over from one that is not. What the holder was changing is then in an unknown state: `isTorn`.
//
// - A fork holds the lock, so that the child finds whole data. With CLONE_VFORK and without CLONE_VM the parent's thread
//   then sleeps until its child is done, and the child may wait for another thread of the parent. So the lock is *lent*:
//   as soon as the child is there, it says so on a page that both share, and whoever waits in the parent takes the lock.

import { addressOf, isError, syscall2, syscall4 } from "../kernel/calls";
import { ETIMEDOUT } from "../kernel/errno";
import { SYS_FUTEX, SYS_MMAP, SYS_MUNMAP } from "../kernel/numbers";
import { peek32, poke32, syscall } from "../process";
import { ThreadBlock } from "./block";
import { isGone } from "./presence";

const FUTEX_WAIT: u64 = 0;
const FUTEX_WAKE: u64 = 1;
const FUTEX_PRIVATE: u64 = 128;
const EVERYBODY: u64 = 0x7fffffff;

const WAITED: u32 = 1;
const LENT: u32 = 2;

const word = memory.data(4, 4);

/**
 * struct timespec: how long a thread waits before it asks for the holder, at first and each time after. Twice as long from
 * time to time: five thousand threads that each ask every 20 ms leave no time for the one that they wait for.
 */
// prettier-ignore
const patience = memory.data<u64>([
  0, 20000000,   0, 40000000,   0, 80000000,   0, 160000000,   0, 320000000,   0, 640000000,
  1, 280000000,   2, 560000000,   5, 120000000,   10, 240000000,
]);
const SIZE_OF_TIMESPEC: u32 = 16;
const LONGEST: u32 = 9 * SIZE_OF_TIMESPEC;

/** A holder was killed: trampolines and records may be half changed. */
let torn: bool = false;

/** Whether a page of memory that a child shares says that a lent lock is free, and the number that it says so by. */
let lentPage: u64 = 0;
let lentNumber: u32 = 0;
const PAGE_SIZE: u64 = 4096;
const PROT_READ_WRITE: u64 = 3;
const MAP_SHARED_ANONYMOUS: u64 = 0x21;

/** Whether a thread was killed while it held the lock. Then nothing is patched any more, and no trampoline is freed. */
export function isTorn(): bool {
  return torn;
}

/** The calling thread takes the lock. */
export function lockEngine(thread: ThreadBlock): void {
  const seen = atomic.cmpxchg<u32>(word, 0, thread.name);
  if (seen == 0) return;
  assert((seen & ~WAITED) != thread.name, "a thread takes the engine lock twice");
  waitForEngine(thread);
}

function waitForEngine(thread: ThreadBlock): void {
  const mine = thread.name | WAITED;
  let asked: u32 = 0;
  while (true) {
    const seen = atomic.load<u32>(word);
    if (seen == 0) {
      if (atomic.cmpxchg<u32>(word, 0, mine) == 0) return;
    } else if (seen & LENT) {
      if (takeLent(seen, mine)) return;
    } else if (seen & WAITED || atomic.cmpxchg<u32>(word, seen, seen | WAITED) == seen) {
      const held = seen | WAITED;
      const result = syscall4(
        SYS_FUTEX,
        addressOf(word),
        FUTEX_WAIT | FUTEX_PRIVATE,
        held,
        addressOf(patience + asked),
      );
      if (result != -ETIMEDOUT) continue;
      asked = min(asked + SIZE_OF_TIMESPEC, LONGEST);
      if (!isGone(held, thread)) continue;
      if (atomic.cmpxchg<u32>(word, held, mine) != held) continue;
      torn = true;
      return;
    }
  }
}

export function unlockEngine(): void {
  if (atomic.xchg<u32>(word, 0) & WAITED) syscall4(SYS_FUTEX, addressOf(word), FUTEX_WAKE | FUTEX_PRIVATE, 1, 0);
}

/** Takes a lent lock when the child is there, else waits for something to happen. */
function takeLent(seen: u32, mine: u32): bool {
  const said = peek32(lentPage);
  if (said == lentNumber) return atomic.cmpxchg<u32>(word, seen, mine) == seen;
  syscall4(SYS_FUTEX, lentPage, FUTEX_WAIT, said, addressOf(patience));
  return false;
}

/**
 * Before a fork with CLONE_VFORK and without CLONE_VM: others take the lock once the child is there.
 * @returns false when memory is out
 */
export function lendEngine(thread: ThreadBlock): bool {
  if (lentPage == 0) {
    const got = syscall(SYS_MMAP, 0, PAGE_SIZE, PROT_READ_WRITE, MAP_SHARED_ANONYMOUS, -1, 0);
    if (isError(got)) return false;
    lentPage = got as u64;
  }
  lentNumber += 1;
  const waited = atomic.xchg<u32>(word, thread.name | LENT) & WAITED;
  if (waited) syscall4(SYS_FUTEX, addressOf(word), FUTEX_WAKE | FUTEX_PRIVATE, EVERYBODY, 0);
  return true;
}

/** In the parent, when it goes on: nobody may have wanted the lock. */
export function endLending(thread: ThreadBlock): void {
  const lent = thread.name | LENT;
  if (atomic.cmpxchg<u32>(word, lent, 0) != lent) return;
  syscall4(SYS_FUTEX, lentPage, FUTEX_WAKE, EVERYBODY, 0);
}

/** In the child of a fork that copied memory: its parent's thread held the lock, and nobody else is left to wait. */
export function resetLockAfterFork(): void {
  if (atomic.load<u32>(word) & LENT) {
    poke32(lentPage, lentNumber);
    syscall4(SYS_FUTEX, lentPage, FUTEX_WAKE, EVERYBODY, 0);
  }
  // The page is the parent's.
  if (lentPage != 0) syscall2(SYS_MUNMAP, lentPage, PAGE_SIZE);
  lentPage = 0;
  atomic.store<u32>(word, 0);
}
