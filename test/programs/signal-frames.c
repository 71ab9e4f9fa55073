// The whole frame that a handler gets, and frames that the program changes or makes itself and gives to rt_sigreturn.
// variants: dynamic static musl
#include "cases.h"
#include <cpuid.h>
#include <pthread.h>
#include <sys/resource.h>
#include <ucontext.h>

#ifndef FP_XSTATE_MAGIC1
#define FP_XSTATE_MAGIC1 0x46505853u
#define FP_XSTATE_MAGIC2 0x46505845u
#endif

static volatile int runs;
static long own_tid(void) { return raw(SYS_gettid, 0, 0, 0, 0, 0, 0); }

// ---- every byte of a frame, for a signal that arrives at a known place with known registers

// Sets all registers to patterns, makes the call whose number is in rdi, and gives the result; the marker `frames_after` is
// behind it. rsi, rdx, r10 are arguments of the call.
extern char frames_after[];
long call_with_patterns(long number, long a, long b, long c);
__asm__(
    ".text\n"
    "call_with_patterns:\n"
    "  push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
    "  mov %rdi,%rax; mov %rsi,%rdi; mov %rdx,%rsi; mov %rcx,%rdx\n"
    "  mov $0x1111111122222222,%rbx; mov $0x3333333344444444,%rbp; mov $0x0808080808080808,%r8\n"
    "  mov $0x0909090909090909,%r9; mov $0x1010101010101010,%r10; mov $0x1111111111111111,%r11\n"
    "  mov $0x1212121212121212,%r12; mov $0x1313131313131313,%r13; mov $0x1414141414141414,%r14\n"
    "  mov $0x1515151515151515,%r15; mov $0xcccccccccccccccc,%rcx\n"
    "  cmp %eax,%eax; stc\n"
    "  syscall\n"
    "frames_after:\n"
    "  pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx; ret\n");

static unsigned fnv(const void *data, size_t size) {
  const unsigned char *byte = data;
  unsigned hash = 0x811c9dc5;
  for (size_t i = 0; i < size; i++) hash = (hash ^ byte[i]) * 0x01000193;
  return hash;
}

static void say_registers(const ucontext_t *uc) {
  static const char names[] = "r8 r9 r10r11r12r13r14r15rdirsirbprbxrdxraxrcxrsprip";
  const greg_t *g = uc->uc_mcontext.gregs;
  for (int i = 0; i < REG_EFL; i++) {
    if (i == REG_RSP || i == REG_RIP) continue;
    if ((i == REG_RDI || i == REG_RSI || i == REG_RCX)) continue;  // tid, pid and an address: judged below
    say("  %.3s %#llx", names + 3 * i, (unsigned long long)g[i]);
  }
  say("  flags %#llx, segments %#llx", (unsigned long long)g[REG_EFL], (unsigned long long)g[REG_CSGSFS] & 0xffff00000000ffff);
  say("  rip %s, rcx %s", g[REG_RIP] == (greg_t)frames_after ? "after" : "elsewhere",
      g[REG_RCX] == (greg_t)frames_after ? "after" : "elsewhere");
  say("  uc_flags %#lx, link %p, stack flags %#x, size %zu", uc->uc_flags, (void *)uc->uc_link, uc->uc_stack.ss_flags, uc->uc_stack.ss_size);
  unsigned long mask;
  memcpy(&mask, &uc->uc_sigmask, 8);
  say("  oldmask %#llx, mask %#lx, trapno %lld, err %lld, cr2 %#llx", (unsigned long long)g[REG_OLDMASK], mask,
      (long long)g[REG_TRAPNO], (long long)g[REG_ERR], (unsigned long long)g[REG_CR2]);
}

