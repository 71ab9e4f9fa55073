// execve and execveat: the new program runs under Flicker too, unless that would change what happens.
//
// A target that can be opened and mapped is handed to the launcher (options.ts says how); everything else, set-user-ID
// programs and what the kernel refuses included, is the kernel's: same errors, same effects. The launcher is found
// through /proc/self/exe, which the kernel keeps across chroot and deletion.

import { namesOwnExe } from "./proc-exe";
import { HANDOVER_NAME, NO_DESCRIPTOR, followExec, writeHandover } from "../options";
import { isProgramDeleted, openDeletedProgram, programPath } from "../load/identity";
import { AT_EMPTY_PATH, AT_FDCWD, Candidate, KIND_SCRIPT, ScriptLine, probe } from "../load/program";
import { pageCeil } from "../load/elf";
import { MAP_ANONYMOUS, MAP_PRIVATE, PROT_READ, PROT_WRITE } from "../load/map";
import { Address, poke64, programSyscall, syscall, tryCopyIn } from "../process";
import { ARGUMENT_MAX, sizeOfFilters, writeFilters } from "../seccomp/handover";
import { letsLauncherStart } from "../seccomp/needs";
import { keepReport, reportExec } from "../stats/report";
import { appendBytes, appendDecimal, appendText, copyString, lengthOf } from "../text";
import { ignoresEngineSignal, reclaimIgnored, surrenderIgnored } from "../thread/actions";
import { GateFrame, ThreadBlock, execScratchOf } from "../thread/block";
import { frameBufferOf } from "../thread/deferred";
import { kernelMask } from "../thread/signal-frame";
import { finish, passToKernel, undo } from "./call";
import { addressOf, isError, syscall1, syscall2, syscall3 } from "./calls";
import { EFAULT } from "./errno";
import { SYS_CLOSE, SYS_DUP, SYS_EXECVE, SYS_FCNTL, SYS_MMAP, SYS_MUNMAP } from "./numbers";
import { checkLauncher, executeLauncher } from "./launcher-file";
import { setKernelMask } from "./signal-calls";
import { isTracedFromWithin } from "./tracer";

const PATH_MAX: usize = 4096;

// Offsets in the thread's exec scratch.
const PATH_OFFSET: usize = 0x0000;
const HANDOVER_OFFSET: usize = 0x1010;
const GIVEN_OFFSET: usize = 0x2080;
const FILE_NAME_OFFSET: usize = 0x3080;
const HEAD_OFFSET: usize = 0x4080;
const CANDIDATE_OFFSET: usize = 0x4280;
const LINE_OFFSET: usize = 0x42a0;
const NAME_OFFSET: usize = 0x42b0;
const EMPTY_OFFSET: usize = 0x42d0;
const REQUEST_OFFSET: usize = 0x42e0;
const TARGET_OFFSET: usize = 0x4310;
/** While a target is looked at, nothing is in these yet. */
const HEADERS_OFFSET: usize = FILE_NAME_OFFSET;
const INTERPRETER_OFFSET: usize = HANDOVER_OFFSET;

const F_GETFD: u64 = 1;
const O_RDONLY: u64 = 0;

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

/** Writes PREFIX, the descriptor's number and, when it is not empty, a slash and the path; gives the end or 0 when too long. */
function writeDescriptorPath(at: usize, prefix: string, descriptor: u32, path: usize): usize {
  const size = lengthOf(path);
  if (size + 32 >= PATH_MAX) return 0;
  at = appendText(at, prefix);
  at = appendDecimal(at, descriptor);
  if (size != 0) {
    store<u8>(at++, 47);
    at = appendBytes(at, path);
  }
  store<u8>(at, 0);
  return at;
}

/** How a target is handed over: what the launcher opens, and how the program knows it. */
@unmanaged
class Target {
  /** Process address of the path to open. */
  path: Address;
  /** Process address of the path that becomes AT_EXECFN. */
  fileName: Address;
  /** A duplicate that stays open across execve, for the launcher to close; or NO_DESCRIPTOR. */
  descriptor: u32;
  padding: u32;
}

