// --strict: what Flicker cannot answer for ends the process before the mapping can run.
//
// Fatal are: a site that gets neither jump nor trap; a function that does not decode in front of a candidate; and a
// candidate that is neither proven nor data. What is which is decided with more than the vote (scan/evidence.ts): where the
// file's unwind table knows the function, it is decoded from its start, and a doubtful candidate becomes a site or the
// inside of an instruction. Where it does not, a doubtful candidate is taken for the data that stands around it (constants
// between assembly's functions), unless an instruction close in front gives eax a system call's number: tables do not.
//
// The process ends under the engine lock, with a line and status 125; no other thread gets to run the mapping.

import { ASSERTION_STATUS } from "../assertion";
import { syscall1 } from "../kernel/calls";
import { SYS_EXIT_GROUP } from "../kernel/numbers";
import { Address, tryCopyIn } from "../process";
import { EVIDENCE_CODE, EVIDENCE_DOUBTFUL, EVIDENCE_INTERIOR, isNumbered } from "../scan/evidence";
import { PROOF_CODE, PROOF_ERROR, PROOF_NONE, prove, undecodable } from "../scan/proof";
import { reportExit } from "../stats/report";
import { STDERR, appendBytes, appendHex, appendText, writeOut } from "../text";
import { currentThread } from "../thread/block";
import { fileOffsetOf, mappingEnd, mappingFile, mappingStart } from "./mapping";

/** Bytes that the line shows on each side of the address, and from it on. */
const SHOWN_BEFORE: u64 = 8;
const SHOWN_AFTER: u64 = 10;
const line = memory.data(8192, 8);
const bytes = memory.data(32, 8);

/** The bytes around an address, with brackets around the two that stand there. */
function appendSurroundings(at: usize, address: Address): usize {
  const start = max(address - SHOWN_BEFORE, mappingStart());
  const end = min(address + SHOWN_AFTER, mappingEnd());
  if (tryCopyIn(bytes, start, (end - start) as usize) != 0) return appendText(at, " unreadable");
  for (let here = start; here < end; here++) {
    at = appendText(at, here == address ? " [" : here == address + 2 ? "] " : " ");
    at = appendHex(at, load<u8>(bytes + ((here - start) as usize)), 2);
  }
  return end <= address + 2 ? appendText(at, "]") : at;
}

/**
 * Ends the process: one line with file, address, offset in the file and the bytes there.
 * @param what what is wrong, and @param why its reason, or ""
 */
export function refuse(address: Address, what: string, why: string): void {
  let at = appendText(line, "flicker: --strict: ");
  at = appendBytes(at, mappingFile());
  at = appendText(at, ": ");
  at = appendText(at, what);
  at = appendText(at, " at 0x");
  at = appendHex(at, address);
  at = appendText(at, ", file offset 0x");
  at = appendHex(at, fileOffsetOf(address));
  if (why.length != 0) at = appendText(at, ": ");
  at = appendText(at, why);
  at = appendText(at, "; bytes");
  at = appendSurroundings(at, address);
  at = appendText(at, "; it runs without --strict\n");
  writeOut(STDERR, line, at);
  reportExit(currentThread(), ASSERTION_STATUS);
  syscall1(SYS_EXIT_GROUP, ASSERTION_STATUS);
}

/**
 * What a candidate is, given the vote on it; does not return when --strict has no answer.
 * @param code copy of the code around it, `size` bytes, @param offset where the candidate is in it
 * @param boundary for EVIDENCE_CODE: gets a 1 for each byte of the copy at which an instruction starts
 */
export function confirm(evidence: u32, code: usize, size: u32, offset: u32, boundary: usize, at: Address): u32 {
  const window = at - (offset as u64);
  const proof = prove(fileOffsetOf(at), at, mappingStart(), mappingEnd(), boundary, window, size);
  if (proof == PROOF_NONE) {
    if (evidence == EVIDENCE_DOUBTFUL && isNumbered(code, size, offset))
      refuse(at, "bytes of a system call", "they have a call's number in front, and data around them");
    return evidence;
  }
  if (proof == PROOF_ERROR) refuse(undecodable, "an invalid instruction", "the unwind table calls it code");
  if (evidence != EVIDENCE_DOUBTFUL && (proof == PROOF_CODE) != (evidence == EVIDENCE_CODE))
    refuse(at, "bytes of a system call", "decoding from the function's start and from nearby disagree");
  if (proof == PROOF_CODE) return EVIDENCE_CODE;
  memory.fill(boundary, 0, size);
  return EVIDENCE_INTERIOR;
}
