// The calls that the engine virtualises, from sites that look like data, and from code that is made at run time.
// variants: dynamic static musl-static
// options: --exhaustive
#include "cases.h"
#include "hidden-sites.h"
#include <linux/sched.h>
#include <pthread.h>
#include <sys/time.h>
#include <ucontext.h>

HIDDEN(hidden);
HIDDEN(hidden_end);
#define call0(n) hidden(n, 0, 0, 0, 0, 0, 0)

CASE(plain) {
  check_equal(call0(SYS_getpid), getpid());
  check_equal(hidden(SYS_write, 1, (long)"text\n", 5, 0, 0, 0), 5);
  check_equal(hidden(SYS_close, -1, 0, 0, 0, 0, 0), -EBADF);
  check_equal(call0(1000), -ENOSYS);
  char text[8] = "";
  check_equal(hidden(SYS_read, 0, (long)text, 6, 0, 0, 0), 6);
  say("%.6s", text);
  char *page = (char *)hidden(SYS_mmap, 0, 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  page[5] = 1;
  check_equal(hidden(SYS_munmap, (long)page, 4096, 0, 0, 0, 0), 0);
}

// Every register but rax, rcx and r11 as it was; these as the kernel leaves them.
struct registers {
  uint64_t rax, rbx, rcx, rdx, rsi, rdi, rbp, rsp, r8, r9, r10, r11, r12, r13, r14, r15, flags, redzone;
};
struct registers before, after_call;
void call_with_registers(void);
extern char call_with_registers_after[];
__asm__(
    ".pushsection .text\n" HIDDEN_AMONG
    "call_with_registers: push %rbx\npush %rbp\npush %r12\npush %r13\npush %r14\npush %r15\n"
    "mov $0x5152535455565758, %rcx\nmov %rcx, -8(%rsp)\nmov %rcx, -128(%rsp)\n"
    "lea before(%rip), %r11\n"
    "mov 0(%r11), %rax\nmov 8(%r11), %rbx\nmov 24(%r11), %rdx\nmov 32(%r11), %rsi\nmov 40(%r11), %rdi\nmov 48(%r11), %rbp\n"
    "mov 64(%r11), %r8\nmov 72(%r11), %r9\nmov 80(%r11), %r10\nmov 96(%r11), %r12\nmov 104(%r11), %r13\nmov 112(%r11), %r14\n"
    "mov 120(%r11), %r15\nmov %rsp, 56(%r11)\nmov 16(%r11), %rcx\n"
    "cmp $1, %r11\nstc\nstd\n"
    "syscall\n"
    "call_with_registers_after: mov %r11, 88+after_call(%rip)\nlea after_call(%rip), %r11\n"
    "mov %rax, 0(%r11)\nmov %rbx, 8(%r11)\nmov %rcx, 16(%r11)\nmov %rdx, 24(%r11)\nmov %rsi, 32(%r11)\nmov %rdi, 40(%r11)\nmov %rbp, 48(%r11)\n"
    "mov %rsp, 56(%r11)\nmov %r8, 64(%r11)\nmov %r9, 72(%r11)\nmov %r10, 80(%r11)\nmov %r12, 96(%r11)\nmov %r13, 104(%r11)\nmov %r14, 112(%r11)\nmov %r15, 120(%r11)\n"
    "mov -8(%rsp), %rax\nmov -128(%rsp), %rcx\npushfq\npop 128(%r11)\nxor %rcx, %rax\nmov %rax, 136(%r11)\ncld\n"
    "pop %r15\npop %r14\npop %r13\npop %r12\npop %rbp\npop %rbx\nret\n" HIDDEN_AMONG ".popsection\n");

CASE(registers) {
  long numbers[] = {SYS_getppid, 1000, SYS_rt_sigpending, SYS_sched_yield};
  for (unsigned i = 0; i < 3 * sizeof numbers / sizeof *numbers; i++) {
    for (unsigned j = 0; j < sizeof before / 8; j++) ((uint64_t *)&before)[j] = 0x1111111111111111ull * (j + 1);
    before.rax = numbers[i % 4];
    call_with_registers();
    check_equal(after_call.rcx, call_with_registers_after);
    check_equal(after_call.r11, after_call.flags);
    check_equal(after_call.flags & 0x401, 0x401);
    check_equal(after_call.redzone, 0);
    before.rax = before.rcx = before.r11 = before.flags = before.redzone = 0;
    after_call.rax = after_call.rcx = after_call.r11 = after_call.flags = 0;
    check(memcmp(&before, &after_call, sizeof before) == 0);
  }
}

static volatile int handled;
// The alarms of `storm` come to any of its threads.
static void count(int signal, siginfo_t *info, void *context) { __atomic_fetch_add(&handled, 1, __ATOMIC_SEQ_CST); }

// A restorer of the program's own, hidden too.
void hidden_restorer(void);
__asm__(".pushsection .text\n" HIDDEN_AMONG "hidden_restorer: mov $15, %eax\nsyscall\n" HIDDEN_AMONG ".popsection\n");

CASE(handlers) {
  struct {
    void (*handler)(int, siginfo_t *, void *);
    unsigned long flags;
    void (*restorer)(void);
    unsigned long mask;
  } action = {count, SA_SIGINFO | 0x04000000, hidden_restorer, 0}, old = {0};
  check_equal(hidden(SYS_rt_sigaction, SIGUSR1, (long)&action, 0, 8, 0, 0), 0);
  for (int i = 0; i < 100; i++) check_equal(hidden(SYS_kill, getpid(), SIGUSR1, 0, 0, 0, 0), 0);
  check_equal(handled, 100);
  check_equal(hidden(SYS_rt_sigaction, SIGUSR1, 0, (long)&old, 8, 0, 0), 0);
  check_equal(old.handler, count);
  check_equal(old.restorer, hidden_restorer);

  unsigned long all = ~0ul, none = 0, seen = 0;
  check_equal(hidden(SYS_rt_sigprocmask, SIG_SETMASK, (long)&all, 0, 8, 0, 0), 0);
  hidden(SYS_kill, getpid(), SIGUSR1, 0, 0, 0, 0);
  check_equal(handled, 100);
  check_equal(hidden(SYS_rt_sigpending, (long)&seen, 8, 0, 0, 0, 0), 0);
  check_equal(seen, 1 << (SIGUSR1 - 1));
  check_equal(hidden(SYS_rt_sigprocmask, SIG_SETMASK, (long)&none, 0, 8, 0, 0), 0);
  check_equal(handled, 101);
}

// The kernel raises SIGSYS for the engine, and the program hears nothing of it.
CASE(sigsys_is_the_programs) {
  signal(SIGSYS, SIG_IGN);
  check_equal(call0(SYS_getpid), getpid());
  install(SIGSYS, count, 0);
  check_equal(call0(SYS_getpid), getpid());
  check_equal(handled, 0);
  hidden(SYS_kill, getpid(), SIGSYS, 0, 0, 0, 0);
  check_equal(handled, 1);
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, 0);
  check_equal(call0(SYS_getpid), getpid());
  hidden(SYS_kill, getpid(), SIGSYS, 0, 0, 0, 0);
  check_equal(handled, 1);
  sigemptyset(&all);
  sigprocmask(SIG_SETMASK, &all, 0);
  check_equal(handled, 2);
}

