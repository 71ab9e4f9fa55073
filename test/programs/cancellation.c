// Cancelling threads: libcs compare the interrupted program counter with a range around a `syscall` (glibc 2.41's
// __syscall_cancel_arch, musl's __cp_begin and __cp_end). Within it the call has had no effect and the thread ends; behind
// it the call is done and its result must not be lost. Thousands of rounds: no hang, no byte lost, none read twice.
// variants: dynamic static musl musl-static
#include "cases.h"
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <ucontext.h>

static unsigned long random_state = 88172645463325252ul;
static unsigned random_below(unsigned bound) {
  random_state ^= random_state << 13;
  random_state ^= random_state >> 7;
  random_state ^= random_state << 17;
  return (unsigned)(random_state % bound);
}
static void delay(unsigned steps) {
  for (volatile unsigned i = 0; i < steps; i++);
}

// ---- the range check itself, as glibc 2.41 makes it

enum { CANCELLED = -999 };
extern char range_start[], range_end[], range_cancelled[];
long cancellable(atomic_int *flag, long number, long a, long b, long c, long d, long e);
__asm__(
    ".text\n"
    "cancellable:\n"
    "  mov %rdi,%r11; mov %rsi,%rax; mov %rdx,%rdi; mov %rcx,%rsi; mov %r8,%rdx; mov %r9,%r10\n"
    "  mov 8(%rsp),%r8; xor %r9d,%r9d\n"
    "range_start:\n"
    "  testl $1,(%r11)\n"
    "  jne range_cancelled\n"
    "  syscall\n"
    "range_end:\n"
    "  ret\n"
    "range_cancelled:\n"
    "  mov $-999,%rax\n"
    "  ret\n");

static atomic_int flag, handled, in_range;
static void cancel_handler(int signal, siginfo_t *info, void *context) {
  ucontext_t *uc = context;
  char *rip = (char *)uc->uc_mcontext.gregs[REG_RIP];
  if (rip >= range_start && rip < range_end) {
    uc->uc_mcontext.gregs[REG_RIP] = (greg_t)range_cancelled;
    atomic_fetch_add(&in_range, 1);
  }
  atomic_store(&handled, 1);
}

static int ends[2];
static sem_t started, ended;
static atomic_int stop;
static atomic_long result_of_round;
static long worker_number;
static atomic_int worker_tid;

static long one_call(void) {
  static char byte;
  struct pollfd entry = {ends[0], POLLIN, 0};
  unsigned long mask = 0;
  static struct timespec hour = {3600, 0};
  switch (worker_number) {
    case SYS_read: return cancellable(&flag, SYS_read, ends[0], (long)&byte, 1, 0, 0);
    case SYS_ppoll: return cancellable(&flag, SYS_ppoll, (long)&entry, 1, (long)&hour, (long)&mask, 8);
    case SYS_recvfrom: return cancellable(&flag, SYS_recvfrom, ends[0], (long)&byte, 1, 0, 0);
    default: return cancellable(&flag, worker_number, -1, 0, 0, 0, 0);
  }
}

static void wait_for(sem_t *semaphore) {
  while (sem_wait(semaphore) < 0) check(errno == EINTR);
}

static void *range_worker(void *argument) {
  atomic_store(&worker_tid, (int)raw(SYS_gettid, 0, 0, 0, 0, 0, 0));
  for (;;) {
    wait_for(&started);
    if (atomic_load(&stop)) return 0;
    atomic_store(&result_of_round, one_call());
    // The signal of this round must have come before the next begins.
    while (!atomic_load(&handled)) sched_yield();
    sem_post(&ended);
  }
}

static void range_rounds(long number, int socket) {
  worker_number = number;
  check(socket ? socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0 : pipe(ends) == 0);
  install(SIGUSR1, cancel_handler, SA_RESTART);
  check(sem_init(&started, 0, 0) == 0 && sem_init(&ended, 0, 0) == 0);
  pthread_t thread;
  check(pthread_create(&thread, 0, range_worker, 0) == 0);
  while (!atomic_load(&worker_tid)) sched_yield();
  int lost = 0, doubled = 0, other = 0, count = rounds(500);
  for (int round = 1; round <= count; round++) {
    atomic_store(&flag, 0);
    atomic_store(&handled, 0);
    sem_post(&started);
    int first = (int)random_below(2);
    delay(random_below(2000));
    if (first && write(ends[1], "x", 1) != 1) other++;
    delay(random_below(400));
    atomic_store(&flag, 1);
    raw(SYS_tgkill, getpid(), worker_tid, SIGUSR1, 0, 0, 0);
    if (!first) {
      delay(random_below(400));
      if (write(ends[1], "x", 1) != 1) other++;
    }
    wait_for(&ended);
    long result = atomic_load(&result_of_round);
    struct pollfd entry = {ends[0], POLLIN, 0};
    int left = poll(&entry, 1, 0);
    char byte;
    if (number == SYS_read || number == SYS_recvfrom) {
      if (result == CANCELLED && left != 1) lost++;
      if (result == 1 && left != 0) doubled++;
      if (result != CANCELLED && result != 1) other++;
    } else if (number == SYS_ppoll) {
      if (result != CANCELLED && result != 1 && result != -EINTR) other++;
    }
    if (left == 1 && read(ends[0], &byte, 1) != 1) other++;
  }
  atomic_store(&stop, 1);
  sem_post(&started);
  pthread_join(thread, 0);
  say("lost %d, doubled %d, other %d", lost, doubled, other);
}

