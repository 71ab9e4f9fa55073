// The kernel's signal frame on AMD64: arch/x86/include/asm/sigframe.h, include/uapi/asm/{ucontext,sigcontext,siginfo}.h.
//
//   struct rt_sigframe        offset
//     char *pretcode            0     rsp points here when the handler starts
//     struct ucontext uc        8
//     struct siginfo info     312
//   then, 64-byte aligned and found through uc.uc_mcontext.fpstate, the xstate in XSAVE's standard format; bytes
//   464..511 of its legacy region are `sw_reserved`: magic1, extended_size, xfeatures, xstate_size.

/** struct ucontext, with struct sigcontext in the middle. */
@unmanaged
export class Context {
  uc_flags: u64;
  uc_link: u64;
  ss_sp: u64;
  ss_flags: u32;
  ss_padding: u32;
  ss_size: u64;
  r8: u64;
  r9: u64;
  r10: u64;
  r11: u64;
  r12: u64;
  r13: u64;
  r14: u64;
  r15: u64;
  rdi: u64;
  rsi: u64;
  rbp: u64;
  rbx: u64;
  rdx: u64;
  rax: u64;
  rcx: u64;
  rsp: u64;
  rip: u64;
  flags: u64;
  cs: u16;
  gs: u16;
  fs: u16;
  ss: u16;
  err: u64;
  trapno: u64;
  oldmask: u64;
  cr2: u64;
  /** Process address of the xstate, or 0. */
  fpstate: u64;
  reserved0: u64;
  reserved1: u64;
  reserved2: u64;
  reserved3: u64;
  reserved4: u64;
  reserved5: u64;
  reserved6: u64;
  reserved7: u64;
  sigmask: u64;
}

export const CONTEXT_SIZE: usize = 304;
export const SIGINFO_SIZE: usize = 128;
export const FRAME_CONTEXT_OFFSET: usize = 8;
export const FRAME_SIGINFO_OFFSET: usize = 312;
/** pretcode, ucontext, siginfo. */
export const SIGNAL_FRAME_SIZE: usize = 440;

export const FPSTATE_ALIGNMENT: u64 = 64;
/** Size of the legacy region, FXSAVE's image. */
export const FPSTATE_LEGACY_SIZE: u32 = 512;
export const FPSTATE_MXCSR: usize = 24;
export const FPSTATE_MAGIC1: usize = 464;
export const FPSTATE_EXTENDED_SIZE: usize = 468;
/** XSTATE_BV of the XSAVE header. */
export const FPSTATE_XSTATE_BV: usize = 512;
export const FP_XSTATE_MAGIC1: u32 = 0x46505853;
export const MXCSR_INITIAL: u32 = 0x1f80;
/** Protection keys are bit 9 of XSTATE_BV: SDM volume 1, section 13.1. */
export const XSTATE_PKRU: u64 = 1 << 9;

/** siginfo: si_signo, si_errno, si_code, then the union at 16. */
export const SIGINFO_SIGNO: usize = 0;
export const SIGINFO_CODE: usize = 8;
export const SIGINFO_ADDRESS: usize = 16;

export const SI_USER: i32 = 0;
export const SI_KERNEL: i32 = 0x80;

export const SIGILL: u32 = 4;
export const SIGTRAP: u32 = 5;
export const SIGBUS: u32 = 7;
export const SIGFPE: u32 = 8;
export const SIGKILL: u32 = 9;
export const SIGSEGV: u32 = 11;
export const SIGSTOP: u32 = 19;
export const SIGSYS: u32 = 31;
export const SIGNAL_MAX: u32 = 64;

/** The bit of a signal in a sigset_t. */
export function signalBit(signal: u32): u64 {
  return (1 as u64) << (signal - 1);
}

/** SIGKILL and SIGSTOP: never blocked, never handled. */
export const UNBLOCKABLE: u64 = ((1 as u64) << 8) | ((1 as u64) << 18);

/**
 * Signals that the engine itself lives on: traps (SIGILL, SIGTRAP), faults (SIGSEGV, SIGBUS), Syscall User Dispatch
 * (SIGSYS). The kernel's mask never blocks them, since a synchronous signal that is blocked kills the process; the
 * program sees the mask that it set, and what arrives meanwhile waits in ThreadBlock.pending.
 */
export const ENGINE_SIGNALS: u64 =
  ((1 as u64) << 3) | ((1 as u64) << 4) | ((1 as u64) << 6) | ((1 as u64) << 10) | ((1 as u64) << 30);

/** The kernel's mask for a mask of the program's. */
export function kernelMask(programMask: u64): u64 {
  return programMask & ~ENGINE_SIGNALS;
}

// x86 EFLAGS: SDM volume 1, section 3.4.3.
export const FLAG_TRAP: u64 = 1 << 8;
export const FLAG_DIRECTION: u64 = 1 << 10;
export const FLAG_RESUME: u64 = 1 << 16;
export const FLAG_ALIGNMENT_CHECK: u64 = 1 << 18;

export const SS_ONSTACK: u32 = 1;
export const SS_DISABLE: u32 = 2;
export const SS_AUTODISARM: u32 = 0x80000000;
