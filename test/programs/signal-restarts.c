// What a signal does to a call that waits: EINTR, a restart, or a restart with the time that is left.
// variants: dynamic musl
#include "cases.h"
#include <linux/futex.h>
#include <mqueue.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/msg.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <ucontext.h>

static volatile int runs;
static int ends[2], pair[2], event_file, epoll_file;
static volatile int word;

// The handler also ends the wait, so that a restarted call comes back.
static void end_wait(int signal, siginfo_t *info, void *context) {
  runs++;
  unsigned long one = 1;
  if (write(ends[1], "x", 1) != 1 || write(pair[1], "y", 1) != 1 || write(event_file, &one, 8) != 8) _exit(9);
  word = 1;
}

static void make_files(void) {
  check(pipe(ends) == 0 && socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
  event_file = eventfd(0, 0);
  epoll_file = epoll_create1(0);
  struct epoll_event event = {.events = EPOLLIN};
  check(epoll_ctl(epoll_file, EPOLL_CTL_ADD, ends[0], &event) == 0);
}

static struct timespec hour = {3600, 0};
static char byte;

static long do_read(void) { return raw(SYS_read, ends[0], (long)&byte, 1, 0, 0, 0); }
static long do_readv(void) { struct iovec { void *p; long n; } v = {&byte, 1}; return raw(SYS_readv, ends[0], (long)&v, 1, 0, 0, 0); }
static long do_recv(void) { return raw(SYS_recvfrom, pair[0], (long)&byte, 1, 0, 0, 0); }
static long do_eventfd(void) { long value; return raw(SYS_read, event_file, (long)&value, 8, 0, 0, 0); }
static long do_poll(void) { struct pollfd p = {ends[0], POLLIN, 0}; return raw(SYS_poll, (long)&p, 1, 3600000, 0, 0, 0); }
static long do_ppoll(void) { struct pollfd p = {ends[0], POLLIN, 0}; struct timespec t = hour; return raw(SYS_ppoll, (long)&p, 1, (long)&t, 0, 8, 0); }
static long do_ppoll_mask(void) { unsigned long m = 0; struct pollfd p = {ends[0], POLLIN, 0}; struct timespec t = hour; return raw(SYS_ppoll, (long)&p, 1, (long)&t, (long)&m, 8, 0); }
static long do_select(void) { fd_set s; FD_ZERO(&s); FD_SET(ends[0], &s); struct timeval t = {3600, 0}; return raw(SYS_select, ends[0] + 1, (long)&s, 0, 0, (long)&t, 0); }
static long do_pselect(void) { unsigned long m = 0; struct { void *p; long n; } a = {&m, 8}; fd_set s; FD_ZERO(&s); FD_SET(ends[0], &s); struct timespec t = hour; return raw(SYS_pselect6, ends[0] + 1, (long)&s, 0, 0, (long)&t, (long)&a); }
static long do_epoll(void) { struct epoll_event e; return raw(SYS_epoll_wait, epoll_file, (long)&e, 1, 3600000, 0, 0); }
static long do_epoll_pwait(void) { unsigned long m = 0; struct epoll_event e; return raw(SYS_epoll_pwait, epoll_file, (long)&e, 1, 3600000, (long)&m, 8); }
static long do_nanosleep(void) { struct timespec left = {0, 0}; long r = raw(SYS_nanosleep, (long)&hour, (long)&left, 0, 0, 0, 0); return r * 10 - (left.tv_sec > 3500); }
static long do_clock_nanosleep(void) { struct timespec left = {0, 0}; long r = raw(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, (long)&hour, (long)&left, 0, 0); return r * 10 - (left.tv_sec > 3500); }
static long do_clock_nanosleep_absolute(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); t.tv_sec += 3600; return raw(SYS_clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME, (long)&t, 0, 0, 0); }
static long do_futex(void) { return raw(SYS_futex, (long)&word, FUTEX_WAIT, 0, 0, 0, 0); }
static long do_futex_timed(void) { struct timespec t = hour; return raw(SYS_futex, (long)&word, FUTEX_WAIT, 0, (long)&t, 0, 0); }
static long do_pause(void) { return raw(SYS_pause, 0, 0, 0, 0, 0, 0); }
static long do_sigsuspend(void) { unsigned long m = 0; return raw(SYS_rt_sigsuspend, (long)&m, 8, 0, 0, 0, 0); }
static long do_sigtimedwait(void) { unsigned long m = 1ul << (SIGUSR2 - 1); return raw(SYS_rt_sigtimedwait, (long)&m, 0, 0, 8, 0, 0); }
static long do_msgrcv(void) { struct { long type; char text[8]; } m; int q = msgget(IPC_PRIVATE, 0600); long r = raw(SYS_msgrcv, q, (long)&m, 8, 0, 0, 0); msgctl(q, IPC_RMID, 0); return r; }
static long do_semtimedop(void) { int s = semget(IPC_PRIVATE, 1, 0600); struct sembuf b = {0, -1, 0}; struct timespec t = hour; long r = raw(SYS_semtimedop, s, (long)&b, 1, (long)&t, 0, 0); semctl(s, 0, IPC_RMID); return r; }

