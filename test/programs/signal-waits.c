// Waiting for signals: calls that swap the mask, queues and their order, signalfd, timers.
// variants: dynamic musl-static
#include "cases.h"
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/time.h>

static volatile int runs;
static sigset_t none, only_usr1;

static void handler(int signal, siginfo_t *info, void *context) {
  sigset_t mask;
  sigprocmask(SIG_BLOCK, 0, &mask);
  say("handler of %d, code %d, USR1 %s, USR2 %s", signal, info->si_code,
      sigismember(&mask, SIGUSR1) ? "blocked" : "open", sigismember(&mask, SIGUSR2) ? "blocked" : "open");
  runs++;
}

static void set_up(void) {
  sigemptyset(&none);
  sigemptyset(&only_usr1);
  sigaddset(&only_usr1, SIGUSR1);
  install(SIGUSR1, handler, 0);
  install(SIGUSR2, handler, 0);
  sigset_t both;
  sigemptyset(&both);
  sigaddset(&both, SIGUSR1);
  sigaddset(&both, SIGUSR2);
  sigprocmask(SIG_BLOCK, &both, 0);
}

static void say_blocked(const char *what) {
  sigset_t mask, pending;
  sigprocmask(SIG_BLOCK, 0, &mask);
  sigpending(&pending);
  say("%s: USR1 %s%s, USR2 %s%s", what, sigismember(&mask, SIGUSR1) ? "blocked" : "open",
      sigismember(&pending, SIGUSR1) ? " pending" : "", sigismember(&mask, SIGUSR2) ? "blocked" : "open",
      sigismember(&pending, SIGUSR2) ? " pending" : "");
}

CASE(sigsuspend_pending) {
  set_up();
  kill(getpid(), SIGUSR1);
  say_blocked("before");
  int result = sigsuspend(&none);
  say("sigsuspend: %d, errno %d", result, errno);
  say_blocked("after");
}

CASE(sigsuspend_waits) {
  set_up();
  pid_t pid = signal_when_in(SYS_rt_sigsuspend, SIGUSR2);
  kill(getpid(), SIGUSR1);  // stays blocked all the time
  sigset_t mask = only_usr1;
  int result = sigsuspend(&mask);
  say("sigsuspend: %d, errno %d", result, errno);
  say_blocked("after");
  wait_and_say(pid, "sender");
}

CASE(ppoll_pending) {
  set_up();
  kill(getpid(), SIGUSR1);
  struct timespec zero = {0, 0}, long_time = {1000, 0};
  int result = ppoll(0, 0, &zero, 0);
  say("without a mask: %d", result);
  result = ppoll(0, 0, &long_time, &none);
  say("ppoll: %d, errno %d", result, errno);
  say_blocked("after");
  // A ready descriptor: the signal is still delivered or stays pending, as the kernel decides.
  int ends[2];
  check(pipe(ends) == 0 && write(ends[1], "x", 1) == 1);
  struct pollfd entry = {.fd = ends[0], .events = POLLIN};
  kill(getpid(), SIGUSR2);
  result = ppoll(&entry, 1, &long_time, &none);
  say("ready: %d, runs %d", result, runs);
  say_blocked("after");
}

// The mask of a wait that is over must not be the one under which a later handler runs.
CASE(mask_ends_with_the_wait) {
  set_up();
  struct timespec none_at_all = {0, 0};
  check(ppoll(0, 0, &none_at_all, &none) == 0);
  raise(SIGUSR1);
  raise(SIGUSR2);
  sigprocmask(SIG_UNBLOCK, &only_usr1, 0);
  say_blocked("after");
}

CASE(pselect_pending) {
  set_up();
  kill(getpid(), SIGUSR2);
  struct timespec long_time = {1000, 0};
  int result = pselect(0, 0, 0, 0, &long_time, &none);
  say("pselect: %d, errno %d", result, errno);
  say_blocked("after");
}

