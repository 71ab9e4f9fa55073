// What a system call and a signal may change of the registers: rax, rcx and r11 as the kernel leaves them, and nothing
// else. The assembly below loads every register with a pattern, makes one system call and stores what it finds.
// variants: dynamic static musl
#include "cases.h"
#include <fenv.h>
#include <pthread.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <ucontext.h>

// In and out: rax rbx rcx rdx rsi rdi rbp r8..r15, rflags, rsp (out only), address after the syscall (out only).
struct registers {
  uint64_t rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15, rflags, rsp, after;
};

void call_with(struct registers *in, struct registers *out);
extern char red_zone_spin[], red_zone_spin_end[];
long red_zone(volatile int *stop, long pattern);
extern char call_with_site[];

__asm__(
    ".text\n"
    "call_with:\n"
    "  push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
    "  push %rsi\n"                    // out
    "  sub $136,%rsp\n"                // beyond it: below rsp is the red zone, filled and checked
    "  mov %rdi,%rax\n"
    "  push 120(%rax); \n"             // rflags to load
    "  mov 8(%rax),%rbx; mov 16(%rax),%rcx; mov 24(%rax),%rdx; mov 32(%rax),%rsi; mov 40(%rax),%rdi; mov 48(%rax),%rbp\n"
    "  mov 56(%rax),%r8; mov 64(%rax),%r9; mov 72(%rax),%r10; mov 80(%rax),%r11; mov 88(%rax),%r12; mov 96(%rax),%r13\n"
    "  mov 104(%rax),%r14; mov 112(%rax),%r15; mov (%rax),%rax\n"
    "  popfq\n"
    "call_with_site: syscall\n"
    "1:\n"
    "  mov %rsp,saved_rsp(%rip)\n"
    "  mov %rax,saved_rax(%rip)\n"
    "  lea 136(%rsp),%rsp\n"
    "  pop %rax\n"                     // out
    "  mov %rbx,8(%rax); mov %rcx,16(%rax); mov %rdx,24(%rax); mov %rsi,32(%rax); mov %rdi,40(%rax); mov %rbp,48(%rax)\n"
    "  mov %r8,56(%rax); mov %r9,64(%rax); mov %r10,72(%rax); mov %r11,80(%rax); mov %r12,88(%rax); mov %r13,96(%rax)\n"
    "  mov %r14,104(%rax); mov %r15,112(%rax)\n"
    "  pushfq; pop 120(%rax); push $0x202; popfq\n"
    "  mov saved_rsp(%rip),%rcx; mov %rcx,128(%rax)\n"
    "  lea 1b(%rip),%rcx; mov %rcx,136(%rax)\n"
    "  mov saved_rax(%rip),%rcx; mov %rcx,(%rax)\n"
    "  pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
    "  ret\n"
    ".local saved_rsp, saved_rax\n"
    ".comm saved_rsp,8,8\n"
    ".comm saved_rax,8,8\n"

    // Fills 128 bytes under rsp, waits until *stop, and counts the words that changed.
    "red_zone:\n"
    "  mov $-16,%rcx\n"
    "1: lea (%rsi,%rcx),%rax; mov %rax,(%rsp,%rcx,8); inc %rcx; jnz 1b\n"
    "red_zone_spin:\n"
    "  mov $0x1234,%eax; syscall\n"    // a call that does not exist, within the red zone's life
    "  cmpl $0,(%rdi); je red_zone_spin\n"
    "  xor %eax,%eax\n"
    "  mov $-16,%rcx\n"
    "2: lea (%rsi,%rcx),%rdx; cmp %rdx,(%rsp,%rcx,8); je 3f; inc %eax\n"
    "3: inc %rcx; jnz 2b\n"
    "red_zone_spin_end: ret\n");

static struct registers pattern(long number) {
  return (struct registers){.rax = (uint64_t)number, .rbx = 0xb0b0b0b0b0b0b0b0, .rcx = 0xc0c0c0c0c0c0c0c0, .rdx = 3,
                            .rsi = 2, .rdi = (uint64_t)-1, .rbp = 0x5151515151515151, .r8 = 0x0808080808080808,
                            .r9 = 0x0909090909090909, .r10 = 0x1010101010101010, .r11 = 0x1111111111111111,
                            .r12 = 0x1212121212121212, .r13 = 0x1313131313131313, .r14 = 0x1414141414141414,
                            .r15 = 0x1515151515151515, .rflags = 0x202};
}