/** The program runs itself: by its path, or, when that leads there no more, by a descriptor of its file. */
function findOwnTarget(thread: ThreadBlock, target: Target): bool {
  const path = execScratchOf(thread) + PATH_OFFSET;
  memory.copy(path, programPath, lengthOf(programPath) + 1);
  if (isProgramDeleted()) {
    const descriptor = openDeletedProgram(O_RDONLY);
    if (isError(descriptor)) return false;
    target.descriptor = descriptor as u32;
    store<u8>(appendDecimal(appendText(path, "/proc/self/fd/"), descriptor as u64), 0);
  }
  return canRun(thread);
}

/**
 * Decides whether and how the launcher takes a target over.
 * @returns false when the kernel must be asked
 */
function findTarget(thread: ThreadBlock, request: Request, target: Target): bool {
  target.descriptor = NO_DESCRIPTOR;
  if (!followExec || (request.flags & ~AT_EMPTY_PATH) != 0 || isTracedFromWithin(thread)) return false;
  const scratch = execScratchOf(thread);
  const given = scratch + GIVEN_OFFSET;
  const path = scratch + PATH_OFFSET;
  const size = copyString(given, request.path, PATH_MAX);
  if (size < 0 || (size == 0 && (request.flags & AT_EMPTY_PATH) == 0)) return false;
  const relative = size == 0 || (request.directory != AT_FDCWD && load<u8>(given) != 47);
  target.path = addressOf(path);
  if (!relative) {
    target.fileName = request.path;
    if (namesOwnExe(thread, given)) return findOwnTarget(thread, target);
    memory.copy(path, given, (size as usize) + 1);
    return canRun(thread);
  }
  if (request.directory < 0) return false;
  if (writeDescriptorPath(path, "/proc/self/fd/", request.directory, given) == 0) return false;
  if (!canRun(thread)) return false;
  const fileName = scratch + FILE_NAME_OFFSET;
  writeDescriptorPath(fileName, "/dev/fd/", request.directory, given);
  target.fileName = addressOf(fileName);
  if (candidateOf(thread).firstKind == (KIND_SCRIPT as u32)) {
    // The interpreter opens the script by this name: the kernel refuses when the descriptor will be closed by then.
    return syscall3(SYS_FCNTL, request.directory, F_GETFD, 0) == 0;
  }
  const duplicate = syscall1(SYS_DUP, request.directory);
  if (isError(duplicate)) return false;
  target.descriptor = duplicate as u32;
  writeDescriptorPath(path, "/proc/self/fd/", duplicate as u32, given);
  return true;
}

function candidateOf(thread: ThreadBlock): Candidate {
  return changetype<Candidate>(execScratchOf(thread) + CANDIDATE_OFFSET);
}

/** Whether the launcher can run the path in the scratch as the kernel would. */
function canRun(thread: ThreadBlock): bool {
  const scratch = execScratchOf(thread);
  const candidate = candidateOf(thread);
  candidate.head = scratch + HEAD_OFFSET;
  candidate.headers = scratch + HEADERS_OFFSET;
  candidate.path = scratch + INTERPRETER_OFFSET;
  return (
    probe(candidate, changetype<ScriptLine>(scratch + LINE_OFFSET), AT_FDCWD, addressOf(scratch + PATH_OFFSET)) == 0
  );
}

