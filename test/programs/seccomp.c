// Seccomp filters: what a filter of the program's does to the program, and that it does nothing to the engine's own calls.
// variants: dynamic static musl
#include "cases.h"
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/time.h>
#include <ucontext.h>

#ifndef SECCOMP_FILTER_FLAG_TSYNC_ESRCH
#define SECCOMP_FILTER_FLAG_TSYNC_ESRCH (1 << 4)
#endif
#ifndef SYS_SECCOMP
#define SYS_SECCOMP 1
#endif

#define NUMBER BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr))
#define LOW(argument) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args) + 8 * (argument))
#define IF(value, instructions) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, instructions)
#define UNLESS(value, instructions) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, instructions, 0)
#define RETURN(what) BPF_STMT(BPF_RET | BPF_K, what)
// One call has an outcome, all others are allowed.
#define ONLY(number, outcome) \
  { NUMBER, IF(number, 1), RETURN(outcome), RETURN(SECCOMP_RET_ALLOW) }
#define SIZE(filter) (sizeof(filter) / sizeof *(filter))

static int set_filter(struct sock_filter *filter, unsigned count, unsigned flags) {
  struct sock_fprog program = {.len = count, .filter = filter};
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, &program);
}
#define INSTALL(...)                                         \
  do {                                                       \
    struct sock_filter filter_[] = __VA_ARGS__;              \
    check_equal(set_filter(filter_, SIZE(filter_), 0), 0);   \
  } while (0)

static volatile sig_atomic_t handled;
static void count_signal(int signal, siginfo_t *info, void *context) {
  (void)signal, (void)info, (void)context;
  handled++;
}
static int fault_depth;
static sigjmp_buf landing;
static void leap(int signal, siginfo_t *info, void *context) {
  (void)signal, (void)info, (void)context;
  fault_depth++;
  siglongjmp(landing, 1);
}

static void *empty_thread(void *argument) { return argument; }

// What a program does all the time without a system call of the forbidden kind.
static void live(void) {
  static unsigned char area[1 << 16];
  memset(area, 1, sizeof area);
  check_equal(raw(SYS_getppid, 0, 0, 0, 0, 0, 0) > 0, 1);
  struct timespec now;
  check_equal(clock_gettime(CLOCK_MONOTONIC, &now), 0);
}

static void exec_self(const char *name) {
  char *arguments[] = {case_argv[0], (char *)name, 0};
  extern char **environ;
  execve("/proc/self/exe", arguments, environ);
  say("execve: %s", strerror(errno));
}

// ---- Filters that kill for what the engine itself calls

CASE(kill_mmap) {
  INSTALL(ONLY(SYS_mmap, SECCOMP_RET_KILL_PROCESS));
  live();
  install(SIGUSR1, count_signal, 0);
  raise(SIGUSR1);
  say("handled %d", handled);
}

CASE(kill_mprotect) {
  INSTALL(ONLY(SYS_mprotect, SECCOMP_RET_KILL_PROCESS));
  live();
  void *page = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  check(page != MAP_FAILED);
  munmap(page, 4096);
  say("alive");
}

CASE(kill_rt_sigprocmask) {
  install(SIGUSR1, count_signal, 0);
  INSTALL(ONLY(SYS_rt_sigprocmask, SECCOMP_RET_KILL_PROCESS));
  live();
  kill(getpid(), SIGUSR1);
  say("handled %d", handled);
}

// The handler of a fault runs and returns although hardly anything is allowed.
static void skip_instruction(int signal, siginfo_t *info, void *context) {
  (void)signal, (void)info;
  ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] += 2;
  handled++;
}

CASE(read_write_exit) {
  install(SIGILL, skip_instruction, 0);
  INSTALL({NUMBER, UNLESS(SYS_read, 4), UNLESS(SYS_write, 3), UNLESS(SYS_exit_group, 2), UNLESS(SYS_rt_sigreturn, 1),
           RETURN(SECCOMP_RET_KILL_PROCESS), RETURN(SECCOMP_RET_ALLOW)});
  char line[64];
  ssize_t size = read(0, line, sizeof line);
  say("read %zd", size);
  for (int i = 0; i < 3; i++) __asm__ volatile("ud2");
  say("handled %d", handled);
  _exit(7);
}

CASE(read_write_exit_kill) {
  INSTALL({NUMBER, UNLESS(SYS_read, 3), UNLESS(SYS_write, 2), UNLESS(SYS_exit_group, 1),
           RETURN(SECCOMP_RET_KILL_PROCESS), RETURN(SECCOMP_RET_ALLOW)});
  say("so far");
  raw(SYS_getpid, 0, 0, 0, 0, 0, 0);
  say("not reached");
}

// A fault without a handler kills with its own signal, whatever the filter forbids.
CASE(death_by_fault) {
  pid_t pid = fork();
  if (pid == 0) {
    INSTALL({NUMBER, UNLESS(SYS_write, 1), RETURN(SECCOMP_RET_KILL_PROCESS), RETURN(SECCOMP_RET_ALLOW)});
    *(volatile int *)16 = 1;
  }
  wait_and_say(pid, "fault");
  pid = fork();
  if (pid == 0) {
    INSTALL({NUMBER, UNLESS(SYS_write, 1), RETURN(SECCOMP_RET_KILL_PROCESS), RETURN(SECCOMP_RET_ALLOW)});
    __builtin_trap();
  }
  wait_and_say(pid, "illegal");
}

// ---- The program's calls meet the filter although the engine's own do not

