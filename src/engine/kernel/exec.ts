// execve and execveat: the new program runs under Flicker too, unless that would change what happens.
//
// A target that can be opened and mapped is handed to the launcher (options.ts says how); everything else, set-user-ID
// programs and what the kernel refuses included, is the kernel's: same errors, same effects. The launcher is found
// through /proc/thread-self/exe, which the kernel keeps across chroot and deletion.
//
// The launcher opens its program by a path, in the new process. A path that leads through a link of procfs (/dev/fd/3,
// /proc/self/exe, /proc/self/task/12/fd/3) may lead elsewhere by then: such a target goes by a descriptor of its file.

import { exePath, findProgram, leadsToLauncher } from "./exe-link";
import { HANDOVER_NAME, NO_DESCRIPTOR, followExec, writeHandover } from "../options";
import { AT_EMPTY_PATH, AT_FDCWD, Candidate, KIND_SCRIPT, ScriptLine, probe } from "../load/program";
import { pageCeil } from "../load/elf";
import { MAP_ANONYMOUS, MAP_PRIVATE, PROT_READ, PROT_WRITE } from "../load/map";
import { Address, poke64, programSyscall, syscall, tryCopyIn } from "../process";
import { ARGUMENT_MAX, sizeOfFilters, writeFilters } from "../seccomp/handover";
import { lets, verdictOf } from "../seccomp/filters";
import { letsLauncherStart } from "../seccomp/needs";
import { EVENT_END } from "../../abi/hook-table";
import { atEnd } from "../hook/events";
import { isEventHooked } from "../hook/table";
import { sizeOfTally, writeTally } from "../hook/tally";
import { closeRingForExec, openRingForExec } from "../ring/ring";
import { endDeparture } from "../stats/departure";
import { keepReport, reportExec, reportsEnds } from "../stats/report";
import { appendBytes, appendDecimal, appendText, copyString, lengthOf } from "../text";
import { ignoresEngineSignal, reclaimIgnored, surrenderIgnored } from "../thread/actions";
import { GateFrame, ThreadBlock, execScratchOf } from "../thread/block";
import { frameBufferOf, pendingInfoOf } from "../thread/deferred";
import { kernelMask, signalBit } from "../thread/signal-frame";
import { finish, passToKernel, undo } from "./call";
import { addressOf, isError, syscall1, syscall2, syscall3, syscall4, syscall5 } from "./calls";
import { areDescriptorsShared } from "./clone";
import { CLONE_FILES } from "./clone-flags";
import { EFAULT, ELOOP, EMFILE } from "./errno";
import { checkLauncher, executeLauncher } from "./held-files";
import {
  SYS_CLOSE,
  SYS_DUP,
  SYS_EXECVEAT,
  SYS_FACCESSAT2,
  SYS_FCNTL,
  SYS_MMAP,
  SYS_MPROTECT,
  SYS_MUNMAP,
  SYS_NEWFSTATAT,
  SYS_OPENAT,
  SYS_OPENAT2,
  SYS_RT_TGSIGQUEUEINFO,
  SYS_UNSHARE,
} from "./numbers";
import { setKernelMask } from "./signal-calls";
import { isTracedFromWithin } from "./tracer";
import { refusesInNextProgram } from "./write-execute";

const PATH_MAX: usize = 4096;
const PAGE_SIZE: u64 = 4096;

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
const O_PATH: u64 = 0x200000;
const O_CLOEXEC: u64 = 0x80000;
const AT_SYMLINK_NOFOLLOW: u64 = 0x100;
const RESOLVE_NO_MAGICLINKS: u64 = 2;
/** struct stat: st_mode at 24. */
const STAT_MODE: usize = 24;
const S_IFMT: u32 = 0xf000;
const S_IFLNK: u32 = 0xa000;

/** One execve: what the program asked for. */
@unmanaged
class Request {
  directory: i32;
  /** 1 when the path is a link /proc/PID/exe that leads to the launcher; what it stands for is at PATH_OFFSET. */
  isExe: u32;
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
  if (size + 40 >= PATH_MAX) return 0;
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
  /** 1 when the program's name is its file's: it has no path (execveat with AT_EMPTY_PATH). */
  isNamedByFile: u32;
  /** NEEDS_*: what a descriptor must be opened for. */
  needs: u32;
  /** A descriptor of the ring for the launcher, or NO_DESCRIPTOR. */
  ring: u32;
}