static const struct { const char *name; long number; long (*call)(void); } waits[] = {
    {"read", SYS_read, do_read},
    {"readv", SYS_readv, do_readv},
    {"recvfrom", SYS_recvfrom, do_recv},
    {"eventfd", SYS_read, do_eventfd},
    {"poll", SYS_poll, do_poll},
    {"ppoll", SYS_ppoll, do_ppoll},
    {"ppoll with a mask", SYS_ppoll, do_ppoll_mask},
    {"select", SYS_select, do_select},
    {"pselect6", SYS_pselect6, do_pselect},
    {"epoll_wait", SYS_epoll_wait, do_epoll},
    {"epoll_pwait", SYS_epoll_pwait, do_epoll_pwait},
    {"nanosleep", SYS_nanosleep, do_nanosleep},
    {"clock_nanosleep", SYS_clock_nanosleep, do_clock_nanosleep},
    {"clock_nanosleep until", SYS_clock_nanosleep, do_clock_nanosleep_absolute},
    {"futex", SYS_futex, do_futex},
    {"futex with a timeout", SYS_futex, do_futex_timed},
    {"pause", SYS_pause, do_pause},
    {"rt_sigsuspend", SYS_rt_sigsuspend, do_sigsuspend},
    {"rt_sigtimedwait", SYS_rt_sigtimedwait, do_sigtimedwait},
    {"msgrcv", SYS_msgrcv, do_msgrcv},
    {"semtimedop", SYS_semtimedop, do_semtimedop},
};

static void interrupt_each(int flags, int stops) {
  for (unsigned i = 0; i < sizeof waits / sizeof *waits; i++) {
    // What only EINTR ends would wait for an hour when it is restarted.
    pid_t pid = fork();
    if (pid == 0) {
      alarm(60);
      make_files();
      sigset_t set;
      sigemptyset(&set);
      sigaddset(&set, SIGUSR2);
      sigprocmask(SIG_BLOCK, &set, 0);
      install(SIGUSR1, end_wait, flags);
      long result = waits[i].call();
      say("%s: %ld, runs %d", waits[i].name, result, runs);
      _exit(0);
    }
    wait_until_in(pid, waits[i].number);
    int status;
    if (stops) {
      kill(pid, SIGSTOP);
      check(waitpid(pid, &status, WUNTRACED) == pid && WIFSTOPPED(status));
      kill(pid, SIGCONT);
      // What goes on by itself sleeps again, in this call or in restart_syscall; what does not has ended.
      usleep(20000);
    }
    kill(pid, SIGUSR1);
    check(waitpid(pid, &status, 0) == pid);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) say("%s: %s", waits[i].name, status_text(status));
  }
}

