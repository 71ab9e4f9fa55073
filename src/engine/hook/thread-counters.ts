// Counts that threads keep for themselves (patch/inline-counters.ts), in their areas: a counter's value is the sum over all areas,
// of threads that have ended too, and what was in areas that are gone.

import { THREAD_COUNTERS_MAX, THREAD_COUNTERS_OFFSET } from "../../abi/thread-block";
import { ThreadBlock, areaOf } from "../thread/block";

/** Of areas that were unmapped. */
const gone = memory.data(2048, 8);

/** Engine pointer of a thread's count. */
export function threadCounter(block: ThreadBlock, index: u32): usize {
  assert(index < (THREAD_COUNTERS_MAX as u32), "a counter that threads have no room for");
  return areaOf(block) + THREAD_COUNTERS_OFFSET + (index << 3);
}

/** The counts of areas that are gone. */
export function goneCounter(index: u32): u64 {
  return load<u64>(gone + (index << 3));
}

/** An area is about to be unmapped. */
export function keepCounters(block: ThreadBlock, count: u32): void {
  for (let index: u32 = 0; index < min<u32>(count, THREAD_COUNTERS_MAX); index++) {
    const place = gone + (index << 3);
    store<u64>(place, load<u64>(place) + load<u64>(threadCounter(block, index)));
  }
}

/** In the child of a fork, which has only its own area. */
export function clearThreadCounters(block: ThreadBlock): void {
  memory.fill(gone, 0, 2048);
  memory.fill(threadCounter(block, 0), 0, THREAD_COUNTERS_MAX << 3);
}
