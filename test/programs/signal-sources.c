// Where signals come from, and what their siginfo says: every source natively has its own si_code and payload.
// variants: dynamic static musl
#include "cases.h"
#include <mqueue.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>

#ifndef F_SETSIG
#define F_SETSIG 10
#endif

static siginfo_t last;
static volatile int runs;

static void note(int signal, siginfo_t *info, void *context) {
  last = *info;
  runs++;
}

static long own_tid(void) { return raw(SYS_gettid, 0, 0, 0, 0, 0, 0); }

static void say_last(const char *what) {
  say("%s: runs %d, signal %d, errno %d, code %d", what, runs, last.si_signo, last.si_errno, last.si_code);
  runs = 0;
  memset(&last, 0, sizeof last);
}

static void say_sender(const char *what) {
  say("%s: sender %s, uid %s, value %#lx", what, last.si_pid == getpid() ? "self" : last.si_pid == 0 ? "kernel" : "other",
      last.si_uid == getuid() ? "own" : "other", (unsigned long)last.si_value.sival_ptr);
  say_last(what);
}

CASE(sent) {
  for (int signal = SIGHUP; signal <= SIGRTMIN + 2; signal++) {
    if (signal == SIGKILL || signal == SIGSTOP || (signal >= 32 && signal < SIGRTMIN)) continue;
    char name[32];
    install(signal, note, SA_RESTART);
    check(kill(getpid(), signal) == 0);
    snprintf(name, sizeof name, "kill %d", signal);
    say_sender(name);
    check(raw(SYS_tkill, own_tid(), signal, 0, 0, 0, 0) == 0);
    snprintf(name, sizeof name, "tkill %d", signal);
    say_sender(name);
    check(raw(SYS_tgkill, getpid(), own_tid(), signal, 0, 0, 0) == 0);
    snprintf(name, sizeof name, "tgkill %d", signal);
    say_sender(name);
    check(sigqueue(getpid(), signal, (union sigval){.sival_ptr = (void *)0x123456789abcdef0}) == 0);
    snprintf(name, sizeof name, "sigqueue %d", signal);
    say_sender(name);
    siginfo_t info = {.si_signo = 3, .si_errno = 5, .si_code = -77};
    memset((char *)&info + 16, 0x5a, 32);  // all that the kernel keeps: struct kernel_siginfo
    check(raw(SYS_rt_tgsigqueueinfo, getpid(), own_tid(), signal, (long)&info, 0, 0) == 0);
    int same = memcmp((char *)&info + 16, (char *)&last + 16, 32) == 0;
    say("rt_tgsigqueueinfo %d: payload %s", signal, same ? "kept" : "changed");
    say_last("rt_tgsigqueueinfo");
  }
}

CASE(sent_by_child) {
  install(SIGUSR1, note, SA_RESTART);
  pid_t parent = getpid(), pid = fork();
  if (pid == 0) {
    kill(parent, SIGUSR1);
    _exit(0);
  }
  check(waitpid(pid, 0, 0) == pid);
  check(last.si_pid == pid);
  say_sender("from a child");
}

static void say_child(const char *what, pid_t pid) {
  say("%s: pid %s, uid %s, status %d", what, last.si_pid == pid ? "child" : "other", last.si_uid == getuid() ? "own" : "other",
      last.si_status);
  say_last(what);
}

CASE(child_changes) {
  install(SIGCHLD, note, SA_RESTART);
  sigset_t set, old;
  sigemptyset(&set);
  sigaddset(&set, SIGCHLD);
  sigprocmask(SIG_BLOCK, &set, &old);
  pid_t pid = fork();
  if (pid == 0) _exit(42);
  sigsuspend(&old);
  say_child("exited", pid);
  waitpid(pid, 0, 0);
  pid = fork();
  if (pid == 0) for (;;) pause();
  kill(pid, SIGSTOP);
  sigsuspend(&old);
  say_child("stopped", pid);
  kill(pid, SIGCONT);
  sigsuspend(&old);
  say_child("continued", pid);
  kill(pid, SIGTERM);
  sigsuspend(&old);
  say_child("killed", pid);
  waitpid(pid, 0, 0);
  signal(SIGSEGV, SIG_DFL);
  pid = fork();
  if (pid == 0) __builtin_trap();
  sigsuspend(&old);
  last.si_code = last.si_code == CLD_DUMPED ? CLD_KILLED : last.si_code;
  say_child("trapped", pid);
  waitpid(pid, 0, 0);
}

