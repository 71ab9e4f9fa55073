// An engine assertion prints one line (what, where, which thread) and stops the program with a status of its own.
//
// `assert(condition, "message")` and `unreachable` paths of AssemblyScript's library end in `abort` below, by
// `--use abort=` in src/backend/compile-assemblyscript.ts. Every entry file of a wasm module must import this file.

import { memoryBase, syscall } from "./process";

/** Exit status of a program that an engine assertion stopped. 125 is what `env`, `nohup` and `timeout` use for their own failures. */
export const ASSERTION_STATUS = 125;

const SYS_WRITE: u64 = 1;
const SYS_GETTID: u64 = 186;
const SYS_EXIT_GROUP: u64 = 231;
const STDERR: u64 = 2;

const LINE_MAX = 512;
const line = memory.data(LINE_MAX);

/** Appends a string literal (UTF-16 in linear memory, its length in bytes 4 bytes before it) as ASCII. */
function appendLiteral(at: usize, literal: usize): usize {
  if (literal == 0) return at;
  const size = load<u32>(literal - 4);
  for (let i: u32 = 0; i < size && at < line + LINE_MAX - 32; i += 2) store<u8>(at++, load<u16>(literal + i) as u8);
  return at;
}

function appendDecimal(at: usize, value: u64): usize {
  let divisor: u64 = 1;
  while (value / divisor >= 10) divisor *= 10;
  for (; divisor != 0; divisor /= 10) store<u8>(at++, (48 + ((value / divisor) % 10)) as u8);
  return at;
}

/** Never returns. `message` and `file` are string literals in linear memory, or 0. */
export function abort(message: usize, file: usize, lineNumber: u32, column: u32): void {
  let at = appendLiteral(line, changetype<usize>("flicker: engine assertion failed: "));
  at = appendLiteral(at, message);
  at = appendLiteral(at, changetype<usize>(" at "));
  at = appendLiteral(at, file);
  store<u8>(at++, 58);
  at = appendDecimal(at, lineNumber);
  store<u8>(at++, 58);
  at = appendDecimal(at, column);
  at = appendLiteral(at, changetype<usize>(", thread "));
  at = appendDecimal(at, syscall(SYS_GETTID, 0, 0, 0, 0, 0, 0) as u64);
  store<u8>(at++, 10);
  syscall(SYS_WRITE, STDERR, memoryBase() + line, at - line, 0, 0, 0);
  syscall(SYS_EXIT_GROUP, ASSERTION_STATUS, 0, 0, 0, 0, 0);
  unreachable();
}