static void say_xstate(const ucontext_t *uc) {
  const unsigned char *fp = (const unsigned char *)uc->uc_mcontext.fpregs;
  unsigned magic1 = *(unsigned *)(fp + 464), extended = *(unsigned *)(fp + 468), size = *(unsigned *)(fp + 480);
  unsigned long features = *(unsigned long *)(fp + 472);
  say("  xstate: aligned %d, magic %#x, extended %u, features %#lx, size %u, magic2 %#x", (uintptr_t)fp % 64 == 0, magic1,
      extended, features, size, *(unsigned *)(fp + size));
  say("  xstate_bv %#lx, fcw %#x, fsw %#x, mxcsr %#x, mxcsr_mask %#x", *(unsigned long *)(fp + 512) & ~1ul, *(unsigned short *)fp,
      *(unsigned short *)(fp + 2), *(unsigned *)(fp + 24), *(unsigned *)(fp + 28));
  say("  xmm %#x, header %#x", fnv(fp + 160, 256), fnv(fp + 520, 56));
  // Components in the standard format: SDM volume 1, section 13.4.
  for (unsigned i = 2; i < 9; i++) {
    if (!(features & 1ul << i)) continue;
    unsigned a, b, c, d;
    __cpuid_count(13, i, a, b, c, d);
    if (*(unsigned long *)(fp + 512) & 1ul << i) say("  component %u: %u bytes, hash %#x", i, a, fnv(fp + b, a));
  }
}

static void say_frame(int signal, siginfo_t *info, void *context) {
  const ucontext_t *uc = context;
  say("signal %d, code %d, pid %s, info is %td behind the context, which is %td above the handler's frame", signal,
      info->si_code, info->si_pid == getpid() ? "own" : "other", (char *)info - (char *)context,
      (char *)context - (char *)__builtin_frame_address(0));
  if (uc->uc_mcontext.gregs[REG_RIP] == (greg_t)frames_after) say_registers(uc);
  say_xstate(uc);
  runs++;
}

static int has_avx512(void) { return __builtin_cpu_supports("avx512f"); }
static int has_avx(void) { return __builtin_cpu_supports("avx"); }

// Fills vector registers so that each byte of their state is known.
__attribute__((target("avx512f"))) static void fill_avx512(void) {
  static unsigned char pattern[64];
  for (int i = 0; i < 64; i++) pattern[i] = (unsigned char)(i * 3 + 1);
  __asm__ volatile(
      "vmovdqu64 %0,%%zmm0; vmovdqu64 %%zmm0,%%zmm1; vmovdqu64 %%zmm0,%%zmm15; vmovdqu64 %%zmm0,%%zmm16; vmovdqu64 %%zmm0,%%zmm31\n"
      "mov $0x5a5a,%%eax; kmovw %%eax,%%k1; kmovw %%eax,%%k7"
      : : "m"(pattern) : "eax", "memory");
}
__attribute__((target("avx"))) static void fill_avx(void) {
  static unsigned char pattern[32];
  for (int i = 0; i < 32; i++) pattern[i] = (unsigned char)(i * 5 + 2);
  __asm__ volatile("vmovdqu %0,%%ymm0; vmovdqu %%ymm0,%%ymm7; vmovdqu %%ymm0,%%ymm15" : : "m"(pattern) : "memory");
}

static void clear_vectors(void) {
  if (has_avx512()) __asm__ volatile("kxorw %k1,%k1,%k1; kxorw %k7,%k7,%k7; vpxorq %zmm16,%zmm16,%zmm16; vpxorq %zmm31,%zmm31,%zmm31");
  if (has_avx()) __asm__ volatile("vzeroall");
}

static void whole_frame(int flags) {
  static char memory[65536] __attribute__((aligned(64)));
  stack_t stack = {.ss_sp = memory, .ss_size = sizeof memory};
  check(sigaltstack(&stack, 0) == 0);
  install(SIGUSR1, say_frame, flags);
  long pid = getpid(), tid = own_tid();
  clear_vectors();
  say("tgkill: %ld", call_with_patterns(SYS_tgkill, pid, tid, SIGUSR1));
  clear_vectors();
  if (has_avx()) fill_avx();
  say("with AVX: %ld", call_with_patterns(SYS_tgkill, pid, tid, SIGUSR1));
  clear_vectors();
  if (has_avx512()) fill_avx512();
  say("with AVX-512: %ld", call_with_patterns(SYS_tgkill, pid, tid, SIGUSR1));
  clear_vectors();
  // Blocked, then let through by a call that the engine answers.
  unsigned long blocked = 1ul << (SIGUSR1 - 1) | 1ul << (SIGUSR2 - 1), none = 1ul << (SIGTERM - 1);
  raw(SYS_rt_sigprocmask, SIG_SETMASK, (long)&blocked, 0, 8, 0, 0);
  raw(SYS_tgkill, pid, tid, SIGUSR1, 0, 0, 0);
  register long r10 __asm__("r10") = 8;
  clear_vectors();
  if (has_avx()) fill_avx();
  long result;
  __asm__ volatile("syscall" : "=a"(result) : "a"(SYS_rt_sigprocmask), "D"(SIG_SETMASK), "S"(&none), "d"(0), "r"(r10) : "rcx", "r11", "memory");
  say("unblocked: %ld, runs %d", result, runs);
}

