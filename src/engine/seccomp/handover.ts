// Filters survive execve. The next launcher gets the address of the engine's site in the handover (options.ts), and what
// the filters say in an argument of its own: for each, the newest first, 4 hexadecimal digits for the number of the
// program's instructions, one that says whether the prefix is in front of them, and 16 for each instruction.

import { ThreadBlock } from "../thread/block";
import { frameBufferOf } from "../thread/deferred";
import { Address, copyOut, peek32, peek64, peek8, poke32, poke64, poke8 } from "../process";
import { appendHex } from "../text";
import { INSTRUCTION_SIZE } from "./bpf";
import { NODE_HEADER, NODE_LENGTH, NODE_PREFIX } from "./filters";
import { allocateNode, sealNode } from "./install";
import { PREFIX_LENGTH, writePrefix } from "./prefix";
import { siteInstructionPointer } from "./site";

/** MAX_ARG_STRLEN of include/uapi/linux/binfmts.h. */
export const ARGUMENT_MAX: u64 = 131072;
const NODE_DIGITS: usize = 5;
const INSTRUCTION_DIGITS: usize = 16;

/** Bytes that `writeFilters` needs, a zero among them. */
export function sizeOfFilters(thread: ThreadBlock): u64 {
  let size: u64 = 1;
  for (let node = thread.filters; node != 0; node = peek64(node)) {
    const count = peek32(node + NODE_LENGTH) - peek32(node + NODE_PREFIX);
    size += (NODE_DIGITS as u64) + (count as u64) * (INSTRUCTION_DIGITS as u64);
  }
  return size;
}

/** Writes the thread's filters to the process; gives the address behind the zero. */
export function writeFilters(thread: ThreadBlock, to: Address): Address {
  const buffer = frameBufferOf(thread);
  let at = to;
  for (let node = thread.filters; node != 0; node = peek64(node)) {
    const length = peek32(node + NODE_LENGTH);
    const prefix = peek32(node + NODE_PREFIX);
    appendHex(appendHex(buffer, length - prefix, 4), prefix == 0 ? 0 : 1, 1);
    copyOut(at, buffer, NODE_DIGITS);
    at += NODE_DIGITS;
    for (let i = prefix; i < length; i++) {
      appendHex(buffer, peek64(node + NODE_HEADER + (i as u64) * INSTRUCTION_SIZE), INSTRUCTION_DIGITS as u32);
      copyOut(at, buffer, INSTRUCTION_DIGITS);
      at += INSTRUCTION_DIGITS;
    }
  }
  poke8(at, 0);
  return at + 1;
}

function readHex(at: Address, digits: usize): u64 {
  let value: u64 = 0;
  for (let i: u64 = 0; i < (digits as u64); i++) {
    const byte = peek8(at + i);
    value = (value << 4) | ((byte < 58 ? byte - 48 : byte - 87) as u64);
  }
  return value;
}

/** Reads one filter; gives its node, or 0 when memory is out. */
function readFilter(at: Address, count: u32, hasPrefix: bool): Address {
  const prefix = hasPrefix ? PREFIX_LENGTH : 0;
  const node = allocateNode(count + prefix);
  if (node == 0) return 0;
  poke32(node + NODE_PREFIX, prefix);
  const instructions = node + NODE_HEADER;
  if (hasPrefix) writePrefix(instructions, siteInstructionPointer());
  for (let i: u64 = 0; i < (count as u64); i++)
    poke64(
      instructions + ((prefix as u64) + i) * INSTRUCTION_SIZE,
      readHex(at + i * (INSTRUCTION_DIGITS as u64), INSTRUCTION_DIGITS),
    );
  return node;
}

/** Takes over the filters that a handover brought; false when memory is out. */
export function adoptFilters(thread: ThreadBlock, from: Address): bool {
  let at = from;
  let newer: Address = 0;
  let newest: Address = 0;
  while (peek8(at) != 0) {
    const count = readHex(at, 4) as u32;
    const hasPrefix = peek8(at + 4) == 49;
    at += NODE_DIGITS;
    const node = readFilter(at, count, hasPrefix);
    if (node == 0) return false;
    if (newer == 0) newest = node;
    else sealNode(newer, peek32(newer + NODE_LENGTH), node);
    newer = node;
    at += (count as u64) * (INSTRUCTION_DIGITS as u64);
  }
  if (newer != 0) sealNode(newer, peek32(newer + NODE_LENGTH), 0);
  thread.filters = newest;
  return true;
}