CASE(errno_for_each) {
  static const int numbers[] = {SYS_mmap,        SYS_munmap,        SYS_mremap, SYS_rt_sigaction, SYS_rt_sigprocmask,
                                SYS_sigaltstack, SYS_rt_sigpending, SYS_openat, SYS_readlink,     SYS_clone,
                                SYS_fork,        SYS_execve,        SYS_ppoll,  SYS_arch_prctl,   SYS_vfork,
                                SYS_clone3,      SYS_execveat,      SYS_rt_sigreturn};
  for (unsigned i = 0; i < SIZE(numbers); i++) INSTALL(ONLY((unsigned)numbers[i], SECCOMP_RET_ERRNO | (100 + i)));
  for (unsigned i = 0; i < SIZE(numbers); i++)
    say("%d: %ld", numbers[i], raw(numbers[i], 0, 4096, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  for (unsigned i = 0; i < SIZE(numbers); i++) check_equal(raw(numbers[i], 0, 0, 0, 8, 0, 0), -(100 + (long)i));
}

// Not all of mmap: by what its arguments say.
CASE(mmap_by_arguments) {
  INSTALL({NUMBER, IF(SYS_mmap, 3), LOW(2), BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, PROT_EXEC, 0, 1),
           RETURN(SECCOMP_RET_ERRNO | EBUSY), RETURN(SECCOMP_RET_ALLOW)});
  void *page = mmap(0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  check(page != MAP_FAILED);
  check(mmap(0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED && errno == EBUSY);
  int file = open("/proc/self/exe", O_RDONLY);
  check(mmap(0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 0) == MAP_FAILED && errno == EBUSY);
  check(mmap(0, 4096, PROT_READ, MAP_PRIVATE, file, 0) != MAP_FAILED);
  say("done");
}

CASE(killed_for_virtual_call) {
  for (int action = 0; action < 2; action++) {
    pid_t pid = fork();
    if (pid == 0) {
      INSTALL(ONLY(SYS_rt_sigprocmask, action ? SECCOMP_RET_KILL_PROCESS : SECCOMP_RET_KILL_THREAD));
      sigset_t set;
      sigemptyset(&set);
      raw(SYS_rt_sigprocmask, SIG_SETMASK, (long)&set, 0, 8, 0, 0);
      _exit(1);
    }
    wait_and_say(pid, "rt_sigprocmask");
  }
}

// ---- SECCOMP_RET_TRAP

static volatile long answer;
static char *call_address_low, *call_address_high;
static void on_trap(int signal, siginfo_t *info, void *context) {
  greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
  char *address = info->si_call_addr;
  say("signal %d code %d errno %d syscall %d arch %#x, rax %lld", signal, info->si_code, info->si_errno, info->si_syscall,
      info->si_arch, registers[REG_RAX]);
  check(address == (char *)registers[REG_RIP]);
  check(call_address_low == 0 || (address >= call_address_low && address < call_address_high));
  registers[REG_RAX] = answer;
  handled++;
}

long site_call(long number, long a, long b, long c, long d);
__asm__(
    ".pushsection .text\n.globl site_call\n.globl trap_site_end\n"
    "site_call: mov %rdi,%rax; mov %rsi,%rdi; mov %rdx,%rsi; mov %rcx,%rdx; mov %r8,%r10\n"
    "syscall\ntrap_site_end: ret\n.popsection\n");
extern char trap_site_end[];

CASE(trap) {
  install(SIGSYS, on_trap, 0);
  call_address_low = trap_site_end;
  call_address_high = trap_site_end + 1;
  INSTALL({NUMBER, UNLESS(SYS_getpid, 4), UNLESS(SYS_rt_sigaction, 3), UNLESS(SYS_mmap, 2), UNLESS(SYS_execve, 1),
           RETURN(SECCOMP_RET_ALLOW), RETURN(SECCOMP_RET_TRAP | 123)});
  static const int numbers[] = {SYS_getpid, SYS_rt_sigaction, SYS_mmap, SYS_execve};
  for (unsigned i = 0; i < SIZE(numbers); i++) {
    answer = 1000 + i;
    long got = site_call(numbers[i], 1, 2, 3, 4);
    check_equal(got, answer);
  }
  say("handled %d", handled);
}

// As chromium's: the handler does what the call should have done, and the filter lets the handler's call through by a
// secret in its last argument.
static void emulate(int signal, siginfo_t *info, void *context) {
  (void)signal;
  greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
  registers[REG_RAX] = raw(info->si_syscall, registers[REG_RDI], registers[REG_RSI], registers[REG_RDX],
                           registers[REG_R10], registers[REG_R8], 0x5ec2e7);
  handled++;
}

CASE(trap_emulation) {
  install(SIGSYS, emulate, SA_NODEFER);
  INSTALL({NUMBER, UNLESS(SYS_openat, 2), UNLESS(SYS_getuid, 1), RETURN(SECCOMP_RET_ALLOW), LOW(5), IF(0x5ec2e7, 1),
           RETURN(SECCOMP_RET_ALLOW), RETURN(SECCOMP_RET_TRAP)});
  for (int i = 0; i < rounds(500); i++) {
    int file = syscall(SYS_openat, AT_FDCWD, "/dev/null", O_RDONLY);
    check(file >= 0);
    close(file);
    check_equal(syscall(SYS_getuid), getuid());
  }
  say("handled %d", handled > 500);
}

CASE(trap_without_handler) {
  for (int i = 0; i < 3; i++) {
    pid_t pid = fork();
    if (pid == 0) {
      if (i == 1) signal(SIGSYS, SIG_IGN);
      if (i == 2) {
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGSYS);
        install(SIGSYS, on_trap, 0);
        sigprocmask(SIG_BLOCK, &set, 0);
      }
      INSTALL({NUMBER, UNLESS(SYS_getuid, 2), UNLESS(SYS_mmap, 1), RETURN(SECCOMP_RET_ALLOW), RETURN(SECCOMP_RET_TRAP)});
      raw(SYS_getuid, 0, 0, 0, 0, 0, 0);
      _exit(1);
    }
    wait_and_say(pid, i == 0 ? "default" : i == 1 ? "ignored" : "blocked");
  }
  pid_t pid = fork();
  if (pid == 0) {
    INSTALL(ONLY(SYS_mmap, SECCOMP_RET_TRAP));
    raw(SYS_mmap, 0, 4096, 3, 0x22, -1, 0);
    _exit(1);
  }
  wait_and_say(pid, "mmap");
}

CASE(trace_without_tracer) {
  INSTALL({NUMBER, UNLESS(SYS_getuid, 2), UNLESS(SYS_rt_sigprocmask, 1), RETURN(SECCOMP_RET_ALLOW), RETURN(SECCOMP_RET_TRACE | 5)});
  say("getuid %ld", raw(SYS_getuid, 0, 0, 0, 0, 0, 0));
  say("rt_sigprocmask %ld", raw(SYS_rt_sigprocmask, 0, 0, 0, 8, 0, 0));
}

CASE(log) {
  INSTALL({NUMBER, UNLESS(SYS_getuid, 2), UNLESS(SYS_rt_sigprocmask, 1), RETURN(SECCOMP_RET_ALLOW), RETURN(SECCOMP_RET_LOG)});
  say("getuid %ld", raw(SYS_getuid, 0, 0, 0, 0, 0, 0) == getuid() ? 0L : 1L);
  say("rt_sigprocmask %ld", raw(SYS_rt_sigprocmask, 0, 0, 0, 8, 0, 0));
}

// ---- What the kernel says of a filter

CASE(errors) {
  struct sock_filter allow[] = {RETURN(SECCOMP_RET_ALLOW)};
  struct sock_fprog program = {.len = 1, .filter = allow};
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
#define SECCOMP(operation, flags, argument) \
  say(#operation " " #flags " " #argument ": %ld", raw(SYS_seccomp, operation, flags, (long)(argument), 0, 0, 0))
  SECCOMP(SECCOMP_SET_MODE_FILTER, 0, 0);
  SECCOMP(SECCOMP_SET_MODE_FILTER, 0, 16);
  SECCOMP(SECCOMP_SET_MODE_FILTER, 0x8000, &program);
  SECCOMP(SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
  SECCOMP(SECCOMP_SET_MODE_STRICT, 1, 0);
  SECCOMP(SECCOMP_SET_MODE_STRICT, 0, 16);
  SECCOMP(17, 0, 0);
  program.len = 0;
  SECCOMP(SECCOMP_SET_MODE_FILTER, 0, &program);
  program.len = 4097;
  SECCOMP(SECCOMP_SET_MODE_FILTER, 0, &program);
  program.len = 1;
  program.filter = (void *)16;
  SECCOMP(SECCOMP_SET_MODE_FILTER, 0, &program);
  struct sock_filter falls_out[] = {NUMBER};
  struct sock_filter jumps_out[] = {IF(1, 5), RETURN(0)};
  struct sock_filter loads_out[] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 64), RETURN(0)};
  struct sock_filter unaligned[] = {BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 2), RETURN(0)};
  struct sock_filter unwritten[] = {BPF_STMT(BPF_LD | BPF_MEM, 0), RETURN(0)};
  struct sock_filter modulo[] = {BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, 3), RETURN(0)};
  struct sock_filter *wrong[] = {falls_out, jumps_out, loads_out, unaligned, unwritten, modulo};
  for (unsigned i = 0; i < SIZE(wrong); i++) say("wrong %u: %d", i, set_filter(wrong[i], i == 0 ? 1 : 2, 0) == 0 ? 0 : errno);
  unsigned action = SECCOMP_RET_KILL_PROCESS;
  SECCOMP(SECCOMP_GET_ACTION_AVAIL, 0, &action);
  action = 0x12340000;
  SECCOMP(SECCOMP_GET_ACTION_AVAIL, 0, &action);
  struct seccomp_notif_sizes sizes;
  SECCOMP(SECCOMP_GET_NOTIF_SIZES, 0, &sizes);
  say("PR_GET_SECCOMP %d", prctl(PR_GET_SECCOMP, 0, 0, 0, 0));
  say("PR_SET_SECCOMP %d", prctl(PR_SET_SECCOMP, 3, 0, 0, 0));
  program.filter = allow;
  say("PR_SET_SECCOMP %d", prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program, 0, 0));
  say("PR_GET_SECCOMP %d", prctl(PR_GET_SECCOMP, 0, 0, 0, 0));
  say("PR_SET_SECCOMP %d", prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0));
}

