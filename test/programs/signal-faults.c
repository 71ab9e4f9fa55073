// Synchronous signals: what the handler is told, where the program counter stands, going on behind the fault, and how a
// process without a handler dies.
// variants: dynamic static musl
#include "cases.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <ucontext.h>

// Each faulting instruction stands between two labels of its own.
extern char segv_read[], segv_read_end[], segv_write[], segv_write_end[], segv_canonical[], segv_canonical_end[];
extern char divide[], divide_end[], undefined[], undefined_end[], breakpoint[], breakpoint_end[], int_1[], int_1_end[];
extern char privileged[], privileged_end[], syscall_site[], syscall_site_end[], sse_divide[], sse_divide_end[];
extern char int_80[], int_80_end[];

__asm__(
    ".text\n"
    "f_segv_read:  segv_read: mov (%rdi),%eax; segv_read_end: ret\n"
    "f_segv_write: segv_write: mov %eax,(%rdi); segv_write_end: ret\n"
    "f_segv_canonical: mov $0x123456789abcdef0,%rax; segv_canonical: mov (%rax),%eax; segv_canonical_end: ret\n"
    "f_divide: mov $7,%eax; cltd; xor %ecx,%ecx; divide: idiv %ecx; divide_end: ret\n"
    "f_undefined: undefined: ud2; undefined_end: ret\n"
    "f_breakpoint: breakpoint: int3; breakpoint_end: ret\n"
    "f_int_1: int_1: .byte 0xf1; int_1_end: ret\n"
    "f_privileged: privileged: hlt; privileged_end: ret\n"
    "f_syscall: mov $0x1234,%eax; syscall_site: syscall; syscall_site_end: ret\n"
    "f_sse_divide: sse_divide: divss %xmm1,%xmm0; sse_divide_end: ret\n");
void f_segv_read(void *), f_segv_write(void *), f_segv_canonical(void), f_divide(void), f_undefined(void);
void f_breakpoint(void), f_int_1(void), f_privileged(void);
long f_syscall(long, long, long);
float f_sse_divide(float, float);

static struct { const char *name; char *start, *end; } sites[] = {
    {"segv_read", segv_read, segv_read_end},
    {"segv_write", segv_write, segv_write_end},
    {"segv_canonical", segv_canonical, segv_canonical_end},
    {"divide", divide, divide_end},
    {"undefined", undefined, undefined_end},
    {"breakpoint", breakpoint, breakpoint_end},
    {"int_1", int_1, int_1_end},
    {"privileged", privileged, privileged_end},
    {"syscall", syscall_site, syscall_site_end},
    {"sse_divide", sse_divide, sse_divide_end},
};

static char *base;  // faulting addresses are said relative to this

static void say_and_skip(int signal, siginfo_t *info, void *context) {
  ucontext_t *uc = context;
  char *rip = (char *)uc->uc_mcontext.gregs[REG_RIP];
  const char *site = "elsewhere";
  long into = 0;
  for (unsigned i = 0; i < sizeof sites / sizeof *sites; i++)
    if (rip >= sites[i].start && rip <= sites[i].end) {
      site = sites[i].name;
      into = rip - sites[i].start;
      uc->uc_mcontext.gregs[REG_RIP] = (greg_t)sites[i].end;
    }
  char *address = info->si_addr;
  char text[32];
  if (address == rip) snprintf(text, sizeof text, "rip");
  else if (base && address >= base && address < base + 65536) snprintf(text, sizeof text, "base+%#tx", address - base);
  else snprintf(text, sizeof text, "%p", address);
  say("signal %d, code %d, address %s, at %s+%ld, trapno %lld, err %#llx%s", signal, info->si_code, text, site, into,
      (long long)uc->uc_mcontext.gregs[REG_TRAPNO], (long long)uc->uc_mcontext.gregs[REG_ERR],
      uc->uc_mcontext.gregs[REG_TRAPNO] == 14 && (char *)uc->uc_mcontext.gregs[REG_CR2] != address ? ", cr2 differs" : "");
}

static const int all_faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS};
static void install_all(int flags) {
  for (unsigned i = 0; i < sizeof all_faults / sizeof *all_faults; i++) install(all_faults[i], say_and_skip, flags);
}

