// The last line of a process image is written by a thread that then ends the image: execve and exit_group kill the other
// threads, and the kernel cuts what they are writing at a page of the file (generic_perform_write, mm/filemap.c). So who
// has written such a line is *departing*, and the process's other threads write none until its execve has failed. Natively
// they would wait there as well: one execve of a process at a time (cred_guard_mutex, prepare_bprm_creds of fs/exec.c).
//
// The engine lock cannot do this: a vfork child would take it along into its new program.

import { addressOf, syscall4 } from "../kernel/calls";
import { ETIMEDOUT } from "../kernel/errno";
import { SYS_FUTEX } from "../kernel/numbers";
import { ThreadBlock } from "../thread/block";
import { lockEngine, unlockEngine } from "../thread/lock";
import { isGone } from "../thread/presence";

const FUTEX_WAIT_PRIVATE: u64 = 128;
const FUTEX_WAKE_PRIVATE: u64 = 129;
const EVERYBODY: u64 = 0x7fffffff;

/** The name of the departing thread (thread/presence.ts), or 0. Changed under the engine lock. */
const word = memory.data(4, 4);
/** Its process: a process that shares this memory departs by itself. */
let process: u32 = 0;

/** struct timespec: how long a thread waits before it asks for the departing one, 20 ms. */
const patience = memory.data<u64>([0, 20000000]);

/** A thread is about to write its image's last line. Under the engine lock, which is released while it waits for its turn. */
export function beginDeparture(thread: ThreadBlock): void {
  while (true) {
    const seen = load<u32>(word);
    if (seen == 0 || seen == thread.name) break;
    if (process != thread.pid) {
      if (!isGone(seen, thread)) return;
      break;
    }
    unlockEngine();
    const result = syscall4(SYS_FUTEX, addressOf(word), FUTEX_WAIT_PRIVATE, seen, addressOf(patience));
    lockEngine(thread);
    if (result == -ETIMEDOUT && load<u32>(word) == seen && isGone(seen, thread)) break;
  }
  store<u32>(word, thread.name);
  process = thread.pid;
}

/** The image goes on: an execve failed, or it was a vfork child's. */
export function endDeparture(thread: ThreadBlock): void {
  if (atomic.cmpxchg<u32>(word, thread.name, 0) != thread.name) return;
  syscall4(SYS_FUTEX, addressOf(word), FUTEX_WAKE_PRIVATE, EVERYBODY, 0);
}

/** In the child of a fork that copied memory: it was its parent that was departing. */
export function forgetDeparture(): void {
  store<u32>(word, 0);
}