CASE(no_new_privileges) {
  if (getuid() == 0 && setresuid(65534, 65534, 65534) != 0) say("setresuid failed");
  struct sock_filter allow[] = {RETURN(SECCOMP_RET_ALLOW)};
  struct sock_fprog program = {.len = 1, .filter = allow};
  say("%ld", raw(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, (long)&program, 0, 0, 0));
  program.filter = (void *)16;
  say("%ld", raw(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, (long)&program, 0, 0, 0));
  check(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
  program.filter = allow;
  say("%ld", raw(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, (long)&program, 0, 0, 0));
  live();
}

static void status_lines(void) {
  char text[8192];
  int file = open("/proc/self/status", O_RDONLY);
  ssize_t size = read(file, text, sizeof text - 1);
  close(file);
  text[size < 0 ? 0 : size] = 0;
  for (char *line = strtok(text, "\n"); line; line = strtok(0, "\n"))
    if (strncmp(line, "Seccomp", 7) == 0 || strncmp(line, "NoNewPrivs", 10) == 0) say("%s", line);
}

CASE(status) {
  status_lines();
  for (int i = 0; i < 5; i++) INSTALL({RETURN(SECCOMP_RET_ALLOW)});
  status_lines();
}

// Every instruction that a filter may have, and scratch words: the engine's own reading must agree with the kernel's.
CASE(instructions) {
  struct sock_filter filter[] = {
      NUMBER,
      IF(SYS_rt_sigprocmask, 27),
      LOW(0),
      BPF_STMT(BPF_ST, 0),
      BPF_STMT(BPF_ALU | BPF_ADD | BPF_K, 100),
      BPF_STMT(BPF_ALU | BPF_MUL | BPF_K, 3),
      BPF_STMT(BPF_ALU | BPF_SUB | BPF_K, 7),
      BPF_STMT(BPF_ALU | BPF_DIV | BPF_K, 2),
      BPF_STMT(BPF_MISC | BPF_TAX, 0),
      BPF_STMT(BPF_STX, 15),
      BPF_STMT(BPF_LD | BPF_MEM, 0),
      BPF_STMT(BPF_ALU | BPF_XOR | BPF_X, 0),
      BPF_STMT(BPF_ALU | BPF_OR | BPF_K, 0x40),
      BPF_STMT(BPF_ALU | BPF_LSH | BPF_K, 2),
      BPF_STMT(BPF_ALU | BPF_RSH | BPF_K, 1),
      BPF_STMT(BPF_ALU | BPF_NEG, 0),
      BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0x3ff),
      BPF_STMT(BPF_LDX | BPF_MEM, 15),
      BPF_STMT(BPF_ALU | BPF_ADD | BPF_X, 0),
      BPF_STMT(BPF_LDX | BPF_IMM, 5),
      BPF_STMT(BPF_ALU | BPF_DIV | BPF_X, 0),
      BPF_STMT(BPF_LDX | BPF_W | BPF_LEN, 0),
      BPF_JUMP(BPF_JMP | BPF_JGT | BPF_X, 0, 1, 0),
      BPF_JUMP(BPF_JMP | BPF_JA, 1, 0, 0),
      BPF_STMT(BPF_ALU | BPF_SUB | BPF_X, 0),
      BPF_STMT(BPF_ALU | BPF_AND | BPF_K, 0x3ff),
      BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0xffffffff, 0, 1),
      BPF_STMT(BPF_ALU | BPF_OR | BPF_K, SECCOMP_RET_ERRNO),
      BPF_STMT(BPF_RET | BPF_A, 0),
      RETURN(SECCOMP_RET_ALLOW),
  };
  // A result of 0 in A would kill: the OR above makes it an error, with a second one in front for A = 0.
  filter[26] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 0, 0, 0);
  check_equal(set_filter(filter, SIZE(filter), 0), 0);
  for (long i = 0; i < 40; i++) say("%ld: %ld", i, raw(SYS_rt_sigprocmask, i * 13, 0, 0, 8, 0, 0));
}

