// What a hook may reach: its own memory, and the program's; never the engine's.

import { hasOwnMemory } from "../own-memory";
import { Address } from "../process";
import { ThreadBlock } from "../thread/block";
import { lockEngine, unlockEngine } from "../thread/lock";
import { failHook } from "./failure";
import { hookMemory } from "./table";

/** Memory is copied in pieces, through a buffer of the thread's. */
export const CHUNK: u32 = 4096;

/** Whether all of a range is not the engine's. */
export function isForeign(thread: ThreadBlock, address: Address, size: u64): bool {
  if (address + size < address) return false;
  if (!thread.hookHasLock) lockEngine(thread);
  const isOwn = hasOwnMemory(address, address + size);
  if (!thread.hookHasLock) unlockEngine();
  return !isOwn;
}

/** The process address of a range of the hook's own memory. */
export function ownRange(thread: ThreadBlock, pointer: u32, size: u32): Address {
  const place = hookMemory(thread.hook - 1, pointer, size);
  if (place == 0) failHook(thread, "memory outside of the hook's own is passed to flicker");
  return place;
}
