// The loader with exports for Node: from a path to mapped images, and what it says about them.

import "../../src/engine/assertion";
import { isError, addressOf, syscall1 } from "../../src/engine/kernel/calls";
import { ENOEXEC } from "../../src/engine/kernel/errno";
import { SYS_CLOSE } from "../../src/engine/kernel/numbers";
import { interpreterBase, loadImages, programImage, startAddress } from "../../src/engine/load/images";
import { AT_FDCWD, Candidate, KIND_ELF, checkProgram, openCandidate } from "../../src/engine/load/program";
import { forgetCode } from "../../src/engine/patch/executable";
import { avoidNothing } from "../../src/engine/patch/territory";

const candidateMemory = memory.data(32, 8);
const head = memory.data(400, 8);
const headers = memory.data(896, 8);
const interpreterPath = memory.data(4096, 8);
const path = memory.data(4096, 8);

export function pathBuffer(): usize {
  return path;
}

/** How far the last `load` came: 0 execve would have answered with an error, 1 it would have killed, 2 the program starts. */
export let stage: u32 = 0;

/** Loads the program at the path in the buffer; gives 0 or -errno. */
export function load(): i64 {
  stage = 0;
  avoidNothing();
  const candidate = changetype<Candidate>(candidateMemory);
  candidate.head = head;
  candidate.headers = headers;
  candidate.path = interpreterPath;
  const kind = openCandidate(candidate, AT_FDCWD, addressOf(path));
  if (isError(kind)) return kind;
  let result: i64 = kind == KIND_ELF ? checkProgram(candidate) : -ENOEXEC;
  if (!isError(result)) {
    stage = 1;
    result = loadImages(candidate);
    if (!isError(result)) stage = 2;
  }
  syscall1(SYS_CLOSE, candidate.descriptor);
  return isError(result) ? result : 0;
}

export function bias(): u64 {
  return programImage().bias;
}
export function headersAddress(): u64 {
  return programImage().headersAddress;
}
export function brkStart(): u64 {
  return programImage().end;
}
export function start(): u64 {
  return startAddress;
}
export function base(): u64 {
  return interpreterBase;
}
/** The process is empty again. */
export function forgetAll(): void {
  forgetCode(0, 0x7ffffffff000);
}
