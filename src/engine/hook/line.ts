// The line that a hook is writing: put together in memory of the thread's own, written at its end with one call, so that
// lines of threads do not mix.

import { peek8 } from "../process";
import { ThreadBlock, execScratchOf } from "../thread/block";
import { STDERR, appendText, writeOut } from "../text";
import { hookName } from "./table";

/** The rest of a longer line is left out. */
const LINE_MAX: u32 = 1024;
const NAME_MAX: u32 = 256;

/** Appends a zero-terminated string of the process, which must be readable. */
export function appendProcessString(at: usize, from: u64): usize {
  for (let i: u32 = 0; i < NAME_MAX; i++) {
    const byte = peek8(from + (i as u64));
    if (byte == 0) break;
    store<u8>(at++, byte);
  }
  return at;
}

/** Appends one byte to the thread's line; what does not print is a question mark. */
export function appendToLine(thread: ThreadBlock, byte: u32): void {
  if (thread.lineSize >= LINE_MAX) return;
  store<u8>(execScratchOf(thread) + (thread.lineSize as usize), byte < 32 || byte == 127 ? 63 : byte);
  thread.lineSize += 1;
}

/** Appends what an append function of ../text.ts has put into a buffer. */
export function appendRangeToLine(thread: ThreadBlock, from: usize, to: usize): void {
  for (let at = from; at < to; at++) appendToLine(thread, load<u8>(at));
}

/** Writes the line out, if there is one. */
export function endLine(thread: ThreadBlock): void {
  if (thread.lineSize == 0) return;
  const start = execScratchOf(thread);
  const out = start + (LINE_MAX as usize) + 64;
  let at = appendText(out, "flicker: ");
  at = appendProcessString(at, hookName(thread.hook - 1));
  at = appendText(at, ": ");
  memory.copy(at, start, thread.lineSize);
  at += thread.lineSize as usize;
  store<u8>(at++, 10);
  thread.lineSize = 0;
  writeOut(STDERR, out, at);
}
