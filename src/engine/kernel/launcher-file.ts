// Where a followed execve finds the launcher.
//
// /proc/self/exe leads there whatever the launcher's path has become, as long as there is a /proc. A new root directory may
// have none. So before a program goes there the launcher's file is opened and stays open: out of the way of the program's
// descriptors, closed by execve, and handed over to the launcher of the next program. A program may close it, or share
// the memory but not the descriptors of the one that opened it: it is used only while it is the launcher's file.

import { NO_DESCRIPTOR, followExec, launcherDescriptor, setLauncherDescriptor } from "../options";
import { GateFrame, ThreadBlock } from "../thread/block";
import { appendText } from "../text";
import { passToKernel } from "./call";
import { addressOf, isError, syscall1, syscall2, syscall3, syscall4, syscall5 } from "./calls";
import { SYS_CLOSE, SYS_EXECVE, SYS_EXECVEAT, SYS_FCNTL, SYS_FSTAT, SYS_OPENAT } from "./numbers";

const AT_FDCWD: u64 = -100;
const AT_EMPTY_PATH: u64 = 0x1000;
/** O_PATH | O_CLOEXEC: enough for execveat, and nothing that reads or writes gets far with it. */
const OPEN_FLAGS: u64 = 0x280000;
const F_SETFD: u64 = 2;
const F_DUPFD_CLOEXEC: u64 = 1030;
const FD_CLOEXEC: u64 = 1;
/** Out of the way of programs that count on low numbers. */
const DESCRIPTOR_MIN: u64 = 900;

const path = memory.data(16, 8);
const empty = memory.data(8, 8);

/** struct stat: st_dev at 0, st_ino at 8. */
const stat = memory.data(144, 8);
let device: u64 = 0;
let inode: u64 = 0;

function launcherPath(): u64 {
  store<u8>(appendText(path, "/proc/self/exe"), 0);
  return addressOf(path);
}

function isHeld(): bool {
  if (launcherDescriptor == NO_DESCRIPTOR) return false;
  if (syscall2(SYS_FSTAT, launcherDescriptor, addressOf(stat)) != 0) return false;
  return load<u64>(stat) == device && load<u64>(stat, 8) == inode;
}

/** Takes over the descriptor that a handover brought. */
export function adoptLauncher(): void {
  if (launcherDescriptor == NO_DESCRIPTOR) return;
  syscall3(SYS_FCNTL, launcherDescriptor, F_SETFD, FD_CLOEXEC);
  if (syscall2(SYS_FSTAT, launcherDescriptor, addressOf(stat)) != 0) return;
  device = load<u64>(stat);
  inode = load<u64>(stat, 8);
}

/** Opens the launcher's file, before /proc/self/exe may be lost. Without it execve is the kernel's from there on. */
export function holdLauncher(): void {
  if (!followExec || isHeld()) return;
  const opened = syscall4(SYS_OPENAT, AT_FDCWD, launcherPath(), OPEN_FLAGS, 0);
  if (isError(opened)) return;
  const held = syscall3(SYS_FCNTL, opened, F_DUPFD_CLOEXEC, DESCRIPTOR_MIN);
  syscall1(SYS_CLOSE, opened);
  if (isError(held)) return;
  setLauncherDescriptor(held as u32);
  adoptLauncher();
}

/** Makes sure that a handover names a descriptor only if it is the launcher's. */
export function checkLauncher(): void {
  if (!isHeld()) setLauncherDescriptor(NO_DESCRIPTOR);
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
export function leaveRoot(_thread: ThreadBlock, frame: GateFrame): u32 {
  holdLauncher();
  return passToKernel(frame);
}