// ---- PR_SET_MDWE: what is mapped later cannot be patched

CASE(deny_write_execute) {
  if (prctl(65 /* PR_SET_MDWE */, 1, 0, 0, 0) != 0) say("not known");
  void *page = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  int changed = mprotect(page, 4096, PROT_READ | PROT_EXEC);
  say("mprotect %d %d", changed, errno);
  int file = open("/proc/self/exe", O_RDONLY);
  check(mmap(0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 0) != MAP_FAILED);
  INSTALL(ONLY(SYS_rt_sigpending, SECCOMP_RET_ERRNO | 91));
  live();
  pthread_t thread;
  check(pthread_create(&thread, 0, empty_thread, 0) == 0);
  pthread_join(thread, 0);
  pid_t pid = fork();
  if (pid == 0) exec_self("after_exec");
  wait_and_say(pid, "executed");
}

// ---- Long filters

static int set_long_filter(unsigned count, unsigned number, unsigned outcome) {
  struct sock_filter *filter = calloc(count, sizeof *filter);
  for (unsigned i = 0; i < count; i++) filter[i] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_IMM, i);
  struct sock_filter tail[] = ONLY(number, outcome);
  memcpy(filter + count - 4, tail, sizeof tail);
  int result = set_filter(filter, count, 0) == 0 ? 0 : errno;
  free(filter);
  return result;
}

CASE(long_filters) {
  say("4000: %d", set_long_filter(4000, SYS_getuid, SECCOMP_RET_ERRNO | 55));
  say("4096: %d", set_long_filter(4096, SYS_rt_sigpending, SECCOMP_RET_ERRNO | 56));
  say("getuid %ld", raw(SYS_getuid, 0, 0, 0, 0, 0, 0));
  say("rt_sigpending %ld", raw(SYS_rt_sigpending, 0, 8, 0, 0, 0, 0));
  live();
  for (int i = 0; i < 5; i++) say("more: %d", set_long_filter(4000, SYS_getgid, SECCOMP_RET_ERRNO | 57));
  int last = 0;
  for (int i = 0; i < 4 && last == 0; i++) last = set_long_filter(4000, SYS_getgid, SECCOMP_RET_ERRNO | 57);
  say("at last: %d", last);
}

// ---- A way round the filter

