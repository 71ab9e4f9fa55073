// The tally of a process: numbers that hooks count in, and where the process stands among those that the first one made. Unlike
// a hook's memory, which is of a program, it is of a process: a child begins with zeros, and an execve hands it over.
//
// A process's place is made of its parent's and of how many the parent had made before, never of what the kernel calls it: it is
// the same in each run of programs that do the same.
//
// A process that lives in another's memory (vfork, CLONE_VM) has its tally in the area of its first thread.

import { TALLY_OFFSET, TALLY_SIZE } from "../../abi/thread-block";
import { Address, copyOut, peek8, poke8 } from "../process";
import { appendHex } from "../text";
import { runningThread } from "../thread/areas";
import { ThreadBlock, areaOf } from "../thread/block";
import { frameBufferOf } from "../thread/deferred";
import { failHook } from "./failure";
import { hookCount } from "./table";

/** For each of eight hooks. */
const HOOK_WORDS: u32 = 32;
const WORDS: u32 = 256;

@unmanaged
class Tally {
  place: u64;
  /** Processes that this one has made. */
  children: u64;
  // WORDS numbers
}
const WORDS_OFFSET: usize = offsetof<Tally>();
const SIZE: usize = WORDS_OFFSET + 2048;

/** Of the process that owns this memory. */
const own = memory.data(2064, 8);

function tallyOf(thread: ThreadBlock): Tally {
  return changetype<Tally>(thread.tally as usize);
}

/** Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014: the finalizer of SplitMix64. */
function mix(value: u64): u64 {
  value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
  value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
  return value ^ (value >> 31);
}

/** Words of 16 hexadecimal digits that an execve hands over: as far as there is something in them. */
function usedWords(thread: ThreadBlock): u32 {
  if (hookCount == 0) return 0;
  let count: u32 = (SIZE >> 3) as u32;
  while (count != 0 && load<u64>((thread.tally as usize) + (((count - 1) as usize) << 3)) == 0) count--;
  return count;
}

/** Bytes that `writeTally` needs at most, a zero among them: other threads may count meanwhile. */
export function sizeOfTally(): u64 {
  return hookCount == 0 ? 1 : (SIZE as u64) * 2 + 1;
}

/** Writes the tally to the process, for an execve. */
export function writeTally(thread: ThreadBlock, to: Address): void {
  const buffer = frameBufferOf(thread);
  const count = usedWords(thread);
  for (let i: u32 = 0; i < count; i++, to += 16) {
    appendHex(buffer, load<u64>((thread.tally as usize) + ((i as usize) << 3)), 16);
    copyOut(to, buffer, 16);
  }
  poke8(to, 0);
}

/** The first thread of a program: `from` is what an execve has handed over, or 0. */
export function adoptTally(thread: ThreadBlock, from: Address): void {
  assert(SIZE <= <usize>TALLY_SIZE, "a tally has no room");
  thread.tally = own as u32;
  if (from == 0) return;
  for (let at: usize = own; at < own + SIZE && peek8(from) != 0; at += 8) {
    let word: u64 = 0;
    for (let i: u64 = 0; i < 16; i++, from++) {
      const byte = peek8(from);
      word = (word << 4) | ((byte < 58 ? byte - 48 : byte - 87) as u64);
    }
    store<u64>(at, word);
  }
}

/** The thread is about to make a process. */
export function placeChild(thread: ThreadBlock): void {
  const tally = tallyOf(thread);
  const children = atomic.add<u64>(changetype<usize>(tally), 1, offsetof<Tally>("children")) + 1;
  thread.childPlace = mix(tally.place + children * 0x9e3779b97f4a7c15);
}

function begin(thread: ThreadBlock, pointer: usize, place: u64): void {
  thread.tally = pointer as u32;
  if (hookCount == 0) return;
  memory.fill(pointer, 0, SIZE);
  tallyOf(thread).place = place;
}

/** The first thread of a process that will live in this memory, which `parent` makes. */
export function beginSharing(child: ThreadBlock, parent: ThreadBlock): void {
  begin(child, areaOf(child) + TALLY_OFFSET, parent.childPlace);
}

/** In the child of a fork that copied memory. */
export function beginCopied(thread: ThreadBlock): void {
  begin(thread, own, thread.childPlace);
}

/** The place of the hook's process. */
export function hookPlace(): u64 {
  return tallyOf(runningThread()).place;
}

/** Adds to a number of the process's; gives what it was. */
export function hookTally(index: u32, value: u64): u64 {
  const thread = runningThread();
  if (index >= HOOK_WORDS) failHook(thread, "a process counts in numbers 0 to 31");
  const word = (thread.hook - 1) * HOOK_WORDS + index;
  assert(word < WORDS, "a hook that has no numbers");
  return atomic.add<u64>((thread.tally as usize) + WORDS_OFFSET + ((word as usize) << 3), value);
}
