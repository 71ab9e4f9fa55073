// Signals at any instruction: timers and threads send as fast as they can while the program computes or makes system
// calls. Every handler looks at where it was interrupted; every computation must come out right.
// variants: dynamic static musl
#include "cases.h"
#include <sys/prctl.h>
#include "code-ranges.h"
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/time.h>
#include <ucontext.h>

static atomic_long runs, strays;
static atomic_ulong stray_address;
static char stack_memory[1 << 18] __attribute__((aligned(64)));

static void look(int signal, siginfo_t *info, void *context) {
  uintptr_t rip = (uintptr_t)((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP];
  atomic_fetch_add(&runs, 1);
  if (!is_program_code(rip)) {
    atomic_fetch_add(&strays, 1);
    atomic_store(&stray_address, rip);
  }
}

static void say_strays(void) {
  if (strays) say("FAILED: %ld program counters outside the program, the last %#lx", (long)strays, (long)stray_address);
  else say("all program counters within the program");
}

static void start_timer(long microseconds) {
  struct itimerval often = {{0, microseconds}, {0, microseconds}};
  check(setitimer(ITIMER_REAL, &often, 0) == 0);
}

static void stop_timer(void) {
  struct itimerval off = {{0, 0}, {0, 0}};
  setitimer(ITIMER_REAL, &off, 0);
}

static void set_up(int flags) {
  find_code_ranges();
  if (flags & SA_ONSTACK) {
    stack_t stack = {.ss_sp = stack_memory, .ss_size = sizeof stack_memory};
    check(sigaltstack(&stack, 0) == 0);
  }
  install(SIGALRM, look, flags);
  install(SIGUSR1, look, flags);
}

// FNV-1a over a counter: any lost or changed register shows in the sum.
static uint64_t hash_step(uint64_t hash, uint64_t value) { return (hash ^ value) * 0x100000001b3; }

static void compute_storm(int flags) {
  set_up(flags);
  start_timer(100);
  uint64_t hash = 0xcbf29ce484222325;
  double sum = 0;
  long wanted = rounds(500), value = 0;
  // The amount of work is fixed; it goes on until enough signals have come.
  uint64_t expected = 0;
  for (int pass = 0; pass == 0 || runs < wanted; pass++) {
    hash = 0xcbf29ce484222325;
    sum = 0;
    for (value = 0; value < 200000; value++) {
      hash = hash_step(hash, (uint64_t)value);
      sum += 1.0 / (double)(value + 1);
    }
    if (pass == 0) expected = hash;
    if (hash != expected) check(!"the sum is the same in each pass");
  }
  stop_timer();
  say("hash %#llx, sum %.10f", (unsigned long long)hash, sum);
  say_strays();
}

CASE(compute) { compute_storm(0); }
CASE(compute_on_alternate_stack) { compute_storm(SA_ONSTACK); }

static void call_storm(int flags) {
  set_up(flags);
  start_timer(100);
  long pid = getpid(), bad = 0, wanted = rounds(500);
  while (runs < wanted) {
    for (int i = 0; i < 200; i++) {
      bad += raw(SYS_getpid, 0, 0, 0, 0, 0, 0) != pid;
      bad += raw(SYS_lseek, -1, i, 0, 0, 0, 0) != -EBADF;
      bad += raw(0x1234, 1, 2, 3, 4, 5, 6) != -ENOSYS;
    }
  }
  stop_timer();
  say("bad %ld", bad);
  say_strays();
}

CASE(raw_calls) { call_storm(SA_RESTART); }
CASE(raw_calls_on_alternate_stack) { call_storm(SA_ONSTACK); }

CASE(libc_calls) {
  set_up(SA_RESTART);
  int ends[2];
  check(pipe(ends) == 0);
  start_timer(150);
  long bad = 0, wanted = rounds(500);
  struct timespec before, now;
  clock_gettime(CLOCK_MONOTONIC, &before);
  for (long i = 0; runs < wanted; i++) {
    long got = 0;
    bad += write(ends[1], &i, sizeof i) != sizeof i;
    bad += read(ends[0], &got, sizeof got) != sizeof got || got != i;
    clock_gettime(CLOCK_MONOTONIC, &now);
    bad += now.tv_sec < before.tv_sec || (now.tv_sec == before.tv_sec && now.tv_nsec < before.tv_nsec);
    before = now;
    void *page = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    bad += page == MAP_FAILED;
    *(volatile char *)page = 1;
    bad += munmap(page, 4096) != 0;
  }
  stop_timer();
  say("bad %ld", bad);
  say_strays();
}

CASE(mask_changes) {
  // Signals that come between blocking and unblocking are delivered at the unblocking, never inside.
  set_up(0);
  start_timer(100);
  long bad = 0, wanted = rounds(300);
  sigset_t set, old;
  sigemptyset(&set);
  sigaddset(&set, SIGALRM);
  while (runs < wanted) {
    sigprocmask(SIG_BLOCK, &set, &old);
    long before = runs;
    for (volatile int i = 0; i < 200; i++) {}
    raw(SYS_getppid, 0, 0, 0, 0, 0, 0);
    bad += runs != before;
    sigprocmask(SIG_SETMASK, &old, 0);
  }
  stop_timer();
  say("bad %ld", bad);
  say_strays();
}

CASE(action_changes) {
  // A SIGALRM that is ignored does not start its timer again, hence the timer in the loop.
  set_up(0);
  long wanted = rounds(300);
  for (int round = 0; runs < wanted; round++) {
    if (round % 64 == 0) start_timer(100);
    install(SIGALRM, look, SA_RESTART);
    signal(SIGALRM, SIG_IGN);
    install(SIGALRM, look, SA_NODEFER);
    struct sigaction action;
    sigaction(SIGALRM, 0, &action);
    if (action.sa_sigaction != look) check(!"reads back");
    for (volatile int i = 0; i < 20000; i++) {}
  }
  signal(SIGALRM, SIG_IGN);
  stop_timer();
  say_strays();
}

static atomic_int stop;
static pthread_t target;

// With SA_NODEFER each signal puts a frame on top of the last, and a fast sender would bury the stack. Only the program
// at the bottom gives senders leave to send again, so at most so many frames pile up.
static atomic_int leave;

static void *sender(void *argument) {
  while (!stop) {
    if (atomic_fetch_sub(&leave, 1) > 0) pthread_kill(target, SIGUSR1);
    else atomic_fetch_add(&leave, 1);
    sched_yield();
  }
  return 0;
}

static void thread_storm(int flags, int senders) {
  set_up(flags);
  target = pthread_self();
  pthread_t threads[4];
  for (int i = 0; i < senders; i++) check(pthread_create(&threads[i], 0, sender, 0) == 0);
  long pid = getpid(), bad = 0, wanted = rounds(100);
  uint64_t hash = 0, count = 0;
  while (runs < wanted) {
    leave = 20;
    for (int i = 0; i < 50; i++) bad += raw(SYS_getpid, 0, 0, 0, 0, 0, 0) != pid;
    hash = 0;
    for (count = 0; count < 1000; count++) hash = hash_step(hash, count);
  }
  stop = 1;
  for (int i = 0; i < senders; i++) pthread_join(threads[i], 0);
  say("bad %ld, hash %#llx", bad, (unsigned long long)hash);
  say_strays();
}

CASE(from_threads) { thread_storm(SA_RESTART, 2); }
CASE(from_threads_on_alternate_stack) { thread_storm(SA_ONSTACK, 2); }
CASE(from_threads_nested) { thread_storm(SA_NODEFER | SA_ONSTACK, 1); }

static void calls_in_handler(int signal, siginfo_t *info, void *context) {
  look(signal, info, context);
  char byte = 1;
  int ends[2];
  if (pipe(ends) != 0 || write(ends[1], &byte, 1) != 1 || read(ends[0], &byte, 1) != 1) atomic_fetch_add(&strays, 1000000);
  close(ends[0]);
  close(ends[1]);
  raw(SYS_sched_yield, 0, 0, 0, 0, 0, 0);
}

CASE(calls_in_handlers) {
  set_up(0);
  struct sigaction action = {.sa_sigaction = calls_in_handler, .sa_flags = SA_SIGINFO | SA_RESTART};
  sigaction(SIGALRM, &action, 0);
  start_timer(200);
  long bad = 0, pid = getpid(), wanted = rounds(300);
  while (runs < wanted) bad += raw(SYS_getpid, 0, 0, 0, 0, 0, 0) != pid;
  stop_timer();
  say("bad %ld", bad);
  say_strays();
}

CASE(real_time_signals_in_order) {
  // A child sends numbered signals while the parent makes calls: none is lost, none overtakes another.
  set_up(0);
  static int next;
  int count = rounds(2000);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGRTMIN + 5);
  sigprocmask(SIG_BLOCK, &set, 0);
  pid_t parent = getpid(), pid = fork();
  if (pid == 0) {
    for (int i = 0; i < count; i++)
      while (sigqueue(parent, SIGRTMIN + 5, (union sigval){.sival_int = i}) != 0) sched_yield();
    _exit(0);
  }
  int bad = 0;
  while (next < count) {
    siginfo_t info;
    if (sigwaitinfo(&set, &info) < 0) continue;
    bad += info.si_value.sival_int != next++;
  }
  wait_and_say(pid, "sender");
  say("received %d, bad %d", next, bad);
}

