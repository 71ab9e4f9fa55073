// execve and execveat: the new program runs under Flicker too, unless that would change what happens.
//
// A target that can be opened and mapped is handed to the launcher (options.ts says how); everything else, set-user-ID
// programs and what the kernel refuses included, is the kernel's: same errors, same effects. The launcher is found
// through /proc/self/exe, which the kernel keeps across chroot and deletion.

import { namesOwnExe } from "./proc-exe";
import { HANDOVER_NAME, NO_DESCRIPTOR, followExec, writeHandover } from "../options";
import { programPath } from "../load/start";
import { AT_EMPTY_PATH, AT_FDCWD, Candidate, ScriptLine, probe } from "../load/program";
import { pageCeil } from "../load/elf";
import { MAP_ANONYMOUS, MAP_PRIVATE, PROT_READ, PROT_WRITE } from "../load/map";
import { Address, poke64, syscall, tryCopyIn } from "../process";
import { keepReport, reportExec } from "../stats/report";
import { appendDecimal, appendText, copyString, lengthOf } from "../text";
import { ignoresEngineSignal, reclaimIgnored, surrenderIgnored } from "../thread/actions";
import { GateFrame, ThreadBlock, execScratchOf } from "../thread/block";
import { frameBufferOf } from "../thread/deferred";
import { kernelMask } from "../thread/signal-frame";
import { finish, passToKernel, undo } from "./call";
import { addressOf, isError, syscall1, syscall2, syscall3 } from "./calls";
import { EFAULT } from "./errno";
import { SYS_CLOSE, SYS_DUP, SYS_EXECVE, SYS_MMAP, SYS_MUNMAP } from "./numbers";
import { setKernelMask } from "./signal-calls";

const PATH_MAX: usize = 4096;

// Offsets in the thread's exec scratch.
const PATH_OFFSET: usize = 0;
const HANDOVER_OFFSET: usize = 0x1100;
const HEAD_OFFSET: usize = 0x2300;
const CANDIDATE_OFFSET: usize = 0x2500;
const LINE_OFFSET: usize = 0x2510;
const NAME_OFFSET: usize = 0x2520;
const LAUNCHER_OFFSET: usize = 0x2540;
const EMPTY_OFFSET: usize = 0x2560;

/** One execve: what the program asked for. */
@unmanaged
class Request {
  directory: i32;
  padding: u32;
  path: Address;
  argv: Address;
  envp: Address;
  flags: u64;
}

/** Number of pointers in a zero-terminated array of the program's, or -EFAULT. */
function countPointers(array: Address, buffer: usize): i64 {
  if (array == 0) return 0;
  let count: i64 = 0;
  while (tryCopyIn(buffer, array + ((count as u64) << 3), 8) == 0) {
    if (load<u64>(buffer) == 0) return count;
    count++;
  }
  return -EFAULT;
}

/** Appends to a path of the process's own that leads to an open descriptor. */
function appendDescriptorPath(at: usize, descriptor: u32): usize {
  at = appendText(at, "/proc/self/fd/");
  return appendDecimal(at, descriptor);
}

/**
 * The path that the launcher is to open, in the scratch. A path relative to a descriptor, or the descriptor itself, goes
 * through a duplicate that stays open across execve; the launcher closes it.
 * @returns the duplicate, NO_DESCRIPTOR when none is needed, or -1 when the kernel must be asked
 */
function handedPath(thread: ThreadBlock, request: Request): i64 {
  const path = execScratchOf(thread) + PATH_OFFSET;
  const size = copyString(path, request.path, PATH_MAX);
  if (size < 0) return -1;
  if (namesOwnExe(thread, path)) memory.copy(path, programPath, lengthOf(programPath) + 1);
  if (size == 0 ? (request.flags & AT_EMPTY_PATH) == 0 : request.directory == AT_FDCWD || load<u8>(path) == 47)
    return size == 0 ? -1 : NO_DESCRIPTOR;
  const duplicate = syscall1(SYS_DUP, request.directory);
  if (isError(duplicate)) return -1;
  const head = execScratchOf(thread) + HANDOVER_OFFSET;
  let at = appendDescriptorPath(head, duplicate as u32);
  if (size != 0) {
    store<u8>(at++, 47);
    memory.copy(at, path, size as usize);
    at += size as usize;
  }
  store<u8>(at, 0);
  if (at - head >= PATH_MAX) {
    syscall1(SYS_CLOSE, duplicate);
    return -1;
  }
  memory.copy(path, head, at + 1 - head);
  return duplicate;
}

