// Areas: memory for threads, mapped one by one behind linear memory, handed out and taken back under the engine lock.
//
// Engine pointers have 32 bits, so every byte up to 4 GiB above the base of linear memory has one. The launcher is
// position-independent and the kernel puts little above it, but `MAP_FIXED_NOREPLACE` asks each time. Areas next to each
// other are one mapping to the kernel.
//
// How a thread's area becomes free:
// - A thread that ends says so under the lock (`announceEnd`) and marks its block dead in the last instruction before
//   `exit` that touches the area (src/backend/gates). From then on anybody may use it, or unmap it: no futex and no epoch
//   is needed, and a storm of short threads uses a handful of areas.
// - A thread that never started, or the vfork child that its parent waited for: `freeBlock`.
// - A thread that was killed alone, or by an execve or exit_group of a process that only shared this memory: `reapGone`
//   asks the kernel, each time that there are twice as many areas as after the last time.
// What is free beyond a few, and half of what is in use, is unmapped at the end of a thread.

import {
  ALTERNATE_STACK_OFFSET,
  ALTERNATE_STACK_SIZE,
  AREA_SIZE,
  BLOCK_OFFSET,
  RETURN_FRAME_OFFSET,
} from "../../abi/thread-block";
import { counterCount } from "../hook/table";
import { goneCounter, keepCounters, threadCounter } from "../hook/thread-counters";
import { clearThreadValues } from "../hook/thread-values";
import { isVfork } from "../kernel/clone-flags";
import { EEXIST } from "../kernel/errno";
import { addressOf, isError, syscall2, syscall3 } from "../kernel/calls";
import { SYS_MMAP, SYS_MUNMAP, SYS_SIGALTSTACK } from "../kernel/numbers";
import { claimMemory, releaseMemory } from "../own-memory";
import { memoryBase, stackPointer, syscall } from "../process";
import { releaseActions } from "./actions";
import { ThreadBlock, areaOf } from "./block";
import { isGone } from "./presence";

const AREA_COUNT_MAX: u32 = 32768;
const AREAS_END: u64 = 0xffff0000;

const PROT_READ_WRITE: u64 = 3;
/** MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, and MAP_STACK, which keeps huge pages away. */
const MAP_FLAGS: u64 = 0x120022;

/** What is at each place for an area. */
const places = memory.data(32768, 8);
const NOTHING: u8 = 0;
const AREA: u8 = 1;
/** Somebody else's mapping. */
const FOREIGN: u8 = 2;

/** Places from here on have never been used. */
let placeEnd: u32 = 0;
/** No place below has nothing. */
let firstEmpty: u32 = 0;
/** Where the search for a dead area starts: the last one found. */
let cursor: u32 = 0;
/** Areas that are mapped, and how many of them are free or will be in an instant. */
let mapped: u32 = 0;
let free: u32 = 0;

/** So many free areas are kept whatever happens. */
const KEPT: u32 = 8;
/** With so many areas in use the kernel is asked whose threads are gone: at first, when only a seccomp filter kills threads. */
let reapMin: u32 = 128;
/** The same in a memory that several processes share. */
const REAP_MIN_SHARED: u32 = 16;
let reapAt: u32 = 128;
/** Blocks that have been handed out: each has a number of its own. */
let births: u32 = 0;

function placeOffset(index: u32): u64 {
  return ((memory.size() as u64) << 16) + (index as u64) * AREA_SIZE;
}

/** The block of the area at a place. */
function blockAt(index: u32): ThreadBlock {
  return changetype<ThreadBlock>((placeOffset(index) as usize) + BLOCK_OFFSET);
}

function isDead(block: ThreadBlock): bool {
  return atomic.load<u32>(changetype<usize>(block), offsetof<ThreadBlock>("dead")) != 0;
}

/** Maps an area, whose memory is zero; gives its block or 0. */
function mapArea(): usize {
  for (let index = firstEmpty; index < AREA_COUNT_MAX && placeOffset(index) + AREA_SIZE <= AREAS_END; index++) {
    if (load<u8>(places + index) != NOTHING) continue;
    const address = memoryBase() + placeOffset(index);
    const got = syscall(SYS_MMAP, address, AREA_SIZE, PROT_READ_WRITE, MAP_FLAGS, -1, 0);
    if (isError(got) && got != -EEXIST) return 0;
    store<u8>(places + index, got == (address as i64) ? AREA : FOREIGN);
    firstEmpty = index + 1;
    placeEnd = max(placeEnd, firstEmpty);
    if (got != (address as i64)) continue;
    const claimed = claimMemory(address, address + AREA_SIZE);
    assert(claimed, "no room to remember memory of threads");
    mapped += 1;
    return changetype<usize>(blockAt(index));
  }
  return 0;
}