static int rt_next, rt_bad;
static void rt_handler(int signal, siginfo_t *info, void *context) {
  rt_bad += info->si_value.sival_int != rt_next++;
  if (!is_program_code((uintptr_t)((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP])) strays++;
}

CASE(real_time_handlers_in_order) {
  set_up(0);
  int count = rounds(2000);
  install(SIGRTMIN + 5, rt_handler, SA_RESTART);
  pid_t parent = getpid(), pid = fork();
  if (pid == 0) {
    for (int i = 0; i < count; i++)
      while (sigqueue(parent, SIGRTMIN + 5, (union sigval){.sival_int = i}) != 0) sched_yield();
    _exit(0);
  }
  long bad = 0;
  while (*(volatile int *)&rt_next < count) {
    bad += raw(SYS_getpid, 0, 0, 0, 0, 0, 0) != parent;
    bad += raw(0x1235, 0, 0, 0, 0, 0, 0) != -ENOSYS;
  }
  wait_and_say(pid, "sender");
  say("received %d, out of order %d, bad %ld", rt_next, rt_bad, bad);
  say_strays();
}

CASE(fork_under_signals) {
  set_up(SA_RESTART);
  start_timer(500);
  int bad = 0;
  for (int i = 0; i < rounds(100); i++) {
    pid_t pid = fork();  // the child has no timer
    if (pid == 0) _exit(i & 63);
    int status;
    while (waitpid(pid, &status, 0) < 0) {}
    bad += !WIFEXITED(status) || WEXITSTATUS(status) != (i & 63);
  }
  stop_timer();
  say("bad %d", bad);
  say_strays();
}

static void *short_thread(void *argument) { return (void *)((long)argument + 1); }

CASE(threads_under_signals) {
  set_up(SA_RESTART);
  start_timer(300);
  long bad = 0;
  for (long i = 0; i < rounds(500); i++) {
    pthread_t thread;
    void *result = 0;
    if (pthread_create(&thread, 0, short_thread, (void *)i) != 0) { bad++; continue; }
    pthread_join(thread, &result);
    bad += (long)result != i + 1;
  }
  stop_timer();
  say("bad %ld", bad);
  say_strays();
}

CASE(profiling_timer) {
  set_up(SA_RESTART);
  install(SIGPROF, look, SA_RESTART);
  struct itimerval often = {{0, 1000}, {0, 1000}}, off = {{0, 0}, {0, 0}};
  setitimer(ITIMER_PROF, &often, 0);
  while (runs < 20) raw(SYS_getpid, 0, 0, 0, 0, 0, 0);
  setitimer(ITIMER_PROF, &off, 0);
  say_strays();
}

static volatile int *sent_faults;
static void count_sent_fault(int signal, siginfo_t *info, void *context) { *sent_faults += info->si_code == SI_USER; }

CASE(faults_that_were_sent) {
  // SIGSEGV of kill while the path of a call is copied: no fault of that copy, and none is lost. Each waits for the last.
  enum { FAULTS = 400 };
  sent_faults = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  install(SIGSEGV, count_sent_fault, SA_RESTART);
  pid_t parent = getpid(), pid = fork();
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    for (int i = 0; i < FAULTS && *sent_faults == i && getppid() == parent; i++) {
      kill(parent, SIGSEGV);
      time_t patience = time(0) + 10;
      while (*sent_faults == i && time(0) < patience) continue;
    }
    _exit(0);
  }
  char path[3800];
  memset(path, '/', sizeof path);
  strcpy(path + sizeof path - 5, "none");
  while (waitpid(pid, 0, WNOHANG) == 0)
    for (int i = 0; i < 100; i++) check_equal(raw(SYS_openat, AT_FDCWD, (long)path, O_RDONLY, 0, 0, 0), -ENOENT);
  say("handled %d", *sent_faults);
}
