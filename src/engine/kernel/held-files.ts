// Files that the engine may need when no path leads to them any more: the launcher's, for a followed execve, and the
// program's own, for /proc/self/exe.
//
// /proc/thread-self/exe leads to the launcher whatever its path has become, as long as there is a /proc (/proc/self/exe does not
// once the first thread has ended). A new root directory may
// have none; there, and where new credentials close the way, the program's path leads nowhere. So before a program goes
// there the files are opened and stay open: out of the way of the program's descriptors and closed by execve. The
// launcher's is handed over to the launcher of the next program; a program without a path from the start (a memory file)
// is held at once. A program may close them, or share the memory but not the descriptors of the one that opened them: a
// descriptor is used only while it is the file's.

import { NO_DESCRIPTOR, followExec, launcherDescriptor, setLauncherDescriptor } from "../options";
import { isProgram, isProgramReachable, programPath } from "../load/identity";
import { holdRing } from "../ring/ring";
import { GateFrame, ThreadBlock } from "../thread/block";
import { lockEngine, unlockEngine } from "../thread/lock";
import { appendDecimal, appendText } from "../text";
import { programSyscall } from "../process";
import { finish, passToKernel } from "./call";
import { addressOf, isError, syscall1, syscall2, syscall3, syscall4, syscall5 } from "./calls";
import { SYS_CLOSE, SYS_EXECVE, SYS_EXECVEAT, SYS_FCNTL, SYS_FSTAT, SYS_OPENAT, SYS_STAT } from "./numbers";

const AT_FDCWD: u64 = -100;
const AT_EMPTY_PATH: u64 = 0x1000;
/** O_PATH | O_CLOEXEC: enough for execveat, and nothing that reads or writes gets far with it. */
const OPEN_FLAGS: u64 = 0x280000;
const F_SETFD: u64 = 2;
const F_DUPFD_CLOEXEC: u64 = 1030;
const FD_CLOEXEC: u64 = 1;
/** Out of the way of programs that count on low numbers. */
const DESCRIPTOR_MIN: u64 = 900;

const path = memory.data(40, 8);
const empty = memory.data(8, 8);

/** struct stat: st_dev at 0, st_ino at 8. */
const stat = memory.data(144, 8);
let launcherDevice: u64 = 0;
let launcherInode: u64 = 0;
let programDescriptor: u32 = NO_DESCRIPTOR;

function launcherPath(): u64 {
  store<u8>(appendText(path, "/proc/thread-self/exe"), 0);
  return addressOf(path);
}

/** Whether a struct stat is of the launcher's file. */
export function isLauncher(file: usize): bool {
  return load<u64>(file) == launcherDevice && load<u64>(file, 8) == launcherInode;
}

/** Whether an open file is the launcher's. */
export function isLauncherOpen(descriptor: i32): bool {
  return syscall2(SYS_FSTAT, descriptor, addressOf(stat)) == 0 && isLauncher(stat);
}

function isLauncherHeld(): bool {
  if (launcherDescriptor == NO_DESCRIPTOR) return false;
  return isLauncherOpen(launcherDescriptor);
}

/** At the start: learns which file the launcher is, and takes over the descriptor that a handover brought. */
export function adoptLauncher(): void {
  if (launcherDescriptor != NO_DESCRIPTOR) syscall3(SYS_FCNTL, launcherDescriptor, F_SETFD, FD_CLOEXEC);
  if (syscall2(SYS_STAT, launcherPath(), addressOf(stat)) != 0) {
    if (launcherDescriptor == NO_DESCRIPTOR) return;
    if (syscall2(SYS_FSTAT, launcherDescriptor, addressOf(stat)) != 0) return;
  }
  launcherDevice = load<u64>(stat);
  launcherInode = load<u64>(stat, 8);
}

/** Opens a file to be held; gives its descriptor or -errno. */
function hold(file: u64): i64 {
  const opened = syscall4(SYS_OPENAT, AT_FDCWD, file, OPEN_FLAGS, 0);
  if (isError(opened)) return opened;
  const held = syscall3(SYS_FCNTL, opened, F_DUPFD_CLOEXEC, DESCRIPTOR_MIN);
  syscall1(SYS_CLOSE, opened);
  return held;
}

/** Without the launcher execve is the kernel's from there on. */
function holdLauncher(): void {
  if (!followExec || isLauncherHeld()) return;
  const held = hold(launcherPath());
  if (!isError(held)) setLauncherDescriptor(held as u32);
}

/** The descriptor of the program's file, or NO_DESCRIPTOR. `buffer` is for a struct stat. */
export function heldProgram(buffer: usize): u32 {
  if (programDescriptor == NO_DESCRIPTOR) return NO_DESCRIPTOR;
  if (syscall2(SYS_FSTAT, programDescriptor, addressOf(buffer)) != 0) return NO_DESCRIPTOR;
  return isProgram(buffer) ? programDescriptor : NO_DESCRIPTOR;
}

/** Opens the program's file by its path, which leads there still. */
function holdProgram(): bool {
  if (heldProgram(stat) != NO_DESCRIPTOR || !isProgramReachable()) return false;
  const held = hold(addressOf(programPath));
  if (isError(held)) return false;
  programDescriptor = held as u32;
  return true;
}

function releaseProgram(): void {
  syscall1(SYS_CLOSE, programDescriptor);
  programDescriptor = NO_DESCRIPTOR;
}

/** At the start: keeps a program that no path leads to. `descriptor` is open on it. */
export function holdUnreachable(descriptor: i32): void {
  if (isProgramReachable()) return;
  store<u8>(appendDecimal(appendText(path, "/proc/thread-self/fd/"), descriptor as u64), 0);
  const held = hold(addressOf(path));
  if (!isError(held)) programDescriptor = held as u32;
}

/** Makes sure that a handover names a descriptor only if it is the launcher's. */
export function checkLauncher(thread: ThreadBlock): void {
  lockEngine(thread);
  if (!isLauncherHeld()) setLauncherDescriptor(NO_DESCRIPTOR);
  unlockEngine();
}

/** execve of the launcher; comes back with -errno. */
export function executeLauncher(argv: u64, envp: u64): i64 {
  if (launcherDescriptor == NO_DESCRIPTOR) return syscall3(SYS_EXECVE, launcherPath(), argv, envp);
  syscall3(SYS_FCNTL, launcherDescriptor, F_SETFD, 0);
  const failed = syscall5(SYS_EXECVEAT, launcherDescriptor, addressOf(empty), argv, envp, AT_EMPTY_PATH);
  syscall3(SYS_FCNTL, launcherDescriptor, F_SETFD, FD_CLOEXEC);
  return failed;
}

/** chroot(path), pivot_root(new, old), setns(descriptor, type) */
export function leaveRoot(thread: ThreadBlock, frame: GateFrame): u32 {
  lockEngine(thread);
  holdLauncher();
  holdProgram();
  holdRing();
  unlockEngine();
  return passToKernel(frame);
}

/** setuid, setgid and kin, capset: the program's file is held if the new credentials have no way to it. */
export function changeCredentials(thread: ThreadBlock, frame: GateFrame): u32 {
  lockEngine(thread);
  const isNew = holdProgram();
  holdRing();
  const result = programSyscall(frame.rax, frame.rdi, frame.rsi, frame.rdx, frame.r10, frame.r8, frame.r9);
  if (isNew && isProgramReachable()) releaseProgram();
  unlockEngine();
  return finish(thread, frame, result);
}