CASE(interrupted_and_restarted) {
  int ends[2];
  check(pipe(ends) == 0);
  char byte;
  install(SIGUSR1, count, 0);
  pid_t pid = signal_when_in(SYS_read, SIGUSR1);
  check_equal(hidden(SYS_read, ends[0], (long)&byte, 1, 0, 0, 0), -EINTR);
  waitpid(pid, 0, 0);
  install(SIGUSR1, count, SA_RESTART);
  pid_t parent = getpid();
  pid = fork();
  if (pid == 0) {
    wait_until_in(parent, SYS_read);
    kill(parent, SIGUSR1);
    while (write(ends[1], "x", 1) != 1);
    _exit(0);
  }
  check_equal(hidden(SYS_read, ends[0], (long)&byte, 1, 0, 0, 0), 1);
  check_equal(byte, 'x');
  waitpid(pid, 0, 0);
  say("handled %d", handled);
}

static sigjmp_buf jump;
static void leave(int signal, siginfo_t *info, void *context) { siglongjmp(jump, 1); }

CASE(left_by_siglongjmp) {
  int ends[2];
  check(pipe(ends) == 0);
  install(SIGUSR1, leave, 0);
  for (int i = 0; i < 20; i++) {
    char byte;
    pid_t pid = signal_when_in(SYS_read, SIGUSR1);
    if (sigsetjmp(jump, 1) == 0) {
      hidden(SYS_read, ends[0], (long)&byte, 1, 0, 0, 0);
      say("not interrupted");
    }
    waitpid(pid, 0, 0);
    check_equal(call0(SYS_getpid), getpid());
  }
}