CASE(interrupted) { interrupt_each(0, 0); }
CASE(restarted) { interrupt_each(SA_RESTART, 0); }
CASE(stopped_then_interrupted) { interrupt_each(0, 1); }

// Signals that are ignored, or blocked, end no wait.
static void unheard(int blocked) {
  const int sent[] = {SIGUSR1, SIGFPE, SIGTERM, SIGRTMAX};
  for (unsigned i = 0; i < sizeof waits / sizeof *waits; i++) {
    if (waits[i].call == do_sigsuspend || waits[i].call == do_ppoll_mask || waits[i].call == do_pselect || waits[i].call == do_epoll_pwait) continue;
    pid_t pid = fork();
    if (pid == 0) {
      alarm(60);
      make_files();
      sigset_t set;
      sigemptyset(&set);
      for (unsigned s = 0; s < sizeof sent / sizeof *sent; s++)
        if (blocked) install(sent[s], end_wait, 0), sigaddset(&set, sent[s]);
        else signal(sent[s], SIG_IGN);
      sigaddset(&set, SIGUSR2);
      sigprocmask(SIG_BLOCK, &set, 0);
      long result = waits[i].call();
      say("%s: %ld, runs %d", waits[i].name, result, runs);
      _exit(0);
    }
    for (unsigned s = 0; s < sizeof sent / sizeof *sent; s++) {
      wait_until_in(pid, waits[i].number);
      kill(pid, sent[s]);
    }
    wait_until_in(pid, waits[i].number);
    int status;
    check(waitpid(pid, &status, WNOHANG) == 0);
    kill(pid, SIGKILL);
    check(waitpid(pid, &status, 0) == pid);
    say("%s: %s", waits[i].name, status_text(status));
  }
}

CASE(ignored_signals_end_no_wait) { unheard(0); }
CASE(blocked_signals_end_no_wait) { unheard(1); }

// A mask of a wait is in force for a handler only when the signal ended the wait.
static volatile int ready_mask;
static void look_at_mask(int signal, siginfo_t *info, void *context) {
  sigset_t set;
  sigprocmask(SIG_BLOCK, 0, &set);
  ready_mask = sigismember(&set, SIGUSR2) | sigismember(&((ucontext_t *)context)->uc_sigmask, SIGUSR2) << 1;
  runs++;
}

static pid_t main_tid;
static void *send_then_write(void *argument) {
  wait_until_in(main_tid, *(long *)argument);
  raw(SYS_tgkill, getpid(), main_tid, SIGUSR1, 0, 0, 0);
  check(write(ends[1], "x", 1) == 1);
  return 0;
}

CASE(mask_of_a_wait_that_was_not_interrupted) {
  make_files();
  install(SIGUSR1, look_at_mask, 0);
  main_tid = getpid();
  unsigned long mask = 1ul << (SIGUSR1 - 1) | 1ul << (SIGUSR2 - 1);
  for (int i = 0; i < 3; i++) {
    long number = i == 0 ? SYS_ppoll : i == 1 ? SYS_pselect6 : SYS_epoll_pwait;
    pthread_t thread;
    pthread_create(&thread, 0, send_then_write, &number);
    struct pollfd p = {ends[0], POLLIN, 0};
    struct { void *p; long n; } argument = {&mask, 8};
    struct epoll_event event;
    fd_set set;
    FD_ZERO(&set);
    FD_SET(ends[0], &set);
    long result = i == 0 ? raw(SYS_ppoll, (long)&p, 1, 0, (long)&mask, 8, 0)
                  : i == 1 ? raw(SYS_pselect6, ends[0] + 1, (long)&set, 0, 0, 0, (long)&argument)
                           : raw(SYS_epoll_pwait, epoll_file, (long)&event, 1, -1, (long)&mask, 8);
    pthread_join(thread, 0);
    say("%ld: runs %d, USR2 blocked %d", result, runs, ready_mask);
    check(read(ends[0], &byte, 1) == 1);
  }
}
