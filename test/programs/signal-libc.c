// What libcs build on signals, as a libc's own tests would try it: spawning with masks and defaults, system and popen, jumps
// that save masks, semaphores and conditions that time out under signals, fork handlers, abort.
// variants: dynamic static musl musl-static
#include "cases.h"
#include <pthread.h>
#include <semaphore.h>
#include <spawn.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <ucontext.h>

#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

extern char **environ;
static atomic_int runs;
static void count(int signal) { atomic_fetch_add(&runs, 1); }

static void start_timer(long microseconds) {
  struct sigaction action = {.sa_handler = count, .sa_flags = SA_RESTART};
  sigaction(SIGALRM, &action, 0);
  struct itimerval often = {{0, microseconds}, {0, microseconds}};
  setitimer(ITIMER_REAL, &often, 0);
}
static void stop_timer(void) {
  struct itimerval off = {{0, 0}, {0, 0}};
  setitimer(ITIMER_REAL, &off, 0);
}

static sigset_t set_of(int a, int b) {
  sigset_t set;
  sigemptyset(&set);
  if (a) sigaddset(&set, a);
  if (b) sigaddset(&set, b);
  return set;
}

// ---- processes

// What a program finds when it starts; executed by the cases.
CASE(what_a_program_inherits) {
  struct sigaction action;
  sigset_t now;
  sigprocmask(SIG_BLOCK, 0, &now);
  for (int i = 1; i < 32; i++) {
    if (sigaction(i, 0, &action) != 0) continue;
    const char *how = action.sa_handler == SIG_IGN ? "ignored" : action.sa_handler == SIG_DFL ? "default" : "handled";
    if (sigismember(&now, i) || action.sa_handler != SIG_DFL) say("  %d: %s%s", i, how, sigismember(&now, i) ? ", blocked" : "");
  }
}

static void spawn_and_say(const char *what, posix_spawnattr_t *attributes) {
  char *const argv[] = {case_argv[0], "what_a_program_inherits", 0};
  pid_t pid = 0;
  int result = posix_spawn(&pid, "/proc/self/exe", 0, attributes, argv, environ);
  if (result != 0) say("%s: error %d", what, result);
  else wait_and_say(pid, what);
}

CASE(spawn_attributes) {
  sigset_t blocked = set_of(SIGUSR1, SIGSEGV), mask = set_of(SIGUSR2, SIGILL), defaults = set_of(SIGHUP, SIGTRAP);
  sigprocmask(SIG_SETMASK, &blocked, 0);
  static const int ignored[] = {SIGHUP, SIGTERM, SIGTRAP, SIGBUS, SIGFPE};
  for (unsigned i = 0; i < sizeof ignored / sizeof *ignored; i++) signal(ignored[i], SIG_IGN);
  signal(SIGUSR2, count);
  signal(SIGSYS, count);
  spawn_and_say("inherited", 0);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
  posix_spawnattr_setsigmask(&attributes, &mask);
  spawn_and_say("mask", &attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
  posix_spawnattr_setsigdefault(&attributes, &defaults);
  spawn_and_say("defaults", &attributes);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
  spawn_and_say("all", &attributes);
  sigset_t now;
  sigprocmask(SIG_BLOCK, 0, &now);
  say("own mask: USR1 %d USR2 %d SEGV %d ILL %d", sigismember(&now, SIGUSR1), sigismember(&now, SIGUSR2), sigismember(&now, SIGSEGV), sigismember(&now, SIGILL));
  struct sigaction action;
  for (int i = 1; i < 32; i++)
    if (sigaction(i, 0, &action) == 0 && action.sa_handler != SIG_DFL) say("%d: %s", i, action.sa_handler == SIG_IGN ? "ignored" : "handled");
}

CASE(spawn_under_signals) {
  start_timer(300);
  char *const argv[] = {"true", 0};
  int bad = 0, times = rounds(40);
  for (int i = 0; i < times; i++) {
    pid_t pid;
    int status = -1;
    bad += posix_spawn(&pid, "/bin/true", 0, 0, argv, environ) != 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR);
    bad += status != 0;
    bad += posix_spawn(&pid, "/no/such/program", 0, 0, argv, environ) != ENOENT;
  }
  stop_timer();
  say("bad %d", bad);
}

CASE(system_and_popen) {
  struct sigaction old;
  say("system: %s", status_text(system("exit 3")));
  say("killed: %s", status_text(system("kill -TERM $$")));
  signal(SIGINT, count);
  say("interrupted: %s", status_text(system("kill -INT $PPID; exit 4")));
  say("runs %d", runs);
  sigaction(SIGINT, 0, &old);
  check(old.sa_handler == count);
  start_timer(500);
  int bad = 0;
  for (int i = 0; i < 10; i++) {
    char line[64] = "";
    FILE *pipe = popen("echo hello; exit 5", "r");
    if (!fgets(line, sizeof line, pipe)) bad++;
    bad += strcmp(line, "hello\n") != 0;
    int status = pclose(pipe);
    bad += !WIFEXITED(status) || WEXITSTATUS(status) != 5;
    bad += system("exit 6") != 6 << 8;
  }
  stop_timer();
  say("bad %d", bad);
}