/** The path leads to the file in the new process, too. */
const NEEDS_NOTHING: u32 = 0;
/** The path is relative to a directory's descriptor, or is that descriptor. */
const NEEDS_DIRECTORY: u32 = 1;
/** The path leads through procfs. */
const NEEDS_FILE: u32 = 2;

/** Whether a path's last component is a symbolic link. */
function isLink(directory: i32, path: usize, buffer: usize): bool {
  if (syscall4(SYS_NEWFSTATAT, directory, addressOf(path), addressOf(buffer), AT_SYMLINK_NOFOLLOW) != 0) return false;
  return (load<u32>(buffer, STAT_MODE) & S_IFMT) == S_IFLNK;
}

/** Whether the way to a file goes through a link of procfs. */
function isThroughProc(directory: i32, path: usize, buffer: usize): bool {
  // struct open_how: flags, mode, resolve.
  store<u64>(buffer, O_PATH | O_CLOEXEC);
  store<u64>(buffer, 0, 8);
  store<u64>(buffer, RESOLVE_NO_MAGICLINKS, 16);
  const descriptor = syscall4(SYS_OPENAT2, directory, addressOf(path), addressOf(buffer), 24);
  if (!isError(descriptor)) syscall1(SYS_CLOSE, descriptor);
  return descriptor == -ELOOP;
}

/** Reads the path of an execve; when it is a link /proc/PID/exe of the launcher's, finds what it stands for. */
function resolve(thread: ThreadBlock, request: Request): bool {
  const scratch = execScratchOf(thread);
  const given = scratch + GIVEN_OFFSET;
  request.isExe = 0;
  const size = copyString(given, request.path, PATH_MAX);
  if (size <= 0) return size == 0 && (request.flags & AT_EMPTY_PATH) != 0;
  if (request.flags & AT_SYMLINK_NOFOLLOW && isLink(request.directory, given, frameBufferOf(thread))) return false;
  if (!findProgram(thread, request.directory, given, true)) return true;
  const path = exePath(thread);
  memory.copy(scratch + PATH_OFFSET, path, lengthOf(path) + 1);
  request.isExe = 1;
  return true;
}

/**
 * Decides whether and how the launcher takes a target over.
 * @returns false when the kernel must be asked
 */
function findTarget(thread: ThreadBlock, request: Request, target: Target): bool {
  target.descriptor = NO_DESCRIPTOR;
  target.isNamedByFile = 0;
  target.needs = NEEDS_NOTHING;
  if (!resolve(thread, request)) return false;
  if (!followExec || (request.flags & ~(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW)) != 0 || isTracedFromWithin(thread))
    return false;
  const scratch = execScratchOf(thread);
  const given = scratch + GIVEN_OFFSET;
  const path = scratch + PATH_OFFSET;
  target.path = addressOf(path);
  target.fileName = request.path;
  const isEmpty = load<u8>(given) == 0;
  const isRelative = isEmpty || (request.directory != AT_FDCWD && load<u8>(given) != 47);
  if (request.isExe == 0 && isRelative) {
    if (request.directory < 0) return false;
    if (writeDescriptorPath(path, "/proc/thread-self/fd/", request.directory, given) == 0) return false;
  } else if (request.isExe == 0) memory.copy(path, given, lengthOf(given) + 1);
  if (!canRun(thread)) return false;
  // Flicker under Flicker: it knows what to do.
  if (leadsToLauncher(AT_FDCWD, path, frameBufferOf(thread))) return false;
  if (request.isExe != 0 || !isRelative) {
    if (isThroughProc(AT_FDCWD, path, frameBufferOf(thread))) target.needs = NEEDS_FILE;
    return true;
  }
  const isThrough = !isEmpty && isThroughProc(request.directory, given, frameBufferOf(thread));
  target.needs = isThrough ? NEEDS_FILE : NEEDS_DIRECTORY;
  target.isNamedByFile = isEmpty ? 1 : 0;
  const fileName = scratch + FILE_NAME_OFFSET;
  if (writeDescriptorPath(fileName, "/dev/fd/", request.directory, given) == 0) return false;
  target.fileName = addressOf(fileName);
  // The interpreter opens a script by this name: the kernel refuses when the descriptor will be closed by then.
  if (candidateOf(thread).firstKind != (KIND_SCRIPT as u32)) return true;
  return syscall3(SYS_FCNTL, request.directory, F_GETFD, 0) == 0;
}

