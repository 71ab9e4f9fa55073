// Where functions are, by the file's own word: the unwind table that compilers write (scan/unwind.ts), and Go's own table
// (scan/go-functions.ts). For code in memory that has no file, what control reaches (scan/reached.ts). Functions are numbered by address, those of both tables together. What is in neither is not decided here.
//
// The entry point is a certain start, too. Few candidates ask (patch/verdict.ts), all with --strict. Everything is read
// from the file with pread, an entry of the table at a time, about 20 reads a question; who reads all functions copies the
// table first.

import { closeCodeFile, codeOffsetOf, copyOfFile, linkAddressOf, openCodeFile } from "./code-file";
import {
  findGoFunction,
  goAddress,
  goSize,
  goTableAddress,
  goTableSize,
  goTextEnd,
  goTextStart,
  openGoTable,
  readGoFunction,
} from "./go-functions";
import { reachedCount, reachedEnd, reachedStart } from "./reached";
import {
  fdeAddress,
  fdeSize,
  fdesUpTo,
  isSignalFrame,
  openUnwindTable,
  readFde,
  unwindTableAddress,
  unwindTableSize,
} from "./unwind";

/** Functions in both tables; and Go's, which stand between those of the unwind table from number `firstOfGo` on. */
let count: u32 = 0;
let goCount: u32 = 0;
let firstOfGo: u32 = 0;
/** What the unwind table says of Go's code is left out. */
let fdesInGo: u32 = 0;

/** Whether pieces of code that no file describes (scan/reached.ts) stand for functions: by their addresses. */
let inMemory: bool = false;

/** Start and end, as offsets in the file, of the function that `findFunction` or `readFunction` found. */
export let functionStart: u64 = 0;
export let functionEnd: u64 = 0;

/** Gets a file's tables ready for `findFunction` and `readFunction`. */
export function openFunctions(fileDescriptor: i32): void {
  inMemory = false;
  count = 0;
  goCount = 0;
  if (!openCodeFile(fileDescriptor)) return;
  count = openUnwindTable();
  goCount = openGoTable();
  if (goCount == 0) return;
  const before = count == 0 ? 0 : fdesUpTo(goTextStart() - 1);
  const upTo = count == 0 ? 0 : fdesUpTo(goTextEnd() - 1);
  if (before < 0 || upTo < 0) {
    // Two tables that cannot be put in order: the one that C has is used alone.
    goCount = 0;
    return;
  }
  firstOfGo = before as u32;
  fdesInGo = (upTo - before) as u32;
  count += goCount - fdesInGo;
}

/** The same for the pieces of code that `openReached` has found. */
export function openReachedFunctions(): void {
  closeCodeFile();
  inMemory = true;
  goCount = 0;
  count = reachedCount();
}

/** How many functions the tables of the open file describe. */
export function functionCount(): u32 {
  return count;
}

/** Bytes of memory that a copy of the open file's table has. */
export function functionTableSize(): usize {
  if (inMemory) return 0;
  return goCount != 0 ? goTableSize() : unwindTableSize();
}

/** Copies the table, where there are two the larger one, into memory of the caller's: see `copyOfFile`. */
export function copyFunctionTable(pointer: usize): void {
  if (inMemory) return;
  copyOfFile(pointer, goCount != 0 ? goTableAddress() : unwindTableAddress(), functionTableSize());
}

/** Whether a function that was read can be used. */
function accept(isRead: bool, address: u64, size: u64): bool {
  functionStart = codeOffsetOf(address);
  functionEnd = functionStart + size;
  return isRead;
}

/**
 * Reads function `index`, in order of address, into `functionStart` and `functionEnd`; false when it cannot be read, or is
 * where signal handlers return to.
 */
export function readFunction(index: u32): bool {
  if (inMemory) {
    functionStart = reachedStart(index);
    functionEnd = reachedEnd(index);
    return true;
  }
  if (index - firstOfGo < goCount) return accept(readGoFunction(index - firstOfGo), goAddress, goSize);
  const isRead = readFde(index < firstOfGo || goCount == 0 ? index : index - goCount + fdesInGo);
  return accept(isRead && !isSignalFrame, fdeAddress, fdeSize);
}

/** Finds the function that holds the byte at an offset in the file; false when the tables know none. */
export function findFunction(offset: u64): bool {
  if (count == 0) return false;
  const address = linkAddressOf(offset);
  if (codeOffsetOf(address) != offset) return false;
  const number = findGoFunction(address);
  if (number >= 0) return accept(readGoFunction(number as u32), goAddress, goSize);
  const before = fdesUpTo(address);
  if (before <= 0 || !readFde((before as u32) - 1)) return false;
  return address - fdeAddress < fdeSize && accept(true, fdeAddress, fdeSize);
}