static void say_abort(const char *what, int way) {
  pid_t pid = fork();
  if (pid == 0) {
    struct rlimit none = {0, 0};
    setrlimit(RLIMIT_CORE, &none);
    sigset_t set = set_of(SIGABRT, 0);
    if (way == 1) signal(SIGABRT, SIG_IGN);
    if (way == 2) sigprocmask(SIG_BLOCK, &set, 0);
    if (way == 3) signal(SIGABRT, count);
    if (way == 4) {
      start_timer(50);
      while (runs < 20);
    }
    abort();
  }
  wait_and_say(pid, what);
}

CASE(abort_always_ends) {
  say_abort("plain", 0);
  say_abort("ignored", 1);
  say_abort("blocked", 2);
  say_abort("handled", 3);
  say_abort("under signals", 4);
}

static volatile int order;
static void prepare(void) { order = order * 10 + 1; }
static void in_parent(void) { order = order * 10 + 2; }
static void in_child(void) { order = order * 10 + 3; }

CASE(fork_handlers) {
  pthread_atfork(prepare, in_parent, in_child);
  start_timer(200);
  for (int i = 0; i < 3; i++) {
    order = 0;
    pid_t pid = fork();
    if (pid == 0) _exit(order);
    wait_and_say(pid, "child");
    say("parent %d", order);
  }
  stop_timer();
}

// ---- jumps and masks

static sigjmp_buf back;
static void jump(int signal) { siglongjmp(back, signal); }

CASE(jumps_and_masks) {
  for (int saves = 0; saves < 2; saves++)
    for (int nodefer = 0; nodefer < 2; nodefer++) {
      struct sigaction action = {.sa_handler = jump, .sa_flags = nodefer ? SA_NODEFER : 0, .sa_mask = set_of(SIGUSR2, SIGSEGV)};
      sigaction(SIGUSR1, &action, 0);
      sigset_t empty = set_of(0, 0), now;
      sigprocmask(SIG_SETMASK, &empty, 0);
      if (sigsetjmp(back, saves) == 0) raise(SIGUSR1);
      sigprocmask(SIG_SETMASK, &empty, &now);
      say("saves %d, nodefer %d: USR1 %d USR2 %d SEGV %d", saves, nodefer, sigismember(&now, SIGUSR1), sigismember(&now, SIGUSR2), sigismember(&now, SIGSEGV));
    }
}

CASE(jumps_out_of_every_fault) {
  static const int faults[] = {SIGSEGV, SIGILL, SIGFPE, SIGTRAP};
  struct sigaction action = {.sa_handler = jump};
  for (unsigned i = 0; i < 4; i++) sigaction(faults[i], &action, 0);
  volatile int got[4] = {0}, times = rounds(500);
  for (volatile int i = 0; i < times; i++)
    for (volatile int f = 0; f < 4; f++) {
      int signal = sigsetjmp(back, 1);
      if (signal) {
        got[f] += signal == faults[f];
        continue;
      }
      if (f == 0) __asm__ volatile("mov (%%rax),%%eax" : : "a"(0) : "memory");
      if (f == 1) __asm__ volatile("ud2");
      if (f == 2) __asm__ volatile("cltd; idivl %%ecx" : : "a"(1), "c"(0) : "edx");
      if (f == 3) __asm__ volatile("int3");
    }
  for (int f = 0; f < 4; f++) say("%d: %s", faults[f], got[f] == times ? "all" : "some lost");
}

// ---- threads

static void *say_mask_of_thread(void *argument) {
  sigset_t now, pending;
  pthread_sigmask(SIG_BLOCK, 0, &now);
  sigpending(&pending);
  stack_t stack;
  sigaltstack(0, &stack);
  say("thread: USR1 %d SEGV %d, pending USR1 %d, stack flags %d", sigismember(&now, SIGUSR1), sigismember(&now, SIGSEGV), sigismember(&pending, SIGUSR1), stack.ss_flags);
  return 0;
}

CASE(masks_of_new_threads) {
  static char memory[65536];
  stack_t stack = {.ss_sp = memory, .ss_size = sizeof memory};
  sigaltstack(&stack, 0);
  sigset_t set = set_of(SIGUSR1, SIGSEGV);
  pthread_sigmask(SIG_SETMASK, &set, 0);
  raise(SIGUSR1);
  pthread_t thread;
  pthread_create(&thread, 0, say_mask_of_thread, 0);
  pthread_join(thread, 0);
}

static sem_t semaphore;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;

