// From an open, checked ELF file to a program that could start: its image, its interpreter's, and where to begin.
//
// program.ts has found out what execve answers with an error. What goes wrong here is what the kernel finds when the old
// program is gone already: it ends the process by SIGSEGV. Who calls decides what that becomes (start.ts).

import { isError, syscall1 } from "../kernel/calls";
import { EINVAL, ELIBBAD, ENOEXEC } from "../kernel/errno";
import { SYS_CLOSE } from "../kernel/numbers";
import { PF_X, PT_GNU_STACK, hasProgramType, programHeader, FileHeader } from "./elf";
import { Image, isInImage, mapImage, readHeaders, unmapImage } from "./map";
import { Candidate } from "./program";

const programMemory = memory.data(128, 8);
const interpreterMemory = memory.data(128, 8);
const programHeader64 = memory.data(64, 8);
const interpreterHeader64 = memory.data(64, 8);
const programHeaders = memory.data(65536, 8);
const interpreterHeaders = memory.data(65536, 8);

/** The program's image, once loadImages has mapped it. */
export function programImage(): Image {
  return changetype<Image>(programMemory);
}

/** Where the process starts: the interpreter's entry point, or the program's. */
export let startAddress: u64 = 0;
/** AT_BASE: where the interpreter is, or 0. */
export let interpreterBase: u64 = 0;
/** Why loadImages refused, beside `refusal` of map.ts: empty, or the reason itself. */
export let headerRefusal: string = "";
/** Whether it was for the interpreter. */
export let refusedInterpreter: bool = false;

function newImage(pointer: usize, header: usize, headers: usize, descriptor: i32): Image {
  const image = changetype<Image>(pointer);
  image.header = header;
  image.headers = headers;
  image.descriptor = descriptor;
  return image;
}

function refuse(why: string, error: i64): i64 {
  headerRefusal = why;
  return error;
}

/** Maps the interpreter behind the program; on failure nothing of it stays. */
function loadInterpreter(program: Image, descriptor: i32): i64 {
  const image = newImage(interpreterMemory, interpreterHeader64, interpreterHeaders, descriptor);
  // They were there when program.ts looked: a file that changes meanwhile.
  if (isError(readHeaders(image))) return refuse("its headers cannot be read", -ELIBBAD);
  const header = changetype<FileHeader>(image.header);
  if (!hasProgramType(header)) return refuse("it is neither an executable nor a shared object", -ELIBBAD);
  const mapped = mapImage(image, false, false, changetype<usize>(program));
  if (isError(mapped)) return mapped;
  startAddress = image.entry;
  interpreterBase = image.bias;
  return 0;
}

/**
 * Maps a program and its interpreter, and closes the interpreter's descriptor.
 * @param candidate what checkProgram has looked at
 * @returns 0, or -errno with nothing mapped; `headerRefusal` or `refusal` says what is wrong with which file
 */
export function loadImages(candidate: Candidate): i64 {
  const result = load(candidate);
  if (candidate.interpreter >= 0) syscall1(SYS_CLOSE, candidate.interpreter);
  return result;
}

function load(candidate: Candidate): i64 {
  headerRefusal = "";
  refusedInterpreter = false;
  const image = newImage(programMemory, programHeader64, programHeaders, candidate.descriptor);
  if (isError(readHeaders(image))) return refuse("its headers cannot be read", -ENOEXEC);
  const hasInterpreter = candidate.interpreter >= 0;
  const mapped = mapImage(image, true, hasInterpreter, 0);
  if (isError(mapped)) return mapped;
  startAddress = image.entry;
  interpreterBase = 0;
  if (hasInterpreter) {
    refusedInterpreter = true;
    const loaded = loadInterpreter(image, candidate.interpreter);
    if (isError(loaded)) {
      unmapImage(image);
      return loaded;
    }
  }
  // The kernel looks only whether it is an address. What it starts elsewhere faults at once; here it could run into the
  // engine.
  const interpreter = changetype<Image>(interpreterMemory);
  if (!isInImage(image, startAddress) && !(hasInterpreter && isInImage(interpreter, startAddress))) {
    unmapImage(image);
    if (hasInterpreter) unmapImage(interpreter);
    return refuse("its entry point lies outside its segments", -EINVAL);
  }
  refusedInterpreter = false;
  return 0;
}

/** Whether the program asks for a stack that code may run on (PT_GNU_STACK; without one it does not, since Linux 5.8). */
export function wantsExecutableStack(): bool {
  const image = programImage();
  let wants = false;
  for (let i: u32 = 0; i < image.headerCount; i++) {
    const segment = programHeader(image.headers, i);
    if (segment.type == PT_GNU_STACK) wants = (segment.flags & PF_X) != 0;
  }
  return wants;
}