CASE(segv) {
  install_all(0);
  base = mmap(0, 65536, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  f_segv_read(base + 0x123);
  f_segv_write(base + 0x8004);
  mprotect(base, 65536, PROT_READ);
  f_segv_write(base + 0x42);
  munmap(base, 65536);
  f_segv_read(base + 0x321);
  f_segv_read(0);
  f_segv_read((void *)0x18);
  f_segv_canonical();
}

CASE(bus) {
  install_all(0);
  int file = open(".", O_TMPFILE | O_RDWR, 0600);
  if (file < 0) file = open("bus-file", O_CREAT | O_RDWR, 0600);
  check(file >= 0 && ftruncate(file, 4096) == 0);
  base = mmap(0, 65536, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  f_segv_read(base + 100);
  f_segv_read(base + 4096 + 8);
}

CASE(fpe_ill_trap) {
  install_all(0);
  f_divide();
  f_undefined();
  f_privileged();
  f_breakpoint();
  f_int_1();
  unsigned mxcsr, unmasked;
  __asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
  unmasked = mxcsr & ~0x200u;
  __asm__ volatile("ldmxcsr %0" : : "m"(unmasked));
  f_sse_divide(1, 0);
  __asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
}

CASE(on_alternate_stack) {
  static char memory[65536];
  stack_t stack = {.ss_sp = memory, .ss_size = sizeof memory};
  sigaltstack(&stack, 0);
  install_all(SA_ONSTACK | SA_NODEFER);
  f_divide();
  f_undefined();
  f_segv_read((void *)0x10);
  f_breakpoint();
}

static volatile int steps;
static void count_step(int signal, siginfo_t *info, void *context) {
  ucontext_t *uc = context;
  steps++;
  if (info->si_code != TRAP_TRACE) say("code %d", info->si_code);
  if (steps > 1000) uc->uc_mcontext.gregs[REG_EFL] &= ~0x100;
}

CASE(single_step_itself) {
  // The trap flag set by the program: one SIGTRAP an instruction, over plain code.
  install(SIGTRAP, count_step, 0);
  __asm__ volatile(
      "sub $128,%%rsp; pushfq; orl $0x100,(%%rsp); popfq\n"
      "nop; nop; nop; nop\n"
      "pushfq; andl $~0x100,(%%rsp); popfq\n"
      "add $128,%%rsp"
      : : : "memory", "cc");
  say("steps %d", steps);
}

static void blocked_death(int signal, void (*fault)(void)) {
  struct rlimit none = {0, 0};
  setrlimit(RLIMIT_CORE, &none);
  pid_t pid = fork();
  if (pid == 0) {
    install_all(0);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, signal);
    sigprocmask(SIG_BLOCK, &set, 0);
    fault();
    say("not reached");
    _exit(1);
  }
  char text[32];
  snprintf(text, sizeof text, "blocked %d", signal);
  wait_and_say(pid, text);
  pid = fork();
  if (pid == 0) {
    for (unsigned i = 0; i < sizeof all_faults / sizeof *all_faults; i++) sigaction(all_faults[i], &(struct sigaction){.sa_handler = SIG_IGN}, 0);
    fault();
    say("not reached");
    _exit(1);
  }
  snprintf(text, sizeof text, "ignored %d", signal);
  wait_and_say(pid, text);
  pid = fork();
  if (pid == 0) {
    fault();
    _exit(1);
  }
  snprintf(text, sizeof text, "default %d", signal);
  wait_and_say(pid, text);
}

static void read_null(void) { f_segv_read(0); }

CASE(blocked_faults_kill) {
  blocked_death(SIGSEGV, read_null);
  blocked_death(SIGFPE, f_divide);
  blocked_death(SIGILL, f_undefined);
  blocked_death(SIGTRAP, f_breakpoint);
}

CASE(blocked_fault_signals_sent_by_kill_stay_pending) {
  install_all(0);
  sigset_t set, old;
  sigemptyset(&set);
  for (unsigned i = 0; i < sizeof all_faults / sizeof *all_faults; i++) sigaddset(&set, all_faults[i]);
  sigprocmask(SIG_BLOCK, &set, &old);
  for (unsigned i = 0; i < sizeof all_faults / sizeof *all_faults; i++) kill(getpid(), all_faults[i]);
  raw(SYS_getpid, 0, 0, 0, 0, 0, 0);
  sigset_t pending;
  sigpending(&pending);
  for (unsigned i = 0; i < sizeof all_faults / sizeof *all_faults; i++) say("%d pending %d", all_faults[i], sigismember(&pending, all_faults[i]));
  for (unsigned i = 0; i < sizeof all_faults / sizeof *all_faults; i++) signal(all_faults[i], SIG_IGN);
  sigprocmask(SIG_SETMASK, &old, 0);
  say("survived");
}

static void fault_in_handler(int signal, siginfo_t *info, void *context) {
  say("in handler of %d", signal);
  f_segv_read(0);
  say("back in handler of %d", signal);
}

CASE(fault_in_handler) {
  install(SIGSEGV, say_and_skip, 0);
  install(SIGUSR1, fault_in_handler, 0);
  raise(SIGUSR1);
  struct rlimit none = {0, 0};
  setrlimit(RLIMIT_CORE, &none);
  install(SIGSEGV, fault_in_handler, 0);  // blocked in its own handler: dies
  f_segv_read(0);
  say("not reached");
}

static char overflow_stack[65536];
static sigjmp_buf overflow_back;
static void overflowed(int signal, siginfo_t *info, void *context) {
  ucontext_t *uc = context;
  long distance = (char *)info->si_addr - (char *)uc->uc_mcontext.gregs[REG_RSP];
  say("overflow: signal %d, near rsp %d, on alternate stack %d", signal, distance > -65536 && distance < 65536,
      (char *)&uc > overflow_stack && (char *)&uc < overflow_stack + sizeof overflow_stack);
  siglongjmp(overflow_back, 1);
}

#pragma GCC diagnostic ignored "-Winfinite-recursion"
static int recurse(int depth) {
  volatile char page[2048];
  page[0] = (char)depth;
  return recurse(depth + 1) + page[0];
}

CASE(stack_overflow) {
  stack_t stack = {.ss_sp = overflow_stack, .ss_size = sizeof overflow_stack};
  sigaltstack(&stack, 0);
  install(SIGSEGV, overflowed, SA_ONSTACK);
  for (int i = 0; i < 3; i++)
    if (sigsetjmp(overflow_back, 1) == 0) say("%d", recurse(0));
}

CASE(stack_overflow_kills) {
  struct rlimit none = {0, 0};
  setrlimit(RLIMIT_CORE, &none);
  recurse(0);
}

CASE(jump_to_nowhere) {
  install(SIGSEGV, overflowed, 0);
  void (*nowhere)(void) = (void (*)(void))0x10;
  sigset_t set;
  if (sigsetjmp(overflow_back, 1) == 0) nowhere();
  char *data = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  *data = (char)0xc3;
  if (sigsetjmp(overflow_back, 1) == 0) ((void (*)(void))data)();
  sigprocmask(SIG_BLOCK, 0, &set);
  say("blocked %d", sigismember(&set, SIGSEGV));
}

// ---- SIGSYS: the program's own seccomp filter

static void sys_handler(int signal, siginfo_t *info, void *context) {
  ucontext_t *uc = context;
  char *rip = (char *)uc->uc_mcontext.gregs[REG_RIP];
  say("SIGSYS code %d, errno %d, syscall %#x, arch %#x, rip %s, call address %s, rax %#llx", info->si_code, info->si_errno,
      info->si_syscall, info->si_arch, rip == syscall_site_end ? "after" : "elsewhere",
      info->si_call_addr == syscall_site_end ? "after" : "elsewhere", (long long)uc->uc_mcontext.gregs[REG_RAX]);
  uc->uc_mcontext.gregs[REG_RAX] = 4242;
}

CASE(seccomp_trap) {
  struct sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x1234, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP | 77),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = {4, filter};
  install(SIGSYS, sys_handler, 0);
  check_equal(f_syscall(1, 2, 3), -ENOSYS);
  check(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
  check(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
  check_equal(f_syscall(1, 2, 3), 4242);
}

// ---- a lazily populated region: the classic use of SIGSEGV

static volatile int populated;
static void populate(int signal, siginfo_t *info, void *context) {
  if (mprotect((void *)((uintptr_t)info->si_addr & ~4095ul), 4096, PROT_READ | PROT_WRITE) != 0) _exit(9);
  populated++;
}

CASE(lazy_pages) {
  install(SIGSEGV, populate, 0);
  size_t size = 4096 * 256;
  base = mmap(0, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  for (size_t i = 0; i < size; i += 512) base[i] = (char)i;
  say("populated %d", populated);
}

static void *faulting_thread(void *argument) {
  long count = 0;
  for (int i = 0; i < 2000; i++) {
    f_segv_read((void *)8);
    count++;
  }
  return (void *)count;
}

static void skip_quietly(int signal, siginfo_t *info, void *context) {
  ucontext_t *uc = context;
  if ((char *)uc->uc_mcontext.gregs[REG_RIP] != segv_read) _exit(8);
  uc->uc_mcontext.gregs[REG_RIP] = (greg_t)segv_read_end;
}

CASE(faults_in_threads) {
  install(SIGSEGV, skip_quietly, 0);
  pthread_t threads[4];
  for (int i = 0; i < 4; i++) pthread_create(&threads[i], 0, faulting_thread, 0);
  for (int i = 0; i < 4; i++) {
    void *count;
    pthread_join(threads[i], &count);
    check_equal((long)count, 2000);
  }
  say("done");
}

// The kernel reports a bad pointer by EFAULT, never by a signal, whatever the call.
CASE(bad_pointers) {
  install_all(0);
  say("%ld %ld %ld %ld %ld", raw(SYS_write, 1, 8, 1, 0, 0, 0), raw(SYS_clock_gettime, 0, 8, 0, 0, 0, 0),
      raw(SYS_pipe, 8, 0, 0, 0, 0, 0), raw(SYS_uname, 8, 0, 0, 0, 0, 0), raw(SYS_nanosleep, 8, 0, 0, 0, 0, 0));
  say("%ld %ld %ld", raw(SYS_execve, 8, 0, 0, 0, 0, 0), raw(SYS_open, 8, 0, 0, 0, 0, 0), raw(SYS_readlink, 8, 8, 8, 0, 0, 0));
  say("%ld %ld", raw(SYS_open, 0x7ffffffff000, 0, 0, 0, 0, 0), raw(SYS_open, -4096, 0, 0, 0, 0, 0));
}
