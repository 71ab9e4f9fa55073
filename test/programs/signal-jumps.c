// Leaving handlers other than by returning: siglongjmp, setcontext, exit, exec, a new frame made by the handler.
// variants: dynamic static
#include "cases.h"
#include <pthread.h>
#include <sys/time.h>
#include <ucontext.h>

static sigjmp_buf back;
static volatile int runs;
static char stack_memory[65536] __attribute__((aligned(64)));

static void jump(int signal, siginfo_t *info, void *context) { siglongjmp(back, ++runs); }

static int is_blocked(int signal) {
  sigset_t mask;
  sigprocmask(SIG_BLOCK, 0, &mask);
  return sigismember(&mask, signal);
}

CASE(siglongjmp_restores_mask) {
  install(SIGUSR1, jump, 0);
  int value = sigsetjmp(back, 1);
  if (value < 1000) raise(SIGUSR1);
  say("value %d, blocked %d", value, is_blocked(SIGUSR1));
}

CASE(siglongjmp_keeps_mask) {
  install(SIGUSR1, jump, 0);
  int value = sigsetjmp(back, 0);
  if (value == 0) raise(SIGUSR1);
  say("value %d, blocked %d", value, is_blocked(SIGUSR1));
}

CASE(siglongjmp_off_alternate_stack) {
  stack_t stack = {.ss_sp = stack_memory, .ss_size = sizeof stack_memory}, now;
  sigaltstack(&stack, 0);
  install(SIGUSR1, jump, SA_ONSTACK);
  int value = sigsetjmp(back, 1);
  sigaltstack(0, &now);
  check_equal(now.ss_flags, 0);
  if (value < 1000) raise(SIGUSR1);
  say("value %d, blocked %d", value, is_blocked(SIGUSR1));
}

CASE(siglongjmp_off_autodisarmed_stack) {
  stack_t stack = {.ss_sp = stack_memory, .ss_size = sizeof stack_memory, .ss_flags = (int)(1u << 31)}, now;
  sigaltstack(&stack, 0);
  install(SIGUSR1, jump, SA_ONSTACK);
  if (sigsetjmp(back, 1) == 0) raise(SIGUSR1);
  sigaltstack(0, &now);
  say("flags %#x, size %zu", now.ss_flags, now.ss_size);
}

CASE(siglongjmp_out_of_segv) {
  install(SIGSEGV, jump, 0);
  for (volatile int i = 0; i < 1000; i++)
    if (sigsetjmp(back, 1) == 0) *(volatile int *)(long)(i * 4096) = 1;
  say("runs %d", runs);
}

CASE(siglongjmp_out_of_interrupted_calls) {
  // A timer storm; each handler leaves a system call half done.
  install(SIGALRM, jump, 0);
  int wanted = rounds(200);
  struct itimerval often = {{0, 200}, {0, 200}}, off = {{0, 0}, {0, 0}};
  volatile long bad = 0;
  // The handler needs a place to jump to from its first run on.
  if (sigsetjmp(back, 1) == 0) setitimer(ITIMER_REAL, &often, 0);
  while (runs < wanted) {
    if (raw(SYS_getpid, 0, 0, 0, 0, 0, 0) != getpid()) bad++;
  }
  setitimer(ITIMER_REAL, &off, 0);
  say("bad %ld", bad);
}

static ucontext_t main_context, other_context;
static volatile int steps;

static void coroutine(void) {
  for (int i = 0; i < 3; i++) {
    say("coroutine step %d", steps++);
    swapcontext(&other_context, &main_context);
  }
}

CASE(swapcontext) {
  getcontext(&other_context);
  other_context.uc_stack.ss_sp = stack_memory;
  other_context.uc_stack.ss_size = sizeof stack_memory;
  other_context.uc_link = &main_context;
  makecontext(&other_context, coroutine, 0);
  for (int i = 0; i < 4; i++) {
    swapcontext(&main_context, &other_context);
    say("main step %d", steps);
  }
}

static void set_context(int signal, siginfo_t *info, void *context) {
  runs++;
  setcontext(&main_context);
}

CASE(setcontext_out_of_handler) {
  install(SIGUSR1, set_context, 0);
  getcontext(&main_context);
  say("runs %d, blocked %d", runs, is_blocked(SIGUSR1));
  if (runs < 3) raise(SIGUSR1);
}

static volatile unsigned long counters[2];

static int have_both_run(void) { return runs >= 200 && counters[0] > 0 && counters[1] > 0; }

