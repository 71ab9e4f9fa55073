// Is a thread still there? The kernel says so for a futex word that names its owner: FUTEX_TRYLOCK_PI looks for a task of
// that number in the caller's pid namespace and gives ESRCH when there is none, or when it has let go of its memory
// (attach_to_pi_owner of kernel/futex/pi.c). It needs no permission, and `futex` is what a sandbox leaves to a program
// with threads.
//
// A thread's *name* is one word: bits 2..23 its number, at most PID_MAX_LIMIT; bits 24..31 which pid namespace the number
// is of, since processes that share memory can live in several (a vfork child of CLONE_NEWPID). Bits 0 and 1 are free for
// whoever keeps a name.

import { addressOf, syscall0, syscall4 } from "../kernel/calls";
import { ESRCH } from "../kernel/errno";
import { SYS_FUTEX, SYS_GETPPID } from "../kernel/numbers";
import { ThreadBlock } from "./block";

const FUTEX_TRYLOCK_PI_PRIVATE: u64 = 136;

const NUMBER_SHIFT: u32 = 2;
const NUMBER_MASK: u32 = 0x3fffff;
const NAMESPACE_SHIFT: u32 = 24;
const FIRST_NAMESPACE: u32 = 1;
/** More namespaces than can be told apart: nobody in them is ever known to be gone. */
const UNKNOWN_NAMESPACE: u32 = 255;

/** How many namespaces besides the first this memory has been in. */
const otherNamespaces = memory.data(4, 4);

function nameIn(thread: ThreadBlock, namespace: u32): void {
  assert(thread.tid <= NUMBER_MASK, "a thread's number is larger than PID_MAX_LIMIT");
  thread.name = (namespace << NAMESPACE_SHIFT) | (thread.tid << NUMBER_SHIFT);
}

/** Names the first thread of a memory. */
export function nameFirst(thread: ThreadBlock): void {
  nameIn(thread, FIRST_NAMESPACE);
}

/**
 * Names a thread that shares its creator's memory.
 * @param creator the creator's name
 * @param isProcess whether it may live in another pid namespace than its creator
 */
export function nameSharing(thread: ThreadBlock, creator: u32, isProcess: bool): void {
  let namespace = creator >> NAMESPACE_SHIFT;
  // Who does not see its parent is in another namespace: getppid(2).
  if (isProcess && syscall0(SYS_GETPPID) == 0)
    namespace = min(FIRST_NAMESPACE + 1 + atomic.add<u32>(otherNamespaces, 1), UNKNOWN_NAMESPACE);
  nameIn(thread, namespace);
}

/** Names a thread as its creator sees it: it may be killed before it can name itself. */
export function nameAsCreated(thread: ThreadBlock, creator: ThreadBlock, number: u32): void {
  const name = (creator.name & ~(NUMBER_MASK << NUMBER_SHIFT)) | (number << NUMBER_SHIFT);
  atomic.cmpxchg<u32>(changetype<usize>(thread) + offsetof<ThreadBlock>("name"), 0, name);
}

/** Whether nobody of this name is left. What cannot be known is "no". */
export function isGone(name: u32, asker: ThreadBlock): bool {
  const namespace = name >> NAMESPACE_SHIFT;
  const number = (name >> NUMBER_SHIFT) & NUMBER_MASK;
  if (number == 0 || namespace == UNKNOWN_NAMESPACE || namespace != asker.name >> NAMESPACE_SHIFT) return false;
  return isNumberGone(number, asker);
}

/** Whether no thread has this number in the asker's pid namespace. */
export function isNumberGone(number: u32, asker: ThreadBlock): bool {
  asker.probe = number;
  const word = addressOf(changetype<usize>(asker) + offsetof<ThreadBlock>("probe"));
  return syscall4(SYS_FUTEX, word, FUTEX_TRYLOCK_PI_PRIVATE, 0, 0) == -ESRCH;
}
