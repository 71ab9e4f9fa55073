// The way of a run, up to the program's first instruction: docs/architecture.md.

import { SIG_DFL, adoptActions, installPlain, newActions, surrenderIgnored } from "../thread/actions";
import { firstBlock, armAlternateStack } from "../thread/areas";
import { resetAlternateStack } from "../thread/alternate-stack";
import { ThreadBlock, assertLayouts } from "../thread/block";
import { frameBufferOf } from "../thread/deferred";
import { beginGs, setProgramOwnsGs, settleGs } from "../thread/gs-base";
import { nameFirst } from "../thread/presence";
import { SIGSEGV, UNBLOCKABLE, kernelMask } from "../thread/signal-frame";
import { addressOf, isError, syscall0, syscall1, syscall2, syscall3, syscall4, syscall5 } from "../kernel/calls";
import {
  EACCES,
  EIO,
  ELIBBAD,
  ELOOP,
  EMFILE,
  ENAMETOOLONG,
  ENFILE,
  ENOENT,
  ENOEXEC,
  ENOMEM,
  ENOTDIR,
  ETXTBSY,
} from "../kernel/errno";
import {
  SYS_CLOSE,
  SYS_EXECVE,
  SYS_FACCESSAT2,
  SYS_GETTID,
  SYS_MPROTECT,
  SYS_PRCTL,
  SYS_TGKILL,
} from "../kernel/numbers";
import { createDispatchTable } from "../kernel/dispatch-table";
import { adoptLauncher, holdUnreachable, isLauncherOpen } from "../kernel/held-files";
import { kernelMaskNow, setKernelMask } from "../kernel/signal-calls";
import { armDispatch } from "../kernel/user-dispatch";
import {
  exhaustive,
  handoverDescriptor,
  handoverMask,
  handoverSite,
  isNamedByFile,
  noFsgsbase,
  yieldsGs,
} from "../options";
import { adoptFilters } from "../seccomp/handover";
import { createSite } from "../seccomp/site";
import { avoid } from "../patch/territory";
import { beginDescribing } from "../debug/describe";
import { patchVdso } from "../patch/executable";
import { launcherEnd, launcherStart } from "../gates";
import { showExecve } from "../hook/call";
import { atStart } from "../hook/events";
import { adoptHooks } from "../hook/table";
import { adoptTally } from "../hook/tally";
import { adoptMatchers } from "../match";
import { claimMemory } from "../own-memory";
import { attachRing } from "../ring/ring";
import { Address, peek64, peek8, poke64 } from "../process";
import { openReport, reportStart } from "../stats/report";
import { appendBytes, appendText, copyString, equalsText, lengthOf } from "../text";
import {
  AT_BASE,
  AT_ENTRY,
  AT_EXECFN,
  AT_HWCAP2,
  AT_PHDR,
  AT_PHENT,
  AT_PHNUM,
  AT_SYSINFO_EHDR,
  HWCAP2_FSGSBASE,
  auxiliaryValue,
  setAuxiliaryValue,
} from "./auxiliary";
import {
  CommandLine,
  STATUS_FAILED,
  STATUS_NOT_EXECUTABLE,
  STATUS_NOT_FOUND,
  fail,
  readCommandLine,
} from "./command-line";
import {
  ELFCLASS32,
  ELF_MAGIC,
  EM_X86_64,
  ET_DYN,
  FileHeader,
  PROGRAM_HEADER_SIZE,
  hasProgramType,
  pageCeil,
  pageFloor,
} from "./elf";
import { identify, identifyMapping, isProgramReachable, programPath } from "./identity";
import {
  headerRefusal,
  interpreterBase,
  loadImages,
  programImage,
  refusedInterpreter,
  startAddress,
  wantsExecutableStack,
} from "./images";
import { Image, PIE_BASE, PROT_EXEC, PROT_READ, PROT_WRITE, refusal } from "./map";
import { answerProbe } from "./probe";
import {
  AT_EACCESS,
  AT_FDCWD,
  Candidate,
  KIND_ELF,
  KIND_PRIVILEGED,
  KIND_SCRIPT,
  SCRIPT_DEPTH_MAX,
  ScriptLine,
  R_OK,
  X_OK,
  checkProgram,
  isExecveCheckKnown,
  openCandidate,
  openScriptInterpreter,
  parseScriptLine,
} from "./program";
import { randomBits } from "./randomness";
import { InitialStack, ProgramStack, environmentValue, readInitialStack, rewriteStack } from "./stack";

