// Counters of hooks: u64 in their memories, which the hooks add to. The last word on a process image names each with what it
// has counted since the last such word, so the sum over all lines of a tree of processes is the total: a child of a fork
// starts from zero, and an execve that fails goes on from zero.

import { THREAD_COUNTERS_MAX } from "../../abi/thread-block";
import { STATS_JSON, statsMode } from "../options";
import { peek64, poke64 } from "../process";
import { appendDecimal, appendText } from "../text";
import { sumOfThreads } from "../thread/areas";
import { ThreadBlock } from "../thread/block";
import { appendProcessString } from "./line";
import { counterIndex, counterName, counterPlace, countersOf, hookCount, hookName } from "./table";
import { clearThreadCounters } from "./thread-counters";

/** What has been said of each counter. */
const reported = memory.data(16384, 8);
const REPORTED_MAX: u32 = 2048;

/** In the child of a fork that copied memory, whose only thread this is. */
export function resetCounters(thread: ThreadBlock): void {
  for (let hook: u32 = 0; hook < hookCount; hook++)
    for (let i: u32 = 0; i < countersOf(hook); i++) poke64(counterPlace(hook, i), 0);
  memory.fill(reported, 0, REPORTED_MAX << 3);
  clearThreadCounters(thread);
}

/** What a counter has counted since it was last asked for. */
export function takeCounter(hook: u32, counter: u32): u64 {
  const index = counterIndex(hook, counter);
  assert(index < REPORTED_MAX, "more counters than hooks can have");
  let value = peek64(counterPlace(hook, counter));
  if (index < (THREAD_COUNTERS_MAX as u32)) value += sumOfThreads(index);
  const last = load<u64>(reported + (index << 3));
  store<u64>(reported + (index << 3), value);
  return value - last;
}

/** `my.ts: reads 12`, or as members of a JSON object. */
export function appendCounter(at: usize, hook: u32, counter: u32, value: u64): usize {
  if (statsMode == STATS_JSON) {
    at = appendText(at, ',"hook":');
    at = appendQuoted(at, hookName(hook));
    at = appendText(at, ',"counter":');
    at = appendQuoted(at, counterName(hook, counter));
    return appendDecimal(appendText(at, ',"value":'), value);
  }
  at = appendProcessString(at, hookName(hook));
  at = appendText(at, ": ");
  at = appendProcessString(at, counterName(hook, counter));
  return appendDecimal(appendText(at, " "), value);
}

/** A name between quotes; those that are in it, and what does not print, are apostrophes. */
function appendQuoted(at: usize, name: u64): usize {
  store<u8>(at++, 34);
  const end = appendProcessString(at, name);
  for (let i = at; i < end; i++) {
    const byte = load<u8>(i);
    if (byte < 32 || byte == 34 || byte == 92) store<u8>(i, 39);
  }
  store<u8>(end, 34);
  return end + 1;
}
