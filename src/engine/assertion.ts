// An engine assertion prints one line (what, where, which thread) and stops the program with a status of its own.
//
// `assert(condition, "message")` and `unreachable` paths of AssemblyScript's library end in `abort` below, by
// `--use abort=` in src/backend/compile-assemblyscript.ts. Every entry file of a wasm module must import this file.

import { memoryBase, syscall } from "./process";
import { appendDecimal, appendText } from "./text";

/** Exit status of a program that an engine assertion stopped. 125 is what `env`, `nohup` and `timeout` use for their own failures. */
export const ASSERTION_STATUS = 125;

const SYS_WRITE: u64 = 1;
const SYS_GETTID: u64 = 186;
const SYS_EXIT_GROUP: u64 = 231;
const STDERR: u64 = 2;

const LINE_MAX: usize = 512;
const line = memory.data(512);

/** Appends a literal if it is there and the line has room. */
function appendPart(at: usize, literal: usize): usize {
  if (literal == 0) return at;
  const text = changetype<string>(literal);
  return at + (text.length as usize) < line + LINE_MAX - 64 ? appendText(at, text) : at;
}

/** Never returns. `message` and `file` are string literals in linear memory, or 0. */
export function abort(message: usize, file: usize, lineNumber: u32, column: u32): void {
  let at = appendPart(line, changetype<usize>("flicker: engine assertion failed: "));
  at = appendPart(at, message);
  at = appendPart(at, changetype<usize>(" at "));
  at = appendPart(at, file);
  store<u8>(at++, 58);
  at = appendDecimal(at, lineNumber);
  store<u8>(at++, 58);
  at = appendDecimal(at, column);
  at = appendPart(at, changetype<usize>(", thread "));
  at = appendDecimal(at, syscall(SYS_GETTID, 0, 0, 0, 0, 0, 0) as u64);
  store<u8>(at++, 10);
  syscall(SYS_WRITE, STDERR, memoryBase() + line, at - line, 0, 0, 0);
  syscall(SYS_EXIT_GROUP, ASSERTION_STATUS, 0, 0, 0, 0, 0);
  unreachable();
}