const PATH_MAX: usize = 4096;
/** The least room that the kernel leaves for the stack to grow: MIN_GAP of arch/x86/mm/mmap.c. */
const STACK_ROOM: u64 = 0x8000000;

const stackMemory = memory.data(40, 8);
const lineMemory = memory.data(40, 8);
const programStackMemory = memory.data(56, 8);
const candidateMemory = memory.data(32, 8);
const candidateHead = memory.data(400, 8);
const candidateHeaders = memory.data(896, 8);
const interpreterPath = memory.data(4096, 8);
const scriptLine = memory.data(8, 8);
const shown = memory.data(4352, 8);
/** `PROGRAM: interpreter PATH`, for errors. */
const subject = memory.data(8704, 8);
const searched = memory.data(8704, 8);
/** The path that was found along PATH: AT_EXECFN points here. */
const foundPath = memory.data(8704, 8);

/** Strings that `#!` lines put in front, innermost first: each level adds at most two and a path. */
const INSERTED_MAX: u32 = 24;
const inserted = memory.data(96, 8);
let insertedCount: u32 = 0;
const insertedStrings = memory.data(32768, 8);
let insertedEnd: usize = 0;

/** The program's name as `comm` has it: the last component of the path that was run. */
const programName = memory.data(4352, 8);

function reasonOf(error: i64): string {
  if (error == -ENOENT) return "No such file or directory";
  if (error == -EACCES) return "Permission denied";
  if (error == -ENOEXEC) return "Exec format error";
  if (error == -ENOTDIR) return "Not a directory";
  if (error == -ELOOP) return "Too many levels of symbolic links";
  if (error == -ETXTBSY) return "Text file busy";
  if (error == -ENOMEM) return "Cannot allocate memory";
  if (error == -ELIBBAD) return "Accessing a corrupted shared library";
  if (error == -EIO) return "Input/output error";
  if (error == -ENAMETOOLONG) return "File name too long";
  return "cannot be loaded";
}

/** Ends the process as a shell would when execve fails: 127 for what is not there, 126 for what cannot be run. */
function failWith(what: usize, error: i64): void {
  // The kernel would not have needed a descriptor.
  if (error == -EMFILE || error == -ENFILE) fail(what, "no descriptor is free to open it (ulimit -n)", STATUS_FAILED);
  fail(what, reasonOf(error), error == -ENOENT ? STATUS_NOT_FOUND : STATUS_NOT_EXECUTABLE);
}

/** An error about the file that could not be opened: `shown`. */
function failToOpen(error: i64): void {
  if (
    error == -EACCES &&
    syscall4(SYS_FACCESSAT2, AT_FDCWD, addressOf(searched), R_OK, AT_EACCESS) == -EACCES &&
    syscall4(SYS_FACCESSAT2, AT_FDCWD, addressOf(searched), X_OK, AT_EACCESS) == 0
  )
    fail(shown, "it may be executed but not read, and flicker must read it", STATUS_NOT_EXECUTABLE);
  failWith(shown, error);
}

/** The program and its interpreter, as the subject of an error. */
function interpreterSubject(path: usize): usize {
  let at = appendBytes(subject, shown);
  at = appendText(at, ": interpreter ");
  store<u8>(appendBytes(at, path), 0);
  return subject;
}

