// A hook makes its thread wait. Signals wait with it, as they do while a tracer holds a thread: they are delivered on the way out.

import { addressOf, syscall2, syscall6 } from "../kernel/calls";
import { SYS_CLOCK_GETTIME, SYS_FUTEX } from "../kernel/numbers";
import { EINTR } from "../kernel/errno";
import { runningThread } from "../thread/areas";
import { frameBufferOf } from "../thread/deferred";
import { failHook } from "./failure";

const CLOCK_MONOTONIC: u64 = 1;
const FUTEX_WAIT_PRIVATE: u64 = 128;
/** Its time is a point of CLOCK_MONOTONIC, so that a signal does not make it begin again (futex(2)). */
const FUTEX_WAIT_BITSET_PRIVATE: u64 = 137;
const ANY_BIT: u64 = 0xffffffff;
const SECOND: u64 = 1000000000;
/** Three centuries: what is later is as good as never, and no time of the kernel's. */
const LONGEST: u64 = 9000000000 * SECOND;

/** A word that nobody changes: waiting for it is sleeping, by a call that sandboxes leave to programs. */
const never = memory.data(4, 4);

/** Waits for so many nanoseconds. */
export function hookSleep(nanoseconds: u64): void {
  const thread = runningThread();
  if (thread.hookHasLock) failHook(thread, "a hook with global variables that change cannot wait");
  if (nanoseconds == 0) return;
  const time = frameBufferOf(thread);
  const isPoint = syscall2(SYS_CLOCK_GETTIME, CLOCK_MONOTONIC, addressOf(time)) == 0;
  const now = isPoint ? load<u64>(time) * SECOND + load<u64>(time, 8) : 0;
  const end = now + min<u64>(nanoseconds, LONGEST);
  const operation = isPoint ? FUTEX_WAIT_BITSET_PRIVATE : FUTEX_WAIT_PRIVATE;
  do {
    // A signal that has come in meanwhile has used the buffer.
    store<u64>(time, end / SECOND);
    store<u64>(time, end % SECOND, 8);
  } while (syscall6(SYS_FUTEX, addressOf(never), operation, 0, addressOf(time), 0, ANY_BIT) == -EINTR && isPoint);
}
