// sigaction: each SA_* flag, masks while a handler runs, alternate stacks, restart against EINTR.
// variants: dynamic static musl
#include "cases.h"
#include <poll.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <ucontext.h>

static volatile int depth, runs;

static void say_mask(const char *what, const sigset_t *set) {
  char list[256];
  int size = 0;
  list[0] = 0;
  for (int signal = 1; signal <= 64; signal++)
    if (sigismember(set, signal) == 1) size += snprintf(list + size, sizeof list - size, " %d", signal);
  say("%s:%s", what, list);
}

static void say_current_mask(const char *what) {
  sigset_t set;
  check(sigprocmask(SIG_BLOCK, 0, &set) == 0);
  say_mask(what, &set);
}

static void send_self(int signal) { check(syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), signal) == 0); }

static void in_handler(int signal, siginfo_t *info, void *context) {
  say("handler of %d, si_signo %d, si_code %d, si_errno %d, pid %s", signal, info->si_signo, info->si_code,
      info->si_errno, info->si_pid == getpid() ? "own" : "other");
  say_current_mask("mask in handler");
  say_mask("mask in uc_sigmask", &((ucontext_t *)context)->uc_sigmask);
}

CASE(siginfo) {
  install(SIGUSR1, in_handler, 0);
  send_self(SIGUSR1);
  kill(getpid(), SIGUSR1);
  raise(SIGUSR1);
  say_current_mask("after");
}

CASE(mask_of_action) {
  struct sigaction action = {.sa_sigaction = in_handler, .sa_flags = SA_SIGINFO};
  sigemptyset(&action.sa_mask);
  sigaddset(&action.sa_mask, SIGUSR2);
  sigaddset(&action.sa_mask, SIGRTMIN + 3);
  sigaddset(&action.sa_mask, SIGKILL);
  sigaction(SIGUSR1, &action, 0);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGSTOP);
  sigprocmask(SIG_SETMASK, &set, 0);
  send_self(SIGUSR1);
  say_current_mask("after");
}

static void nest(int signal, siginfo_t *info, void *context) {
  int mine = ++depth;
  say("enter depth %d", mine);
  if (mine < 4) send_self(signal);
  say("leave depth %d", mine);
  depth--;
}

CASE(nodefer) {
  install(SIGUSR1, nest, SA_NODEFER);
  send_self(SIGUSR1);
}

static void deferred(int signal, siginfo_t *info, void *context) {
  int run = ++runs;
  say("enter run %d", run);
  if (run < 3) {
    send_self(signal);
    send_self(signal);
  }
  say("leave run %d", run);
}

CASE(deferred_by_default) {
  install(SIGUSR1, deferred, 0);
  send_self(SIGUSR1);
  say("runs %d", runs);
}

CASE(nested_other_signals) {
  install(SIGUSR1, nest, 0);
  install(SIGUSR2, nest, 0);
  sigset_t both, old;
  sigemptyset(&both);
  sigaddset(&both, SIGUSR1);
  sigaddset(&both, SIGUSR2);
  sigprocmask(SIG_BLOCK, &both, &old);
  depth = 10;
  send_self(SIGUSR2);
  send_self(SIGUSR1);
  sigprocmask(SIG_SETMASK, &old, 0);
  say("depth %d", depth);
}

CASE(resethand) {
  install(SIGUSR1, in_handler, SA_RESETHAND);
  send_self(SIGUSR1);
  struct sigaction action;
  sigaction(SIGUSR1, 0, &action);
  say("now %s, flags %#x", action.sa_handler == SIG_DFL ? "default" : "a handler",
      action.sa_flags & ~0x04000000);
  send_self(SIGUSR1);
  say("not reached");
}

static void send_once(int signal, siginfo_t *info, void *context) {
  struct sigaction action;
  sigaction(signal, 0, &action);
  say("in handler it is %s", action.sa_handler == SIG_DFL ? "default" : "a handler");
  signal == SIGUSR1 ? install(signal, send_once, SA_RESETHAND) : (void)0;
}

CASE(resethand_seen_in_handler) {
  install(SIGUSR1, send_once, SA_RESETHAND);
  for (int i = 0; i < 3; i++) send_self(SIGUSR1);
  say("survived");
}