CASE(epoll_pwait_pending) {
  set_up();
  int epoll = epoll_create1(0);
  kill(getpid(), SIGUSR1);
  kill(getpid(), SIGUSR2);
  struct epoll_event event;
  int result = epoll_pwait(epoll, &event, 1, 1000000, &none);
  say("epoll_pwait: %d, errno %d, runs %d", result, errno, runs);
  say_blocked("after");
  kill(getpid(), SIGUSR1);
  struct timespec time = {1000, 0};
  unsigned long bits = 0;
  long raw_result = raw(441, epoll, (long)&event, 1, (long)&time, (long)&bits, 8);  // epoll_pwait2
  say("epoll_pwait2: %ld, runs %d", raw_result, runs);
  check_equal(raw(SYS_epoll_pwait, epoll, (long)&event, 1, 0, (long)&bits, 4), -EINVAL);
  check_equal(raw(SYS_epoll_pwait, epoll, (long)&event, 1, 0, 8, 8), -EFAULT);
}

// Asynchronous I/O waits under a mask, too.
CASE(io_pgetevents_pending) {
  set_up();
  unsigned long io = 0, bits = 0;
  if (raw(SYS_io_setup, 1, (long)&io, 0, 0, 0, 0) != 0) {
    say("no asynchronous I/O");
    return;
  }
  struct { const void *mask; size_t size; } argument = {&bits, 8};
  struct { long parts[4]; } event;
  kill(getpid(), SIGUSR1);
  long result = raw(SYS_io_pgetevents, (long)io, 1, 1, (long)&event, 0, (long)&argument);
  say("io_pgetevents: %ld, runs %d", result, runs);
  say_blocked("after");
  argument.size = 4;
  check_equal(raw(SYS_io_pgetevents, (long)io, 1, 1, (long)&event, 0, (long)&argument), -EINVAL);
}

CASE(io_uring_enter_pending) {
  set_up();
  unsigned parameters[30] = {0};
  int ring = (int)raw(425, 2, (long)parameters, 0, 0, 0, 0);  // io_uring_setup
  if (ring < 0) {
    say("no io_uring: %d", ring);
    return;
  }
  unsigned long bits = 0;
  struct { unsigned long mask; unsigned size, padding; unsigned long timeout; } argument = {(unsigned long)&bits, 8, 0, 0};
  for (int extended = 0; extended < 2; extended++) {
    kill(getpid(), SIGUSR1);
    long result = extended ? raw(426, ring, 0, 1, 1 | 8, (long)&argument, sizeof argument) : raw(426, ring, 0, 1, 1, (long)&bits, 8);
    say("io_uring_enter: %ld, runs %d", result, runs);
    say_blocked("after");
  }
  kill(getpid(), SIGUSR2);
  check_equal(raw(426, ring, 0, 0, 0, 0, 0), 0);
  say_blocked("after");
}

CASE(ppoll_interrupted_while_asleep) {
  set_up();
  pid_t pid = signal_when_in(SYS_ppoll, SIGUSR2);
  struct timespec long_time = {1000, 0};
  int result = ppoll(0, 0, &long_time, &only_usr1);
  say("ppoll: %d, errno %d", result, errno);
  say_blocked("after");
  wait_and_say(pid, "sender");
}

static void say_info(const char *what, int result, const siginfo_t *info) {
  if (result < 0) say("%s: errno %d", what, errno);
  else say("%s: %d, code %d, value %d, pid %s", what, info->si_signo, info->si_code, info->si_value.sival_int,
           info->si_pid == getpid() ? "own" : "other");
}

