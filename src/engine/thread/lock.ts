// The engine lock: one for all that threads share (areas, actions, trampolines, records).
//
// It can be a plain futex lock because a thread inside the engine is never interrupted by the program's code: signals
// that arrive there are deferred (thread/interrupted.ts), and the signal gate takes the lock only for a thread whose
// interrupted context is the program's. The word: 0 free, 1 held, 2 held and waited for (Drepper, "Futexes are tricky").

import { addressOf, syscall4 } from "../kernel/calls";
import { SYS_FUTEX } from "../kernel/numbers";

const FUTEX_WAIT_PRIVATE: u64 = 128;
const FUTEX_WAKE_PRIVATE: u64 = 129;

const word = memory.data(4, 4);

export function lockEngine(): void {
  if (atomic.cmpxchg<u32>(word, 0, 1) == 0) return;
  while (atomic.xchg<u32>(word, 2) != 0) syscall4(SYS_FUTEX, addressOf(word), FUTEX_WAIT_PRIVATE, 2, 0);
}

export function unlockEngine(): void {
  if (atomic.xchg<u32>(word, 0) == 2) syscall4(SYS_FUTEX, addressOf(word), FUTEX_WAKE_PRIVATE, 1, 0);
}

/** In the child of a fork that copied memory: the lock was held by the forking thread, and nobody else is left to wait. */
export function resetLockAfterFork(): void {
  atomic.store<u32>(word, 0);
}