CASE(range_of_read) { range_rounds(SYS_read, 0); }
CASE(range_of_recvfrom) { range_rounds(SYS_recvfrom, 1); }
CASE(range_of_ppoll) { range_rounds(SYS_ppoll, 0); }
CASE(range_of_a_short_call) { range_rounds(SYS_close, 0); }
CASE(range_of_an_answered_call) { range_rounds(SYS_sigaltstack, 0); }

// ---- pthread_cancel of the libc at hand

static atomic_int cleaned, going;
static int pipes[2];
static sem_t semaphore;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;

static void clean(void *argument) { atomic_fetch_add(&cleaned, 1); }
static void clean_mutex(void *argument) {
  atomic_fetch_add(&cleaned, 1);
  pthread_mutex_unlock(&mutex);
}

static void *in_point(void *argument) {
  long which = (long)argument;
  char byte;
  struct pollfd entry = {pipes[0], POLLIN, 0};
  fd_set set;
  atomic_store(&going, 1);
  pthread_cleanup_push(clean, 0);
  for (;;) switch (which) {
      case 0: if (read(pipes[0], &byte, 1) < 0) break; break;
      case 1: poll(&entry, 1, -1); break;
      case 2: FD_ZERO(&set); FD_SET(pipes[0], &set); select(pipes[0] + 1, &set, 0, 0, 0); break;
      case 3: usleep(1000000); break;
      case 4: pause(); break;
      case 5: sem_wait(&semaphore); break;
      case 6:
        pthread_mutex_lock(&mutex);
        pthread_cleanup_push(clean_mutex, 0);
        for (;;) pthread_cond_wait(&condition, &mutex);
        pthread_cleanup_pop(1);
        break;
      case 7: pthread_testcancel(); break;
      case 8: close(open("/dev/null", O_RDONLY)); break;
      case 9: if (write(pipes[1], "", 0) < 0) break; break;
      case 10: {
        sigset_t none;
        sigemptyset(&none);
        sigsuspend(&none);
        break;
      }
      case 11: pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, 0); for (;;) raw(SYS_sched_yield, 0, 0, 0, 0, 0, 0);
      case 12: pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, 0); for (;;);
      case 13: ppoll(&entry, 1, 0, &(sigset_t){{0}}); break;
      default: {
        int old;
        pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old);
        raw(SYS_getppid, 0, 0, 0, 0, 0, 0);
        if (read(pipes[0], &byte, 0) < 0) break;
        pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &old);
        pthread_testcancel();
      }
    }
  pthread_cleanup_pop(1);
  return 0;
}

static void cancel_rounds(long which) {
  check(pipe(pipes) == 0 && sem_init(&semaphore, 0, 0) == 0);
  int count = rounds(100), cancelled = 0;
  for (int round = 0; round < count; round++) {
    pthread_t thread;
    void *result = 0;
    atomic_store(&going, 0);
    check(pthread_create(&thread, 0, in_point, (void *)which) == 0);
    if (round % 3) while (!atomic_load(&going)) sched_yield();
    delay(random_below(20000));
    check(pthread_cancel(thread) == 0);
    check(pthread_join(thread, &result) == 0);
    cancelled += result == PTHREAD_CANCELED;
  }
  say("point %ld: all cancelled %d", which, cancelled == count);
}

CASE(cancel_in_read) { cancel_rounds(0); }
CASE(cancel_in_poll) { cancel_rounds(1); }
CASE(cancel_in_select) { cancel_rounds(2); }
CASE(cancel_in_sleep) { cancel_rounds(3); }
CASE(cancel_in_pause) { cancel_rounds(4); }
CASE(cancel_in_sem_wait) { cancel_rounds(5); }
CASE(cancel_in_cond_wait) { cancel_rounds(6); }
CASE(cancel_in_testcancel) { cancel_rounds(7); }
CASE(cancel_in_open) { cancel_rounds(8); }
CASE(cancel_in_write) { cancel_rounds(9); }
CASE(cancel_in_sigsuspend) { cancel_rounds(10); }
CASE(cancel_asynchronously_in_calls) { cancel_rounds(11); }
CASE(cancel_asynchronously_in_a_loop) { cancel_rounds(12); }
CASE(cancel_in_ppoll) { cancel_rounds(13); }
CASE(cancel_disabled) { cancel_rounds(14); }