static void wait_for_run(void) {
  while (runs == 0) sched_yield();
}

CASE(interval_timers) {
  install(SIGALRM, note, SA_RESTART);
  install(SIGVTALRM, note, SA_RESTART);
  install(SIGPROF, note, SA_RESTART);
  struct itimerval soon = {{0, 0}, {0, 1000}};
  setitimer(ITIMER_REAL, &soon, 0);
  wait_for_run();
  say_sender("real");
  setitimer(ITIMER_VIRTUAL, &soon, 0);
  while (runs == 0)
    for (volatile int i = 0; i < 1000; i++);
  say_sender("virtual");
  setitimer(ITIMER_PROF, &soon, 0);
  while (runs == 0)
    for (volatile int i = 0; i < 1000; i++);
  say_sender("prof");
  alarm(1);
  pause();
  say_sender("alarm");
}

static void posix_timer(clockid_t clock, struct sigevent *event, const char *what) {
  timer_t timer;
  if (raw(SYS_timer_create, clock, (long)event, (long)&timer, 0, 0, 0) != 0) {
    say("%s: timer_create failed", what);
    return;
  }
  struct itimerspec soon = {{0, 0}, {0, 1000000}};
  int id = *(int *)&timer;
  check(raw(SYS_timer_settime, id, 0, (long)&soon, 0, 0, 0) == 0);
  wait_for_run();
  say("%s: timer id %s, overrun %d, value %#lx", what, *(int *)((char *)&last + 16) == id ? "own" : "other",
      *(int *)((char *)&last + 20), (unsigned long)last.si_value.sival_ptr);
  say_last(what);
  raw(SYS_timer_delete, id, 0, 0, 0, 0, 0);
}

CASE(posix_timers) {
  install(SIGUSR1, note, SA_RESTART);
  install(SIGALRM, note, SA_RESTART);
  install(SIGRTMIN + 3, note, SA_RESTART);
  struct sigevent event;
  memset(&event, 0, sizeof event);
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = SIGUSR1;
  event.sigev_value.sival_ptr = (void *)0x1122334455667788;
  posix_timer(CLOCK_MONOTONIC, &event, "monotonic");
  event.sigev_signo = SIGRTMIN + 3;
  posix_timer(CLOCK_REALTIME, &event, "realtime");
  event.sigev_notify = 4;  // SIGEV_THREAD_ID
  *(int *)((char *)&event + 16) = (int)own_tid();
  posix_timer(CLOCK_MONOTONIC, &event, "to a thread");
  timer_t timer;
  check(raw(SYS_timer_create, CLOCK_MONOTONIC, 0, (long)&timer, 0, 0, 0) == 0);
  struct itimerspec soon = {{0, 0}, {0, 1000000}};
  check(raw(SYS_timer_settime, *(int *)&timer, 0, (long)&soon, 0, 0, 0) == 0);
  wait_for_run();
  say("no event: value %s", last.si_value.sival_int == *(int *)&timer ? "timer id" : "other");
  say_last("no event");
}

#ifdef __GLIBC__
static volatile int notified;
static void notify(union sigval value) { __atomic_store_n(&notified, value.sival_int, __ATOMIC_SEQ_CST); }