/**
 * Instead of a division, as hooks ask this several times each: (x * AREA_RECIPROCAL) >> 32 is x / (AREA_SIZE >> AREA_SHIFT)
 * for all x that fit into 20 bits, and areas lie within 4 GiB.
 */
const AREA_SHIFT: u64 = 12;
const AREA_RECIPROCAL: u64 = (1 << 32) / ((AREA_SIZE as u64) >> AREA_SHIFT) + 1;

/** The thread whose code runs: its stack pointer is in its area. */
export function runningThread(): ThreadBlock {
  const offset = stackPointer() - memoryBase() - placeOffset(0);
  return blockAt(((((offset >> AREA_SHIFT) as u64) * AREA_RECIPROCAL) >> 32) as u32);
}

/** Takes a free area over; gives its block or 0. */
function takeDead(): usize {
  for (let i: u32 = 0; i < placeEnd; i++) {
    const index = cursor + i < placeEnd ? cursor + i : cursor + i - placeEnd;
    if (load<u8>(places + index) != AREA || !isDead(blockAt(index))) continue;
    cursor = index;
    free -= 1;
    return changetype<usize>(blockAt(index));
  }
  return 0;
}

/** Frees the areas of threads that are gone without a word. Of a vfork child its parent knows, and frees the block. */
function reapGone(asker: ThreadBlock): void {
  for (let index: u32 = 0; index < placeEnd; index++) {
    if (load<u8>(places + index) != AREA) continue;
    const block = blockAt(index);
    if (isDead(block) || block.leaving || isVfork(block.birthFlags) || !isGone(block.name, asker)) continue;
    releaseBlock(block);
  }
  reapAt = max(reapMin, 2 * (mapped - free));
}

/** Threads of this memory will end without a word when their process is killed or executes. */
export function expectGone(): void {
  reapMin = REAP_MIN_SHARED;
  reapAt = min(reapAt, max(reapMin, 2 * (mapped - free)));
}

/** As `firstBlock`, for a thread that `creator` makes. */
export function allocateBlock(creator: ThreadBlock): usize {
  if (free == 0 && mapped >= reapAt) reapGone(creator);
  return firstBlock();
}

/** A block, its fields zero but for those that name its own memory; 0 when memory is out. */
export function firstBlock(): usize {
  let pointer = free != 0 ? takeDead() : (0 as usize);
  // Fresh memory is zero, and is not touched before a hook does.
  if (pointer != 0) clearThreadValues(changetype<ThreadBlock>(pointer));
  else pointer = mapArea();
  if (pointer == 0) return 0;
  memory.fill(pointer, 0, offsetof<ThreadBlock>());
  const block = changetype<ThreadBlock>(pointer);
  block.self = pointer as u32;
  block.birth = ++births;
  block.address = addressOf(pointer);
  block.returnFrame = addressOf(areaOf(block) + RETURN_FRAME_OFFSET);
  return pointer;
}

/** Whether a block is still the one that was handed out with this number. Under the engine lock. */
export function isStill(pointer: u32, birth: u32): bool {
  const index = ((pointer - BLOCK_OFFSET - (placeOffset(0) as u32)) / AREA_SIZE) as u32;
  return load<u8>(places + index) == AREA && changetype<ThreadBlock>(pointer).birth == birth;
}

/** The block of a thread that will never touch it again. */
function freeBlock(block: ThreadBlock): void {
  free += 1;
  block.leaving = 1;
  atomic.store<u32>(changetype<usize>(block), 1, offsetof<ThreadBlock>("dead"));
}

/** Gives back all that a thread has which never started, or is gone. Under the engine lock. */
export function releaseBlock(block: ThreadBlock): void {
  if (block.actions != 0) releaseActions(block.actions);
  if (block.scratchSize != 0) syscall2(SYS_MUNMAP, block.scratch, block.scratchSize);
  freeBlock(block);
}

/** Unmaps the areas at places [start, end), all of them free. */
function unmapAreas(start: u32, end: u32): void {
  const count = end - start;
  if (count == 0) return;
  if (counterCount != 0) for (let index = start; index < end; index++) keepCounters(blockAt(index), counterCount);
  // The kernel may have to split a mapping, and refuse.
  const address = memoryBase() + placeOffset(start);
  const size = (count as u64) * AREA_SIZE;
  if (isError(syscall2(SYS_MUNMAP, address, size))) return;
  releaseMemory(address, address + size);
  memory.fill(places + start, NOTHING, count);
  mapped -= count;
  free -= count;
  firstEmpty = min(firstEmpty, start);
}

