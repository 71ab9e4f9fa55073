// Is a candidate code? Decoding from many starts in front of it votes.
//
// x86 code resynchronises: linear decoding that starts in the middle of an instruction falls in with the true boundaries
// after a few. If nearly all starts from 96 to 33 bytes in front of the candidate come to an instruction that begins
// exactly there, it is a `syscall`; if nearly all step over it, its bytes are inside another instruction. What is neither
// is doubtful: there is data near.
//
// Instructions that programs do not have (privileged ones, `add %al,(%rax)`) count as undecodable: tables are full of them.
//
// Starts are nodes of a graph with one edge each, so one pass from high to low offsets answers for all of them.

import {
  ENCODING_LEGACY,
  FLOW_JUMP_INDIRECT,
  FLOW_JUMP_RELATIVE,
  FLOW_RETURN,
  FLOW_STOP,
  FLOW_SYSCALL,
  Instruction,
  MAP_ONE_BYTE,
} from "../x86/instruction";
import { decode } from "../x86/decode";

/** How far in front of a candidate decoding starts, and how much room it has to resynchronise. */
const FAR: u32 = 96;
const NEAR: u32 = 33;
/** How many instructions behind a candidate must decode. */
const FOLLOWERS: u32 = 6;
/** Fewest starts whose decoding comes through for a vote. */
const VOTERS_MIN: u32 = 4;

export const EVIDENCE_CODE: u32 = 0;
export const EVIDENCE_INTERIOR: u32 = 1;
export const EVIDENCE_DOUBTFUL: u32 = 2;

const REACH_INVALID: u8 = 0;
const REACH_HIT: u8 = 1;
const REACH_SKIP: u8 = 2;

const instruction = changetype<Instruction>(memory.data(offsetof<Instruction>(), 8));
const reach = memory.data(128, 8);
const lengths = memory.data(128, 8);
const visits = memory.data(512, 8);

function endsFlow(flow: u8): bool {
  return flow == FLOW_JUMP_RELATIVE || flow == FLOW_JUMP_INDIRECT || flow == FLOW_RETURN || flow == FLOW_STOP;
}

/**
 * Opcodes of the one-byte map that no compiler makes in a program for Linux and that tables are full of: `add %al,(%rax)`
 * (two zero bytes), port input and output, far returns and iret, cli, sti. (`hlt` is in glibc: it ends `_exit`.)
 */
function isImplausible(code: usize, offset: u32): bool {
  if (instruction.map != MAP_ONE_BYTE || instruction.encoding != ENCODING_LEGACY) return false;
  const opcode = instruction.opcode;
  if (opcode == 0x00) return load<u16>(code + offset) == 0;
  return (
    (opcode >= 0x6c && opcode <= 0x6f) ||
    (opcode >= 0xe4 && opcode <= 0xe7) ||
    (opcode >= 0xec && opcode <= 0xef) ||
    (opcode >= 0xca && opcode <= 0xcb) ||
    opcode == 0xcf ||
    opcode == 0xfa ||
    opcode == 0xfb
  );
}

/** Whether what follows the candidate decodes, until control certainly leaves. */
function followersDecode(code: usize, size: u32, offset: u32): bool {
  for (let i: u32 = 0; i < FOLLOWERS && offset < size; i++) {
    const length = decode(code + offset, size - offset, changetype<usize>(instruction));
    // Cut off by the end of the copy is not invalid.
    if (length == 0) return size - offset < 15;
    if (isImplausible(code, offset)) return false;
    if (endsFlow(instruction.flow)) return true;
    offset += length;
  }
  return true;
}

/**
 * Weighs one candidate.
 * @param code copy of the code around it, `size` bytes, @param offset where the candidate is in it
 * @param boundary for EVIDENCE_CODE: gets a 1 for each byte at which an instruction starts, in front of and behind it
 */
export function weigh(code: usize, size: u32, offset: u32, boundary: usize): u32 {
  const first = offset > FAR ? offset - FAR : 0;
  const span = offset - first;
  store<u8>(reach + span, REACH_HIT);
  for (let i = span; i-- > 0;) {
    let length = decode(code + first + i, size - (first + i), changetype<usize>(instruction));
    if (length != 0 && isImplausible(code, first + i)) length = 0;
    store<u8>(lengths + i, length);
    store<u8>(reach + i, length == 0 ? REACH_INVALID : i + length > span ? REACH_SKIP : load<u8>(reach + i + length));
  }
  // Near the start of a mapping there is less room; then every start counts that is there.
  const last = span > NEAR ? span - NEAR : span > 0 ? span - 1 : 0;
  let hits: u32 = 0;
  let skips: u32 = 0;
  for (let i: u32 = 0; i <= last; i++) {
    const answer = load<u8>(reach + i);
    if (answer == REACH_HIT) hits++;
    else if (answer == REACH_SKIP) skips++;
  }
  const voters = hits + skips;
  const few = voters < VOTERS_MIN && span >= FAR;
  if (!few && skips * 4 >= voters * 3 && skips != 0) return EVIDENCE_INTERIOR;
  if (few || hits * 4 < voters * 3) return EVIDENCE_DOUBTFUL;
  const isSyscall =
    decode(code + offset, size - offset, changetype<usize>(instruction)) == 2 && instruction.flow == FLOW_SYSCALL;
  if (!isSyscall || !followersDecode(code, size, offset + 2)) return EVIDENCE_DOUBTFUL;
  markBoundaries(code, size, first, span, last, hits, boundary);
  return EVIDENCE_CODE;
}

/** Marks the starts that three quarters of the voters agree on, and those that control must reach behind the candidate. */
function markBoundaries(code: usize, size: u32, first: u32, span: u32, last: u32, hits: u32, boundary: usize): void {
  memory.fill(visits, 0, ((span + 1) as usize) << 2);
  for (let i: u32 = 0; i < span; i++) {
    if (load<u8>(reach + i) != REACH_HIT) continue;
    const here = visits + (i << 2);
    if (i <= last) store<u32>(here, load<u32>(here) + 1);
    const next = visits + ((i + load<u8>(lengths + i)) << 2);
    store<u32>(next, load<u32>(next) + load<u32>(here));
    if (i > last && load<u32>(here) * 4 >= hits * 3) store<u8>(boundary + first + i, 1);
  }
  let at = first + span;
  while (at < size) {
    store<u8>(boundary + at, 1);
    const length = decode(code + at, size - at, changetype<usize>(instruction));
    if (length == 0) break;
    at += length;
    if (endsFlow(instruction.flow)) break;
  }
}