CASE(frame) { whole_frame(0); }
CASE(frame_on_alternate_stack) { whole_frame(SA_ONSTACK); }

static void say_trap(int signal, siginfo_t *info, void *context) {
  ucontext_t *uc = context;
  say("signal %d: trapno %lld, err %lld, cr2 %#llx", signal, (long long)uc->uc_mcontext.gregs[REG_TRAPNO],
      (long long)uc->uc_mcontext.gregs[REG_ERR], (unsigned long long)uc->uc_mcontext.gregs[REG_CR2]);
  if (signal == SIGSEGV) uc->uc_mcontext.gregs[REG_RIP] += 2;  // mov %eax,(%rdi)
}

// The kernel keeps what the thread's last fault was: thread.trap_nr, error_code and cr2 (arch/x86/kernel/signal.c).
CASE(last_fault_stays) {
  install(SIGUSR1, say_trap, 0);
  install(SIGSEGV, say_trap, 0);
  raise(SIGUSR1);
  __asm__ volatile("mov %%eax,(%%rdi)" : : "D"(0x10) : "memory");
  raise(SIGUSR1);
  check_equal(raw(SYS_pipe, 8, 0, 0, 0, 0, 0), -EFAULT);
  raw(SYS_rt_sigprocmask, SIG_BLOCK, 8, 0, 8, 0, 0);
  raise(SIGUSR1);
}

// ---- state of a handler, and what it changes

static void say_fresh_state(int signal, siginfo_t *info, void *context) {
  unsigned mxcsr;
  unsigned short control;
  unsigned long flags, xmm[2];
  __asm__ volatile("stmxcsr %0; fnstcw %1; movups %%xmm9,%3; pushfq; pop %2" : "=m"(mxcsr), "=m"(control), "=r"(flags), "=m"(xmm));
  say("handler: mxcsr %#x, control word %#x, DF %d AC %d, xmm9 %#lx", mxcsr, control, !!(flags & 0x400), !!(flags & 0x40000), xmm[0]);
  mxcsr = 0x1f80 | 0x8040;
  control = 0x27f;
  __asm__ volatile("ldmxcsr %0; fldcw %1" : : "m"(mxcsr), "m"(control));
  raise(SIGUSR2);
}

CASE(float_state_around_a_handler) {
  install(SIGUSR1, say_fresh_state, 0);
  signal(SIGUSR2, SIG_IGN);
  unsigned mxcsr = 0x1f80 | 0x6000, after;
  unsigned short control = 0x77f, control_after;
  unsigned long pattern[2] = {0x1234567890abcdef, 0xfedcba0987654321}, xmm[2];
  double left;
  long pid = getpid(), tid = own_tid(), result;
  __asm__ volatile(
      "ldmxcsr %[mxcsr]; fldcw %[control]; movups %[pattern],%%xmm9; fldpi; fld1\n"
      "syscall\n"
      "movups %%xmm9,%[xmm]; stmxcsr %[after]; fnstcw %[control_after]; faddp; fstpl %[left]; fninit"
      : "=a"(result), [xmm] "=m"(xmm), [after] "=m"(after), [control_after] "=m"(control_after), [left] "=m"(left)
      : "a"(SYS_tgkill), "D"(pid), "S"(tid), "d"(SIGUSR1), [mxcsr] "m"(mxcsr), [control] "m"(control), [pattern] "m"(pattern)
      : "rcx", "r11", "memory", "xmm9");
  mxcsr = 0x1f80;
  __asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
  say("after: mxcsr %#x, control word %#x, xmm9 %#lx %#lx, x87 %f", after, control_after, xmm[0], xmm[1], left);
}