/** Nothing is at the end of the places. */
function shrinkPlaces(): void {
  while (placeEnd != 0 && load<u8>(places + placeEnd - 1) == NOTHING) placeEnd -= 1;
  if (cursor >= placeEnd) cursor = 0;
}

/** Unmaps up to `most` areas for which `isUnused` holds, the highest first, those next to each other with one call. */
function unmapUnused(most: u32, isUnused: (block: ThreadBlock) => bool): void {
  let end: u32 = 0;
  let index = placeEnd;
  while (index-- > 0) {
    if (most != 0 && load<u8>(places + index) == AREA && isUnused(blockAt(index))) {
      if (end == 0) end = index + 1;
      most -= 1;
      if (index == 0) unmapAreas(0, end);
    } else if (end != 0) {
      unmapAreas(index + 1, end);
      end = 0;
      if (most == 0) break;
    }
  }
  shrinkPlaces();
}

/** Unmaps free areas when there are many. */
function trimAreas(): void {
  const used = mapped - free;
  if (free > used + 2 * KEPT) unmapUnused(free - used / 2 - KEPT, isDead);
}

/** The calling thread ends: its area is free with its last step. Under the engine lock. */
export function announceEnd(thread: ThreadBlock): void {
  thread.leaving = 1;
  free += 1;
  trimAreas();
}

/** In the child of a fork that copied memory: every thread but this one is gone. */
export function releaseOtherAreas(mine: ThreadBlock): void {
  survivor = mine;
  free = mapped - 1;
  unmapUnused(free, isOther);
}

/** The only thread that is left, while the others' areas are unmapped. */
let survivor: ThreadBlock | null = null;
function isOther(block: ThreadBlock): bool {
  return block != survivor;
}

/** All threads of the calling one's process have its seccomp filters. Under the engine lock. */
export function shareFilters(thread: ThreadBlock): void {
  for (let index: u32 = 0; index < placeEnd; index++) {
    if (load<u8>(places + index) != AREA) continue;
    const other = blockAt(index);
    if (!isDead(other) && other.pid == thread.pid) other.filters = thread.filters;
  }
}

/** Whether no other thread shares this memory. Under the engine lock. */
export function isAlone(): bool {
  let count: u32 = 0;
  for (let index: u32 = 0; index < placeEnd; index++)
    if (load<u8>(places + index) == AREA && !isDead(blockAt(index))) count += 1;
  return count == 1;
}

/** Calls `visit` with the block of each thread that shares this memory, until it gives false. Under the engine lock. */
export function forEachThread(visit: (thread: ThreadBlock) => bool): void {
  for (let index: u32 = 0; index < placeEnd; index++)
    if (load<u8>(places + index) == AREA && !isDead(blockAt(index)) && !visit(blockAt(index))) return;
}

/** What all threads have counted (hook/thread-counters.ts), those that have ended too. */
export function sumOfThreads(counter: u32): u64 {
  let sum = goneCounter(counter);
  for (let index: u32 = 0; index < placeEnd; index++)
    if (load<u8>(places + index) == AREA) sum += load<u64>(threadCounter(blockAt(index), counter));
  return sum;
}

/** How many threads of a process go on. */
export function liveThreadCount(pid: u32): u32 {
  let count: u32 = 0;
  for (let index: u32 = 0; index < placeEnd; index++) {
    if (load<u8>(places + index) != AREA) continue;
    const block = blockAt(index);
    if (block.pid == pid && !block.leaving) count += 1;
  }
  return count;
}

/** Whether a process address is on a stack of the engine's in this thread's area. */
export function isInArea(thread: ThreadBlock, address: u64): bool {
  const start = addressOf(areaOf(thread));
  return address >= start && address < start + AREA_SIZE;
}

/** Gives the calling thread's alternate stack to the kernel (invariant I10). */
export function armAlternateStack(thread: ThreadBlock): void {
  thread.signalStack = addressOf(areaOf(thread) + ALTERNATE_STACK_OFFSET);
  thread.signalStackFlags = 0;
  thread.signalStackSize = ALTERNATE_STACK_SIZE;
  const description = addressOf(changetype<usize>(thread) + offsetof<ThreadBlock>("signalStack"));
  const result = syscall3(SYS_SIGALTSTACK, description, 0, 0);
  assert(result == 0, "the kernel refuses the engine's alternate stack");
}
