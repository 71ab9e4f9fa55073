// Flags of clone and clone3 that the engine looks at: include/uapi/linux/sched.h.

export const CLONE_VM: u64 = 0x00000100;
export const CLONE_FILES: u64 = 0x00000400;
export const CLONE_SIGHAND: u64 = 0x00000800;
export const CLONE_VFORK: u64 = 0x00004000;
export const CLONE_THREAD: u64 = 0x00010000;
export const CLONE_CLEAR_SIGHAND: u64 = 0x100000000;

/** Whether a clone with these flags makes a process that its creator waits for, until it executes or ends. */
export function isVfork(flags: u64): bool {
  return (flags & (CLONE_VFORK | CLONE_THREAD)) == CLONE_VFORK;
}