static void change_state(int signal, siginfo_t *info, void *context) {
  ucontext_t *uc = context;
  unsigned char *fp = (unsigned char *)uc->uc_mcontext.fpregs;
  *(unsigned *)(fp + 24) = 0x1f80 | 0x2000;
  *(unsigned long *)(fp + 512) |= 7;
  memset(fp + 160 + 16 * 9, 0x77, 16);
  if (has_avx()) memset(fp + 576 + 16 * 9, 0x66, 16);
}

CASE(float_state_changed_by_a_handler) {
  install(SIGUSR1, change_state, 0);
  unsigned long ymm[4] = {0};
  unsigned mxcsr;
  for (int i = 0; i < 2; i++) {
    long result, pid = getpid(), tid = own_tid();
    // Once from outside, once while the thread is in the engine.
    unsigned long mask = 1ul << (SIGUSR1 - 1), none = 0;
    if (i) {
      raw(SYS_rt_sigprocmask, SIG_SETMASK, (long)&mask, 0, 8, 0, 0);
      raise(SIGUSR1);
    }
    register long r10 __asm__("r10") = 8;
    if (has_avx())
      __asm__ volatile("vxorps %%ymm9,%%ymm9,%%ymm9; syscall; vmovups %%ymm9,%1; stmxcsr %2"
                       : "=a"(result), "=m"(ymm), "=m"(mxcsr)
                       : "a"(i ? SYS_rt_sigprocmask : SYS_tgkill), "D"(i ? SIG_SETMASK : pid), "S"(i ? (long)&none : tid), "d"(i ? 0 : SIGUSR1), "r"(r10)
                       : "rcx", "r11", "memory", "xmm9");
    say("%#lx %#lx %#lx %#lx, mxcsr %#x", ymm[0], ymm[1], ymm[2], ymm[3], mxcsr);
    mxcsr = 0x1f80;
    __asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
  }
}

// ---- frames of the program's own

struct frame {
  void *restorer;
  ucontext_t uc;
};

// Enters rt_sigreturn with rsp behind the first word of a frame.
__attribute__((noreturn)) static void return_through(struct frame *frame) {
  __asm__ volatile("mov %0,%%rsp; mov %1,%%eax; syscall; hlt" : : "r"((char *)frame + 8), "i"(SYS_rt_sigreturn));
  __builtin_unreachable();
}

static char made_memory[65536] __attribute__((aligned(64)));
static struct frame *made(void) { return (struct frame *)(made_memory + 4096 - 8); }
static char made_stack[16384] __attribute__((aligned(64)));

static void landed(void) {
  unsigned mxcsr;
  sigset_t mask;
  stack_t stack;
  __asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
  sigprocmask(SIG_BLOCK, 0, &mask);
  sigaltstack(0, &stack);
  say("landed: mxcsr %#x, USR1 %d, SEGV %d, stack size %zu, flags %#x, runs %d", mxcsr, sigismember(&mask, SIGUSR1),
      sigismember(&mask, SIGSEGV), stack.ss_size, stack.ss_flags, runs);
  _exit(0);
}

static void take_frame(int signal, siginfo_t *info, void *context) {
  ucontext_t *uc = context;
  struct frame *frame = made();
  memcpy(&frame->uc, uc, sizeof(ucontext_t) < 304 ? sizeof(ucontext_t) : 304);
  unsigned char *fp = (unsigned char *)uc->uc_mcontext.fpregs;
  unsigned size = *(unsigned *)(fp + 468);
  memcpy(made_memory + 8192, fp, size);
  frame->uc.uc_mcontext.fpregs = (void *)(made_memory + 8192);
  frame->uc.uc_mcontext.gregs[REG_RIP] = (greg_t)landed;
  frame->uc.uc_mcontext.gregs[REG_RSP] = (greg_t)(made_stack + sizeof made_stack - 8);
}

