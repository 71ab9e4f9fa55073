// What a candidate is, in the end: the vote among decodings (scan/evidence.ts), and what can be proven where it does not do.
//
// A vote on a `syscall` among data, or at the start of a small program, comes to nothing: it is doubtful. If an instruction
// close in front gives eax a system call's number, which tables do not do, and decoding from a start that is certain comes to
// it (scan/proof.ts), it is a site all the same. Such candidates are rare, so this costs an ordinary start nothing.
//
// With --strict every candidate is proven where the file's unwind table allows it. Vote and proof must agree; a doubtful
// candidate outside of every function is taken for the data that stands around it, such as constants between the functions
// of hand-written assembly, unless it has a number in front.

import { strict } from "../options";
import { Address } from "../process";
import { EVIDENCE_CODE, EVIDENCE_DOUBTFUL, EVIDENCE_INTERIOR, isNumbered } from "../scan/evidence";
import { PROOF_CODE, PROOF_ERROR, PROOF_INTERIOR, PROOF_NONE, prove, undecodable } from "../scan/proof";
import { openFunctions } from "../scan/functions";
import { fileOffsetOf, mappingDescriptor, mappingEnd, mappingNumber, mappingStart } from "./mapping";
import { refuse } from "./strict";

/** The mapping whose file's unwind table is open. */
let opened: u32 = 0;

function proofOf(at: Address): u32 {
  if (opened != mappingNumber()) openFunctions(mappingDescriptor());
  opened = mappingNumber();
  return prove(fileOffsetOf(at), at, mappingStart(), mappingEnd());
}

/** With --strict: ends the process when vote and proof leave a question open. */
function insist(evidence: u32, proof: u32, numbered: bool, at: Address): void {
  if (proof == PROOF_ERROR) refuse(undecodable, 1, "an invalid instruction", "the unwind table calls it code");
  if (
    evidence == EVIDENCE_DOUBTFUL ? proof == PROOF_CODE && !numbered : proof == PROOF_CODE && evidence != EVIDENCE_CODE
  )
    refuse(
      at,
      2,
      "bytes of a system call",
      "its function decodes to one there, and the bytes around look like no code",
    );
  if (proof == PROOF_INTERIOR && evidence == EVIDENCE_CODE)
    refuse(at, 2, "bytes of a system call", "they look like one, and its function decodes to something else");
  if (proof == PROOF_NONE && numbered)
    refuse(at, 2, "bytes of a system call", "a call's number is set in front, and the bytes around look like no code");
}

/**
 * The last word on a candidate; with --strict it may be the end of the process.
 * @param evidence what the vote says
 * @param code copy of the code around it, `size` bytes, @param offset where the candidate is in it
 */
export function conclude(evidence: u32, code: usize, size: u32, offset: u32, at: Address): u32 {
  const numbered = evidence != EVIDENCE_CODE && isNumbered(code, size, offset);
  if (!strict && !numbered) return evidence;
  const proof = proofOf(at);
  if (strict) insist(evidence, proof, numbered, at);
  if (evidence != EVIDENCE_DOUBTFUL || proof == PROOF_NONE || proof == PROOF_ERROR) return evidence;
  return proof == PROOF_INTERIOR ? EVIDENCE_INTERIOR : EVIDENCE_CODE;
}