/** Opens what the launcher needs to find the target, with a path that says so. */
function openTarget(thread: ThreadBlock, request: Request, target: Target): bool {
  if (target.needs == NEEDS_NOTHING) return true;
  const scratch = execScratchOf(thread);
  const path = scratch + PATH_OFFSET;
  const isFile = target.needs == NEEDS_FILE;
  const descriptor = isFile
    ? syscall4(SYS_OPENAT, AT_FDCWD, addressOf(path), O_PATH, 0)
    : syscall1(SYS_DUP, request.directory);
  if (isError(descriptor)) return false;
  target.descriptor = descriptor as u32;
  store<u8>(scratch + EMPTY_OFFSET, 0);
  const rest = scratch + (isFile ? EMPTY_OFFSET : GIVEN_OFFSET);
  return writeDescriptorPath(path, "/proc/thread-self/fd/", descriptor as u32, rest) != 0;
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
  const pointers = ((count as u64) + 8) << 3;
  // A page that cannot be read in front: an array of the program's that ends nowhere must not go on in this one.
  const size = PAGE_SIZE + pageCeil(pointers + sizeOfFilters(thread) + sizeOfTally());
  const place = syscall(SYS_MMAP, 0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (isError(place)) return place;
  thread.scratch = place as u64;
  thread.scratchSize = size;
  syscall3(SYS_MPROTECT, place, PAGE_SIZE, 0);

  store<u8>(appendText(scratch + NAME_OFFSET, HANDOVER_NAME), 0);
  writeHandover(
    scratch + HANDOVER_OFFSET,
    thread.programMask,
    target.descriptor,
    target.isNamedByFile != 0,
    target.ring,
  );
  store<u8>(scratch + EMPTY_OFFSET, 0);
  const array = (place as u64) + PAGE_SIZE;
  let at = array;
  poke64(at, addressOf(scratch + NAME_OFFSET));
  poke64(at + 8, addressOf(scratch + HANDOVER_OFFSET));
  poke64(at + 16, target.path);
  poke64(at + 24, target.fileName);
  poke64(at + 32, at + pointers);
  const tally = writeFilters(thread, at + pointers);
  poke64(at + 40, tally);
  writeTally(thread, tally);
  at += 48;
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
  return array;
}

function releaseArguments(thread: ThreadBlock): void {
  if (thread.scratchSize != 0) syscall2(SYS_MUNMAP, thread.scratch, thread.scratchSize);
  thread.scratchSize = 0;
}

/** What waits for the program, blocked, while the kernel cannot block it, waits in the kernel: execve keeps it there. */
function surrenderPending(thread: ThreadBlock): void {
  for (let signal: u32 = 1; thread.pending != 0; signal++) {
    if ((thread.pending & signalBit(signal)) == 0) continue;
    thread.pending &= ~signalBit(signal);
    syscall4(SYS_RT_TGSIGQUEUEINFO, thread.pid, thread.tid, signal, addressOf(pendingInfoOf(thread, signal)));
  }
}

/** The call as the program made it, but for a link that the kernel would follow to the launcher. */
function executeNatively(thread: ThreadBlock, frame: GateFrame, request: Request): i64 {
  if (request.isExe == 0)
    return programSyscall(frame.rax, frame.rdi, frame.rsi, frame.rdx, frame.r10, frame.r8, frame.r9);
  const path = addressOf(execScratchOf(thread) + PATH_OFFSET);
  return syscall5(SYS_EXECVEAT, AT_FDCWD, path, request.argv, request.envp, request.flags);
}

/** The kernel runs the target. A mask, signals and what is ignored of the engine's set must be the program's for that. */
function runNatively(thread: ThreadBlock, frame: GateFrame, request: Request, isReported: bool): u32 {
  const buffer = frameBufferOf(thread);
  if (!isReported) {
    const path = execScratchOf(thread) + GIVEN_OFFSET;
    if (copyString(path, request.path, PATH_MAX) < 0) store<u8>(path, 0);
    reportExec(thread, path, false);
  }
  const isPlain = kernelMask(thread.programMask) == thread.programMask && !ignoresEngineSignal(thread);
  // Who departs must come back from a call that fails, and say so.
  if (isPlain && request.isExe == 0 && !reportsEnds()) return passToKernel(frame);
  surrenderIgnored(thread, buffer);
  setKernelMask(thread, thread.programMask);
  surrenderPending(thread);
  const result = executeNatively(thread, frame, request);
  endDeparture(thread);
  reclaimIgnored(thread, buffer);
  setKernelMask(thread, kernelMask(thread.programMask));
  return finish(thread, frame, result);
}

/**
 * Whether a launcher can start, and be told, under the seccomp filters and PR_SET_MDWE that survive the execve. One that a supervisor
 * decides on is the kernel's as it is.
 */
function isAllowed(thread: ThreadBlock, frame: GateFrame): bool {
  if (refusesInNextProgram) return false;
  if (thread.filters == 0) return true;
  return lets(verdictOf(thread, frame)) && sizeOfFilters(thread) <= ARGUMENT_MAX && letsLauncherStart(thread);
}

function closeTarget(target: Target): void {
  if (target.descriptor != NO_DESCRIPTOR) syscall1(SYS_CLOSE, target.descriptor);
}

function follow(thread: ThreadBlock, frame: GateFrame, request: Request): u32 {
  const scratch = execScratchOf(thread);
  const target = changetype<Target>(scratch + TARGET_OFFSET);
  if (!findTarget(thread, request, target) || !isAllowed(thread, frame)) {
    closeTarget(target);
    return runNatively(thread, frame, request, false);
  }
  const buffer = frameBufferOf(thread);
  checkLauncher(thread);
  // The kernel does so too, when it is sure that execve will not fail (begin_new_exec): what is opened for the launcher
  // must not stay open in a process that shares the descriptors.
  if (areDescriptorsShared) syscall1(SYS_UNSHARE, CLONE_FILES);
  let isReported = false;
  target.ring = openRingForExec(thread);
  const argv = openTarget(thread, request, target) ? buildArguments(thread, request, target) : -EMFILE;
  if (!isError(argv)) {
    // What arrives from here on must stay pending for the new program, which gets the mask with the handover.
    setKernelMask(thread, ~(0 as u64));
    if (thread.deferred != 0) {
      releaseArguments(thread);
      closeTarget(target);
      closeRingForExec(target.ring);
      return undo(thread, frame);
    }
    reportExec(thread, scratch + PATH_OFFSET, true);
    isReported = true;
    surrenderIgnored(thread, buffer);
    surrenderPending(thread);
    keepReport(true);
    executeLauncher(argv, request.envp);
    keepReport(false);
    reclaimIgnored(thread, buffer);
    setKernelMask(thread, kernelMask(thread.programMask));
  }
  releaseArguments(thread);
  closeTarget(target);
  closeRingForExec(target.ring);
  // Whatever keeps the launcher from running (no /proc, no room for its arguments) is not the program's affair.
  return runNatively(thread, frame, request, isReported);
}

const X_OK: u64 = 1;
const AT_EACCESS: u64 = 0x200;

/** An execve is about to be made, and will most likely not fail: programs try one folder after the other. */
function announce(thread: ThreadBlock, directory: u64, path: Address, flags: u64): void {
  if (!isEventHooked(EVENT_END) || thread.borrowed) return;
  // A filter may end the process for the question.
  if (thread.filters == 0 && programSyscall(SYS_FACCESSAT2, directory, path, X_OK, AT_EACCESS | flags, 0, 0) != 0)
    return;
  atEnd(thread, 0, true);
}

/** Room for a request beside the scratch's other parts. */
function requestOf(thread: ThreadBlock): Request {
  return changetype<Request>(execScratchOf(thread) + REQUEST_OFFSET);
}

/** execve(path, argv, envp) */
export function execve(thread: ThreadBlock, frame: GateFrame): u32 {
  announce(thread, AT_FDCWD, frame.rdi, 0);
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
  announce(thread, frame.rdi, frame.rsi, frame.r8);
  const request = requestOf(thread);
  request.directory = frame.rdi as i32;
  request.path = frame.rsi;
  request.argv = frame.rdx;
  request.envp = frame.r10;
  request.flags = frame.r8;
  return follow(thread, frame, request);
}