CASE(timer_threads) {
  for (int i = 1; i <= 20; i++) {
    timer_t timer;
    struct sigevent event;
    memset(&event, 0, sizeof event);
    event.sigev_notify = SIGEV_THREAD;
    event.sigev_notify_function = notify;
    event.sigev_value.sival_int = i;
    check(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
    struct itimerspec soon = {{0, 0}, {0, 100000}};
    check(timer_settime(timer, 0, &soon, 0) == 0);
    while (__atomic_load_n(&notified, __ATOMIC_SEQ_CST) != i) sched_yield();
    check(timer_delete(timer) == 0);
  }
  say("notified %d", notified);
}
#else
CASE(timer_threads) { say("glibc only"); }
#endif

CASE(message_queues) {
  install(SIGUSR1, note, SA_RESTART);
  char name[64];
  snprintf(name, sizeof name, "/flicker-signal-sources-%d", getpid());
  struct mq_attr attributes = {.mq_maxmsg = 2, .mq_msgsize = 8};
  long queue = raw(SYS_mq_open, (long)(name + 1), O_RDWR | O_CREAT | O_EXCL, 0600, (long)&attributes, 0, 0);
  if (queue < 0) {
    say("no message queues: %ld", queue);
    return;
  }
  struct sigevent event;
  memset(&event, 0, sizeof event);
  event.sigev_notify = SIGEV_SIGNAL;
  event.sigev_signo = SIGUSR1;
  event.sigev_value.sival_int = 4711;
  check_equal(raw(SYS_mq_notify, queue, (long)&event, 0, 0, 0, 0), 0);
  check_equal(raw(SYS_mq_timedsend, queue, (long)"x", 1, 0, 0, 0), 0);
  wait_for_run();
  say_sender("message");
  check_equal(raw(SYS_mq_unlink, (long)(name + 1), 0, 0, 0, 0, 0), 0);
}

CASE(file_owner) {
  int ends[2];
  check(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
  install(SIGIO, note, SA_RESTART);
  install(SIGRTMIN + 1, note, SA_RESTART);
  check(fcntl(ends[0], F_SETOWN, getpid()) == 0);
  check(fcntl(ends[0], F_SETFL, O_ASYNC | O_NONBLOCK) == 0);
  check(write(ends[1], "x", 1) == 1);
  wait_for_run();
  say_last("SIGIO");
  check(fcntl(ends[0], F_SETSIG, SIGRTMIN + 1) == 0);
  check(write(ends[1], "y", 1) == 1);
  wait_for_run();
  say("F_SETSIG: descriptor %s, band %#lx", last.si_fd == ends[0] ? "own" : "other", (long)last.si_band);
  say_last("F_SETSIG");
  struct { int type, pid; } owner = {0, (int)own_tid()};  // F_OWNER_TID
  check(fcntl(ends[0], 15, &owner) == 0);                 // F_SETOWN_EX
  check(write(ends[1], "z", 1) == 1);
  wait_for_run();
  say_last("F_SETOWN_EX");
}

CASE(broken_pipe) {
  int ends[2];
  install(SIGPIPE, note, SA_RESTART);
  check(pipe(ends) == 0);
  close(ends[0]);
  ssize_t size = write(ends[1], "x", 1);
  say("write: %zd, errno %d", size, errno);
  say_sender("broken pipe");
}

// Real-time signals from many senders: each arrives once, in order for each sender, with its payload.
static volatile long received[4];
static volatile int disorder;
static void count_queue(int signal, siginfo_t *info, void *context) {
  long value = (long)info->si_value.sival_ptr;
  int sender = (int)(value >> 32);
  if ((value & 0xffffffff) != received[sender]) disorder++;
  received[sender]++;
}

CASE(queues_from_processes) {
  struct sigaction action = {.sa_sigaction = count_queue, .sa_flags = SA_SIGINFO | SA_RESTART};
  sigfillset(&action.sa_mask);
  sigaction(SIGRTMIN + 2, &action, 0);
  pid_t parent = getpid();
  int each = rounds(500);
  for (long sender = 0; sender < 4; sender++)
    if (fork() == 0) {
      for (long i = 0; i < each;)
        if (sigqueue(parent, SIGRTMIN + 2, (union sigval){.sival_ptr = (void *)(sender << 32 | i)}) == 0) i++;
      _exit(0);
    }
  for (int ended = 0; ended < 4;) {
    raw(SYS_getppid, 0, 0, 0, 0, 0, 0);
    sigset_t set;
    sigprocmask(SIG_BLOCK, 0, &set);
    if (waitpid(-1, 0, WNOHANG) > 0) ended++;
  }
  say("received %ld %ld %ld %ld, disorder %d", received[0], received[1], received[2], received[3], disorder);
  for (int i = 0; i < 4; i++) check(received[i] == each);
}