static void swap_contexts(int signal, siginfo_t *info, void *context) {
  // Preemptive coroutines: the handler switches to another context and is resumed later.
  if (have_both_run()) return;
  runs++;
  if (runs % 2) swapcontext(&main_context, &other_context);
  else swapcontext(&other_context, &main_context);
}

static void spin(void) {
  sigset_t alarm;
  sigemptyset(&alarm);
  sigaddset(&alarm, SIGALRM);
  sigprocmask(SIG_UNBLOCK, &alarm, 0);
  while (!have_both_run()) counters[1]++;
  setcontext(&main_context);
}

CASE(swapcontext_in_handler) {
  install(SIGALRM, swap_contexts, SA_RESTART);
  getcontext(&other_context);
  other_context.uc_stack.ss_sp = stack_memory;
  other_context.uc_stack.ss_size = sizeof stack_memory;
  // swapcontext sets the mask before the registers: a handler in between would save half a switch as the other context.
  sigemptyset(&other_context.uc_sigmask);
  sigaddset(&other_context.uc_sigmask, SIGALRM);
  makecontext(&other_context, spin, 0);
  struct itimerval often = {{0, 300}, {0, 300}}, off = {{0, 0}, {0, 0}};
  setitimer(ITIMER_REAL, &often, 0);
  while (!have_both_run()) counters[0]++;
  setitimer(ITIMER_REAL, &off, 0);
  say("both ran");
}

static void leave(int signal, siginfo_t *info, void *context) { _exit(23); }

CASE(exit_in_handler) {
  install(SIGUSR1, leave, 0);
  raise(SIGUSR1);
}

static void execute(int signal, siginfo_t *info, void *context) {
  execl("/bin/grep", "grep", "-E", "^Sig(Blk|Ign|Pnd)", "/proc/self/status", (char *)0);
}

CASE(exec_in_handler) {
  stack_t stack = {.ss_sp = stack_memory, .ss_size = sizeof stack_memory};
  sigaltstack(&stack, 0);
  install(SIGUSR1, execute, SA_ONSTACK);
  signal(SIGUSR2, SIG_IGN);
  raise(SIGUSR1);
}

static void start_thread(int signal, siginfo_t *info, void *context) {
  pthread_exit(0);
}

static void *exits_in_handler(void *argument) {
  pthread_kill(pthread_self(), SIGUSR1);
  return (void *)1;
}

CASE(thread_exit_in_handler) {
  install(SIGUSR1, start_thread, 0);
  for (int i = 0; i < 50; i++) {
    pthread_t thread;
    void *result = (void *)2;
    pthread_create(&thread, 0, exits_in_handler, 0);
    pthread_join(thread, &result);
    check(result == 0);
  }
  say("done");
}

static void fork_here(int signal, siginfo_t *info, void *context) {
  pid_t pid = fork();
  if (pid == 0) return;  // the child returns through the same frame
  wait_and_say(pid, "child");
  runs++;
}

CASE(fork_in_handler) {
  stack_t stack = {.ss_sp = stack_memory, .ss_size = sizeof stack_memory};
  sigaltstack(&stack, 0);
  install(SIGUSR1, fork_here, SA_ONSTACK);
  raise(SIGUSR1);
  say("%s, blocked %d", runs ? "parent" : "child", is_blocked(SIGUSR1));
}

// A program may build a frame itself and return through rt_sigreturn: checkpoint tools and Wine do.
static ucontext_t copy;
static void copy_context(int signal, siginfo_t *info, void *context) {
  ucontext_t *uc = context;
  if (runs++ == 0) {
    copy = *uc;
    say("first");
    return;
  }
  uc->uc_mcontext.gregs[REG_RAX] = 0x1122334455667788;
  uc->uc_mcontext.gregs[REG_EFL] |= 0x401;  // DF, CF
}

CASE(registers_set_through_context) {
  install(SIGUSR1, copy_context, 0);
  raise(SIGUSR1);
  long rax, flags, pid = getpid(), tid = raw(SYS_gettid, 0, 0, 0, 0, 0, 0);
  __asm__ volatile("syscall; pushfq; cld; pop %1"
                   : "=a"(rax), "=&r"(flags)
                   : "a"(SYS_tgkill), "D"(pid), "S"(tid), "d"(SIGUSR1)
                   : "rcx", "r11", "memory");
  say("rax %#lx, DF %d, CF %d", rax, !!(flags & 0x400), !!(flags & 1));
}