/** The launcher's argv, in memory of the process: HANDOVER_NAME, handover, path, then the program's. Its address or -errno. */
function buildArguments(thread: ThreadBlock, request: Request, descriptor: u32): i64 {
  const scratch = execScratchOf(thread);
  const count = countPointers(request.argv, frameBufferOf(thread));
  if (count < 0) return count;
  const size = pageCeil(((count as u64) + 5) << 3);
  const place = syscall(SYS_MMAP, 0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (isError(place)) return place;
  thread.scratch = place as u64;
  thread.scratchSize = size;

  store<u8>(appendText(scratch + NAME_OFFSET, HANDOVER_NAME), 0);
  writeHandover(scratch + HANDOVER_OFFSET, thread.programMask, descriptor);
  store<u8>(scratch + EMPTY_OFFSET, 0);
  let at = place as u64;
  poke64(at, addressOf(scratch + NAME_OFFSET));
  poke64(at + 8, addressOf(scratch + HANDOVER_OFFSET));
  poke64(at + 16, addressOf(scratch + PATH_OFFSET));
  at += 24;
  const pointer = frameBufferOf(thread);
  for (let i: u64 = 0; i < (count as u64); i++) {
    if (tryCopyIn(pointer, request.argv + (i << 3), 8) != 0) break;
    poke64(at, load<u64>(pointer));
    at += 8;
  }
  // do_execveat_common gives a program without arguments an empty argv[0].
  if (count == 0) {
    poke64(at, addressOf(scratch + EMPTY_OFFSET));
    at += 8;
  }
  poke64(at, 0);
  return place;
}

function releaseArguments(thread: ThreadBlock): void {
  if (thread.scratchSize != 0) syscall2(SYS_MUNMAP, thread.scratch, thread.scratchSize);
  thread.scratchSize = 0;
}

/** Whether the launcher can take the target over as the kernel would have run it. */
function canFollow(thread: ThreadBlock, request: Request): bool {
  if (!followExec || (request.flags & ~AT_EMPTY_PATH) != 0) return false;
  const scratch = execScratchOf(thread);
  const candidate = changetype<Candidate>(scratch + CANDIDATE_OFFSET);
  candidate.head = scratch + HEAD_OFFSET;
  return (
    probe(candidate, changetype<ScriptLine>(scratch + LINE_OFFSET), AT_FDCWD, addressOf(scratch + PATH_OFFSET)) == 0
  );
}

/** The kernel runs the target. A mask or an ignored signal of the engine's set must be the program's for that. */
function runNatively(thread: ThreadBlock, frame: GateFrame): u32 {
  const path = execScratchOf(thread) + PATH_OFFSET;
  if (copyString(path, frame.rax == SYS_EXECVE ? frame.rdi : frame.rsi, PATH_MAX) < 0) store<u8>(path, 0);
  reportExec(thread, path);
  const buffer = frameBufferOf(thread);
  if (kernelMask(thread.programMask) == thread.programMask && !ignoresEngineSignal(thread)) return passToKernel(frame);
  surrenderIgnored(thread, buffer);
  setKernelMask(thread, thread.programMask);
  const result = syscall(frame.rax, frame.rdi, frame.rsi, frame.rdx, frame.r10, frame.r8, frame.r9);
  reclaimIgnored(thread, buffer);
  setKernelMask(thread, kernelMask(thread.programMask));
  return finish(thread, frame, result);
}

function follow(thread: ThreadBlock, frame: GateFrame, request: Request): u32 {
  const descriptor = handedPath(thread, request);
  if (descriptor < 0 || !canFollow(thread, request)) {
    if (descriptor >= 0 && descriptor != NO_DESCRIPTOR) syscall1(SYS_CLOSE, descriptor);
    return runNatively(thread, frame);
  }
  const scratch = execScratchOf(thread);
  const buffer = frameBufferOf(thread);
  let result = buildArguments(thread, request, descriptor as u32);
  if (!isError(result)) {
    // What arrives from here on must stay pending for the new program, which gets the mask with the handover.
    setKernelMask(thread, ~(0 as u64));
    if (thread.deferred != 0) {
      releaseArguments(thread);
      if (descriptor != NO_DESCRIPTOR) syscall1(SYS_CLOSE, descriptor);
      return undo(thread, frame);
    }
    reportExec(thread, scratch + PATH_OFFSET);
    surrenderIgnored(thread, buffer);
    store<u8>(appendText(scratch + LAUNCHER_OFFSET, "/proc/self/exe"), 0);
    keepReport(true);
    result = syscall3(SYS_EXECVE, addressOf(scratch + LAUNCHER_OFFSET), thread.scratch, request.envp);
    keepReport(false);
    reclaimIgnored(thread, buffer);
    setKernelMask(thread, kernelMask(thread.programMask));
  }
  releaseArguments(thread);
  if (descriptor != NO_DESCRIPTOR) syscall1(SYS_CLOSE, descriptor);
  return finish(thread, frame, result);
}

/** Room for a request beside the scratch's other parts. */
function requestOf(thread: ThreadBlock): Request {
  return changetype<Request>(execScratchOf(thread) + 0x2600);
}

/** execve(path, argv, envp) */
export function execve(thread: ThreadBlock, frame: GateFrame): u32 {
  const request = requestOf(thread);
  request.directory = AT_FDCWD;
  request.path = frame.rdi;
  request.argv = frame.rsi;
  request.envp = frame.rdx;
  request.flags = 0;
  return follow(thread, frame, request);
}

/** execveat(directory, path, argv, envp, flags) */
export function execveat(thread: ThreadBlock, frame: GateFrame): u32 {
  const request = requestOf(thread);
  request.directory = frame.rdi as i32;
  request.path = frame.rsi;
  request.argv = frame.rdx;
  request.envp = frame.r10;
  request.flags = frame.r8;
  return follow(thread, frame, request);
}