static const uint64_t program_flags = 0xcd5;  // CF PF AF ZF SF DF OF

static void compare(const char *what, const struct registers *in, const struct registers *out) {
  const uint64_t *a = &in->rax, *b = &out->rax;
  static const char *names[] = {"rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15"};
  for (int i = 1; i < 15; i++)
    if (i != 2 && i != 10 && a[i] != b[i]) say("FAILED %s: %s %#lx became %#lx", what, names[i], a[i], b[i]);
  check_equal(out->rcx, out->after);
  check_equal(out->r11 & program_flags, in->rflags & program_flags);
  check_equal(out->rflags & program_flags, in->rflags & program_flags);
  say("%s: rax %#lx, r11 %#lx, rflags %#lx", what, out->rax, out->r11, out->rflags);
}

// Calls that an engine passes through, and calls that it is likely to handle itself.
static const struct { const char *name; long number; } calls[] = {
    {"no call 0x1234", 0x1234}, {"no call -1", -1}, {"no call 2^32 + 39", (1l << 32) + 0x1000}, {"lseek", SYS_lseek},
    {"close", SYS_close}, {"rt_sigaction", SYS_rt_sigaction}, {"rt_sigprocmask", SYS_rt_sigprocmask}, {"mprotect", SYS_mprotect},
    {"munmap", SYS_munmap}, {"mmap", SYS_mmap}, {"sigaltstack", SYS_sigaltstack}, {"execve", SYS_execve},
    {"readlink", SYS_readlink}, {"clone3", 435}, {"arch_prctl", SYS_arch_prctl}, {"ppoll", SYS_ppoll},
    {"x32 number", 0x40000000 + 39}, {"rt_sigtimedwait", SYS_rt_sigtimedwait}, {"close_range", 436},
};

CASE(registers_across_calls) {
  for (unsigned i = 0; i < sizeof calls / sizeof *calls; i++) {
    struct registers in = pattern(calls[i].number), out;
    call_with(&in, &out);
    compare(calls[i].name, &in, &out);
    in.rflags = 0x202 | program_flags;
    call_with(&in, &out);
    compare(calls[i].name, &in, &out);
  }
}

CASE(each_flag_across_calls) {
  for (int bit = 0; bit < 12; bit++) {
    if (!(program_flags >> bit & 1)) continue;
    for (int inverted = 0; inverted < 2; inverted++) {
      struct registers in = pattern(SYS_lseek), out;
      in.rflags = 0x202 | (inverted ? program_flags & ~(1ul << bit) : 1ul << bit);
      call_with(&in, &out);
      check_equal(out.rflags & program_flags, in.rflags & program_flags);
      in.rax = SYS_rt_sigprocmask;
      call_with(&in, &out);
      check_equal(out.rflags & program_flags, in.rflags & program_flags);
      check_equal(out.r11 & program_flags, in.rflags & program_flags);
    }
  }
  // AC (alignment check) and ID.
  struct registers in = pattern(0x1234), out;
  in.rflags = 0x202 | 1ul << 21;
  call_with(&in, &out);
  say("ID kept: %d", (int)(out.rflags >> 21 & 1));
}

CASE(every_set_of_flags_across_calls) {
  const long numbers[] = {SYS_lseek, SYS_rt_sigprocmask, SYS_readlink, 0x10000 + SYS_rt_sigprocmask};
  const uint64_t others[] = {0, 1 << 10, 1 << 18, 1 << 21, 1 << 14};  // DF, AC, ID, NT
  for (unsigned number = 0; number < sizeof numbers / sizeof *numbers; number++)
    for (unsigned other = 0; other < sizeof others / sizeof *others; other++)
      for (uint64_t set = 0; set < 64; set++) {
        struct registers in = pattern(numbers[number]), out;
        in.rflags = 0x202 | (set & 1) | (set & 2) << 1 | (set & 4) << 2 | (set & 8) << 3 | (set & 16) << 3 | (set & 32) << 6;
        in.rflags |= others[other];
        in.rsi = in.rdi = in.rdx = 0;
        call_with(&in, &out);
        check_equal(out.rflags, in.rflags);
        check_equal(out.r11, in.rflags);
      }
}