CASE(read_back) {
  static const int flags[] = {0, SA_RESTART, SA_NODEFER, SA_RESETHAND, SA_ONSTACK, SA_NOCLDSTOP | SA_NOCLDWAIT};
  for (unsigned i = 0; i < sizeof flags / sizeof *flags; i++) {
    struct sigaction action = {.sa_sigaction = in_handler, .sa_flags = flags[i] | SA_SIGINFO}, old;
    sigemptyset(&action.sa_mask);
    sigaddset(&action.sa_mask, SIGRTMIN + (int)i);
    check(sigaction(SIGCHLD, &action, 0) == 0);
    check(sigaction(SIGCHLD, 0, &old) == 0);
    check(old.sa_sigaction == in_handler);
    say("flags %#x", old.sa_flags & ~0x04000000);
    say_mask("mask", &old.sa_mask);
  }
}

struct kernel_sigaction {
  void *handler;
  unsigned long flags;
  void *restorer;
  unsigned long mask;
};

CASE(raw_read_back) {
  // What the kernel gives back bit for bit: unknown flags are cleared (SA_UNSUPPORTED), SIGKILL and SIGSTOP leave the mask.
  struct kernel_sigaction action = {(void *)in_handler, ~0ul & ~(unsigned long)SA_RESETHAND, (void *)0x1234, ~0ul}, old;
  check_equal(raw(SYS_rt_sigaction, SIGUSR1, (long)&action, 0, 8, 0, 0), 0);
  check_equal(raw(SYS_rt_sigaction, SIGUSR1, 0, (long)&old, 8, 0, 0), 0);
  check(old.handler == in_handler);
  say("flags %#lx restorer %p mask %#lx", old.flags, old.restorer, old.mask);
  check_equal(raw(SYS_rt_sigaction, SIGKILL, (long)&action, 0, 8, 0, 0), -EINVAL);
  check_equal(raw(SYS_rt_sigaction, SIGKILL, 0, (long)&old, 8, 0, 0), 0);
  check_equal(raw(SYS_rt_sigaction, 0, 0, (long)&old, 8, 0, 0), -EINVAL);
  check_equal(raw(SYS_rt_sigaction, 65, 0, (long)&old, 8, 0, 0), -EINVAL);
  check_equal(raw(SYS_rt_sigaction, SIGUSR1, 0, (long)&old, 4, 0, 0), -EINVAL);
  check_equal(raw(SYS_rt_sigaction, SIGUSR1, 8, 0, 8, 0, 0), -EFAULT);
  check_equal(raw(SYS_rt_sigaction, SIGUSR1, 0, 8, 8, 0, 0), -EFAULT);
}

CASE(ignored_and_default) {
  signal(SIGUSR1, SIG_IGN);
  send_self(SIGUSR1);
  struct sigaction action;
  sigaction(SIGUSR1, 0, &action);
  check(action.sa_handler == SIG_IGN);
  // Ignoring throws a pending signal away.
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR2);
  sigprocmask(SIG_BLOCK, &set, 0);
  install(SIGUSR2, in_handler, 0);
  send_self(SIGUSR2);
  signal(SIGUSR2, SIG_IGN);
  install(SIGUSR2, in_handler, 0);
  sigpending(&set);
  say_mask("pending", &set);
  sigemptyset(&set);
  sigprocmask(SIG_SETMASK, &set, 0);
  send_self(SIGURG);
  send_self(SIGWINCH);
  send_self(SIGCHLD);
  say("survived");
}

// Every signal's default action, seen by the parent.
CASE(default_actions) {
  struct rlimit none = {0, 0};
  setrlimit(RLIMIT_CORE, &none);
  for (int signal = 1; signal <= 64; signal++) {
    if (signal == 32 || signal == 33 || signal == 34) continue;  // libc's own
    pid_t pid = fork();
    if (pid == 0) {
      raw(SYS_tgkill, getpid(), raw(SYS_gettid, 0, 0, 0, 0, 0, 0), signal, 0, 0, 0);
      _exit(0);
    }
    int status;
    check(waitpid(pid, &status, WUNTRACED) == pid);
    say("%d: %s", signal, status_text(status));
    if (WIFSTOPPED(status)) {
      kill(pid, SIGCONT);
      wait_and_say(pid, "continued");
    }
  }
}

CASE(masks_block_and_unblock) {
  install(SIGUSR1, in_handler, 0);
  sigset_t set, old;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  check(sigprocmask(SIG_BLOCK, &set, &old) == 0);
  send_self(SIGUSR1);
  send_self(SIGUSR1);
  sigpending(&set);
  say_mask("pending", &set);
  say("unblock");
  check(sigprocmask(SIG_SETMASK, &old, &set) == 0);
  say_mask("was", &set);
  sigfillset(&set);
  check(sigprocmask(SIG_SETMASK, &set, 0) == 0);
  unsigned long bits = 0;
  raw(SYS_rt_sigprocmask, SIG_BLOCK, 0, (long)&bits, 8, 0, 0);
  say("everything blocked: %#lx", bits | 3ul << 31);
  check_equal(raw(SYS_rt_sigprocmask, 17, (long)&bits, 0, 8, 0, 0), -EINVAL);
  check_equal(raw(SYS_rt_sigprocmask, 17, 0, 0, 8, 0, 0), 0);
  check_equal(raw(SYS_rt_sigprocmask, SIG_BLOCK, 8, 0, 8, 0, 0), -EFAULT);
  check_equal(raw(SYS_rt_sigprocmask, SIG_BLOCK, (long)&bits, 0, 7, 0, 0), -EINVAL);
}

