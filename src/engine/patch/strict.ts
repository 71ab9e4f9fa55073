// --strict: what Flicker cannot answer for ends the process before the mapping can run.
//
// Fatal are: a site that gets neither jump nor trap (patch/executable.ts); a function that does not decode in front of a
// candidate; and a candidate that is neither proven nor data (patch/verdict.ts). The process ends under the engine lock, with
// one line and status 125, so no other thread gets to run the mapping either.

import { ASSERTION_STATUS } from "../assertion";
import { syscall1 } from "../kernel/calls";
import { SYS_EXIT_GROUP } from "../kernel/numbers";
import { Address, tryCopyIn } from "../process";
import { reportRefusal } from "../stats/report";
import { STDERR, appendBytes, appendHex, appendText, writeOut } from "../text";
import { fileOffsetOf, mappingEnd, mappingFile, mappingStart } from "./mapping";

/** Bytes that the line shows on each side of the address, and from it on. */
const SHOWN_BEFORE: u64 = 8;
const SHOWN_AFTER: u64 = 10;
const line = memory.data(8192, 8);
const bytes = memory.data(32, 8);

/** The bytes around an address, with brackets around the `size` that stand there. */
function appendSurroundings(at: usize, address: Address, size: u64): usize {
  const start = max(address - SHOWN_BEFORE, mappingStart());
  const end = min(address + SHOWN_AFTER, mappingEnd());
  if (tryCopyIn(bytes, start, (end - start) as usize) != 0) return appendText(at, " unreadable");
  for (let here = start; here < end; here++) {
    at = appendText(at, here == address ? " [" : here == address + size ? "] " : " ");
    at = appendHex(at, load<u8>(bytes + ((here - start) as usize)), 2);
  }
  return end <= address + size ? appendText(at, "]") : at;
}

/**
 * Ends the process: one line with file, address, offset in the file and the bytes there.
 * @param size how many of them are meant, @param what what is wrong, @param why its reason
 */
export function refuse(address: Address, size: u64, what: string, why: string): void {
  let at = appendText(line, "flicker: --strict: ");
  at = appendBytes(at, mappingFile());
  at = appendText(at, ": ");
  at = appendText(at, what);
  at = appendText(at, " at 0x");
  at = appendHex(at, address);
  at = appendText(at, ", file offset 0x");
  at = appendHex(at, fileOffsetOf(address));
  at = appendText(at, ": ");
  at = appendText(at, why);
  at = appendText(at, "; bytes");
  at = appendSurroundings(at, address, size);
  at = appendText(at, "; it runs without --strict\n");
  writeOut(STDERR, line, at);
  reportRefusal(ASSERTION_STATUS);
  syscall1(SYS_EXIT_GROUP, ASSERTION_STATUS);
}
