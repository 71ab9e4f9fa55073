// Counters of hooks: u64 in their memories, which the hooks add to. The last word on a process image names each with what it
// has counted since the last such word, so the sum over all lines of a tree of processes is the total: a child of a fork
// starts from zero, and an execve that fails goes on from zero.

import { STATS_JSON, statsMode } from "../options";
import { peek64, poke64 } from "../process";
import { appendDecimal, appendText } from "../text";
import { appendProcessString } from "./line";
import { counterName, counterPlace, countersOf, hookCount, hookName } from "./table";

/** In the child of a fork that copied memory. */
export function resetCounters(): void {
  for (let hook: u32 = 0; hook < hookCount; hook++)
    for (let i: u32 = 0; i < countersOf(hook); i++) poke64(counterPlace(hook, i), 0);
}

/** A counter's value, which begins again from zero. */
export function takeCounter(hook: u32, counter: u32): u64 {
  const place = counterPlace(hook, counter);
  const value = peek64(place);
  poke64(place, 0);
  return value;
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