static volatile int stop_spinning, spin_handlers, spin_strays;
static void end_spin(int signal, siginfo_t *info, void *context) {
  char *rip = (char *)((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
  spin_handlers++;
  if (rip < red_zone_spin || rip > red_zone_spin_end) spin_strays++;
  if (spin_handlers >= 500) stop_spinning = 1;
}

CASE(red_zone) {
  install(SIGALRM, end_spin, SA_RESTART);
  struct itimerval often = {{0, 100}, {0, 100}}, off = {{0, 0}, {0, 0}};
  setitimer(ITIMER_REAL, &often, 0);
  long changed = red_zone(&stop_spinning, 0x7777000000000000);
  setitimer(ITIMER_REAL, &off, 0);
  say("changed words: %ld, handlers came: %d", changed, spin_handlers >= 500);
  say("strays few: %d", spin_strays < 50);  // outside the leaf: before it begins and after it ends
}

// ---- vector and floating-point state

static void fill_xmm(unsigned char *memory) { for (int i = 0; i < 256; i++) memory[i] = (unsigned char)(i * 7 + 1); }

#define LOAD16(op) \
  op " 0(%0),%%xmm0; " op " 16(%0),%%xmm1; " op " 32(%0),%%xmm2; " op " 48(%0),%%xmm3; " op " 64(%0),%%xmm4; " op " 80(%0),%%xmm5; " \
  op " 96(%0),%%xmm6; " op " 112(%0),%%xmm7; " op " 128(%0),%%xmm8; " op " 144(%0),%%xmm9; " op " 160(%0),%%xmm10; " op " 176(%0),%%xmm11; " \
  op " 192(%0),%%xmm12; " op " 208(%0),%%xmm13; " op " 224(%0),%%xmm14; " op " 240(%0),%%xmm15; "
#define STORE16(op) \
  op " %%xmm0,0(%1); " op " %%xmm1,16(%1); " op " %%xmm2,32(%1); " op " %%xmm3,48(%1); " op " %%xmm4,64(%1); " op " %%xmm5,80(%1); " \
  op " %%xmm6,96(%1); " op " %%xmm7,112(%1); " op " %%xmm8,128(%1); " op " %%xmm9,144(%1); " op " %%xmm10,160(%1); " op " %%xmm11,176(%1); " \
  op " %%xmm12,192(%1); " op " %%xmm13,208(%1); " op " %%xmm14,224(%1); " op " %%xmm15,240(%1); "
#define ALL_XMM "xmm0","xmm1","xmm2","xmm3","xmm4","xmm5","xmm6","xmm7","xmm8","xmm9","xmm10","xmm11","xmm12","xmm13","xmm14","xmm15"

static long xmm_call(long number, long a, long b, long c, long d) {
  unsigned char in[256] __attribute__((aligned(64))), out[256] __attribute__((aligned(64)));
  fill_xmm(in);
  memset(out, 0, sizeof out);
  long result;
  register long r10 __asm__("r10") = d;
  register void *r12 __asm__("r12") = in;
  register void *r13 __asm__("r13") = out;
  __asm__ volatile(LOAD16("movdqa") "syscall; " STORE16("movdqa")
                   : "+r"(r12), "+r"(r13), "=a"(result) : "2"(number), "D"(a), "S"(b), "d"(c), "r"(r10)
                   : "rcx", "r11", "memory", ALL_XMM);
  check(memcmp(in, out, 256) == 0);
  return result;
}

CASE(xmm_across_calls) {
  static const long numbers[] = {0x1234, SYS_getpid, SYS_rt_sigprocmask, SYS_mprotect, SYS_rt_sigaction, SYS_readlink, SYS_close_range};
  for (unsigned i = 0; i < sizeof numbers / sizeof *numbers; i++) xmm_call(numbers[i], -1, 2, 3, 4);
  void *page = (void *)xmm_call(SYS_brk, 0, 0, 0, 0);
  check(page != 0);
  int status = 0;
  pid_t pid = (pid_t)xmm_call(SYS_clone, SIGCHLD, 0, 0, 0);
  if (pid == 0) raw(SYS_exit_group, failures ? 1 : 5, 0, 0, 0, 0, 0);
  waitpid(pid, &status, 0);
  say("child: %s", status_text(status));
}

static void clobber_vectors(int signal, siginfo_t *info, void *context) {
  unsigned mxcsr = 0;
  unsigned short control = 0;
  __asm__ volatile("stmxcsr %0; fnstcw %1" : "=m"(mxcsr), "=m"(control));
  if (signal == SIGUSR1) say("in handler: mxcsr %#x, x87 control %#x", mxcsr, control);
  unsigned other = 0x1fbf;
  unsigned short other_control = 0x27f;
  __asm__ volatile("pxor %%xmm0,%%xmm0; pcmpeqd %%xmm7,%%xmm7; pcmpeqd %%xmm15,%%xmm15; ldmxcsr %0; fninit; fldcw %1; fldz; fldz"
                   : : "m"(other), "m"(other_control) : "xmm0", "xmm7", "xmm15");
  if (__builtin_cpu_supports("avx")) __asm__ volatile("vzeroall" : : : ALL_XMM);
}

CASE(xmm_across_handler) {
  install(SIGUSR1, clobber_vectors, 0);
  xmm_call(SYS_tgkill, getpid(), raw(SYS_gettid, 0, 0, 0, 0, 0, 0), SIGUSR1, 0);
  static char memory[65536];
  stack_t stack = {.ss_sp = memory, .ss_size = sizeof memory};
  sigaltstack(&stack, 0);
  install(SIGUSR1, clobber_vectors, SA_ONSTACK);
  xmm_call(SYS_tgkill, getpid(), raw(SYS_gettid, 0, 0, 0, 0, 0, 0), SIGUSR1, 0);
}

__attribute__((target("avx"))) static void ymm_call(long number, long a, long b, long c) {
  unsigned char in[512] __attribute__((aligned(64))), out[512] __attribute__((aligned(64)));
  for (int i = 0; i < 512; i++) in[i] = (unsigned char)(i * 11 + 3);
  memset(out, 0, sizeof out);
  register void *r12 __asm__("r12") = in;
  register void *r13 __asm__("r13") = out;
  long result;
  __asm__ volatile(
      "vmovdqa 0(%0),%%ymm0; vmovdqa 32(%0),%%ymm1; vmovdqa 64(%0),%%ymm2; vmovdqa 96(%0),%%ymm3; vmovdqa 224(%0),%%ymm7; vmovdqa 480(%0),%%ymm15\n"
      "syscall\n"
      "vmovdqa %%ymm0,0(%1); vmovdqa %%ymm1,32(%1); vmovdqa %%ymm2,64(%1); vmovdqa %%ymm3,96(%1); vmovdqa %%ymm7,224(%1); vmovdqa %%ymm15,480(%1)\n"
      "vzeroupper"
      : "+r"(r12), "+r"(r13), "=a"(result) : "2"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory", ALL_XMM);
  check(memcmp(in, out, 128) == 0);
  check(memcmp(in + 224, out + 224, 32) == 0);
  check(memcmp(in + 480, out + 480, 32) == 0);
}

CASE(ymm_across_calls_and_handler) {
  if (!__builtin_cpu_supports("avx")) return say("this processor has no AVX");
  ymm_call(0x1234, 0, 0, 0);
  ymm_call(SYS_rt_sigprocmask, 0, 0, 0);
  ymm_call(SYS_mprotect, 0, 0, 0);
  install(SIGUSR1, clobber_vectors, 0);
  ymm_call(SYS_tgkill, getpid(), raw(SYS_gettid, 0, 0, 0, 0, 0, 0), SIGUSR1);
}

__attribute__((target("avx512f,avx512bw"))) static void zmm_call(long number, long a, long b, long c) {
  unsigned char in[256] __attribute__((aligned(64))), out[256] __attribute__((aligned(64)));
  for (int i = 0; i < 256; i++) in[i] = (unsigned char)(i * 13 + 5);
  memset(out, 0, sizeof out);
  register void *r12 __asm__("r12") = in;
  register void *r13 __asm__("r13") = out;
  long result, mask_out, mask_in = 0x123456789abcdef0;
  __asm__ volatile(
      "vmovdqa64 0(%0),%%zmm0; vmovdqa64 64(%0),%%zmm15; vmovdqa64 128(%0),%%zmm16; vmovdqa64 192(%0),%%zmm31; kmovq %[k],%%k5\n"
      "syscall\n"
      "vmovdqa64 %%zmm0,0(%1); vmovdqa64 %%zmm15,64(%1); vmovdqa64 %%zmm16,128(%1); vmovdqa64 %%zmm31,192(%1); kmovq %%k5,%[k]\n"
      "vzeroupper"
      : "+r"(r12), "+r"(r13), "=a"(result), [k] "+r"(mask_in)
      : "2"(number), "D"(a), "S"(b), "d"(c)
      : "rcx", "r11", "memory", "k5", "xmm16", "xmm31", ALL_XMM);
  mask_out = mask_in;
  check_equal(mask_out, 0x123456789abcdef0);
  check(memcmp(in, out, 256) == 0);
}

static void clobber_zmm(int signal, siginfo_t *info, void *context) {
  long zero = 0;
  __asm__ volatile("vpxorq %%zmm16,%%zmm16,%%zmm16; vpxorq %%zmm31,%%zmm31,%%zmm31; vpxorq %%zmm0,%%zmm0,%%zmm0; kmovq %0,%%k5"
                   : : "r"(zero) : "xmm0");
}

CASE(zmm_across_calls_and_handler) {
  if (!__builtin_cpu_supports("avx512bw")) return say("this processor has no AVX-512");
  zmm_call(0x1234, 0, 0, 0);
  zmm_call(SYS_rt_sigprocmask, 0, 0, 0);
  install(SIGUSR1, clobber_zmm, 0);
  zmm_call(SYS_tgkill, getpid(), raw(SYS_gettid, 0, 0, 0, 0, 0, 0), SIGUSR1);
  static char memory[65536];
  stack_t stack = {.ss_sp = memory, .ss_size = sizeof memory};
  sigaltstack(&stack, 0);
  install(SIGUSR1, clobber_zmm, SA_ONSTACK);
  zmm_call(SYS_tgkill, getpid(), raw(SYS_gettid, 0, 0, 0, 0, 0, 0), SIGUSR1);
}

CASE(rounding_and_x87) {
  // A handler starts with the default MXCSR and x87 control word; returning brings the program's back.
  unsigned mxcsr = 0x5f80, after = 0;
  unsigned short control = 0xf7f, control_after = 0;
  install(SIGUSR1, clobber_vectors, 0);
  long pid = getpid(), tid = raw(SYS_gettid, 0, 0, 0, 0, 0, 0);
  double value = 1.25, back = 0;
  long result = SYS_tgkill;
  __asm__ volatile("ldmxcsr %[m]; fldcw %[c]; fldl %[v]; syscall; fstpl %[b]; stmxcsr %[ma]; fnstcw %[ca]"
                   : "+a"(result), [b] "=m"(back), [ma] "=m"(after), [ca] "=m"(control_after)
                   : "D"(pid), "S"(tid), "d"(SIGUSR1), [m] "m"(mxcsr), [c] "m"(control), [v] "m"(value)
                   : "rcx", "r11", "memory");
  say("after: mxcsr %#x, control %#x, x87 top %g", after & ~0x3fu, control_after, back);
}

// ---- the frame's view

static struct registers seen;
static void see(int signal, siginfo_t *info, void *context) {
  greg_t *g = ((ucontext_t *)context)->uc_mcontext.gregs;
  seen = (struct registers){g[REG_RAX], g[REG_RBX], g[REG_RCX], g[REG_RDX], g[REG_RSI], g[REG_RDI], g[REG_RBP], g[REG_R8], g[REG_R9],
                            g[REG_R10], g[REG_R11], g[REG_R12], g[REG_R13], g[REG_R14], g[REG_R15], g[REG_EFL], g[REG_RSP], g[REG_RIP]};
  ucontext_t *uc = context;
  say("uc_flags %#lx, uc_link %p, cs %#x, ss %#x", uc->uc_flags, (void *)uc->uc_link, (unsigned)g[REG_CSGSFS] & 0xffff,
      (unsigned)((unsigned long)g[REG_CSGSFS] >> 48));
  // sw_reserved of the fxsave area says how large the extended state is and which parts it has.
  struct { uint32_t magic1, extended_size; uint64_t features; uint32_t xstate_size; } *software = (void *)((char *)uc->uc_mcontext.fpregs + 464);
  say("xstate magic %#x, size minus xstate %u, second magic %#x", software->magic1, software->extended_size - software->xstate_size,
      *(uint32_t *)((char *)uc->uc_mcontext.fpregs + software->xstate_size));
}

CASE(registers_in_frame) {
  install(SIGUSR1, see, 0);
  struct registers in = pattern(SYS_tgkill), out;
  in.rdi = (uint64_t)getpid();
  in.rsi = (uint64_t)raw(SYS_gettid, 0, 0, 0, 0, 0, 0);
  in.rdx = SIGUSR1;
  in.rflags = 0x202 | program_flags;
  call_with(&in, &out);
  compare("tgkill", &in, &out);
  // The frame says what the call left: rax 0, rcx the address after, r11 the flags.
  check_equal(seen.after, out.after);
  check_equal(seen.rcx, out.after);
  check_equal(seen.rax, 0);
  check_equal(seen.r11, out.r11);
  check_equal(seen.rsp, out.rsp);
  check_equal(seen.rflags & program_flags, program_flags);
  seen.rcx = seen.after = seen.rsp = seen.rdi = seen.rsi = 0;
  say("rbx %#lx rbp %#lx r8 %#lx r9 %#lx r10 %#lx r12 %#lx r13 %#lx r14 %#lx r15 %#lx", seen.rbx, seen.rbp, seen.r8, seen.r9, seen.r10,
      seen.r12, seen.r13, seen.r14, seen.r15);
}

static int handler_ends[2];
static void look_and_write(int signal, siginfo_t *info, void *context) {
  greg_t *g = ((ucontext_t *)context)->uc_mcontext.gregs;
  long distance = g[REG_RIP] - (greg_t)call_with_site;
  say("rip at site%+ld, rax %lld, rcx %s", distance, (long long)g[REG_RAX],
      g[REG_RCX] == (greg_t)call_with_site + 2 ? "after" : "other");
  check(write(handler_ends[1], "x", 1) == 1);
}

CASE(frame_of_interrupted_read) {
  // EINTR shows the counter behind the call and rax = -EINTR; SA_RESTART shows it at the call, with the number in rax.
  char buffer[8];
  for (int flags = 0; flags <= SA_RESTART; flags += SA_RESTART) {
    check(pipe(handler_ends) == 0);
    install(SIGUSR1, look_and_write, flags);
    struct registers in = pattern(SYS_read), out;
    in.rdi = (uint64_t)handler_ends[0];
    in.rsi = (uint64_t)buffer;
    in.rdx = 1;
    pid_t pid = signal_when_in(SYS_read, SIGUSR1);
    call_with(&in, &out);
    say("read: %ld", (long)out.rax);
    check_equal(out.rcx, out.after);
    check_equal(out.rbx, in.rbx);
    check_equal(out.r10, in.r10);
    wait_and_say(pid, "sender");
  }
}

CASE(direction_flag_cleared_in_handler) {
  struct registers in = pattern(SYS_tgkill), out;
  install(SIGUSR1, see, 0);
  in.rdi = (uint64_t)getpid();
  in.rsi = (uint64_t)raw(SYS_gettid, 0, 0, 0, 0, 0, 0);
  in.rdx = SIGUSR1;
  in.rflags = 0x202 | 0x400;
  call_with(&in, &out);
  say("DF before %d after %d", !!(seen.rflags & 0x400), !!(out.rflags & 0x400));
}

static pthread_barrier_t barrier;
static void *register_thread(void *argument) {
  pthread_barrier_wait(&barrier);
  long bad = 0;
  for (int i = 0; i < 20000; i++) {
    // call_with keeps two words in static memory, so it is not for threads.
    long rbx = (long)argument * 1000003, r15 = rbx ^ i;
    register long r12 __asm__("r12") = rbx;
    register long r13 __asm__("r13") = r15;
    register long r14 __asm__("r14") = ~rbx;
    long result;
    __asm__ volatile("syscall" : "=a"(result), "+r"(r12), "+r"(r13), "+r"(r14) : "0"(i % 2 ? 0x1234l : (long)SYS_rt_sigprocmask), "D"(0l), "S"(0l), "d"(0l) : "rcx", "r11", "memory");
    bad += r12 != rbx || r13 != r15 || r14 != ~rbx;
  }
  return (void *)bad;
}

CASE(registers_in_threads) {
  pthread_t threads[4];
  pthread_barrier_init(&barrier, 0, 4);
  for (long i = 0; i < 4; i++) pthread_create(&threads[i], 0, register_thread, (void *)(i + 1));
  for (int i = 0; i < 4; i++) {
    void *bad;
    pthread_join(threads[i], &bad);
    check_equal((long)bad, 0);
  }
  say("done");
}
