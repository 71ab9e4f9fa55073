// Mappings that are kept for when the kernel gives no more (vm.max_map_count): what the program has a right to must be given back to it
// then, and a part of a mapping that gets another protection makes up to two more.
//
// All functions expect the caller to hold the engine lock.

import { isError, syscall2, syscall3 } from "../kernel/calls";
import { SYS_MMAP, SYS_MPROTECT, SYS_MUNMAP } from "../kernel/numbers";
import { MAP_ANONYMOUS, MAP_PRIVATE, PROT_READ } from "../load/map";
import { claimMemory, releaseMemory } from "../own-memory";
import { Address, syscall } from "../process";

const PAGE_SIZE: u64 = 4096;
const PROT_NONE: u64 = 0;
/** As many pages as mappings: each has another protection than its neighbours. */
const SIZE: u64 = 32 * PAGE_SIZE;

let reserve: Address = 0;
/** Whether it was needed since it was made last. */
let wasSpent: bool = false;

/** Makes the reserve if there is none; false when it was needed, and cannot be had again. */
export function keepReserve(): bool {
  if (reserve == 0 && makeReserve()) wasSpent = false;
  return !wasSpent;
}

function makeReserve(): bool {
  const got = syscall(SYS_MMAP, 0, SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (isError(got)) return false;
  let isMade = true;
  for (let at: u64 = 0; at < SIZE && isMade; at += 2 * PAGE_SIZE)
    isMade = !isError(syscall3(SYS_MPROTECT, (got as u64) + at, PAGE_SIZE, PROT_READ));
  if (isMade && claimMemory(got as u64, (got as u64) + SIZE)) {
    reserve = got as u64;
    return true;
  }
  syscall2(SYS_MUNMAP, got as u64, SIZE);
  return false;
}

/** Gives the reserve up, after which what the kernel refused may be tried again; false when there is none. */
export function spendReserve(): bool {
  if (reserve == 0) return false;
  releaseMemory(reserve, reserve + SIZE);
  syscall2(SYS_MUNMAP, reserve, SIZE);
  reserve = 0;
  wasSpent = true;
  return true;
}
