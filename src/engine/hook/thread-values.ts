// Values that a hook keeps for each thread (`ThreadValue`): in the thread's own area, so no lock is needed and no thread sees another's.
// They are zero in a new thread; the child of a fork, whose memory is a copy, goes on with its parent's.

import { THREAD_VALUES_MAX, THREAD_VALUES_OFFSET } from "../../abi/thread-block";
import { runningThread } from "../thread/areas";
import { ThreadBlock, areaOf } from "../thread/block";
import { failHook } from "./failure";
import { hookCount } from "./table";

function placeOf(thread: ThreadBlock, index: u32): usize {
  if (index >= (THREAD_VALUES_MAX as u32)) failHook(thread, "a hook has at most 8 values of each thread's own");
  const word = ((thread.hook - 1) as u32) * THREAD_VALUES_MAX + index;
  return areaOf(thread) + THREAD_VALUES_OFFSET + ((word as usize) << 3);
}

/** A thread has got its area, which another may have had before. */
export function clearThreadValues(thread: ThreadBlock): void {
  if (hookCount != 0) memory.fill(areaOf(thread) + THREAD_VALUES_OFFSET, 0, 8 * THREAD_VALUES_MAX * 8);
}

/** The running thread's value number `index` of the hook that asks. */
export function hookThreadValue(index: u32): u64 {
  return load<u64>(placeOf(runningThread(), index));
}
export function hookSetThreadValue(index: u32, value: u64): void {
  store<u64>(placeOf(runningThread(), index), value);
}
