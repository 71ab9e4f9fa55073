// Events: what happens to a process beside its calls and instructions. Hooks are called on the engine stack of the thread that it
// happens to, not under the engine lock, with signals deferred.
//
//   start        the program is in memory, and has not run yet
//   end          exit_group, or the exit of the last thread; an execve that is about to be made. Once, but that an execve may fail
//   fork         in the child, before it goes on; not in one that lives in its parent's memory until it executes (vfork), whose
//                hooks' memory is the parent's
//   thread       in the thread, before it goes on
//   thread end   in the thread, by exit; not where exit_group ends them all
//   library      behind an mmap of a file with PROT_EXEC; the program and its interpreter are there at the start

import {
  EVENT_END,
  EVENT_FORK,
  EVENT_LIBRARY,
  EVENT_START,
  EVENT_THREAD,
  EVENT_THREAD_END,
} from "../../abi/hook-table";
import { runningThread } from "../thread/areas";
import { ThreadBlock } from "../thread/block";
import { IN_EVENT, enterHook } from "./call";
import { failHook } from "./failure";
import { eventEntry, hookCount, isEventHooked } from "./table";

function run(thread: ThreadBlock, event: u32, value0: u64, value1: u64, value2: u64, value3: u64): void {
  if (!isEventHooked(event)) return;
  thread.hookPlace = event;
  thread.event0 = value0;
  thread.event1 = value1;
  thread.event2 = value2;
  thread.event3 = value3;
  for (let hook: u32 = 0; hook < hookCount; hook++) {
    const entry = eventEntry(hook, event);
    if (entry != 0) enterHook(thread, hook, entry, IN_EVENT);
  }
}

export function atStart(thread: ThreadBlock): void {
  run(thread, EVENT_START, 0, 0, 0, 0);
}
/** @param status of exit_group; 0 where the program executes another */
export function atEnd(thread: ThreadBlock, status: u32, executes: bool): void {
  run(thread, EVENT_END, status, executes ? 1 : 0, 0, 0);
}
/** In the child. */
export function atFork(thread: ThreadBlock): void {
  run(thread, EVENT_FORK, 0, 0, 0, 0);
}
/** In the new thread. */
export function atThread(thread: ThreadBlock): void {
  run(thread, EVENT_THREAD, 0, 0, 0, 0);
}
export function atThreadEnd(thread: ThreadBlock, status: u32): void {
  run(thread, EVENT_THREAD_END, status, 0, 0, 0);
}
/** @param descriptor the file's, as mmap got it */
export function atLibrary(thread: ThreadBlock, address: u64, size: u64, offset: u64, descriptor: u32): void {
  run(thread, EVENT_LIBRARY, address, size, offset, descriptor);
}

/** What is to be known of the event: one of four values. */
export function hookEvent(index: u32): u64 {
  const thread = runningThread();
  if (thread.hookPhase != IN_EVENT) failHook(thread, "an event is asked for outside of onStart and kin");
  if (index > 3) failHook(thread, "of an event there are values 0 to 3");
  return load<u64>(changetype<usize>(thread) + ((index as usize) << 3), offsetof<ThreadBlock>("event0"));
}
