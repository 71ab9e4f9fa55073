// The hook of `flicker fault`: calls that the rules in the ring's parameters (src/abi/fault-parameters.ts) are about are counted,
// and those that a rule means are changed and recorded.
//
// Whether chance means a call is computed from the rule's seed, its number, the process's place among the others and the number
// of the call among those of the process that the rule is about. Nothing else: so a run of the same programs with the same seed is
// the same. Threads of one process share its count, each call has a number of its own, and which thread gets which is theirs.

import { SystemCall, path, peek64, raise, ring, sleep, tally } from "flicker/hook";
import {
  FAULT_BY_CHANCE,
  FAULT_BY_PATH,
  FAULT_BY_TREE,
  FAULT_CALLS,
  FAULT_CHANCE,
  FAULT_DELAY,
  FAULT_DELAY_EXIT,
  FAULT_DESCRIPTORS_SHIFT,
  FAULT_FIRST,
  FAULT_FLAGS,
  FAULT_GIVES,
  FAULT_IS_SHORT,
  FAULT_LAST,
  FAULT_NOTHING,
  FAULT_NO_SINGLE,
  FAULT_PATH,
  FAULT_PATH_SHIFT,
  FAULT_PATTERN,
  FAULT_PATTERN_SIZE,
  FAULT_RESULT,
  FAULT_RULES,
  FAULT_RULE_COUNT,
  FAULT_RULE_SIZE,
  FAULT_SECOND_PATH_SHIFT,
  FAULT_SEED,
  FAULT_SIGNAL_SHIFT,
  FAULT_SINGLE_SHIFT,
  FAULT_SIZE,
  FAULT_SIZE_SHIFT,
  FAULT_STEP,
} from "../abi/fault-parameters";
import { aboutCall, recordEntry, recordExit } from "./capture";

/** The current folder, in the place of a descriptor (fcntl.h). */
const AT_FDCWD: u32 = -100;
const ARGUMENTS: u32 = 6;
const CALLS: u64 = 512;
/** The kernel takes no longer vector (include/uapi/linux/uio.h: UIO_MAXIOV). */
const ELEMENTS_MAX: u64 = 1024;
const STAR: u32 = 42;
const ANY: u32 = 63;
const ESCAPE: u32 = 92;

function ruleAt(index: u32): u32 {
  return FAULT_RULES + index * FAULT_RULE_SIZE;
}

function isAbout(rule: u32, number: u64): bool {
  const word = ring.parameter(rule + FAULT_CALLS + (((number as u32) >> 6) << 3));
  return ((word >> (number & 63)) & 1) != 0;
}

// ---- paths ----

/** Byte `index` of a pattern. */
function patternByte(start: u32, index: u32): u32 {
  const at = start + index;
  return ((ring.parameter(at & ~7) >> ((at & 7) << 3)) & 255) as u32;
}

/** Whether the path that was taken last is one that a pattern describes: `*` is any bytes, `?` one, `\` takes the next as it is. */
function isPathLike(rule: u32, size: u32): bool {
  const start = ring.parameter(rule + FAULT_PATTERN) as u32;
  const count = ring.parameter(rule + FAULT_PATTERN_SIZE) as u32;
  let at: u32 = 0;
  let wanted: u32 = 0;
  // Where to go on when what follows the last star does not fit: it takes one byte more.
  let star: u32 = u32.MAX_VALUE;
  let taken: u32 = 0;
  while (at < size) {
    let byte = wanted < count ? patternByte(start, wanted) : 0;
    if (wanted < count && byte == STAR) {
      star = wanted++;
      taken = at;
      continue;
    }
    const isEscaped = byte == ESCAPE && wanted + 1 < count;
    if (isEscaped) byte = patternByte(start, wanted + 1);
    if (wanted < count && ((byte == ANY && !isEscaped) || byte == (path.byte(at) as u32))) {
      wanted += isEscaped ? 2 : 1;
      at++;
      continue;
    }
    if (star == u32.MAX_VALUE) return false;
    wanted = star + 1;
    at = ++taken;
  }
  while (wanted < count && patternByte(start, wanted) == STAR) wanted++;
  return wanted == count;
}

/** Whether one of the call's paths is like the rule's. */
function isPathArgument(call: SystemCall, rule: u32, about: u32): bool {
  if ((about & FAULT_PATH) == 0) return false;
  const relativeTo = (about >> 3) & 7;
  const directory = relativeTo == FAULT_NOTHING ? AT_FDCWD : (call.argument(relativeTo) as u32);
  const size = path.at(directory, call.argument(about & 7));
  return size != 0 && isPathLike(rule, size);
}

function isOnPath(call: SystemCall, rule: u32): bool {
  const about = aboutCall(call.number);
  if (isPathArgument(call, rule, (about >> FAULT_PATH_SHIFT) as u32)) return true;
  if (isPathArgument(call, rule, (about >> FAULT_SECOND_PATH_SHIFT) as u32)) return true;
  const descriptors = (about >> FAULT_DESCRIPTORS_SHIFT) as u32;
  for (let i: u32 = 0; i < ARGUMENTS; i++) {
    if (((descriptors >> i) & 1) == 0) continue;
    const size = path.of(call.argument(i) as u32);
    if (size != 0 && isPathLike(rule, size)) return true;
  }
  return false;
}

