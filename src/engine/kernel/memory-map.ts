// mmap, mremap, munmap: code is patched before it can run, and what is known about code goes with it.

import { forgetCode, mapExecutable } from "../patch/executable";
import { countUnsearched } from "../stats/counters";
import { GateFrame, ThreadBlock } from "../thread/block";
import { lockEngine, unlockEngine } from "../thread/lock";
import { programSyscall } from "../process";
import { pageCeil } from "../load/elf";
import { MAP_ANONYMOUS, MAP_FIXED, PROT_EXEC, PROT_WRITE } from "../load/map";
import { finish } from "./call";
import { isError } from "./calls";

const MREMAP_FIXED: u64 = 2;

function native(frame: GateFrame): i64 {
  return programSyscall(frame.rax, frame.rdi, frame.rsi, frame.rdx, frame.r10, frame.r8, frame.r9);
}

/** mmap(address, size, protection, flags, descriptor, offset) */
export function mmap(thread: ThreadBlock, frame: GateFrame): u32 {
  const isFile = (frame.r10 & MAP_ANONYMOUS) == 0;
  if (!(frame.rdx & PROT_EXEC) && !(frame.r10 & MAP_FIXED)) return finish(thread, frame, native(frame));
  lockEngine();
  let result: i64;
  // Code that is written in place has no system call to patch it at; it runs as it is.
  if (frame.rdx & PROT_EXEC && !(frame.rdx & PROT_WRITE) && isFile)
    result = mapExecutable(frame.rdi, frame.rsi, frame.rdx, frame.r10, frame.r8 as i32, frame.r9);
  else {
    if (frame.rdx & PROT_EXEC) countUnsearched();
    result = native(frame);
    if (!isError(result) && frame.r10 & MAP_FIXED) forgetCode(result as u64, (result as u64) + pageCeil(frame.rsi));
  }
  unlockEngine();
  return finish(thread, frame, result);
}

/** munmap(address, size) */
export function munmap(thread: ThreadBlock, frame: GateFrame): u32 {
  lockEngine();
  const result = native(frame);
  if (!isError(result)) forgetCode(frame.rdi, frame.rdi + pageCeil(frame.rsi));
  unlockEngine();
  return finish(thread, frame, result);
}

/** mremap(address, old size, new size, flags, new address) */
export function mremap(thread: ThreadBlock, frame: GateFrame): u32 {
  lockEngine();
  const result = native(frame);
  if (!isError(result)) {
    if (frame.r10 & MREMAP_FIXED) forgetCode(frame.r8, frame.r8 + pageCeil(frame.rdx));
    if ((result as u64) != frame.rdi) forgetCode(frame.rdi, frame.rdi + pageCeil(frame.rsi));
  }
  unlockEngine();
  return finish(thread, frame, result);
}