static void death(int signal, siginfo_t *info, void *context) {
  ucontext_t *uc = context;
  sigset_t mask;
  sigprocmask(SIG_BLOCK, 0, &mask);
  say("signal %d, code %d, address %p, rip %s, USR1 %d", signal, info->si_code, info->si_code > 0 ? info->si_addr : 0,
      uc->uc_mcontext.gregs[REG_RIP] == (greg_t)landed ? "landed" : "elsewhere", sigismember(&uc->uc_sigmask, SIGUSR1));
  _exit(1);
}

static char alternate[65536];

// `change` makes something of a good frame; then the child returns through it.
static void try_frame(const char *what, void (*change)(struct frame *)) {
  pid_t pid = fork();
  if (pid == 0) {
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    stack_t stack = {.ss_sp = alternate, .ss_size = sizeof alternate};
    sigaltstack(&stack, 0);
    install(SIGUSR1, take_frame, 0);
    install(SIGSEGV, death, SA_ONSTACK);
    install(SIGBUS, death, SA_ONSTACK);
    raise(SIGUSR1);
    change(made());
    return_through(made());
  }
  wait_and_say(pid, what);
}

static void good(struct frame *frame) {}
static void no_xstate(struct frame *frame) { frame->uc.uc_mcontext.fpregs = 0; }
static void bad_xstate(struct frame *frame) { frame->uc.uc_mcontext.fpregs = (void *)8; }
static void unaligned_xstate(struct frame *frame) { frame->uc.uc_mcontext.fpregs = (void *)(made_memory + 8192 + 8); }
static void bad_mxcsr(struct frame *frame) { *(unsigned *)(made_memory + 8192 + 24) = 0xffffffff; }
static void bad_header(struct frame *frame) { *(unsigned long *)(made_memory + 8192 + 520) = 5; }
static void bad_magic2(struct frame *frame) { *(unsigned *)(made_memory + 8192 + *(unsigned *)(made_memory + 8192 + 480)) = 0; }
static void no_magic1(struct frame *frame) { *(unsigned *)(made_memory + 8192 + 464) = 0; }
static void huge_size(struct frame *frame) { *(unsigned *)(made_memory + 8192 + 468) = 0x7fffffff; }
static void other_features(struct frame *frame) { *(unsigned long *)(made_memory + 8192 + 472) = 3; }
static void changed_mxcsr(struct frame *frame) { *(unsigned *)(made_memory + 8192 + 24) = 0x9fc0; }
static void other_mask(struct frame *frame) {
  sigaddset(&frame->uc.uc_sigmask, SIGUSR1);
  sigaddset(&frame->uc.uc_sigmask, SIGSEGV);
  sigaddset(&frame->uc.uc_sigmask, SIGKILL);
}
static void bad_rip(struct frame *frame) { frame->uc.uc_mcontext.gregs[REG_RIP] = 0x1234; }
static void non_canonical_rip(struct frame *frame) { frame->uc.uc_mcontext.gregs[REG_RIP] = 0x1234567812345678; }
static void kernel_rip(struct frame *frame) { frame->uc.uc_mcontext.gregs[REG_RIP] = (greg_t)0xffffffff81000000; }
static void non_canonical_rsp(struct frame *frame) { frame->uc.uc_mcontext.gregs[REG_RSP] = 0x1234567812345678; }
static void odd_flags(struct frame *frame) { frame->uc.uc_mcontext.gregs[REG_EFL] = (greg_t)0x3f7e00; }
static void bad_segments(struct frame *frame) { frame->uc.uc_mcontext.gregs[REG_CSGSFS] = 0; }
static void kernel_segments(struct frame *frame) { frame->uc.uc_mcontext.gregs[REG_CSGSFS] = (greg_t)0x0018000000000010; }
static void stack_flags(struct frame *frame) { frame->uc.uc_stack.ss_flags = 77; }
static void small_stack(struct frame *frame) { frame->uc.uc_stack.ss_size = 100; }
static void other_stack(struct frame *frame) { frame->uc.uc_stack.ss_size = 32768; }
static void no_stack(struct frame *frame) { frame->uc.uc_stack.ss_flags = SS_DISABLE; }
static void no_flags(struct frame *frame) { frame->uc.uc_flags = 0; }
static void bad_memory(struct frame *frame) { mprotect(made_memory + 4096, 4096, PROT_NONE); }
static void bad_xstate_blocked(struct frame *frame) {
  frame->uc.uc_mcontext.fpregs = (void *)8;
  sigaddset(&frame->uc.uc_sigmask, SIGSEGV);
}