/** Why a file that is neither a script nor a program of the launcher's kind cannot be run. */
function failForeign(what: usize, kind: i64, head: usize): void {
  const header = changetype<FileHeader>(head);
  let reason = "neither an ELF file nor a script (Exec format error)";
  if (kind == KIND_PRIVILEGED) reason = "set-user-ID or with file capabilities: run it without flicker";
  else if (header.magic == ELF_MAGIC) {
    if (header.machine != EM_X86_64 && header.class == ELFCLASS32)
      reason = "a 32-bit program: flicker runs 64-bit x86 programs";
    else if (header.machine != EM_X86_64) reason = "a program for another processor: flicker runs 64-bit x86 programs";
    else if (!hasProgramType(header)) reason = "an ELF file that is no program, but an object file or a core";
    else reason = "its ELF header is damaged (Exec format error)";
  }
  fail(what, reason, STATUS_NOT_EXECUTABLE);
}

/**
 * The kernel would have no program to go back to: it ends the process by SIGSEGV, and so does the launcher where a
 * program wanted the execve. To a person it says what is wrong.
 */
function failToLoad(thread: ThreadBlock, line: CommandLine): void {
  if (line.handedOver) {
    installPlain(SIGSEGV, SIG_DFL, frameBufferOf(thread));
    setKernelMask(thread, 0);
    syscall3(SYS_TGKILL, thread.pid, thread.tid, SIGSEGV);
  }
  const what = refusedInterpreter ? interpreterSubject(interpreterPath) : shown;
  fail(what, headerRefusal.length != 0 ? headerRefusal : refusal, STATUS_NOT_EXECUTABLE);
}

function keepInserted(from: usize): usize {
  const at = insertedEnd;
  const end = appendBytes(at, from);
  assert(end + 1 < insertedStrings + 32768, "the interpreters' lines are longer than the kernel allows");
  store<u8>(end, 0);
  insertedEnd = end + 1;
  return at;
}

/** Puts a string in front of the program's arguments. */
function insertFront(pointer: usize): void {
  assert(insertedCount < INSERTED_MAX, "more interpreters than the kernel allows");
  memory.copy(inserted + 4, inserted, (insertedCount as usize) << 2);
  store<u32>(inserted, pointer as u32);
  insertedCount += 1;
}

/** Opens the program as execvp would find it: along PATH unless its name has a slash. Gives KIND_* or -errno. */
function openAlongPath(stack: InitialStack, line: CommandLine, candidate: Candidate): i64 {
  const size = copyString(shown, line.path, PATH_MAX);
  if (size < 0) fail(0, "the program's path: File name too long", STATUS_NOT_EXECUTABLE);
  if (size == 0) return -ENOENT;
  memory.copy(searched, shown, (size as usize) + 1);
  // The path of an execve is taken as it is.
  if (line.handedOver) return openCandidate(candidate, AT_FDCWD, addressOf(searched));
  for (let i: isize = 0; i < size; i++) {
    if (load<u8>(shown + (i as usize)) == 47) return openCandidate(candidate, AT_FDCWD, addressOf(searched));
  }
  let path = environmentValue(stack, "PATH");
  let best: i64 = -ENOENT;
  if (path == 0) {
    store<u8>(appendText(foundPath, "/bin:/usr/bin"), 0);
    path = addressOf(foundPath);
  }
  while (true) {
    let at = searched;
    while (peek8(path) != 0 && peek8(path) != 58 && at < searched + PATH_MAX) store<u8>(at++, peek8(path++) as u8);
    if (at != searched) store<u8>(at++, 47);
    memory.copy(at, shown, (size as usize) + 1);
    const kind = openCandidate(candidate, AT_FDCWD, addressOf(searched));
    if (!isError(kind)) {
      memory.copy(foundPath, searched, lengthOf(searched) + 1);
      line.fileName = addressOf(foundPath);
      return kind;
    }
    // As execvp: what was found and cannot be run is the better reason, and what has nothing to do with the path.
    if (kind != -ENOENT && kind != -ENOTDIR) best = kind;
    if (peek8(path) == 0) return best;
    path++;
  }
}

