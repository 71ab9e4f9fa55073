// A filter of the program's is installed with the engine's prefix in front, and kept beside the kernel's (filters.ts).
//
// The kernel judges the filter: what it finds wrong is its error, since nothing in the prefix makes a wrong filter right.
// A filter that is too long for the prefix (4096 instructions, BPF_MAXINSNS) goes in as it is when it lets the engine's
// calls through by itself. Otherwise, and when it reads the instruction pointer, which is the trampoline's here, the
// program is told EINVAL, and the user by a line: nothing is enforced that it did not ask for, and nothing that it asked for is left out.

import { GateFrame, ThreadBlock } from "../thread/block";
import { shareFilters } from "../thread/areas";
import { frameBufferOf } from "../thread/deferred";
import { forbidSettingGs, losesGsToFilters } from "../thread/gs-base";
import { lockEngine, unlockEngine } from "../thread/lock";
import { finish, passToKernel } from "../kernel/call";
import { addressOf, isError, syscall2, syscall3 } from "../kernel/calls";
import { EINVAL, ENOMEM } from "../kernel/errno";
import { SYS_MMAP, SYS_MPROTECT, SYS_MUNMAP, SYS_SECCOMP } from "../kernel/numbers";
import { Address, copyOut, poke32, poke64, programSyscall, syscall, tryCopyIn } from "../process";
import { claimMemory } from "../own-memory";
import { yieldGs } from "../patch/yield-gs";
import { STDERR, appendText, writeOut } from "../text";
import { INSTRUCTION_SIZE, isSound } from "./bpf";
import { NODE_HEADER, NODE_LENGTH, NODE_PREFIX, readsInstructionPointer, setComing, setFiltered } from "./filters";
import { letsEngineGoOn } from "./needs";
import { PREFIX_LENGTH, writePrefix } from "./prefix";
import { ensureSite, siteInstructionPointer } from "./site";

const BPF_MAXINSNS: u32 = 4096;
const PAGE_SIZE: u64 = 4096;
const PROT_READ: u64 = 1;
const PROT_READ_WRITE: u64 = 3;
const MAP_PRIVATE_ANONYMOUS: u64 = 0x22;

const FLAG_TSYNC: u32 = 1;
const FLAG_TSYNC_ESRCH: u32 = 16;

/** struct sock_fprog: u16 len at 0, filter at 8. */
const FPROG_SIZE: usize = 16;
const CHUNK: usize = 2048;

function sizeOfNode(length: u32): u64 {
  return (NODE_HEADER + (length as u64) * INSTRUCTION_SIZE + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1);
}

/** Memory for a node of so many instructions; 0 when memory is out. */
export function allocateNode(length: u32): Address {
  const got = syscall(SYS_MMAP, 0, sizeOfNode(length), PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0);
  if (isError(got)) return 0;
  poke32((got as u64) + NODE_LENGTH, length);
  return got as u64;
}

export function freeNode(node: Address, length: u32): void {
  syscall2(SYS_MUNMAP, node, sizeOfNode(length));
}

/** The node is in force for a thread, in front of what was. Under the engine lock. */
export function sealNode(node: Address, length: u32, previous: Address): void {
  poke64(node, previous);
  const claimed = claimMemory(node, node + sizeOfNode(length));
  assert(claimed, "no room to remember a seccomp filter");
  syscall3(SYS_MPROTECT, node, sizeOfNode(length), PROT_READ);
  setFiltered();
}

/** Copies instructions from one place of the process to another; false when they cannot be read. */
function copyInstructions(buffer: usize, to: Address, from: Address, length: u32): bool {
  const size = (length as u64) * INSTRUCTION_SIZE;
  for (let done: u64 = 0; done < size; done += CHUNK) {
    const part = min(size - done, CHUNK as u64) as usize;
    if (tryCopyIn(buffer, from + done, part) != 0) return false;
    copyOut(to + done, buffer, part);
  }
  return true;
}

/** Whether the kernel took a filter: with TSYNC a thread that cannot follow is named by a positive number. */
function isInstalled(result: i64, flags: u32): bool {
  if (isError(result)) return false;
  return (flags & (FLAG_TSYNC | FLAG_TSYNC_ESRCH)) != FLAG_TSYNC || result == 0;
}

/**
 * The kernel takes the node's instructions as a filter: by seccomp or prctl, which have it in the same place. Under the
 * engine lock.
 */
export function giveToKernel(thread: ThreadBlock, number: u64, a: u64, b: u64, node: Address, length: u32): i64 {
  if (losesGsToFilters()) {
    if (isError(yieldGs())) return -ENOMEM;
    forbidSettingGs();
  }
  const fprog = frameBufferOf(thread);
  store<u64>(fprog, length as u64);
  store<u64>(fprog, node + NODE_HEADER, 8);
  const flags: u32 = number == (SYS_SECCOMP as u64) ? (b as u32) : 0;
  if (flags & FLAG_TSYNC) setComing(node);
  const result = programSyscall(number, a, b, addressOf(fprog), 0, 0, 0);
  if (isInstalled(result, flags)) {
    sealNode(node, length, thread.filters);
    thread.filters = node;
    if (flags & FLAG_TSYNC) shareFilters(thread);
  }
  setComing(0);
  return result;
}

function sayRefused(buffer: usize): void {
  let at = appendText(
    buffer,
    "flicker: a seccomp filter that reads the instruction pointer, or is too long for a prefix, ",
  );
  at = appendText(at, "is refused (EINVAL)\n");
  writeOut(STDERR, buffer, at);
}

/** seccomp(SECCOMP_SET_MODE_FILTER, flags, fprog) and prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, fprog). */
export function setFilter(thread: ThreadBlock, frame: GateFrame): u32 {
  const buffer = frameBufferOf(thread);
  // What is wrong already is the kernel's to say.
  if (tryCopyIn(buffer, frame.rdx, FPROG_SIZE) != 0) return passToKernel(frame);
  const count = load<u16>(buffer) as u32;
  const program = load<u64>(buffer, 8);
  if (count == 0 || count > BPF_MAXINSNS) return passToKernel(frame);
  const prefix = count + PREFIX_LENGTH > BPF_MAXINSNS ? 0 : PREFIX_LENGTH;
  const length = count + prefix;

  const node = allocateNode(length);
  if (node == 0) return finish(thread, frame, -ENOMEM);
  const instructions = node + NODE_HEADER;
  const own = instructions + (prefix as u64) * INSTRUCTION_SIZE;
  if (!copyInstructions(buffer, own, program, count)) {
    freeNode(node, length);
    return passToKernel(frame);
  }
  poke32(node + NODE_PREFIX, prefix);
  // What is not sound is the kernel's to refuse.
  const refused =
    readsInstructionPointer(own, count) || (prefix == 0 && isSound(own, count) && !letsEngineGoOn(thread, node));
  if (refused) {
    freeNode(node, length);
    sayRefused(buffer);
    return finish(thread, frame, -EINVAL);
  }
  lockEngine(thread);
  ensureSite();
  if (prefix != 0) writePrefix(instructions, siteInstructionPointer());
  const result = giveToKernel(thread, frame.rax, frame.rdi, frame.rsi, node, length);
  unlockEngine();
  if (thread.filters != node) freeNode(node, length);
  return finish(thread, frame, result);
}