// vfork returns twice on one stack: the return address must not be there.
long hidden_vfork(void);
__asm__(".pushsection .text\n" HIDDEN_AMONG "hidden_vfork: pop %rdx\nmov $58, %eax\nsyscall\npush %rdx\nret\n" HIDDEN_AMONG
        ".popsection\n");

CASE(children) {
  for (int i = 0; i < 5; i++) {
    long pid = call0(SYS_fork);
    if (pid == 0) {
      check_equal(call0(SYS_getpid), getpid());
      hidden_end(SYS_exit_group, 40 + i + failures, 0, 0, 0, 0, 0);
    }
    wait_and_say(pid, "fork");
    pid = hidden_vfork();
    if (pid == 0) {
      hidden(SYS_getpid, 0, 0, 0, 0, 0, 0);
      hidden_end(SYS_exit_group, 50 + i, 0, 0, 0, 0, 0);
    }
    wait_and_say(pid, "vfork");
    struct clone_args arguments = {.exit_signal = SIGCHLD};
    pid = hidden(SYS_clone3, (long)&arguments, sizeof arguments, 0, 0, 0, 0);
    if (pid == 0) hidden_end(SYS_exit, 60 + i, 0, 0, 0, 0, 0);
    wait_and_say(pid, "clone3");
  }
}

// A thread by clone, from assembly: rdi flags, rsi stack, rdx tid word. It counts in hidden calls, and ends by a hidden exit.
long hidden_thread(long flags, void *stack, int *word);
__asm__(
    ".pushsection .text\n" HIDDEN_AMONG
    "hidden_thread: mov %rdx, %r10\nmov $56, %eax\nsyscall\ntest %eax, %eax\njz 1f\nret\n"
    "1: mov $1000, %ebx\n2: mov $39, %eax\nsyscall\nadd %eax, (%rsp)\ndec %ebx\njnz 2b\n"
    "mov $60, %eax\nxor %edi, %edi\nsyscall\n" HIDDEN_AMONG ".popsection\n");

CASE(raw_threads) {
  static char stacks[20][4096] __attribute__((aligned(16)));
  static int words[20];
  for (int i = 0; i < 20; i++) {
    words[i] = -1;
    long flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM | CLONE_CHILD_CLEARTID;
    check(hidden_thread(flags, stacks[i] + 4096 - 64, &words[i]) > 0);
  }
  for (int i = 0; i < 20; i++) {
    while (__atomic_load_n(&words[i], __ATOMIC_SEQ_CST) != 0) sched_yield();
    check_equal(*(unsigned *)(stacks[i] + 4096 - 64), (unsigned)getpid() * 1000);
  }
}

CASE(executes) {
  if (case_argv[1] && case_argv[2]) {
    check_equal(call0(SYS_getpid), getpid());
    say("executed with %s", case_argv[2]);
    return;
  }
  char *argv[] = {case_argv[0], "executes", "an argument", 0};
  char *envp[] = {"A=b", 0};
  say("error %ld", hidden(SYS_execve, (long)"/nowhere", (long)argv, (long)envp, 0, 0, 0));
  hidden(SYS_execve, (long)case_argv[0], (long)argv, (long)envp, 0, 0, 0);
  say("not executed");
}

static void *call_often(void *argument) {
  for (int i = 0; i < rounds(3000); i++)
    if (call0(SYS_getppid) != getppid()) say("FAILED: wrong parent");
  return 0;
}

CASE(many_threads) {
  pthread_t threads[8];
  for (int i = 0; i < 8; i++) check(pthread_create(&threads[i], 0, call_often, 0) == 0);
  for (int i = 0; i < 8; i++) pthread_join(threads[i], 0);
}