// ---- which call ----

/** The finalizer of SplitMix64, as in src/engine/hook/tally.ts. */
function mix(value: u64): u64 {
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
  value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
  return value ^ (value >> 31);
}

function isMeant(rule: u32, index: u32, flags: u64, count: u64): bool {
  const first = ring.parameter(rule + FAULT_FIRST);
  if (count < first || count > ring.parameter(rule + FAULT_LAST)) return false;
  const step = ring.parameter(rule + FAULT_STEP);
  if (step == 0 ? count != first : (count - first) % step != 0) return false;
  if ((flags & FAULT_BY_CHANCE) == 0) return true;
  const place = flags & FAULT_BY_TREE ? 0 : tally.place;
  const random = mix(mix(ring.parameter(rule + FAULT_SEED) + mix(place + (index as u64))) + count);
  return random < ring.parameter(rule + FAULT_CHANCE);
}

// ---- short reads and writes ----

/** The first buffer of a vector that has bytes: the number of its element, or the vector's count. */
function firstFilled(vector: u64, count: u64): u64 {
  let i: u64 = 0;
  while (i < count && peek64(vector + (i << 4) + 8) == 0) i++;
  return i;
}

/** How many bytes a call asks for. */
function askedFor(call: SystemCall, about: u64): u64 {
  const argument = ((about >> FAULT_SIZE_SHIFT) & 7) as u32;
  if (argument == FAULT_NOTHING) return 0;
  const given = call.argument(argument);
  if (((about >> FAULT_SINGLE_SHIFT) as u32) == FAULT_NO_SINGLE) return given;
  let sum: u64 = 0;
  for (let i: u64 = 0; i < min<u64>(given, ELEMENTS_MAX); i++) sum += peek64(call.argument(1) + (i << 4) + 8);
  return sum;
}

/** Makes a call that asks for more read or write `most` bytes. */
function shorten(call: SystemCall, about: u64, most: u64): void {
  const single = (about >> FAULT_SINGLE_SHIFT) as u32;
  if (single == FAULT_NO_SINGLE) return call.setArgument(((about >> FAULT_SIZE_SHIFT) & 7) as u32, most);
  const vector = call.argument(1);
  const element = vector + (firstFilled(vector, call.argument(2)) << 4);
  const size = peek64(element + 8);
  call.number = single;
  call.setArgument(1, peek64(element));
  call.setArgument(2, min<u64>(size, most));
}

// ---- calls ----

export function beforeCall(call: SystemCall): void {
  const number = call.number;
  if (number >= CALLS) return;
  const count = ring.parameter(FAULT_RULE_COUNT) as u32;
  let chosen = count;
  let nth: u64 = 0;
  for (let index: u32 = 0; index < count; index++) {
    const rule = ruleAt(index);
    if (!isAbout(rule, number)) continue;
    const flags = ring.parameter(rule + FAULT_FLAGS);
    if ((flags & FAULT_BY_PATH) != 0 && !isOnPath(call, rule)) continue;
    const inTree = ring.add(2 * index, 1) + 1;
    const inProcess = tally.add(index, 1) + 1;
    const own = flags & FAULT_BY_TREE ? inTree : inProcess;
    // Each rule counts all its calls, whatever the rules before it make of them.
    if (chosen != count || !isMeant(rule, index, flags, own)) continue;
    chosen = index;
    nth = own;
  }
  if (chosen != count) inject(call, chosen, nth);
}

function inject(call: SystemCall, index: u32, nth: u64): void {
  const rule = ruleAt(index);
  const about = aboutCall(call.number);
  const flags = ring.parameter(rule + FAULT_FLAGS);
  const most = ring.parameter(rule + FAULT_SIZE);
  const isLate = (ring.parameter(rule + FAULT_DELAY) | ring.parameter(rule + FAULT_DELAY_EXIT)) != 0;
  const isShort = (flags & FAULT_IS_SHORT) != 0 && askedFor(call, about) > most;
  const signal = ((flags >> FAULT_SIGNAL_SHIFT) & 255) as u32;
  // What asks for no more than it would get is left alone.
  if ((flags & FAULT_GIVES) == 0 && !isShort && !isLate && signal == 0) return;
  ring.add(2 * index + 1, 1);
  call.mark = (nth << 8) | (index + 1);
  recordEntry(call);
  sleep(ring.parameter(rule + FAULT_DELAY));
  if (signal != 0) raise(signal);
  if ((flags & FAULT_GIVES) != 0) call.skip(ring.parameter(rule + FAULT_RESULT) as i64);
  else if (isShort) shorten(call, about, most);
}

export function afterCall(call: SystemCall): void {
  const mark = call.mark;
  if (mark == 0) return;
  sleep(ring.parameter(ruleAt(((mark & 255) as u32) - 1) + FAULT_DELAY_EXIT));
  recordExit(call);
}