// The engine's own calls come from a page with nothing but `syscall; ret`. Natively there is none.
static char *find_call_site(void) {
  static char maps[1 << 17];
  int file = open("/proc/self/maps", O_RDONLY);
  size_t size = 0;
  ssize_t part;
  while ((part = read(file, maps + size, sizeof maps - 1 - size)) > 0) size += part;
  close(file);
  char *site = 0;
  int is_launched = 0;
  for (char *line = strtok(maps, "\n"); line; line = strtok(0, "\n")) {
    unsigned long start, end;
    if (strstr(line, "launcher")) is_launched = 1;
    if (sscanf(line, "%lx-%lx r-xp", &start, &end) != 2 || end - start != 4096 || !strstr(line, "r-xp") || strchr(line, '/')) continue;
    if (strchr(line, '[') == 0 && memcmp((char *)start, "\x0f\x05\xc3", 3) == 0) site = (char *)start;
  }
  check(site != 0 || !is_launched);
  return site;
}

static long from(char *site, long number, long a, long b, long c, long d, long e, long f) {
  if (!site) return raw(number, a, b, c, d, e, f);
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  long result;
  // The call's return address must not lie in the red zone.
  __asm__ volatile("sub $256,%%rsp; call *%[site]; add $256,%%rsp"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9), [site] "r"(site)
                   : "rcx", "r11", "memory", "cc");
  return result;
}