static void change_context_mask(int signal, siginfo_t *info, void *context) {
  sigaddset(&((ucontext_t *)context)->uc_sigmask, SIGUSR2);
  sigdelset(&((ucontext_t *)context)->uc_sigmask, SIGTERM);
}

CASE(mask_changed_by_handler) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigprocmask(SIG_SETMASK, &set, 0);
  install(SIGUSR1, change_context_mask, 0);
  send_self(SIGUSR1);
  say_current_mask("after");
}

// ---- alternate stacks

static char stack_memory[2][65536] __attribute__((aligned(64)));

static const char *where(const void *address) {
  const char *p = address;
  if (p >= stack_memory[0] && p < stack_memory[0] + 65536) return "stack 0";
  if (p >= stack_memory[1] && p < stack_memory[1] + 65536) return "stack 1";
  return "elsewhere";
}

static void say_stack(const char *what, const stack_t *stack) {
  say("%s: %s, size %zu, flags %#x", what, stack->ss_sp ? where(stack->ss_sp) : "null", stack->ss_size,
      stack->ss_flags);
}

static void say_current_stack(const char *what) {
  stack_t stack;
  check(sigaltstack(0, &stack) == 0);
  say_stack(what, &stack);
}

static void on_stack(int signal, siginfo_t *info, void *context) {
  ucontext_t *uc = context;
  char local;
  int mine = ++depth;
  say("depth %d runs on %s, context on %s, info on %s, interrupted on %s", mine, where(&local), where(context),
      where(info), where((void *)uc->uc_mcontext.gregs[REG_RSP]));
  check((uintptr_t)uc->uc_mcontext.fpregs % 64 == 0);
  check(where(uc->uc_mcontext.fpregs) == where(context));
  say_stack("uc_stack", &uc->uc_stack);
  say_current_stack("current");
  stack_t other = {.ss_sp = stack_memory[1], .ss_size = 65536};
  int result = sigaltstack(&other, 0);
  say("change in handler: %d %s", result, result ? strerror(errno) : "");
  if (mine < 3) send_self(SIGUSR2);
  say("leave depth %d", mine);
  depth--;
}

CASE(alternate_stack) {
  stack_t stack = {.ss_sp = stack_memory[0], .ss_size = 65536};
  say_current_stack("before");
  check(sigaltstack(&stack, 0) == 0);
  say_current_stack("set");
  install(SIGUSR1, on_stack, SA_ONSTACK);
  install(SIGUSR2, on_stack, SA_ONSTACK | SA_NODEFER);
  send_self(SIGUSR1);
  say_current_stack("after");
  install(SIGUSR1, on_stack, 0);
  depth = 5;
  send_self(SIGUSR1);
  say_current_stack("after a handler on the normal stack");
}

static void plain(int signal, siginfo_t *info, void *context) {
  char local;
  stack_t current;
  sigaltstack(0, &current);
  say("plain runs on %s, flags %#x", where(&local), current.ss_flags);
}

static void autodisarmed(int signal, siginfo_t *info, void *context) {
  ucontext_t *uc = context;
  char local;
  say("runs on %s", where(&local));
  say_stack("uc_stack", &uc->uc_stack);
  say_current_stack("current");
  send_self(SIGUSR2);
  stack_t other = {.ss_sp = stack_memory[1], .ss_size = 65536};
  check(sigaltstack(&other, 0) == 0);
  say_current_stack("changed");
  send_self(SIGUSR2);
}

CASE(alternate_stack_autodisarm) {
  stack_t stack = {.ss_sp = stack_memory[0], .ss_size = 65536, .ss_flags = (int)(1u << 31)};
  check(sigaltstack(&stack, 0) == 0);
  say_current_stack("set");
  install(SIGUSR1, autodisarmed, SA_ONSTACK);
  install(SIGUSR2, plain, SA_ONSTACK);
  send_self(SIGUSR1);
  say_current_stack("after");
}