/** The launcher's argv (options.ts), in memory of the process. Its address or -errno. */
function buildArguments(thread: ThreadBlock, request: Request, target: Target): i64 {
  const scratch = execScratchOf(thread);
  const count = countPointers(request.argv, frameBufferOf(thread));
  if (count < 0) return count;
  const pointers = ((count as u64) + 7) << 3;
  const size = pageCeil(pointers + sizeOfFilters(thread));
  const place = syscall(SYS_MMAP, 0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (isError(place)) return place;
  thread.scratch = place as u64;
  thread.scratchSize = size;

  store<u8>(appendText(scratch + NAME_OFFSET, HANDOVER_NAME), 0);
  writeHandover(scratch + HANDOVER_OFFSET, thread.programMask, target.descriptor);
  store<u8>(scratch + EMPTY_OFFSET, 0);
  let at = place as u64;
  poke64(at, addressOf(scratch + NAME_OFFSET));
  poke64(at + 8, addressOf(scratch + HANDOVER_OFFSET));
  poke64(at + 16, target.path);
  poke64(at + 24, target.fileName);
  poke64(at + 32, at + pointers);
  writeFilters(thread, at + pointers);
  at += 40;
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

/** The kernel runs the target. A mask or an ignored signal of the engine's set must be the program's for that. */
export function runNatively(thread: ThreadBlock, frame: GateFrame, isReported: bool): u32 {
  const path = execScratchOf(thread) + PATH_OFFSET;
  if (copyString(path, frame.rax == SYS_EXECVE ? frame.rdi : frame.rsi, PATH_MAX) < 0) store<u8>(path, 0);
  if (!isReported) reportExec(thread, path);
  const buffer = frameBufferOf(thread);
  // The kernel's own link leads to the launcher.
  if (frame.rax == SYS_EXECVE && namesOwnExe(thread, path)) {
    const failed = syscall3(SYS_EXECVE, addressOf(programPath), frame.rsi, frame.rdx);
    return finish(thread, frame, failed);
  }
  if (kernelMask(thread.programMask) == thread.programMask && !ignoresEngineSignal(thread)) return passToKernel(frame);
  surrenderIgnored(thread, buffer);
  setKernelMask(thread, thread.programMask);
  const result = programSyscall(frame.rax, frame.rdi, frame.rsi, frame.rdx, frame.r10, frame.r8, frame.r9);
  reclaimIgnored(thread, buffer);
  setKernelMask(thread, kernelMask(thread.programMask));
  return finish(thread, frame, result);
}

/** Whether a launcher can start, and be told, under the seccomp filters that survive the execve. */
function isAllowed(thread: ThreadBlock): bool {
  return thread.filters == 0 || (sizeOfFilters(thread) <= ARGUMENT_MAX && letsLauncherStart(thread));
}

function closeTarget(target: Target): void {
  if (target.descriptor != NO_DESCRIPTOR) syscall1(SYS_CLOSE, target.descriptor);
}

function follow(thread: ThreadBlock, frame: GateFrame, request: Request): u32 {
  const scratch = execScratchOf(thread);
  const target = changetype<Target>(scratch + TARGET_OFFSET);
  if (!findTarget(thread, request, target) || !isAllowed(thread)) {
    closeTarget(target);
    return runNatively(thread, frame, false);
  }
  const buffer = frameBufferOf(thread);
  checkLauncher();
  let isReported = false;
  if (!isError(buildArguments(thread, request, target))) {
    // What arrives from here on must stay pending for the new program, which gets the mask with the handover.
    setKernelMask(thread, ~(0 as u64));
    if (thread.deferred != 0) {
      releaseArguments(thread);
      closeTarget(target);
      return undo(thread, frame);
    }
    reportExec(thread, scratch + PATH_OFFSET);
    isReported = true;
    surrenderIgnored(thread, buffer);
    keepReport(true);
    executeLauncher(thread.scratch, request.envp);
    keepReport(false);
    reclaimIgnored(thread, buffer);
    setKernelMask(thread, kernelMask(thread.programMask));
  }
  releaseArguments(thread);
  closeTarget(target);
  // Whatever keeps the launcher from running (no /proc, no room for its arguments) is not the program's affair.
  return runNatively(thread, frame, isReported);
}

/** Room for a request beside the scratch's other parts. */
function requestOf(thread: ThreadBlock): Request {
  return changetype<Request>(execScratchOf(thread) + REQUEST_OFFSET);
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