CASE(call_site) {
  INSTALL({RETURN(SECCOMP_RET_ALLOW)});
  char *site = find_call_site();
  int file = open("/proc/self/exe", O_RDONLY);
  char *page = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  char *arguments[] = {"true", 0};
  INSTALL({NUMBER, UNLESS(SYS_openat, 9), UNLESS(SYS_execve, 8), UNLESS(SYS_kill, 7), UNLESS(SYS_socket, 6), UNLESS(SYS_mmap, 5),
           UNLESS(SYS_mprotect, 4), UNLESS(SYS_prctl, 3), UNLESS(SYS_futex, 2), UNLESS(SYS_mremap, 1), RETURN(SECCOMP_RET_ALLOW),
           RETURN(SECCOMP_RET_ERRNO | EPERM)});
  say("openat %ld", from(site, SYS_openat, AT_FDCWD, (long)"/etc/passwd", O_RDONLY, 0, 0, 0));
  say("execve %ld", from(site, SYS_execve, (long)"/bin/true", (long)arguments, 0, 0, 0, 0));
  say("kill %ld", from(site, SYS_kill, getpid(), 0, 0, 0, 0, 0));
  say("socket %ld", from(site, SYS_socket, 2, 1, 0, 0, 0, 0));
  say("mmap of a file %ld", from(site, SYS_mmap, 0, 4096, PROT_READ, MAP_PRIVATE, file, 0));
  say("executable mmap %ld", from(site, SYS_mmap, 0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
  say("mmap over %ld", from(site, SYS_mmap, (long)page, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
  say("mprotect %ld", from(site, SYS_mprotect, (long)page, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, 0, 0, 0));
  say("prctl %ld", from(site, SYS_prctl, PR_GET_DUMPABLE, 0, 0, 0, 0, 0));
  say("futex %ld", from(site, SYS_futex, (long)page, 3, 1, 0, (long)page + 8, 0));
  say("mremap %ld", from(site, SYS_mremap, (long)page, 4096, 8192, MREMAP_MAYMOVE, 0, 0));
}

// ---- Threads

static pthread_barrier_t barrier;
static volatile long in_thread[4];
static void *wait_and_call(void *argument) {
  long index = (long)argument;
  pthread_barrier_wait(&barrier);
  pthread_barrier_wait(&barrier);
  in_thread[index] = raw(SYS_rt_sigpending, 0, 8, 0, 0, 0, 0);
  in_thread[index] += 1000 * raw(SYS_getuid, 0, 0, 0, 0, 0, 0);
  return 0;
}

static void with_threads(unsigned flags) {
  pthread_t threads[4];
  pthread_barrier_init(&barrier, 0, 5);
  for (long i = 0; i < 4; i++) check(pthread_create(&threads[i], 0, wait_and_call, (void *)i) == 0);
  pthread_barrier_wait(&barrier);
  struct sock_filter filter[] = {NUMBER, UNLESS(SYS_rt_sigpending, 2), UNLESS(SYS_getuid, 1), RETURN(SECCOMP_RET_ALLOW),
                                 RETURN(SECCOMP_RET_ERRNO | 77)};
  check_equal(set_filter(filter, SIZE(filter), flags), 0);
  pthread_barrier_wait(&barrier);
  for (int i = 0; i < 4; i++) pthread_join(threads[i], 0);
  say("own %ld", raw(SYS_rt_sigpending, 0, 8, 0, 0, 0, 0));
  for (int i = 0; i < 4; i++) say("thread %d: %d", i, in_thread[i] == -77 - 77000);
  pthread_t later;
  check(pthread_create(&later, 0, empty_thread, 0) == 0);
  pthread_join(later, 0);
}

CASE(tsync) { with_threads(SECCOMP_FILTER_FLAG_TSYNC); }
CASE(one_thread_only) {
  with_threads(0);
  // A thread that has a filter of its own cannot follow.
}

static void *diverge(void *argument) {
  (void)argument;
  INSTALL({RETURN(SECCOMP_RET_ALLOW)});
  pthread_barrier_wait(&barrier);
  pthread_barrier_wait(&barrier);
  return 0;
}

CASE(tsync_refused) {
  pthread_t thread;
  pthread_barrier_init(&barrier, 0, 2);
  check(pthread_create(&thread, 0, diverge, 0) == 0);
  pthread_barrier_wait(&barrier);
  struct sock_filter filter[] = ONLY(SYS_rt_sigpending, SECCOMP_RET_ERRNO | 78);
  check(set_filter(filter, SIZE(filter), SECCOMP_FILTER_FLAG_TSYNC) > 0);
  check(set_filter(filter, SIZE(filter), SECCOMP_FILTER_FLAG_TSYNC | SECCOMP_FILTER_FLAG_TSYNC_ESRCH) < 0 && errno == ESRCH);
  say("not in force: %d", raw(SYS_rt_sigpending, 0, 8, 0, 0, 0, 0) != -78);
  pthread_barrier_wait(&barrier);
  pthread_join(thread, 0);
}

static void *call_in_new_thread(void *argument) {
  *(long *)argument = raw(SYS_rt_sigpending, 0, 8, 0, 0, 0, 0);
  return 0;
}

// Threads that are made under a filter: the engine gives each an alternate stack of its own.
CASE(threads_under_filter) {
  INSTALL({NUMBER, UNLESS(SYS_rt_sigpending, 4), UNLESS(SYS_sigaltstack, 2), UNLESS(SYS_gettid, 1),
           RETURN(SECCOMP_RET_ALLOW), RETURN(SECCOMP_RET_KILL_PROCESS), RETURN(SECCOMP_RET_ERRNO | 79)});
  for (int i = 0; i < 20; i++) {
    pthread_t thread;
    long got = 0;
    check(pthread_create(&thread, 0, call_in_new_thread, &got) == 0);
    pthread_join(thread, 0);
    check_equal(got, -79);
  }
  say("done");
}

// Signals come at every instruction, above all round the rt_sigreturns of the engine's own.
static void *call_in_storm(void *argument) {
  for (int i = 0; i < rounds(20000); i++) {
    stack_t stack;
    check(raw(SYS_sigaltstack, 0, (long)&stack, 0, 0, 0, 0) == 0);
    check(raw(SYS_getppid, 0, 0, 0, 0, 0, 0) > 0);
    if (i % 64 != 0) continue;
    void *page = mmap(0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    check(page != MAP_FAILED && munmap(page, 4096) == 0);
  }
  return argument;
}

CASE(signal_storm) {
  install(SIGALRM, count_signal, SA_RESTART);
  pthread_t thread;
  check(pthread_create(&thread, 0, call_in_storm, 0) == 0);
  struct sock_filter filter[] = {NUMBER, UNLESS(SYS_getuid, 2), UNLESS(SYS_rt_sigprocmask, 1), RETURN(SECCOMP_RET_ALLOW),
                                 RETURN(SECCOMP_RET_ERRNO | 92)};
  check_equal(set_filter(filter, SIZE(filter), SECCOMP_FILTER_FLAG_TSYNC), 0);
  struct itimerval often = {{0, 50}, {0, 50}}, never = {{0, 0}, {0, 0}};
  setitimer(ITIMER_REAL, &often, 0);
  call_in_storm(0);
  pthread_join(thread, 0);
  setitimer(ITIMER_REAL, &never, 0);
  say("handled %d", handled > 0);
}

// ---- fork and exec

CASE(fork_keeps_filter) {
  INSTALL({NUMBER, UNLESS(SYS_rt_sigpending, 2), UNLESS(SYS_getpid, 1), RETURN(SECCOMP_RET_ALLOW), RETURN(SECCOMP_RET_ERRNO | 80)});
  pid_t pid = fork();
  if (pid == 0) {
    say("child %ld %ld", raw(SYS_rt_sigpending, 0, 8, 0, 0, 0, 0), raw(SYS_getpid, 0, 0, 0, 0, 0, 0));
    pid_t grandchild = vfork();
    if (grandchild == 0) _exit(raw(SYS_rt_sigpending, 0, 8, 0, 0, 0, 0) == -80 ? 3 : 4);
    wait_and_say(grandchild, "grandchild");
    _exit(0);
  }
  wait_and_say(pid, "child");
}

CASE(after_exec) {
  // Called by the cases below.
  say("rt_sigpending %ld getuid %ld", raw(SYS_rt_sigpending, 0, 8, 0, 0, 0, 0), raw(SYS_getuid, 0, 0, 0, 0, 0, 0));
  int filters = prctl(PR_GET_SECCOMP, 0, 0, 0, 0);
  say("mode %d", filters);
  install(SIGUSR1, count_signal, 0);
  raise(SIGUSR1);
  pthread_t thread;
  if (pthread_create(&thread, 0, empty_thread, 0) == 0) pthread_join(thread, 0);
  if (filters == 2) INSTALL(ONLY(SYS_getgid, SECCOMP_RET_ERRNO | 33));
  say("handled %d", handled);
}

CASE(exec_keeps_filter) {
  INSTALL({NUMBER, UNLESS(SYS_rt_sigpending, 2), UNLESS(SYS_getuid, 1), RETURN(SECCOMP_RET_ALLOW), RETURN(SECCOMP_RET_ERRNO | 81)});
  exec_self("after_exec");
}

CASE(exec_chain) {
  int depth = case_argv[2] ? atoi(case_argv[2]) : 0;
  if (depth == 10) {
    status_lines();
    exec_self("after_exec");
    return;
  }
  INSTALL(ONLY(SYS_getuid, SECCOMP_RET_ERRNO | 82));
  char number[16];
  snprintf(number, sizeof number, "%d", depth + 1);
  char *arguments[] = {case_argv[0], "exec_chain", number, 0};
  extern char **environ;
  execve("/proc/self/exe", arguments, environ);
  say("execve: %s", strerror(errno));
}

CASE(after_silent_exec) {
  // Called by the next case. Calls nothing that is forbidden there, as the start of a libc does not.
  struct sigaction action = {.sa_sigaction = count_signal, .sa_flags = SA_SIGINFO};
  sigaction(SIGUSR1, &action, 0);
  kill(getpid(), SIGUSR1);
  say("handled %d", handled);
  void *page = mmap(0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  check(munmap(page, 4096) == 0);
  long parent = raw(SYS_getppid, 0, 0, 0, 0, 0, 0);
  say("parent %ld", parent > 0 ? 0 : parent);
}

// What the engine cannot do without is forbidden to the next program, too.
CASE(exec_kill) {
  INSTALL({NUMBER, UNLESS(SYS_rt_sigprocmask, 5), UNLESS(SYS_sigaltstack, 4), UNLESS(SYS_gettid, 3), UNLESS(SYS_personality, 2),
           UNLESS(SYS_getppid, 2), RETURN(SECCOMP_RET_ALLOW), RETURN(SECCOMP_RET_KILL_PROCESS), RETURN(SECCOMP_RET_ERRNO | 90)});
  exec_self("after_silent_exec");
}

// A launcher needs shared memory at its start, a program does not.
CASE(exec_without_shared_memory) {
  INSTALL({NUMBER, IF(SYS_mmap, 3), LOW(3), BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, MAP_SHARED, 0, 1), RETURN(SECCOMP_RET_ERRNO | EPERM),
           RETURN(SECCOMP_RET_ALLOW)});
  exec_self("after_silent_exec");
}

// What the engine would do on the way is forbidden; the exec itself is not.
CASE(exec_only) {
  INSTALL({NUMBER, UNLESS(SYS_prctl, 6), UNLESS(SYS_faccessat2, 5), UNLESS(SYS_fcntl, 4), UNLESS(SYS_readlink, 3),
           UNLESS(SYS_personality, 2), UNLESS(SYS_getcwd, 1), RETURN(SECCOMP_RET_ALLOW), RETURN(SECCOMP_RET_KILL_PROCESS)});
  char *arguments[] = {"true", 0};
  char *environment[] = {0};
  execve("/bin/true", arguments, environment);
  say("execve: %s", strerror(errno));
}

CASE(exec_forbidden) {
  INSTALL(ONLY(SYS_execve, SECCOMP_RET_ERRNO | EACCES));
  exec_self("after_exec");
  char *arguments[] = {"true", 0};
  say("execve: %d %d", execv("/bin/true", arguments), errno);
  say("execveat: %ld", raw(SYS_execveat, AT_FDCWD, (long)"/bin/nothing", (long)arguments, 0, 0, 0));
}

// ---- Real filters in small

// OpenSSH's sandbox of the unprivileged child, in small: everything else kills.
CASE(sshd_like) {
  static const unsigned allowed[] = {SYS_brk,    SYS_clock_gettime, SYS_close,          SYS_exit,      SYS_exit_group, SYS_futex,
                                     SYS_getpid, SYS_getrandom,     SYS_gettimeofday,   SYS_madvise,   SYS_mremap,     SYS_munmap,
                                     SYS_poll,   SYS_ppoll,         SYS_pselect6,       SYS_read,      SYS_rt_sigprocmask,
                                     SYS_select, SYS_shutdown,      SYS_write,          SYS_writev,    SYS_time};
  struct sock_filter filter[SIZE(allowed) * 2 + 12];
  int at = 0;
  filter[at++] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch));
  filter[at++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0);
  filter[at++] = (struct sock_filter)RETURN(SECCOMP_RET_KILL);
  filter[at++] = (struct sock_filter)NUMBER;
  filter[at++] = (struct sock_filter)IF(SYS_openat, 1);
  filter[at++] = (struct sock_filter)RETURN(SECCOMP_RET_ERRNO | EACCES);
  for (unsigned i = 0; i < SIZE(allowed); i++) {
    filter[at++] = (struct sock_filter)IF(allowed[i], 1);
    filter[at++] = (struct sock_filter)RETURN(SECCOMP_RET_ALLOW);
  }
  filter[at++] = (struct sock_filter)IF(SYS_mmap, 4);
  filter[at++] = (struct sock_filter)LOW(2);
  filter[at++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, (unsigned)~(PROT_READ | PROT_WRITE | PROT_NONE), 1, 0);
  filter[at++] = (struct sock_filter)RETURN(SECCOMP_RET_ALLOW);
  filter[at++] = (struct sock_filter)RETURN(SECCOMP_RET_KILL);
  filter[at++] = (struct sock_filter)RETURN(SECCOMP_RET_KILL);
  check_equal(set_filter(filter, at, 0), 0);
  int file = open("/etc/passwd", O_RDONLY);
  say("open: %d %d", file, errno);
  void *block = malloc(1 << 20);
  memset(block, 1, 1 << 20);
  free(block);
  sigset_t set;
  sigfillset(&set);
  check(sigprocmask(SIG_SETMASK, &set, 0) == 0);
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  say("lives");
}

// systemd's: what is not listed is EPERM, and the service executes programs.
CASE(systemd_like) {
  INSTALL({BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)), UNLESS(AUDIT_ARCH_X86_64, 1),
           RETURN(SECCOMP_RET_KILL_PROCESS), NUMBER, UNLESS(SYS_mount, 5), UNLESS(SYS_ptrace, 4), UNLESS(SYS_keyctl, 3),
           UNLESS(SYS_personality, 2), UNLESS(SYS_bpf, 1), RETURN(SECCOMP_RET_ALLOW), RETURN(SECCOMP_RET_ERRNO | EPERM)});
  say("personality: %ld", raw(SYS_personality, 0xffffffff, 0, 0, 0, 0, 0));
  exec_self("after_exec");
}

// ---- SECCOMP_RET_USER_NOTIF: another process answers

// Answers until nobody has the filter any more: musl's sigaction makes one call more than glibc's.
static void supervise(int listener) {
  struct seccomp_notif request;
  struct seccomp_notif_resp response;
  struct pollfd waiting = {listener, POLLIN, 0};
  while (poll(&waiting, 1, -1) == 1 && !(waiting.revents & POLLHUP)) {
    memset(&request, 0, sizeof request);
    if (ioctl(listener, SECCOMP_IOCTL_NOTIF_RECV, &request) != 0) continue;
    memset(&response, 0, sizeof response);
    response.id = request.id;
    int number = request.data.nr;
    say("asked for %d (%#llx, %#llx)", number, number == SYS_rt_sigprocmask ? request.data.args[0] : 0,
        request.data.args[3] == 8 ? 8ull : 0ull);
    if (number == SYS_getuid) response.val = 4242;
    else if (number == SYS_mremap) response.error = -EXDEV;
    else response.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
    if (ioctl(listener, SECCOMP_IOCTL_NOTIF_SEND, &response) != 0) say("send: %s", strerror(errno));
  }
}

CASE(user_notification) {
  int ends[2], done[2];
  check(pipe(ends) == 0 && pipe(done) == 0);
  struct sock_filter filter[] = {NUMBER, UNLESS(SYS_getuid, 7), UNLESS(SYS_mremap, 6), UNLESS(SYS_rt_sigprocmask, 5),
                                 UNLESS(SYS_openat, 4), UNLESS(SYS_fork, 3), UNLESS(SYS_sigaltstack, 2), UNLESS(SYS_rt_sigaction, 1),
                                 RETURN(SECCOMP_RET_ALLOW), RETURN(SECCOMP_RET_USER_NOTIF)};
  pid_t pid = raw(SYS_fork, 0, 0, 0, 0, 0, 0);
  if (pid == 0) {
    int listener = set_filter(filter, SIZE(filter), SECCOMP_FILTER_FLAG_NEW_LISTENER);
    check(listener >= 0);
    check(write(ends[1], &listener, sizeof listener) == sizeof listener);
    char go;
    check(read(done[0], &go, 1) == 1);
    sigset_t set, old;
    sigemptyset(&set);
    sigaddset(&set, SIGSEGV);
    sigaddset(&set, SIGUSR2);
    check_equal(raw(SYS_getuid, 0, 0, 0, 0, 0, 0), 4242);
    check_equal(raw(SYS_mremap, 0, 0, 0, 0, 0, 0), -EXDEV);
    check_equal(raw(SYS_rt_sigprocmask, SIG_SETMASK, (long)&set, (long)&old, 8, 0, 0), 0);
    check_equal(raw(SYS_rt_sigprocmask, SIG_SETMASK, 0, (long)&old, 8, 0, 0), 0);
    check(sigismember(&old, SIGSEGV) && sigismember(&old, SIGUSR2) && !sigismember(&old, SIGUSR1));
    sigemptyset(&set);
    check_equal(raw(SYS_rt_sigprocmask, SIG_SETMASK, (long)&set, 0, 8, 0, 0), 0);
    install(SIGSEGV, leap, SA_NODEFER);
    if (sigsetjmp(landing, 0) == 0) *(volatile int *)16 = 1;
    say("faulted %d", fault_depth);
    int file = raw(SYS_openat, AT_FDCWD, (long)"/dev/null", O_RDONLY, 0, 0, 0);
    check(file >= 0);
    pid_t child = raw(SYS_fork, 0, 0, 0, 0, 0, 0);
    if (child == 0) raw(SYS_exit_group, 9, 0, 0, 0, 0, 0);
    wait_and_say(child, "child");
    _exit(failures);
  }
  int number, listener = -1;
  check(read(ends[0], &number, sizeof number) == sizeof number);
  int handle = syscall(SYS_pidfd_open, pid, 0);
  check(handle >= 0);
  listener = syscall(SYS_pidfd_getfd, handle, number, 0);
  check(listener >= 0);
  check(write(done[1], "", 1) == 1);
  supervise(listener);
  wait_and_say(pid, "supervised");
}

// ---- Strict mode

CASE(strict) {
  pid_t pid = fork();
  if (pid == 0) {
    install(SIGILL, skip_instruction, 0);
    check(prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0) == 0);
    char line[16];
    ssize_t size = read(0, line, 6);
    say("strict: %.5s", size == 6 ? line : "?");
    __asm__ volatile("ud2");
    say("handled %d", handled);
    raw(SYS_exit, 5, 0, 0, 0, 0, 0);
  }
  wait_and_say(pid, "strict");
}