CASE(alternate_stack_errors) {
  stack_t stack = {.ss_sp = stack_memory[0], .ss_size = 65536}, old;
  check_equal(raw(SYS_sigaltstack, 8, 0, 0, 0, 0, 0), -EFAULT);
  check_equal(raw(SYS_sigaltstack, 0, 8, 0, 0, 0, 0), -EFAULT);
  stack.ss_size = 100;
  check_equal(raw(SYS_sigaltstack, (long)&stack, 0, 0, 0, 0, 0), -ENOMEM);
  stack.ss_size = 2047;
  check_equal(raw(SYS_sigaltstack, (long)&stack, 0, 0, 0, 0, 0), -ENOMEM);
  stack.ss_size = 65536;
  stack.ss_flags = 4;
  check_equal(raw(SYS_sigaltstack, (long)&stack, 0, 0, 0, 0, 0), -EINVAL);
  stack.ss_flags = SS_ONSTACK;
  check_equal(raw(SYS_sigaltstack, (long)&stack, 0, 0, 0, 0, 0), 0);
  say_current_stack("SS_ONSTACK given");
  stack.ss_flags = SS_DISABLE;
  check_equal(raw(SYS_sigaltstack, (long)&stack, (long)&old, 0, 0, 0, 0), 0);
  say_stack("old", &old);
  say_current_stack("disabled");
  stack.ss_flags = 0;
  check_equal(raw(SYS_sigaltstack, (long)&stack, (long)&old, 0, 0, 0, 0), 0);
  say_stack("old", &old);
}

CASE(alternate_stack_too_small_for_a_frame) {
  // The frame does not fit: the process dies of SIGSEGV.
  struct rlimit none = {0, 0};
  setrlimit(RLIMIT_CORE, &none);
  char *low = mmap(0, 16384, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  mprotect(low, 4096, PROT_NONE);
  struct { void *sp; int flags; size_t size; } stack = {low + 2048, 0, 4096};
  long result = raw(SYS_sigaltstack, (long)&stack, 0, 0, 0, 0, 0);
  say("sigaltstack: %ld", result);
  install(SIGUSR1, plain, SA_ONSTACK);
  send_self(SIGUSR1);
  say("not reached");
}

static void set_other_uc_stack(int signal, siginfo_t *info, void *context) {
  // rt_sigreturn restores uc_stack: a handler can change the alternate stack through it.
  ucontext_t *uc = context;
  uc->uc_stack.ss_sp = stack_memory[1];
  uc->uc_stack.ss_flags = 0;
}

CASE(alternate_stack_from_frame) {
  stack_t stack = {.ss_sp = stack_memory[0], .ss_size = 65536};
  check(sigaltstack(&stack, 0) == 0);
  install(SIGUSR1, set_other_uc_stack, 0);
  send_self(SIGUSR1);
  say_current_stack("after");
}

CASE(alternate_stack_after_fork) {
  stack_t stack = {.ss_sp = stack_memory[0], .ss_size = 65536};
  check(sigaltstack(&stack, 0) == 0);
  install(SIGUSR1, plain, SA_ONSTACK);
  pid_t pid = fork();
  if (pid == 0) {
    say_current_stack("child");
    send_self(SIGUSR1);
    _exit(0);
  }
  wait_and_say(pid, "child");
  send_self(SIGUSR1);
}

// ---- restart

static int pipe_ends[2];

static void write_byte(int signal, siginfo_t *info, void *context) {
  runs++;
  if (write(pipe_ends[1], "x", 1) != 1) say("write failed");
}

static void interrupted_read(int flags) {
  check(pipe(pipe_ends) == 0);
  install(SIGUSR1, write_byte, flags);
  pid_t pid = signal_when_in(SYS_read, SIGUSR1);
  char byte = 0;
  errno = 0;
  ssize_t size = read(pipe_ends[0], &byte, 1);
  say("read: %zd, errno %d, byte %d, handler ran %d", size, size < 0 ? errno : 0, byte, runs);
  wait_and_say(pid, "sender");
}

CASE(read_eintr) { interrupted_read(0); }
CASE(read_restart) { interrupted_read(SA_RESTART); }

static void count_only(int signal, siginfo_t *info, void *context) { runs++; }

CASE(poll_never_restarts) {
  check(pipe(pipe_ends) == 0);
  install(SIGUSR1, count_only, SA_RESTART);
  pid_t pid = signal_when_in(SYS_poll, SIGUSR1);
  struct pollfd entry = {.fd = pipe_ends[0], .events = POLLIN};
  int result = poll(&entry, 1, -1);
  say("poll: %d, errno %d, handler ran %d", result, errno, runs);
  wait_and_say(pid, "sender");
}

CASE(nanosleep_eintr) {
  install(SIGUSR1, count_only, SA_RESTART);
  pid_t pid = signal_when_in(SYS_clock_nanosleep, SIGUSR1);
  struct timespec time = {1000, 0}, left = {-1, -1};
  int result = nanosleep(&time, &left);
  say("nanosleep: %d, errno %d, handler ran %d", result, errno, runs);
  check(left.tv_sec >= 900 && left.tv_sec <= 1000);
  wait_and_say(pid, "sender");
}

// Stopping and continuing runs no handler: the kernel goes on through restart_syscall(2), which no program calls itself.
CASE(stop_and_continue_resumes_nanosleep) {
  pid_t pid = fork();
  if (pid == 0) {
    struct timespec time = {0, 200000000}, start, end;
    clock_gettime(CLOCK_MONOTONIC, &start);
    int result = nanosleep(&time, 0);
    clock_gettime(CLOCK_MONOTONIC, &end);
    long slept = (end.tv_sec - start.tv_sec) * 1000 + (end.tv_nsec - start.tv_nsec) / 1000000;
    _exit(result == 0 && slept >= 199 ? 0 : 1);
  }
  int status;
  do {
    kill(pid, SIGSTOP);
    check(waitpid(pid, &status, WUNTRACED) == pid);
    kill(pid, SIGCONT);
  } while (WIFSTOPPED(status));
  say("child: %s", status_text(status));
}

CASE(stop_and_continue_resumes_poll) {
  check(pipe(pipe_ends) == 0);
  pid_t pid = fork();
  if (pid == 0) {
    struct pollfd entry = {.fd = pipe_ends[0], .events = POLLIN};
    int result = poll(&entry, 1, 1000000);
    say("poll after stop and continue: %d", result);
    _exit(0);
  }
  int status;
  for (int i = 0; i < 3; i++) {
    wait_until_in(pid, i == 0 ? SYS_poll : SYS_restart_syscall);
    kill(pid, SIGSTOP);
    check(waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status));
    kill(pid, SIGCONT);
  }
  wait_until_in(pid, SYS_restart_syscall);
  check(write(pipe_ends[1], "x", 1) == 1);
  wait_and_say(pid, "child");
}