/** From the path on the command line to an open ELF file, through `#!` lines. */
function openProgram(stack: InitialStack, line: CommandLine, candidate: Candidate): void {
  let kind = openAlongPath(stack, line, candidate);
  if (isError(kind)) failToOpen(kind);
  if (copyString(searched, line.fileName, PATH_MAX) < 0) failWith(shown, -ENAMETOOLONG);
  let component = searched;
  for (let at = searched; load<u8>(at) != 0; at++) if (load<u8>(at) == 47) component = at + 1;
  store<u8>(appendBytes(programName, component), 0);

  const script = changetype<ScriptLine>(scriptLine);
  let what = shown;
  for (let depth: u32 = 0; kind != KIND_ELF; depth++) {
    if (kind != KIND_SCRIPT) failForeign(what, kind, candidate.head);
    if (isError(parseScriptLine(candidate, script)))
      fail(what, "its #! line names no interpreter", STATUS_NOT_EXECUTABLE);
    syscall1(SYS_CLOSE, candidate.descriptor);
    // The script's argv[0] gives way to its path; its interpreter and the line's argument come in front.
    if (depth == 0) {
      line.dropped += line.handedOver && line.dropped >= stack.argumentCount ? 0 : 1;
      insertFront(keepInserted(searched));
    }
    if (script.argument != 0) insertFront(keepInserted(script.argument));
    const interpreter = keepInserted(script.interpreter);
    insertFront(interpreter);
    what = interpreterSubject(interpreter);
    kind = openScriptInterpreter(candidate, interpreter);
    if (isError(kind)) failWith(what, kind);
    if (depth == SCRIPT_DEPTH_MAX)
      fail(what, "more scripts as interpreters than the kernel follows", STATUS_NOT_EXECUTABLE);
  }
  const checked = checkProgram(candidate);
  if (!isError(checked)) return;
  if (candidate.blamesInterpreter) failWith(interpreterSubject(interpreterPath), checked);
  fail(what, "its program headers are damaged (Exec format error)", STATUS_NOT_EXECUTABLE);
}

/**
 * execveat of a descriptor: since Linux 6.14, which also came to know AT_EXECVE_CHECK, the name is that of the file's last
 * link, not the descriptor's number (begin_new_exec of fs/exec.c).
 */
function nameByFile(): void {
  let name = programPath;
  for (let at = programPath; load<u8>(at) != 0; at++) if (load<u8>(at) == 47) name = at + 1;
  const end = appendBytes(programName, name);
  store<u8>(end, 0);
  const mark = end - 10;
  if (mark >= programName && equalsText(mark, " (deleted)") && !isProgramReachable()) store<u8>(mark, 0);
}

/** struct prctl_mm_map of include/uapi/linux/prctl.h. */
@unmanaged
class MemoryMap {
  startCode: u64;
  endCode: u64;
  startData: u64;
  endData: u64;
  startBrk: u64;
  brk: u64;
  startStack: u64;
  argumentsStart: u64;
  argumentsEnd: u64;
  environmentStart: u64;
  environmentEnd: u64;
  auxiliary: u64;
  auxiliarySize: u32;
  descriptor: i32;
}
const memoryMap = memory.data(104, 8);
const PR_SET_NAME: u64 = 15;
const PR_SET_MM: u64 = 35;
const PR_SET_MM_MAP: u64 = 14;
/** arch_randomize_brk: at most 32 MiB behind bss. */
const BRK_RANDOM_MASK: u64 = 0x1fff;