CASE(strict_violations) {
  static const int numbers[] = {SYS_getpid, SYS_mmap, SYS_rt_sigprocmask, SYS_exit_group, SYS_prctl, SYS_seccomp, SYS_fork, SYS_execve, SYS_openat};
  for (unsigned i = 0; i < SIZE(numbers); i++) {
    pid_t pid = fork();
    if (pid == 0) {
      if (raw(SYS_seccomp, SECCOMP_SET_MODE_STRICT, 0, 0, 0, 0, 0) != 0) _exit(1);
      raw(numbers[i], 0, 0, 0, 8, 0, 0);
      raw(SYS_exit, 2, 0, 0, 0, 0, 0);
    }
    char what[32];
    snprintf(what, sizeof what, "call %d", numbers[i]);
    wait_and_say(pid, what);
  }
}

CASE(strict_fault) {
  pid_t pid = fork();
  if (pid == 0) {
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0);
    *(volatile int *)16 = 1;
  }
  wait_and_say(pid, "fault");
  pid = fork();
  if (pid == 0) {
    if (getuid() == 0 && setresuid(65534, 65534, 65534) != 0) _exit(3);
    if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0) != 0) _exit(4);
    raw(SYS_exit, 5, 0, 0, 0, 0, 0);
  }
  wait_and_say(pid, "unprivileged");
}