CASE(queue_order_and_values) {
  // Real-time signals: lowest number first, then in order of sending; each is kept, with its value.
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  for (int i = 0; i < 4; i++) sigaddset(&set, SIGRTMIN + i);
  sigprocmask(SIG_BLOCK, &set, 0);
  for (int i = 0; i < 3; i++)
    for (int n = 3; n >= 0; n--) check(sigqueue(getpid(), SIGRTMIN + n, (union sigval){.sival_int = i * 10 + n}) == 0);
  for (int i = 0; i < 3; i++) check(sigqueue(getpid(), SIGUSR1, (union sigval){.sival_int = 100 + i}) == 0);
  siginfo_t info;
  struct timespec zero = {0, 0};
  for (int i = 0; i < 14; i++) {
    int result = sigtimedwait(&set, &info, &zero);
    say_info("sigtimedwait", result, &info);
  }
}

static int order[64];
static void note_order(int signal, siginfo_t *info, void *context) { order[runs++] = info->si_value.sival_int; }

CASE(delivery_order) {
  // Unblocked at once, all are delivered before sigprocmask returns; the last one delivered runs first, as each handler's
  // frame is put on top of the one before, unless sa_mask forbids.
  sigset_t set, old;
  sigfillset(&set);
  for (int pass = 0; pass < 2; pass++) {
    runs = 0;
    struct sigaction action = {.sa_sigaction = note_order, .sa_flags = SA_SIGINFO};
    if (pass) sigfillset(&action.sa_mask);
    else sigemptyset(&action.sa_mask);
    for (int n = 0; n < 4; n++) sigaction(SIGRTMIN + n, &action, 0);
    sigprocmask(SIG_BLOCK, &set, &old);
    for (int i = 0; i < 3; i++)
      for (int n = 3; n >= 0; n--) sigqueue(getpid(), SIGRTMIN + n, (union sigval){.sival_int = i * 10 + n});
    sigprocmask(SIG_SETMASK, &old, 0);
    char text[256];
    int size = 0;
    for (int i = 0; i < runs; i++) size += snprintf(text + size, sizeof text - size, " %d", order[i]);
    say("%s:%s", pass ? "full mask" : "own bit only", text);
  }
}

CASE(sigwaitinfo_waits) {
  set_up();
  sigset_t set = only_usr1;
  pid_t pid = signal_when_in(SYS_rt_sigtimedwait, SIGUSR1);
  siginfo_t info;
  int result = sigwaitinfo(&set, &info);
  say_info("sigwaitinfo", result, &info);
  wait_and_say(pid, "sender");
  int number = 0;
  kill(getpid(), SIGUSR1);
  check(sigwait(&set, &number) == 0);
  say("sigwait: %d", number);
}

CASE(sigtimedwait_interrupted) {
  set_up();
  sigprocmask(SIG_SETMASK, &only_usr1, 0);
  pid_t pid = signal_when_in(SYS_rt_sigtimedwait, SIGUSR2);
  siginfo_t info;
  long long bits = 1 << (SIGUSR1 - 1);
  struct timespec time = {1000, 0};
  long result = raw(SYS_rt_sigtimedwait, (long)&bits, (long)&info, (long)&time, 8, 0, 0);
  say("interrupted: %ld, runs %d", result, runs);
  time = (struct timespec){0, 1000};
  check_equal(raw(SYS_rt_sigtimedwait, (long)&bits, (long)&info, (long)&time, 8, 0, 0), -EAGAIN);
  time = (struct timespec){0, -1};
  check_equal(raw(SYS_rt_sigtimedwait, (long)&bits, (long)&info, (long)&time, 8, 0, 0), -EINVAL);
  check_equal(raw(SYS_rt_sigtimedwait, 8, (long)&info, (long)&time, 8, 0, 0), -EFAULT);
  wait_and_say(pid, "sender");
}