/** Tells the kernel what it would know had it loaded the program: brk, arguments, environment, auxv, the name. */
function describeProcess(image: Image, stack: ProgramStack): void {
  const map = changetype<MemoryMap>(memoryMap);
  map.startCode = image.startCode;
  map.endCode = image.endCode;
  map.startData = image.startData;
  map.endData = image.endData;
  // The kernel takes no empty range here, but a program may well have no code of its own.
  if (map.startCode >= map.endCode) {
    map.startCode = image.low;
    map.endCode = image.low + 1;
  }
  // Without an interpreter a position-independent program lies among the mappings, and brk where programs usually are.
  const isStaticPie = changetype<FileHeader>(image.header).type == ET_DYN && interpreterBase == 0;
  map.startBrk = (isStaticPie ? PIE_BASE : pageCeil(image.end)) + (randomBits(BRK_RANDOM_MASK) << 12);
  map.brk = map.startBrk;
  map.startStack = stack.rsp;
  map.argumentsStart = stack.argumentsStart;
  map.argumentsEnd = stack.argumentsEnd;
  map.environmentStart = stack.environmentStart;
  map.environmentEnd = stack.environmentEnd;
  map.auxiliary = stack.auxiliary;
  map.auxiliarySize = stack.auxiliarySize as u32;
  map.descriptor = -1;
  // Without CONFIG_CHECKPOINT_RESTORE the kernel refuses; then brk grows behind the launcher and `ps` shows its words.
  syscall5(SYS_PRCTL, PR_SET_MM, PR_SET_MM_MAP, addressOf(memoryMap), 104, 0);
  syscall2(SYS_PRCTL, PR_SET_NAME, addressOf(programName));
}

const PROT_GROWSDOWN: u64 = 0x01000000;

/** setup_arg_pages of fs/exec.c: the whole stack, what it grows by included. */
function makeStackExecutable(stack: ProgramStack): void {
  const start = pageFloor(stack.rsp);
  const end = pageCeil(stack.environmentEnd);
  syscall3(SYS_MPROTECT, start, end - start, PROT_READ | PROT_WRITE | PROT_EXEC | PROT_GROWSDOWN);
}

/**
 * Entry from the launcher's `_start`: memory for the first thread.
 * @returns process address of its block, where the gate has its engine stack
 */
export function prepare(rsp: Address): u64 {
  assertLayouts();
  const stack = changetype<InitialStack>(stackMemory);
  adoptHooks();
  adoptMatchers();
  readInitialStack(stack, rsp);
  answerProbe(stack);
  claimMemory(launcherStart(), launcherEnd());
  const pointer = firstBlock();
  if (pointer == 0) fail(0, "no memory for the engine", STATUS_FAILED);
  return addressOf(pointer);
}

/** The engine's hold on the first thread and its signals. */
function adoptThread(thread: ThreadBlock, line: CommandLine): void {
  thread.tid = syscall0(SYS_GETTID) as u32;
  thread.pid = thread.tid;
  nameFirst(thread);
  thread.actions = newActions() as u32;
  adoptTally(thread, line.tally);
  const mask = kernelMaskNow(thread);
  thread.programMask = (line.handedOver ? handoverMask : mask) & ~UNBLOCKABLE;
  resetAlternateStack(thread);
  armAlternateStack(thread);
  adoptActions(thread, frameBufferOf(thread));
  // A handover comes with all signals blocked, and a fault of a copy (a segment behind the end of its file) must arrive.
  setKernelMask(thread, kernelMask(mask));
}

/** `flicker flicker PROG`: the second one runs the program. */
function becomeLauncher(thread: ThreadBlock, stack: InitialStack, line: CommandLine): void {
  surrenderIgnored(thread, frameBufferOf(thread));
  setKernelMask(thread, thread.programMask);
  const failed = syscall3(SYS_EXECVE, addressOf(searched), stack.arguments + (line.dropped << 3), stack.environment);
  failWith(shown, failed);
}