CASE(timeouts_under_signals) {
  sem_init(&semaphore, 0, 0);
  struct sigaction action = {.sa_handler = count};
  start_timer(300);
  sigaction(SIGALRM, &action, 0);  // no SA_RESTART
  int bad = 0, interrupted = 0;
  for (int i = 0; i < 20; i++) {
    struct timespec until, now;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += 3000000;
    if (until.tv_nsec >= 1000000000) until.tv_sec++, until.tv_nsec -= 1000000000;
    int result;
    while ((result = sem_timedwait(&semaphore, &until)) < 0 && errno == EINTR) interrupted++;
    bad += result != -1 || errno != ETIMEDOUT;
    clock_gettime(CLOCK_REALTIME, &now);
    bad += now.tv_sec < until.tv_sec || (now.tv_sec == until.tv_sec && now.tv_nsec < until.tv_nsec);
    pthread_mutex_lock(&mutex);
    until = now;
    until.tv_nsec += 2000000;
    if (until.tv_nsec >= 1000000000) until.tv_sec++, until.tv_nsec -= 1000000000;
    while ((result = pthread_cond_timedwait(&condition, &mutex, &until)) == 0);
    bad += result != ETIMEDOUT;
    pthread_mutex_unlock(&mutex);
  }
  stop_timer();
  say("bad %d, interrupted %d", bad, interrupted > 0);
}

static void post(int signal) { sem_post(&semaphore); }
static void *waits_for_posts(void *argument) {
  for (int i = 0; i < *(int *)argument; i++)
    while (sem_wait(&semaphore) < 0) check(errno == EINTR);
  return 0;
}

CASE(posts_from_handlers) {
  sem_init(&semaphore, 0, 0);
  struct sigaction action = {.sa_handler = post, .sa_flags = SA_RESTART};
  sigaction(SIGRTMIN + 5, &action, 0);
  int times = rounds(2000);
  pthread_t thread;
  pthread_create(&thread, 0, waits_for_posts, &times);
  for (int i = 0; i < times; i++) 
    if (pthread_kill(thread, SIGRTMIN + 5) == EAGAIN) i--;
  pthread_join(thread, 0);
  say("done");
}

// ---- contexts under signals

#ifdef __GLIBC__
static ucontext_t contexts[2], main_context;
static char context_stacks[2][65536];
static volatile long switches;
static void ping(int me) {
  for (;;) {
    if (++switches > 2000) swapcontext(&contexts[me], &main_context);
    swapcontext(&contexts[me], &contexts[!me]);
  }
}

CASE(contexts_under_signals) {
  start_timer(100);
  for (int i = 0; i < 2; i++) {
    getcontext(&contexts[i]);
    contexts[i].uc_stack.ss_sp = context_stacks[i];
    contexts[i].uc_stack.ss_size = sizeof context_stacks[i];
    makecontext(&contexts[i], (void (*)(void))ping, 1, i);
  }
  swapcontext(&main_context, &contexts[0]);
  stop_timer();
  say("switches %ld", switches);
}
#endif

CASE(siginterrupt_and_kin) {
  int ends[2];
  check(pipe(ends) == 0);
  signal(SIGUSR1, count);
  struct sigaction action;
  sigaction(SIGUSR1, 0, &action);
  say("signal(): flags %#x, mask %d", action.sa_flags & ~0x04000000, sigismember(&action.sa_mask, SIGUSR1));
  siginterrupt(SIGUSR1, 1);
  pid_t pid = signal_when_in(SYS_read, SIGUSR1);
  char byte;
  ssize_t size = read(ends[0], &byte, 1);
  say("read %zd, errno %d", size, errno);
  wait_and_say(pid, "sender");
#ifdef __GLIBC__
  sighold(SIGUSR1);
  raise(SIGUSR1);
  say("held, runs %d", runs);
  sigrelse(SIGUSR1);
  say("released, runs %d", runs);
  say("sigset: %d", sigset(SIGUSR1, SIG_HOLD) == count);
  sigset_t now;
  sigprocmask(SIG_BLOCK, 0, &now);
  say("blocked %d", sigismember(&now, SIGUSR1));
#endif
}

CASE(timer_overruns) {
  sigset_t set = set_of(SIGRTMIN + 6, 0);
  sigprocmask(SIG_BLOCK, &set, 0);
  timer_t timer;
  struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 6};
  check(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
  struct itimerspec often = {{0, 1000000}, {0, 1000000}};
  check(timer_settime(timer, 0, &often, 0) == 0);
  usleep(30000);
  siginfo_t info;
  int got = sigwaitinfo(&set, &info);
  say("got %d, overruns %d", got - SIGRTMIN, info.si_overrun > 5 && timer_getoverrun(timer) > 5);
  timer_delete(timer);
}

static void *many_signals(void *argument) {
  static __thread char memory[32768];
  stack_t stack = {.ss_sp = memory, .ss_size = sizeof memory};
  sigaltstack(&stack, 0);
  for (int i = 0; i < 200; i++) {
    raise(SIGUSR1);
    pthread_kill(pthread_self(), SIGUSR2);
  }
  stack.ss_flags = SS_DISABLE;
  sigaltstack(&stack, 0);
  return 0;
}

CASE(alternate_stacks_of_threads) {
  struct sigaction action = {.sa_handler = count, .sa_flags = SA_ONSTACK};
  sigaction(SIGUSR1, &action, 0);
  sigaction(SIGUSR2, &action, 0);
  pthread_t threads[8];
  for (int i = 0; i < 8; i++) pthread_create(&threads[i], 0, many_signals, 0);
  for (int i = 0; i < 8; i++) pthread_join(threads[i], 0);
  say("runs %d", runs);
}