CASE(storm) {
  install(SIGALRM, count, SA_RESTART);
  install(SIGUSR1, count, 0);
  struct itimerval often = {{0, 200}, {0, 200}}, never = {{0, 0}, {0, 0}};
  setitimer(ITIMER_REAL, &often, 0);
  pthread_t threads[4];
  for (int i = 0; i < 4; i++) check(pthread_create(&threads[i], 0, call_often, 0) == 0);
  for (int i = 0; i < rounds(2000); i++) check_equal(hidden(SYS_tgkill, getpid(), gettid(), SIGUSR1, 0, 0, 0), 0);
  for (int i = 0; i < 4; i++) pthread_join(threads[i], 0);
  setitimer(ITIMER_REAL, &never, 0);
  check(handled >= rounds(2000));
}

// 128 sites, one in each 512 bytes: each is seen for the first time while other threads run, and while they fork.
#define SITES 128
extern char many_sites[];
__asm__(".pushsection .text\n.balign 512\nmany_sites: .rept 128\n.fill 240, 1, 0x06\nmov $39, %eax\nsyscall\nret\n.byte 0x06, 0xea\n.balign 512, 0x06\n.endr\n.popsection\n");

static void *first_calls(void *argument) {
  long first = (long)argument;
  for (int round = 0; round < 20; round++)
    for (long i = 0; i < SITES; i++) {
      long got = ((long (*)(void))(many_sites + ((first + i) % SITES) * 512 + 240))();
      if (got != getpid()) say("FAILED: site %ld gives %ld", i, got);
    }
  return 0;
}

CASE(first_calls_at_once) {
  pthread_t threads[4];
  for (long i = 0; i < 4; i++) check(pthread_create(&threads[i], 0, first_calls, (void *)(i * 7)) == 0);
  for (int i = 0; i < 30; i++) {
    pid_t pid = fork();
    if (pid == 0) {
      first_calls((void *)(long)(i * 3));
      _exit(failures != 0);
    }
    int status;
    check(waitpid(pid, &status, 0) == pid);
    check_equal(status, 0);
  }
  for (int i = 0; i < 4; i++) pthread_join(threads[i], 0);
  unsigned sum = 0;
  for (int i = 0; i < SITES; i++)
    for (int j = 0; j < 512; j++)
      if (j < 240 || j >= 250) sum += (unsigned char)many_sites[i * 512 + j];
  check_equal(sum, SITES * 502 * 6);
}

// mov $NUMBER,%eax ; syscall ; ret
static void write_code(unsigned char *at, int number) {
  unsigned char code[] = {0xb8, 0, 0, 0, 0, 0x0f, 0x05, 0xc3};
  memcpy(code + 1, &number, 4);
  memcpy(at, code, sizeof code);
}

CASE(code_made_at_run_time) {
  unsigned char *page = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  long (*call)(void) = (long (*)(void))page;
  for (int i = 0; i < 5; i++) {
    write_code(page, i % 2 ? SYS_getpid : SYS_getppid);
    check(mprotect(page, 8192, PROT_READ | PROT_EXEC) == 0);
    for (int j = 0; j < 10; j++) check_equal(call(), i % 2 ? getpid() : getppid());
    // Bytes that a jump of Flicker's may have used, and those alone, change.
    check(mprotect(page, 8192, PROT_READ | PROT_WRITE) == 0);
    page[7] = 0x90;
    page[8] = 0xc3;
    check_equal(page[5] << 8 | page[6], 0x0f05);
    check(mprotect(page, 8192, PROT_READ | PROT_EXEC) == 0);
    for (int j = 0; j < 10; j++) check_equal(call(), i % 2 ? getpid() : getppid());
    check(mprotect(page, 8192, PROT_READ | PROT_WRITE) == 0);
  }
  check(munmap(page, 8192) == 0);
}

CASE(code_that_changes_itself) {
  unsigned char *page = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  for (int i = 0; i < 50; i++) {
    write_code(page + i % 3, i % 2 ? SYS_getpid : SYS_getppid);
    __builtin___clear_cache((char *)page, (char *)page + 64);
    check_equal(((long (*)(void))(page + i % 3))(), i % 2 ? getpid() : getppid());
  }
  write_code(page, SYS_fork);
  long pid = ((long (*)(void))page)();
  if (pid == 0) _exit(7);
  wait_and_say(pid, "fork");
}

