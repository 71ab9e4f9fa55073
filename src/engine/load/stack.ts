// The program's initial stack: the kernel's own [stack], rewritten in place (psABI AMD64, section 3.4.1).
//
//   rsp  argc
//        argv[0] ... argv[argc-1], 0
//        envp[0] ... 0
//        auxv pairs ... AT_NULL
//        (strings: arguments, environment, AT_RANDOM's bytes, ...)
//
// The launcher's own arguments in front of the program's go, the interpreters of `#!` lines come. The auxiliary vector
// moves as little as it must. With `#!` lines the strings of all arguments are written anew in one piece below
// its old end, since `ps` reads arguments from arg_start to arg_end.

import { isError, syscall2 } from "../kernel/calls";
import { SYS_MMAP, SYS_MUNMAP } from "../kernel/numbers";
import { Address, copyOut, peek64, peek8, poke64, poke8, syscall } from "../process";
import { lengthOf } from "../text";
import { pageCeil } from "./elf";
import { MAP_ANONYMOUS, MAP_PRIVATE, PROT_READ, PROT_WRITE } from "./map";

/** What the kernel left on the stack. */
@unmanaged
export class InitialStack {
  argumentCount: u64;
  arguments: Address;
  environment: Address;
  auxiliary: Address;
  /** One past the vector's AT_NULL pair. */
  auxiliaryEnd: Address;
}

export function readInitialStack(stack: InitialStack, rsp: Address): void {
  stack.argumentCount = peek64(rsp);
  stack.arguments = rsp + 8;
  stack.environment = stack.arguments + 8 * (stack.argumentCount + 1);
  let at = stack.environment;
  while (peek64(at) != 0) at += 8;
  stack.auxiliary = at + 8;
  at = stack.auxiliary;
  while (peek64(at) != 0) at += 16;
  stack.auxiliaryEnd = at + 16;
}

/** The process address of argument `index`. */
export function argument(stack: InitialStack, index: u64): Address {
  return peek64(stack.arguments + 8 * index);
}

/** Length of a zero-terminated string of the process, with its zero. */
export function stringSize(address: Address): u64 {
  let at = address;
  while (peek8(at) != 0) at++;
  return at + 1 - address;
}

/** Where the rewritten stack starts, and where the argument strings are. */
@unmanaged
export class ProgramStack {
  rsp: Address;
  argumentsStart: Address;
  argumentsEnd: Address;
  environmentStart: Address;
  environmentEnd: Address;
  auxiliary: Address;
  auxiliarySize: u64;
}

/**
 * Rewrites the stack.
 * @param dropped how many arguments in front are the launcher's (and, behind `#!`, the script's argv[0])
 * @param inserted engine pointer of `insertedCount` u32: engine pointers of zero-terminated strings that become the
 *   first arguments, in order
 * @returns 0 or -errno
 */
export function rewriteStack(
  stack: InitialStack,
  dropped: u64,
  inserted: usize,
  insertedCount: u32,
  result: ProgramStack,
): i64 {
  const kept = stack.argumentCount - dropped;
  const count = kept + insertedCount;
  const copiesStrings = insertedCount != 0;
  let stringsSize: u64 = 0;
  if (copiesStrings) {
    for (let i: u32 = 0; i < insertedCount; i++) stringsSize += insertedSize(inserted, i);
    for (let i: u64 = 0; i < kept; i++) stringsSize += stringSize(argument(stack, dropped + i));
  }
  const tailSize = stack.auxiliaryEnd - stack.environment;
  const pointersSize = 8 + 8 * (count + 1) + tailSize;
  const strings = stack.auxiliaryEnd - ((stringsSize + 15) & ~15);
  const rsp = (strings - pointersSize) & ~15;

  // The new stack overlaps the old one, so it is built elsewhere: `shift` is from its place there to its final place.
  const size = pageCeil(stack.auxiliaryEnd - rsp);
  const place = syscall(SYS_MMAP, 0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (isError(place)) return place;
  const shift = rsp - (place as u64);

  let at = place as u64;
  let string = strings;
  poke64(at, count);
  at += 8;
  for (let i: u32 = 0; i < insertedCount; i++) {
    const length = insertedSize(inserted, i);
    copyOut(string - shift, load<u32>(inserted + (i << 2)), length as usize);
    poke64(at, string);
    at += 8;
    string += length;
  }
  for (let i: u64 = 0; i < kept; i++) {
    const old = argument(stack, dropped + i);
    poke64(at, copiesStrings ? string : old);
    at += 8;
    if (copiesStrings) string = copyString(string, old, shift);
  }
  poke64(at, 0);
  at += 8;
  result.rsp = rsp;
  result.auxiliary = at + shift + (stack.auxiliary - stack.environment);
  result.auxiliarySize = stack.auxiliaryEnd - stack.auxiliary;
  for (let from = stack.environment; from < stack.auxiliaryEnd; from += 8) {
    poke64(at, peek64(from));
    at += 8;
  }

  result.environmentStart = peek64(stack.environment);
  result.environmentEnd = result.environmentStart;
  for (let from = stack.environment; peek64(from) != 0; from += 8) result.environmentEnd = peek64(from);
  if (result.environmentEnd != 0) result.environmentEnd += stringSize(result.environmentEnd);
  else result.environmentStart = result.environmentEnd = stack.auxiliaryEnd;
  result.argumentsStart = result.environmentStart;
  result.argumentsEnd = result.environmentStart;
  if (copiesStrings) {
    result.argumentsStart = strings;
    result.argumentsEnd = string;
  } else if (kept != 0) {
    const last = argument(stack, stack.argumentCount - 1);
    result.argumentsStart = argument(stack, dropped);
    result.argumentsEnd = last + stringSize(last);
  }

  for (let to = rsp; to < stack.auxiliaryEnd; to += 8) poke64(to, peek64(to - shift));
  syscall2(SYS_MUNMAP, place, size);
  return 0;
}

/** Copies a string to its place in the copy of the stack; gives the final address behind it. */
function copyString(to: Address, from: Address, shift: u64): Address {
  for (let at = from; peek8(at) != 0; at++) poke8(to++ - shift, peek8(at));
  poke8(to++ - shift, 0);
  return to;
}

function insertedSize(inserted: usize, index: u32): u64 {
  return (lengthOf(load<u32>(inserted + (index << 2))) as u64) + 1;
}