CASE(wait_eintr_and_restart) {
  for (int flags = 0; flags <= SA_RESTART; flags += SA_RESTART) {
    check(pipe(pipe_ends) == 0);
    pid_t child = fork();
    if (child == 0) {
      char byte;
      close(pipe_ends[1]);
      _exit(read(pipe_ends[0], &byte, 1) == 1 ? 5 : 6);
    }
    install(SIGUSR1, write_byte, flags);
    pid_t sender = signal_when_in(SYS_wait4, SIGUSR1);
    int status = 0;
    pid_t got = waitpid(child, &status, 0);
    say("flags %#x: waitpid %s, errno %d, %s", flags, got == child ? "child" : "failed", got < 0 ? errno : 0,
        got == child ? status_text(status) : "");
    if (got < 0) wait_and_say(child, "child");
    wait_and_say(sender, "sender");
  }
}

// ---- SIGCHLD

CASE(nocldwait) {
  install(SIGCHLD, count_only, SA_NOCLDWAIT | SA_RESTART);
  pid_t pid = fork();
  if (pid == 0) _exit(3);
  int status;
  pid_t got = waitpid(pid, &status, 0);
  say("waitpid: %d, errno %d", got, errno);
}

static volatile int child_code, child_status;
static void child_event(int signal, siginfo_t *info, void *context) {
  child_code = info->si_code;
  child_status = info->si_status;
  runs++;
}

CASE(nocldstop) {
  sigset_t set, old;
  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  sigprocmask(SIG_BLOCK, &set, &old);
  for (int flags = 0; flags <= SA_NOCLDSTOP; flags += SA_NOCLDSTOP) {
    runs = child_code = child_status = 0;
    install(SIGCHLD, child_event, flags | SA_RESTART);
    pid_t pid = fork();
    if (pid == 0) {
      raise(SIGSTOP);
      _exit(9);
    }
    // Without the flag, stopping sends SIGCHLD; waitpid can return before the signal is sent, sigsuspend cannot.
    if (flags == 0) sigsuspend(&old);
    int status;
    check(waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status));
    say("stopped: runs %d, code %d, status %d", runs, child_code, child_status);
    kill(pid, SIGKILL);
    check(waitpid(pid, &status, 0) == pid);
    if (runs < 2) while (runs == (flags == 0)) sigsuspend(&old);
    say("ended: runs %d, code %d, status %d", runs, child_code, child_status);
  }
}