CASE(own_frames) {
  try_frame("good", good);
  try_frame("no xstate", no_xstate);
  try_frame("bad xstate", bad_xstate);
  try_frame("unaligned xstate", unaligned_xstate);
  try_frame("bad mxcsr", bad_mxcsr);
  try_frame("bad header", bad_header);
  try_frame("bad second magic", bad_magic2);
  try_frame("no first magic", no_magic1);
  try_frame("huge size", huge_size);
  try_frame("other features", other_features);
  try_frame("changed mxcsr", changed_mxcsr);
  try_frame("other mask", other_mask);
  try_frame("bad rip", bad_rip);
  try_frame("non-canonical rip", non_canonical_rip);
  try_frame("kernel rip", kernel_rip);
  try_frame("non-canonical rsp", non_canonical_rsp);
  try_frame("odd flags", odd_flags);
  try_frame("bad segments", bad_segments);
  try_frame("kernel segments", kernel_segments);
  try_frame("stack flags", stack_flags);
  try_frame("small stack", small_stack);
  try_frame("other stack", other_stack);
  try_frame("no stack", no_stack);
  try_frame("no flags", no_flags);
  try_frame("bad memory", bad_memory);
  try_frame("bad xstate, SIGSEGV blocked", bad_xstate_blocked);
}

// Frames that let a pending signal through: its handler runs from the state that the frame describes.
static void pending_then_frame(struct frame *frame) {
  unsigned long mask = 1ul << (SIGUSR2 - 1);
  raw(SYS_rt_sigprocmask, SIG_BLOCK, (long)&mask, 0, 8, 0, 0);
  raise(SIGUSR2);
  install(SIGUSR2, death, 0);
}
static void pending_no_xstate(struct frame *frame) {
  pending_then_frame(frame);
  frame->uc.uc_mcontext.fpregs = 0;
}
static void pending_segv(struct frame *frame) {
  unsigned long mask = 1ul << (SIGSEGV - 1);
  raw(SYS_rt_sigprocmask, SIG_BLOCK, (long)&mask, 0, 8, 0, 0);
  raise(SIGSEGV);
}
static void pending_segv_no_xstate(struct frame *frame) {
  pending_segv(frame);
  frame->uc.uc_mcontext.fpregs = 0;
}
static void pending_segv_bad_xstate(struct frame *frame) {
  pending_segv(frame);
  frame->uc.uc_mcontext.fpregs = (void *)8;
}

CASE(own_frames_with_pending_signals) {
  try_frame("pending", pending_then_frame);
  try_frame("pending, no xstate", pending_no_xstate);
  try_frame("pending SIGSEGV", pending_segv);
  try_frame("pending SIGSEGV, no xstate", pending_segv_no_xstate);
  try_frame("pending SIGSEGV, bad xstate", pending_segv_bad_xstate);
}

CASE(return_with_a_bad_stack_pointer) {
  static const unsigned long pointers[] = {0, 8, 0x1234567812345678, ~0ul, 0xffffffff81000000, 0x7ffffffff000};
  for (unsigned i = 0; i < sizeof pointers / sizeof *pointers; i++) {
    pid_t pid = fork();
    if (pid == 0) {
      struct rlimit none = {0, 0};
      setrlimit(RLIMIT_CORE, &none);
      stack_t stack = {.ss_sp = alternate, .ss_size = sizeof alternate};
      sigaltstack(&stack, 0);
      install(SIGSEGV, death, SA_ONSTACK);
      install(SIGBUS, death, SA_ONSTACK);
      __asm__ volatile("mov %0,%%rsp; mov %1,%%eax; syscall; hlt" : : "r"(pointers[i]), "i"(SYS_rt_sigreturn));
    }
    wait_and_say(pid, "returned");
  }
}

// ---- where frames go

