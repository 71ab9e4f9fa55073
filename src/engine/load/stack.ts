// The program's initial stack: the kernel's own [stack], written anew in place as create_elf_tables of fs/binfmt_elf.c
// would have for the program (psABI AMD64, section 3.4.1).
//
//   rsp  argc
//        argv[0] ... argv[argc-1], 0
//        envp[0] ... 0
//        auxv pairs ... AT_NULL
//        AT_RANDOM's 16 bytes, AT_PLATFORM's string
//        up to 8 KiB of nothing: arch_align_stack of arch/x86/kernel/process.c
//        argument strings, environment strings, AT_EXECFN's string, 8 zero bytes
//   top
//
// The launcher's own arguments in front of the program's go, the interpreters of `#!` lines come, so every string moves.

import { isError, syscall2 } from "../kernel/calls";
import { SYS_MMAP, SYS_MUNMAP } from "../kernel/numbers";
import { Address, copyOut, peek64, peek8, poke64, poke8, syscall } from "../process";
import { lengthOf } from "../text";
import { AT_EXECFN, AT_PLATFORM, AT_RANDOM, auxiliaryValue } from "./auxiliary";
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

/** The value of an environment variable as a process address, or 0. */
export function environmentValue(stack: InitialStack, name: string): Address {
  for (let at = stack.environment; peek64(at) != 0; at += 8) {
    const entry = peek64(at);
    let i: u32 = 0;
    while (i < (name.length as u32) && peek8(entry + i) == (name.charCodeAt(i) as u32)) i++;
    if (i == (name.length as u32) && peek8(entry + i) == 61) return entry + i + 1;
  }
  return 0;
}

/** Length of a zero-terminated string of the process, with its zero. */
export function stringSize(address: Address): u64 {
  let at = address;
  while (peek8(at) != 0) at++;
  return at + 1 - address;
}

/** Where the new stack starts, and where its strings are. */
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

/** Zero bytes above the last string: bprm_mm_init leaves room for a null pointer. */
const TOP_ZEROS: u64 = 8;
const RANDOM_SIZE: u64 = 16;

/** The stack while it is written: `shift` is what lies between its place in the copy and its final place. */
@unmanaged
class Writer {
  shift: u64;
  /** Final address of the next string. */
  string: Address;
  /** Final address of the next pointer. */
  pointer: Address;
}
const writer = changetype<Writer>(memory.data(24, 8));

function writePointer(value: u64): void {
  poke64(writer.pointer - writer.shift, value);
  writer.pointer += 8;
}

/** Copies a string of the process's; gives its final address. */
function writeString(from: Address): Address {
  const start = writer.string;
  let to = start - writer.shift;
  for (; peek8(from) != 0; from++) poke8(to++, peek8(from));
  poke8(to++, 0);
  writer.string = to + writer.shift;
  return start;
}

function insertedAt(inserted: usize, index: u32): usize {
  return load<u32>(inserted + (index << 2));
}

/** How far the kernel moved the launcher's stack down at random; nothing without randomisation. The program's moves as far. */
function randomGap(stack: InitialStack): u64 {
  const platform = auxiliaryValue(stack.auxiliary, AT_PLATFORM);
  const end =
    platform != 0 ? platform + stringSize(platform) : auxiliaryValue(stack.auxiliary, AT_RANDOM) + RANDOM_SIZE;
  return (argument(stack, 0) - end) & ~15;
}

/**
 * Writes the program's stack over the launcher's.
 * @param dropped how many arguments in front are the launcher's (and, behind `#!`, the script's argv[0])
 * @param inserted engine pointer of `insertedCount` u32: engine pointers of zero-terminated strings that become the
 *   first arguments, in order
 * @param fileName process address of the path that was run: AT_EXECFN
 * @returns 0 or -errno
 */
export function rewriteStack(
  stack: InitialStack,
  dropped: u64,
  inserted: usize,
  insertedCount: u32,
  fileName: Address,
  result: ProgramStack,
): i64 {
  const kept = stack.argumentCount - dropped;
  const count = kept + insertedCount;
  const oldName = auxiliaryValue(stack.auxiliary, AT_EXECFN);
  const platform = auxiliaryValue(stack.auxiliary, AT_PLATFORM);
  const random = auxiliaryValue(stack.auxiliary, AT_RANDOM);
  const top = oldName + stringSize(oldName) + TOP_ZEROS;

  let stringsSize = stringSize(fileName);
  for (let i: u32 = 0; i < insertedCount; i++) stringsSize += (lengthOf(insertedAt(inserted, i)) as u64) + 1;
  for (let i: u64 = 0; i < kept; i++) stringsSize += stringSize(argument(stack, dropped + i));
  for (let at = stack.environment; peek64(at) != 0; at += 8) stringsSize += stringSize(peek64(at));
  const strings = top - TOP_ZEROS - stringsSize;
  const platformSize = platform != 0 ? stringSize(platform) : 0;
  const newPlatform = ((strings - randomGap(stack)) & ~15) - platformSize;
  const newRandom = newPlatform - RANDOM_SIZE;
  const tailSize = stack.auxiliaryEnd - stack.environment;
  const rsp = (newRandom - (8 + 8 * (count + 1) + tailSize)) & ~15;

  // The new stack overlaps the old one, so it is written elsewhere first.
  const size = pageCeil(top - rsp);
  const place = syscall(SYS_MMAP, 0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (isError(place)) return place;
  writer.shift = rsp - (place as u64);
  writer.pointer = rsp;
  writer.string = newPlatform;
  if (platform != 0) writeString(platform);
  for (let i: u64 = 0; i < RANDOM_SIZE; i++) poke8(newRandom + i - writer.shift, peek8(random + i));

  writer.string = strings;
  writePointer(count);
  result.argumentsStart = strings;
  for (let i: u32 = 0; i < insertedCount; i++) {
    const string = insertedAt(inserted, i);
    const length = lengthOf(string) + 1;
    copyOut(writer.string - writer.shift, string, length);
    writePointer(writer.string);
    writer.string += length as u64;
  }
  for (let i: u64 = 0; i < kept; i++) writePointer(writeString(argument(stack, dropped + i)));
  writePointer(0);
  result.argumentsEnd = writer.string;
  result.environmentStart = writer.string;
  for (let at = stack.environment; peek64(at) != 0; at += 8) writePointer(writeString(peek64(at)));
  writePointer(0);
  result.environmentEnd = writer.string;
  const newName = writeString(fileName);

  result.rsp = rsp;
  result.auxiliary = writer.pointer;
  result.auxiliarySize = stack.auxiliaryEnd - stack.auxiliary;
  for (let at = stack.auxiliary; at < stack.auxiliaryEnd; at += 16) {
    const type = peek64(at);
    writePointer(type);
    if (type == AT_EXECFN) writePointer(newName);
    else if (type == AT_PLATFORM) writePointer(newPlatform);
    else if (type == AT_RANDOM) writePointer(newRandom);
    else writePointer(peek64(at + 8));
  }
  // `top` is a multiple of 8 and the copy's last bytes are zero: what is above the last string stays so.
  for (let to = rsp; to < top; to += 8) poke64(to, peek64(to - writer.shift));
  syscall2(SYS_MUNMAP, place, size);
  return 0;
}