// Two views of one object: what is written to one is run in the other.
CASE(code_with_two_views) {
  int file = memfd_create("code", 0);
  check(ftruncate(file, 4096) == 0);
  unsigned char *writable = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  unsigned char *executable = mmap(0, 4096, PROT_READ, MAP_SHARED, file, 0);
  for (int i = 0; i < 20; i++) {
    write_code(writable, i % 2 ? SYS_getpid : SYS_getppid);
    check(mprotect(executable, 4096, PROT_READ | PROT_EXEC) == 0);
    check_equal(((long (*)(void))executable)(), i % 2 ? getpid() : getppid());
    check_equal(((long (*)(void))executable)(), i % 2 ? getpid() : getppid());
  }
  executable = mmap(0, 4096, PROT_READ | PROT_EXEC, MAP_SHARED, file, 0);
  for (int i = 0; i < 20; i++) {
    write_code(writable, i % 2 ? SYS_getpid : SYS_getppid);
    check_equal(((long (*)(void))executable)(), i % 2 ? getpid() : getppid());
  }
}

// A hidden call with nothing but 128 bytes of stack above a page that cannot be written.
long call_on_stack(void *stack);
__asm__(".pushsection .text\n" HIDDEN_AMONG
        "call_on_stack: mov %rsp, %rdx\nmov %rdi, %rsp\nmov $39, %eax\nsyscall\nmov %rdx, %rsp\nret\n" HIDDEN_AMONG ".popsection\n");

CASE(small_stack) {
  char *pages = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  check(mprotect(pages, 4096, PROT_NONE) == 0);
  for (int i = 0; i < 3; i++) check_equal(call_on_stack(pages + 4096 + 128), getpid());
  check_equal(call_on_stack((void *)16), getpid());
}

// 32-bit calls from 64-bit code: the kernel's, in every way.
CASE(interrupt_gate) {
  long result, r8, r11, rcx;
  for (int i = 0; i < 3; i++) {
    __asm__ volatile(
        "mov %4, %%r8\nmov %4, %%r11\nmov %4, %%rcx\nint $0x80\nmov %%r8, %1\nmov %%r11, %2\nmov %%rcx, %3"
        : "=a"(result), "=&b"(r8), "=&S"(r11), "=&D"(rcx)
        : "d"(0x1234567890abcdef), "a"(20)
        : "r8", "r11", "rcx", "memory");
    check_equal(result, getpid());
    check_equal(r8, 0x1234567890abcdef);
    check_equal(r11, 0x1234567890abcdef);
    check_equal(rcx, 0x1234567890abcdef);
  }
  char *low = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
  strcpy(low, "by int 0x80\n");
  __asm__ volatile("int $0x80" : "=a"(result) : "a"(4), "b"(1l), "c"(low), "d"(12l) : "memory");
  check_equal(result, 12);
}

CASE(vsyscall) {
  time_t (*vsyscall_time)(time_t *) = (time_t (*)(time_t *))0xffffffffff600400;
  int (*vsyscall_gettimeofday)(struct timeval *, void *) = (int (*)(struct timeval *, void *))0xffffffffff600000;
  long (*vsyscall_getcpu)(unsigned *, unsigned *, void *) = (long (*)(unsigned *, unsigned *, void *))0xffffffffff600800;
  struct timeval t;
  unsigned cpu = -1;
  check(labs(vsyscall_time(0) - time(0)) < 5);
  check(vsyscall_gettimeofday(&t, 0) == 0 && labs(t.tv_sec - time(0)) < 5);
  check(vsyscall_getcpu(&cpu, 0, 0) == 0 && cpu < 4096);
}

// The instruction that an AMD processor does not have in 64-bit mode, and that an Intel one has for 32-bit calls only.
CASE(sysenter) {
  pid_t pid = fork();
  if (pid == 0) {
    __asm__ volatile("mov $20, %%eax\nsysenter" : : : "rax", "memory");
    _exit(0);
  }
  int status;
  check(waitpid(pid, &status, 0) == pid);
  check(WIFSIGNALED(status));
}
