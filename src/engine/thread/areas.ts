// Areas: memory for threads, mapped behind linear memory in chunks, handed out and taken back under the engine lock.
//
// Engine pointers have 32 bits, so every byte up to 4 GiB above the base of linear memory has one. The launcher is
// position-independent and the kernel puts little above it, but `MAP_FIXED_NOREPLACE` asks each time.
//
// An area is free again once its thread has marked it dead, in the last instruction before `exit` that touches it
// (src/backend/gates): no futex and no epoch is needed, and a storm of short threads uses a handful of areas.

import {
  ALTERNATE_STACK_OFFSET,
  ALTERNATE_STACK_SIZE,
  AREA_SIZE,
  BLOCK_OFFSET,
  RETURN_FRAME_OFFSET,
} from "../../abi/thread-block";
import { EEXIST } from "../kernel/errno";
import { addressOf, isError, syscall3 } from "../kernel/calls";
import { SYS_MMAP, SYS_SIGALTSTACK } from "../kernel/numbers";
import { claimMemory } from "../own-memory";
import { memoryBase, stackPointer, syscall } from "../process";
import { ThreadBlock, areaOf } from "./block";

const CHUNK_SIZE: u32 = 0x100000;
const AREA_COUNT_MAX: u32 = 32768;
const AREAS_END: u64 = 0xffff0000;

const PROT_READ_WRITE: u64 = 3;
const MAP_PRIVATE_ANONYMOUS_NOREPLACE: u64 = 0x100022;

/** Engine pointers of the blocks of all areas, used or free. */
const blocks = memory.data(131072, 8);
let blockCount: u32 = 0;
/** Where the search for a dead area starts: the last one found. */
let cursor: u32 = 0;
let nextOffset: u64 = 0;

function blockAt(index: u32): ThreadBlock {
  return changetype<ThreadBlock>(load<u32>(blocks + (index << 2)));
}

/** Maps one more chunk of areas. */
function mapChunk(): bool {
  if (nextOffset == 0) nextOffset = (memory.size() as u64) << 16;
  while (nextOffset + CHUNK_SIZE <= AREAS_END && blockCount + CHUNK_SIZE / AREA_SIZE <= AREA_COUNT_MAX) {
    const offset = nextOffset;
    nextOffset += CHUNK_SIZE;
    const wanted = memoryBase() + offset;
    const got = syscall(SYS_MMAP, wanted, CHUNK_SIZE, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS_NOREPLACE, -1, 0);
    if (got == -EEXIST) continue;
    if (isError(got)) return false;
    const claimed = claimMemory(wanted, wanted + (CHUNK_SIZE as u64));
    assert(claimed, "no room to remember memory of threads");
    for (let at: u32 = 0; at + AREA_SIZE <= CHUNK_SIZE; at += AREA_SIZE) {
      const block = (offset as u32) + at + BLOCK_OFFSET;
      changetype<ThreadBlock>(block).dead = 1;
      store<u32>(blocks + (blockCount << 2), block);
      blockCount += 1;
    }
    return true;
  }
  return false;
}

/** A block for a new thread, its fields zero but for those that name its own memory; 0 when memory is out. */
export function allocateBlock(): usize {
  for (let round = 0; round < 2; round++) {
    for (let i: u32 = 0; i < blockCount; i++) {
      const index = cursor + i < blockCount ? cursor + i : cursor + i - blockCount;
      const block = blockAt(index);
      if (atomic.load<u32>(changetype<usize>(block), offsetof<ThreadBlock>("dead")) == 0) continue;
      cursor = index;
      const pointer = changetype<usize>(block);
      memory.fill(pointer, 0, offsetof<ThreadBlock>());
      block.self = pointer as u32;
      block.address = addressOf(pointer);
      block.returnFrame = addressOf(areaOf(block) + RETURN_FRAME_OFFSET);
      return pointer;
    }
    if (!mapChunk()) return 0;
  }
  return 0;
}

/** The thread whose code runs: its stack pointer is in its area. */
export function runningThread(): ThreadBlock {
  const first = (memory.size() as u64) << 16;
  const offset = stackPointer() - memoryBase() - first;
  const area = ((offset % (CHUNK_SIZE as u64)) / (AREA_SIZE as u64)) * (AREA_SIZE as u64);
  const chunk = offset - (offset % (CHUNK_SIZE as u64));
  return changetype<ThreadBlock>((first + chunk + area + (BLOCK_OFFSET as u64)) as usize);
}

/** Gives back the block of a thread that never started, or of a process that shared this memory and is gone. */
export function freeBlock(block: ThreadBlock): void {
  atomic.store<u32>(changetype<usize>(block), 1, offsetof<ThreadBlock>("dead"));
}

/** In the child of a fork that copied memory: every thread but this one is gone. */
export function freeOtherBlocks(mine: ThreadBlock): void {
  for (let i: u32 = 0; i < blockCount; i++) if (blockAt(i) != mine) blockAt(i).dead = 1;
}

/** All threads of the calling one's process have its seccomp filters. Under the engine lock. */
export function shareFilters(thread: ThreadBlock): void {
  for (let i: u32 = 0; i < blockCount; i++) {
    const other = blockAt(i);
    if (other.dead == 0 && other.pid == thread.pid) other.filters = thread.filters;
  }
}

/** How many threads this memory has. */
export function liveThreadCount(): u32 {
  let count: u32 = 0;
  for (let i: u32 = 0; i < blockCount; i++) if (blockAt(i).dead == 0) count += 1;
  return count;
}

/** Whether a process address is on a stack of the engine's in this thread's area. */
export function isInArea(thread: ThreadBlock, address: u64): bool {
  const start = addressOf(areaOf(thread));
  return address >= start && address < start + AREA_SIZE;
}

/** Gives the calling thread's alternate stack to the kernel (invariant I10). */
export function armAlternateStack(thread: ThreadBlock): void {
  const start = addressOf(areaOf(thread) + ALTERNATE_STACK_OFFSET);
  const description = areaOf(thread) + RETURN_FRAME_OFFSET;
  store<u64>(description, start);
  store<u64>(description, 0, 8);
  store<u64>(description, ALTERNATE_STACK_SIZE, 16);
  const result = syscall3(SYS_SIGALTSTACK, addressOf(description), 0, 0);
  assert(result == 0, "the kernel refuses the engine's alternate stack");
}