static char edge_memory[65536] __attribute__((aligned(4096)));
static char *edge_low, *edge_high;
static void say_place(int signal, siginfo_t *info, void *context) {
  char *p = context;
  stack_t now;
  sigaltstack(0, &now);
  say("  frame %s, flags %#x", p >= edge_low && p < edge_high ? "on the alternate stack" : p < edge_low && p > edge_low - 8192 ? "below it" : "elsewhere", now.ss_flags);
}

long call_on(void *rsp, long number, long a, long b, long c);
__asm__(
    ".text\n"
    "call_on: push %rbp; mov %rsp,%rbp; mov %rdi,%rsp; mov %rsi,%rax; mov %rdx,%rdi; mov %rcx,%rsi; mov %r8,%rdx\n"
    "  syscall\n"
    "  mov %rbp,%rsp; pop %rbp; ret\n");

// rsp at and around the ends of the alternate stack: on_sig_stack and get_sigframe of the kernel.
CASE(ends_of_the_alternate_stack) {
  struct rlimit none = {0, 0};
  setrlimit(RLIMIT_CORE, &none);
  edge_low = edge_memory + 16384;
  edge_high = edge_memory + 32768;
  long pid = getpid();
  static const int from_low[] = {-200, -129, -128, -127, -16, -1, 0, 1, 16, 127, 128, 129, 200, 4096};
  static const int from_high[] = {-200, -129, -128, -127, -1, 0, 1, 16, 127, 128, 129, 200, 4096};
  for (int on_stack = 0; on_stack < 2; on_stack++)
    for (int high = 0; high < 2; high++)
      for (unsigned i = 0; i < (high ? sizeof from_high : sizeof from_low) / sizeof(int); i++) {
        char *rsp = high ? edge_high + from_high[i] : edge_low + from_low[i];
        pid_t child = fork();
        if (child == 0) {
          stack_t stack = {.ss_sp = edge_low, .ss_size = 16384};
          check(sigaltstack(&stack, 0) == 0);
          install(SIGUSR1, say_place, on_stack ? SA_ONSTACK : 0);
          call_on(rsp, SYS_tgkill, getpid(), own_tid(), SIGUSR1);
              stack_t old = {0};
          long result = call_on(rsp, SYS_sigaltstack, (long)&stack, (long)&old, 0);
          say("  sigaltstack there: %ld, flags %#x", result, old.ss_flags);
          _exit(0);
        }
        int status;
        check(waitpid(child, &status, 0) == child);
        say("onstack %d, %s%+d: %s", on_stack, high ? "end" : "start", high ? from_high[i] : from_low[i], status_text(status));
      }
  check(pid == getpid());
}

// Natively the smallest stack on which a handler starts: one byte less and the process dies.
CASE(smallest_alternate_stack) {
  struct rlimit none = {0, 0};
  setrlimit(RLIMIT_CORE, &none);
  int smallest = 0;
  for (int size = 2048; size < 16384; size += 16) {
    pid_t child = fork();
    if (child == 0) {
      stack_t stack = {.ss_sp = edge_memory, .ss_size = (size_t)size};
      if (raw(SYS_sigaltstack, (long)&stack, 0, 0, 0, 0, 0) != 0) _exit(2);
      // A handler that needs no stack of its own.
      struct { void *handler; unsigned long flags; void *restorer; unsigned long mask; } kernel_action;
      extern char exit_at_once[];
      __asm__(".pushsection .text; exit_at_once: mov $231,%eax; mov $5,%edi; syscall; .popsection");
      memset(&kernel_action, 0, sizeof kernel_action);
      kernel_action.handler = exit_at_once;
      kernel_action.flags = 0x04000000 | SA_ONSTACK | SA_SIGINFO;
      kernel_action.restorer = exit_at_once;
      raw(SYS_rt_sigaction, SIGUSR1, (long)&kernel_action, 0, 8, 0, 0);
      raw(SYS_tgkill, getpid(), own_tid(), SIGUSR1, 0, 0, 0);
      _exit(3);
    }
    int status;
    check(waitpid(child, &status, 0) == child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 5) {
      smallest = size;
      break;
    }
  }
  say("smallest %d", smallest);
}