/** What survives execve of the program's seccomp filters, and the call site that they let the engine through at. */
function adoptSeccomp(thread: ThreadBlock, line: CommandLine): void {
  if (line.filters == 0 || handoverSite == 0) return;
  if (!createSite(handoverSite) || !adoptFilters(thread, line.filters))
    fail(0, "no memory for the engine", STATUS_FAILED);
}

/** What `_start` calls on the engine stack. The gate then enters the program. */
export function start(thread: ThreadBlock): void {
  const stack = changetype<InitialStack>(stackMemory);
  const line = changetype<CommandLine>(lineMemory);
  readCommandLine(stack, line);
  adoptSeccomp(thread, line);
  beginGs(thread, !noFsgsbase && (auxiliaryValue(stack.auxiliary, AT_HWCAP2) & HWCAP2_FSGSBASE) != 0);
  adoptThread(thread, line);
  if (!attachRing(thread, line.handedOver != 0)) fail(0, "the ring of --ring cannot be used", STATUS_FAILED);
  createDispatchTable();
  if (yieldsGs) setProgramOwnsGs();
  // What execve brings may run under a filter that forbids the request: the program goes on without (I7).
  if (exhaustive && !armDispatch(thread) && !line.handedOver)
    fail(0, "--exhaustive needs Syscall User Dispatch, which this kernel does not have (Linux 5.11)", STATUS_FAILED);
  beginDescribing(line.handedOver != 0);
  avoid(stack.arguments - STACK_ROOM, stack.auxiliaryEnd);

  insertedEnd = insertedStrings;
  const candidate = changetype<Candidate>(candidateMemory);
  candidate.head = candidateHead;
  candidate.headers = candidateHeaders;
  candidate.path = interpreterPath;
  openProgram(stack, line, candidate);
  identify(candidate.descriptor, searched);
  if (isNamedByFile && isExecveCheckKnown) nameByFile();
  openReport(line.handedOver != 0);
  adoptLauncher();
  if (insertedCount == 0 && !line.handedOver && isLauncherOpen(candidate.descriptor))
    becomeLauncher(thread, stack, line);
  if (line.handedOver && handoverDescriptor != 0xffffffff) syscall1(SYS_CLOSE, handoverDescriptor);

  const loaded = loadImages(candidate);
  if (isError(loaded)) failToLoad(thread, line);
  const image = programImage();
  identifyMapping(image.low);
  holdUnreachable(candidate.descriptor);
  syscall1(SYS_CLOSE, candidate.descriptor);

  const vdso = auxiliaryValue(stack.auxiliary, AT_SYSINFO_EHDR);
  if (vdso != 0) patchVdso(vdso);

  setAuxiliaryValue(stack.auxiliary, AT_PHDR, image.headersAddress);
  setAuxiliaryValue(stack.auxiliary, AT_PHENT, PROGRAM_HEADER_SIZE);
  setAuxiliaryValue(stack.auxiliary, AT_PHNUM, image.headerCount);
  setAuxiliaryValue(stack.auxiliary, AT_BASE, interpreterBase);
  setAuxiliaryValue(stack.auxiliary, AT_ENTRY, image.entry);
  const programStack = changetype<ProgramStack>(programStackMemory);
  const result = rewriteStack(stack, line.dropped, inserted, insertedCount, line.fileName, programStack);
  if (isError(result)) fail(0, "no memory to set up the program's stack", STATUS_FAILED);
  describeProcess(image, programStack);
  if (wantsExecutableStack()) makeStackExecutable(programStack);

  reportStart(thread);
  const argv = programStack.rsp + 8;
  const envp = argv + ((peek64(programStack.rsp) + 1) << 3);
  showExecve(thread, auxiliaryValue(programStack.auxiliary, AT_EXECFN), argv, envp, line.handedOver != 0);
  atStart(thread);
  thread.savedRcx = programStack.rsp;
  poke64(programStack.rsp - 8, startAddress);
  settleGs(thread);
  setKernelMask(thread, kernelMask(thread.programMask));
}
