// Whether RFLAGS matter at a place in code: liveness of the status flags, within a few instructions in a row.
//
// An instruction that writes some flags only under a condition (a shift by %cl of 0, a repeated comparison of nothing) writes
// none here. Where control may go elsewhere, all are taken to matter.

import { FLAG_DF, Facts, describe } from "./facts";
import { decode } from "./decode";
import { FLOW_NEXT, Instruction, MAP_0F, PREFIX_REP, PREFIX_REPNE } from "./instruction";

const instruction = changetype<Instruction>(memory.data(offsetof<Instruction>(), 8));
const facts = changetype<Facts>(memory.data(64, 8));

/** OF, SF, ZF, AF, PF and CF, as facts have them. */
const STATUS: u32 = FLAG_DF - 1;
/** Most code writes flags within so many instructions, or branches. */
const INSTRUCTIONS_MAX: u32 = 8;

/** Shifts and rotates by %cl; shld, shrd by %cl: SDM volume 2, "Flags Affected" of SAL/SAR/SHL/SHR, RCL/RCR/ROL/ROR, SHLD, SHRD. */
function isConditional(): bool {
  const opcode = instruction.opcode;
  if (instruction.map == MAP_0F) return opcode == 0xa5 || opcode == 0xad;
  if (instruction.map != 0) return false;
  // By an immediate, which may be 0, too.
  return (opcode >= 0xd2 && opcode <= 0xd3) || opcode == 0xc0 || opcode == 0xc1;
}

/**
 * Whether the status flags are written before anything reads them, from the instruction at `code` on.
 * @param size bytes of code that may be looked at
 */
export function areFlagsDead(code: usize, size: u32): bool {
  assert(offsetof<Facts>() <= 64, "Facts have no room");
  let written: u32 = 0;
  let at: u32 = 0;
  for (let n: u32 = 0; n < INSTRUCTIONS_MAX; n++) {
    const length = decode(code + at, size - at, changetype<usize>(instruction));
    if (length == 0 || instruction.flow != FLOW_NEXT) return false;
    describe(code + at, changetype<usize>(instruction), changetype<usize>(facts));
    if (!facts.isKnown || (facts.flagsRead & STATUS & ~written) != 0) return false;
    const isRepeated = (instruction.prefixes & (PREFIX_REP | PREFIX_REPNE)) != 0;
    if (!isRepeated && !isConditional()) written |= facts.flagsWritten & STATUS;
    if (written == STATUS) return true;
    at += length;
  }
  return false;
}