// A cancelled read has read nothing. glibc before 2.41 does not promise that (its bug 12683), musl does.
#ifndef __GLIBC__
static atomic_int consumed;
static void *consumer(void *argument) {
  char byte;
  while (read(pipes[0], &byte, 1) == 1) atomic_fetch_add(&consumed, 1);
  return 0;
}
#endif

CASE(cancelled_read_loses_nothing) {
#ifdef __GLIBC__
  say("musl only");
#else
  check(pipe(pipes) == 0);
  int count = rounds(200), bad = 0, written = 0;
  for (int round = 0; round < count; round++) {
    pthread_t thread;
    check(pthread_create(&thread, 0, consumer, 0) == 0);
    delay(random_below(30000));
    written += write(pipes[1], "xyz", 3);
    delay(random_below(2000));
    pthread_cancel(thread);
    pthread_join(thread, 0);
    struct pollfd entry = {pipes[0], POLLIN, 0};
    char bytes[8];
    if (poll(&entry, 1, 0) == 1) atomic_fetch_add(&consumed, (int)read(pipes[0], bytes, 8));
    bad += consumed != written;
  }
  say("bad %d", bad);
#endif
}

// ---- signals to threads that come and go

static atomic_int handler_runs;
static void count_run(int signal, siginfo_t *info, void *context) { atomic_fetch_add(&handler_runs, 1); }
static void *raises(void *argument) {
  int before = atomic_load(&handler_runs);
  for (int i = 0; i < 20; i++) raise(SIGUSR2);
  (void)before;
  return 0;
}

CASE(raise_from_short_threads) {
  install(SIGUSR2, count_run, SA_RESTART);
  int count = rounds(100);
  for (int i = 0; i < count; i++) {
    pthread_t threads[3];
    for (int t = 0; t < 3; t++) pthread_create(&threads[t], 0, raises, 0);
    for (int t = 0; t < 3; t++) pthread_join(threads[t], 0);
  }
  say("runs %d of %d", handler_runs, count * 60);
}

static void *ends_at_once(void *argument) { return 0; }
CASE(pthread_kill_while_a_thread_ends) {
  install(SIGUSR2, count_run, SA_RESTART);
  int count = rounds(200), odd = 0;
  for (int i = 0; i < count; i++) {
    pthread_t thread;
    pthread_create(&thread, 0, ends_at_once, 0);
    delay(random_below(3000));
    for (int k = 0; k < 3; k++) {
      int result = pthread_kill(thread, SIGUSR2);
      odd += result != 0 && result != ESRCH;
    }
    pthread_join(thread, 0);
  }
  say("odd %d", odd);
}

// Sent to the process: no signal may be lost because the thread that took it was ending.
CASE(process_signals_while_threads_end) {
  install(SIGRTMIN + 4, count_run, SA_RESTART);
  int count = rounds(200), sent = 0;
  for (int i = 0; i < count; i++) {
    pthread_t threads[3];
    for (int t = 0; t < 3; t++) pthread_create(&threads[t], 0, ends_at_once, 0);
    for (int k = 0; k < 5; k++) {
      if (sigqueue(getpid(), SIGRTMIN + 4, (union sigval){0}) == 0) sent++;
      delay(random_below(500));
    }
    for (int t = 0; t < 3; t++) pthread_join(threads[t], 0);
  }
  say("all came %d", handler_runs == sent);
}

static void *blocks_and_ends(void *argument) {
  // Only this thread takes the signal; the others block it.
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGRTMIN + 4);
  pthread_sigmask(SIG_UNBLOCK, &set, 0);
  return 0;
}

CASE(process_signals_to_the_thread_that_ends) {
  install(SIGRTMIN + 4, count_run, SA_RESTART);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGRTMIN + 4);
  pthread_sigmask(SIG_BLOCK, &set, 0);
  int count = rounds(200), sent = 0;
  for (int i = 0; i < count; i++) {
    pthread_t thread;
    pthread_create(&thread, 0, blocks_and_ends, 0);
    delay(random_below(4000));
    for (int k = 0; k < 3; k++)
      if (sigqueue(getpid(), SIGRTMIN + 4, (union sigval){0}) == 0) sent++;
    pthread_join(thread, 0);
  }
  pthread_sigmask(SIG_UNBLOCK, &set, 0);
  say("all came %d", handler_runs == sent);
}