CASE(signalfd) {
  set_up();
  sigset_t both;
  sigemptyset(&both);
  sigaddset(&both, SIGUSR1);
  sigaddset(&both, SIGUSR2);
  int file = signalfd(-1, &only_usr1, SFD_NONBLOCK | SFD_CLOEXEC);
  check(file >= 0);
  struct signalfd_siginfo infos[4];
  ssize_t size = read(file, infos, sizeof infos);
  say("empty: %zd, errno %d", size, errno);
  kill(getpid(), SIGUSR1);
  sigqueue(getpid(), SIGUSR2, (union sigval){.sival_int = 77});
  struct pollfd entry = {.fd = file, .events = POLLIN};
  check(poll(&entry, 1, 0) == 1);
  size = read(file, infos, sizeof infos);
  say("read %zd: signal %d, code %d", size, infos[0].ssi_signo, infos[0].ssi_code);
  check(signalfd(file, &both, 0) == file);
  size = read(file, infos, sizeof infos);
  say("read %zd: signal %d, code %d, value %d", size, infos[0].ssi_signo, infos[0].ssi_code, infos[0].ssi_int);
}

CASE(rt_sigqueueinfo) {
  set_up();
  siginfo_t info, got;
  memset(&info, 0, sizeof info);
  info.si_signo = 99;
  info.si_code = -60;
  info.si_errno = 5;
  info.si_value.sival_ptr = (void *)0x123456789abcdef0;
  check_equal(raw(SYS_rt_sigqueueinfo, getpid(), SIGUSR1, (long)&info, 0, 0, 0), 0);
  check_equal(raw(SYS_rt_tgsigqueueinfo, getpid(), raw(SYS_gettid, 0, 0, 0, 0, 0, 0), SIGUSR2, (long)&info, 0, 0), 0);
  sigset_t both;
  sigemptyset(&both);
  sigaddset(&both, SIGUSR1);
  sigaddset(&both, SIGUSR2);
  for (int i = 0; i < 2; i++) {
    int result = sigwaitinfo(&both, &got);
    say("%d: signo %d, code %d, errno %d, value %p", result, got.si_signo, got.si_code, got.si_errno,
        got.si_value.sival_ptr);
  }
}

static void *waiter(void *argument) {
  int number = 0;
  sigwait(&only_usr1, &number);
  return (void *)(long)number;
}

CASE(process_signal_to_waiting_thread) {
  set_up();
  pthread_t thread;
  check(pthread_create(&thread, 0, waiter, 0) == 0);
  kill(getpid(), SIGUSR1);
  void *result;
  pthread_join(thread, &result);
  say("thread got %ld", (long)result);
  pthread_create(&thread, 0, waiter, 0);
  pthread_kill(thread, SIGUSR1);
  pthread_join(thread, &result);
  say("thread got %ld", (long)result);
}

static void count(int signal, siginfo_t *info, void *context) { runs++; }

CASE(timers) {
  install(SIGALRM, count, SA_RESTART);
  struct itimerval once = {{0, 0}, {0, 2000}}, left;
  check(setitimer(ITIMER_REAL, &once, 0) == 0);
  sigset_t mask;
  sigemptyset(&mask);
  while (runs < 1) {
    // sigsuspend with nothing blocked before it would lose a signal: spin instead.
    sched_yield();
  }
  check(getitimer(ITIMER_REAL, &left) == 0);
  say("runs %d, timer %s", runs, left.it_value.tv_sec == 0 && left.it_value.tv_usec == 0 ? "off" : "on");

  timer_t timer;
  struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 1, .sigev_value.sival_int = 42};
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGRTMIN + 1);
  sigprocmask(SIG_BLOCK, &set, 0);
  check(timer_create(CLOCK_MONOTONIC, &event, &timer) == 0);
  struct itimerspec start = {{0, 0}, {0, 1000000}};
  check(timer_settime(timer, 0, &start, 0) == 0);
  siginfo_t info;
  int result = sigwaitinfo(&set, &info);
  say("timer: %d, code %d, value %d", result - SIGRTMIN, info.si_code, info.si_value.sival_int);
  timer_delete(timer);
  alarm(1000);
  say("alarm left about %s", alarm(0) > 990 ? "all" : "little");
}
