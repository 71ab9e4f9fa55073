// Threads as libc makes them: storms of them, their ends, thread-local storage, robust mutexes, cancellation.
// variants: dynamic static musl musl-static
#include "cases.h"
#include "code-ranges.h"
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/time.h>
#include <ucontext.h>

static __thread long local = 7;

static void *add_one(void *argument) {
  local += (long)argument;
  return (void *)local;
}

CASE(one) {
  pthread_t thread;
  void *result;
  check(pthread_create(&thread, 0, add_one, (void *)1) == 0);
  check(pthread_join(thread, &result) == 0);
  say("result %ld, own %ld", (long)result, local);
}

CASE(create_join_storm) {
  long sum = 0;
  for (long i = 0; i < rounds(2000); i++) {
    pthread_t thread;
    void *result = 0;
    if (pthread_create(&thread, 0, add_one, (void *)i) != 0) { check(!"pthread_create"); break; }
    pthread_join(thread, &result);
    sum += (long)result;
  }
  say("sum %ld", sum);
}

static pthread_barrier_t barrier;
static void *meet(void *argument) {
  for (int i = 0; i < 3; i++) pthread_barrier_wait(&barrier);
  return argument;
}

static void at_once(int count) {
  pthread_t *threads = calloc((size_t)count, sizeof *threads);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, 65536);
  pthread_barrier_init(&barrier, 0, (unsigned)count);
  long sum = 0;
  for (long i = 0; i < count; i++) check(pthread_create(&threads[i], &attributes, meet, (void *)i) == 0);
  for (int i = 0; i < count; i++) {
    void *result;
    pthread_join(threads[i], &result);
    sum += (long)result;
  }
  say("sum %ld", sum);
}

CASE(at_once_200) { at_once(200); }
CASE(at_once_500) { at_once(500); }

CASE(detached) {
  static sem_t done;
  sem_init(&done, 0, 0);
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  for (int i = 0; i < 500; i++) {
    pthread_t thread;
    check(pthread_create(&thread, &attributes, (void *(*)(void *))(void *)sem_post, &done) == 0);
    while (sem_wait(&done) != 0) {}
  }
  say("done");
}

static void *create_child(void *argument) {
  long depth = (long)argument;
  if (depth == 0) return (void *)1;
  long sum = 0;
  for (int i = 0; i < 2; i++) {
    pthread_t thread;
    void *result;
    if (pthread_create(&thread, 0, create_child, (void *)(depth - 1)) != 0) return 0;
    pthread_join(thread, &result);
    sum += (long)result;
  }
  return (void *)sum;
}

CASE(tree_of_threads) {
  pthread_t threads[2];
  long sum = 0;
  for (int i = 0; i < 2; i++) pthread_create(&threads[i], 0, create_child, (void *)7);
  for (int i = 0; i < 2; i++) {
    void *result;
    pthread_join(threads[i], &result);
    sum += (long)result;
  }
  say("leaves %ld", sum);
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static long turn, total;

static void *take_turns(void *argument) {
  for (int i = 0; i < 500; i++) {
    pthread_mutex_lock(&mutex);
    while (turn % 4 != (long)argument) pthread_cond_wait(&condition, &mutex);
    turn++;
    total += (long)argument;
    pthread_cond_broadcast(&condition);
    pthread_mutex_unlock(&mutex);
  }
  return 0;
}

CASE(take_turns) {
  pthread_t threads[4];
  for (long i = 0; i < 4; i++) pthread_create(&threads[i], 0, take_turns, (void *)i);
  for (int i = 0; i < 4; i++) pthread_join(threads[i], 0);
  say("turns %ld, total %ld", turn, total);
}

// ---- ends of threads and of the process

static pthread_t main_thread;
static void *outlive_main(void *argument) {
  void *result;
  check(pthread_join(main_thread, &result) == 0);
  say("main thread gave %ld", (long)result);
  for (int i = 0; i < 10; i++) {
    pthread_t thread;
    pthread_create(&thread, 0, add_one, (void *)1);
    pthread_join(thread, &result);
  }
  say("still running");
  exit(12);
}

// Run it by name only: in a child of fork, musl 1.2.3 never unlocks its list of threads when the main thread ends (it does
// not repeat set_tid_address there).
CASE(main_thread_exits_first) {
  pthread_t thread;
  main_thread = pthread_self();
  pthread_create(&thread, 0, outlive_main, 0);
  pthread_exit((void *)33);
}

static void *exit_the_process(void *argument) { _exit(21); }
static void *sleep_forever(void *argument) {
  for (;;) pause();
  return 0;
}

CASE(exit_group_from_thread) {
  pthread_t threads[4];
  for (int i = 0; i < 3; i++) pthread_create(&threads[i], 0, sleep_forever, 0);
  pthread_create(&threads[3], 0, exit_the_process, 0);
  sleep_forever(0);
}

CASE(exit_while_threads_spin) {
  for (int i = 0; i < 20; i++) {
    pid_t pid = fork();
    if (pid == 0) {
      pthread_t thread;
      for (int n = 0; n < 3; n++) pthread_create(&thread, 0, create_child, (void *)5);
      exit(i);
    }
    int status;
    check(waitpid(pid, &status, 0) == pid);
    check(WIFEXITED(status) && WEXITSTATUS(status) == i);
  }
  say("done");
}

static void *kill_the_process(void *argument) {
  raise(SIGKILL);
  return 0;
}

CASE(killed_by_thread) {
  pthread_t thread;
  pthread_create(&thread, 0, kill_the_process, 0);
  sleep_forever(0);
}

static void *execute(void *argument) {
  execl("/bin/echo", "echo", "executed from a thread", (char *)0);
  return 0;
}

CASE(exec_from_thread) {
  pthread_t threads[3];
  for (int i = 0; i < 2; i++) pthread_create(&threads[i], 0, sleep_forever, 0);
  printf("pid kept\n");
  fflush(stdout);
  pthread_create(&threads[2], 0, execute, 0);
  sleep_forever(0);
}

// ---- fork with threads

static atomic_int stop;
static void *churn(void *argument) {
  while (!stop) {
    void *memory = malloc(10000);
    *(volatile char *)memory = 1;
    raw(SYS_getpid, 0, 0, 0, 0, 0, 0);
    void *page = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    munmap(page, 8192);
    free(memory);
  }
  return 0;
}

CASE(fork_with_threads) {
  pthread_t threads[3];
  for (int i = 0; i < 3; i++) pthread_create(&threads[i], 0, churn, 0);
  int bad = 0;
  for (int i = 0; i < rounds(40); i++) {
    pid_t pid = fork();
    if (pid == 0) {
      // The child has one thread; it can make more.
      pthread_t thread;
      void *result = 0;
      local = 7;
      if (pthread_create(&thread, 0, add_one, (void *)5) != 0) _exit(1);
      pthread_join(thread, &result);
      _exit((int)(long)result);
    }
    int status;
    bad += waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != 12;
  }
  stop = 1;
  for (int i = 0; i < 3; i++) pthread_join(threads[i], 0);
  say("bad %d", bad);
}

static void *fork_in_thread(void *argument) {
  long bad = 0;
  for (int i = 0; i < 25; i++) {
    pid_t pid = fork();
    if (pid == 0) _exit((int)(long)argument + i);
    int status;
    bad += waitpid(pid, &status, 0) != pid || !WIFEXITED(status) || WEXITSTATUS(status) != (int)(long)argument + i;
  }
  return (void *)bad;
}

CASE(forks_from_threads) {
  pthread_t threads[4];
  long sum = 0;
  for (long i = 0; i < 4; i++) pthread_create(&threads[i], 0, fork_in_thread, (void *)(i * 25));
  for (int i = 0; i < 4; i++) {
    void *bad;
    pthread_join(threads[i], &bad);
    sum += (long)bad;
  }
  say("bad %ld", sum);
}

// ---- robust mutexes

static pthread_mutex_t *shared_robust(void) {
  pthread_mutex_t *robust = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  pthread_mutex_init(robust, &attributes);
  return robust;
}

static void *lock_and_end(void *argument) { return (void *)(long)pthread_mutex_lock(argument); }

CASE(robust_mutex) {
  pthread_mutex_t *robust = shared_robust();
  pthread_t thread;
  pthread_create(&thread, 0, lock_and_end, robust);
  pthread_join(thread, 0);
  int result = pthread_mutex_lock(robust);
  say("owner thread ended: %s", result == EOWNERDEAD ? "EOWNERDEAD" : "other");
  pthread_mutex_consistent(robust);
  pthread_mutex_unlock(robust);
  for (int killed = 0; killed < 2; killed++) {
    pid_t pid = fork();
    if (pid == 0) {
      pthread_mutex_lock(robust);
      if (killed) raise(SIGKILL);
      _exit(0);
    }
    wait_and_say(pid, "owner process");
    result = pthread_mutex_lock(robust);
    say("owner process ended: %s", result == EOWNERDEAD ? "EOWNERDEAD" : "other");
    pthread_mutex_consistent(robust);
    pthread_mutex_unlock(robust);
  }
}

// ---- cancellation: glibc and musl compare the interrupted program counter with code ranges

static int cancel_ends[2];
static atomic_long cleanups;
static void clean(void *argument) { cleanups++; }

static void *read_until_cancelled(void *argument) {
  char byte;
  pthread_cleanup_push(clean, 0);
  for (;;) {
    if (read(cancel_ends[0], &byte, 1) != 1) break;
  }
  pthread_cleanup_pop(0);
  return (void *)1;
}

static void cancel_many(void *(*body)(void *), int count) {
  check(pipe(cancel_ends) == 0);
  long bad = 0;
  for (int i = 0; i < count; i++) {
    pthread_t thread;
    void *result = 0;
    if (pthread_create(&thread, 0, body, 0) != 0) { check(!"pthread_create"); break; }
    // Cancelled before it starts, on its way into the call, or inside it: all must end it.
    for (volatile int n = 0; n < i % 97 * 50; n++) {}
    pthread_cancel(thread);
    pthread_join(thread, &result);
    bad += result != PTHREAD_CANCELED;
  }
  say("bad %ld", bad);
}

CASE(cancel_in_read) { cancel_many(read_until_cancelled, rounds(2000)); }

static void *call_until_cancelled(void *argument) {
  // Short cancellation points one after another: the signal meets each instruction round the system call.
  for (;;) {
    if (write(cancel_ends[1], "", 0) != 0) return (void *)1;
    struct timespec zero = {0, 0};
    nanosleep(&zero, 0);
  }
}

CASE(cancel_in_short_calls) { cancel_many(call_until_cancelled, rounds(2000)); }

static void *spin_until_cancelled(void *argument) {
  pthread_setcanceltype(PTHREAD_CANCEL_ASYNCHRONOUS, 0);
  for (;;) raw(SYS_getpid, 0, 0, 0, 0, 0, 0);
  return 0;
}

CASE(cancel_asynchronously) { cancel_many(spin_until_cancelled, rounds(500)); }

static void *disabled_until_end(void *argument) {
  int old;
  pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &old);
  for (int i = 0; i < 50; i++) {
    struct timespec zero = {0, 1};
    nanosleep(&zero, 0);  // musl's cancellation signal interrupts it even so
  }
  pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &old);
  for (;;) pthread_testcancel();
}

CASE(cancel_while_disabled) { cancel_many(disabled_until_end, rounds(50)); }

static void *wait_on_condition(void *argument) {
  pthread_mutex_lock(&mutex);
  pthread_cleanup_push((void (*)(void *))(void *)pthread_mutex_unlock, &mutex);
  for (;;) pthread_cond_wait(&condition, &mutex);
  pthread_cleanup_pop(1);
  return 0;
}

CASE(cancel_in_condition) { cancel_many(wait_on_condition, rounds(1000)); }

// No byte may be lost: a read that a cancellation interrupts has either taken its byte or not begun. musl and glibc 2.41
// promise it; older glibc cancels asynchronously round the call and loses bytes natively too.
static atomic_long bytes_read;
static void *count_bytes(void *argument) {
  char byte;
  while (read(cancel_ends[0], &byte, 1) == 1) bytes_read++;
  return 0;
}

CASE(cancel_loses_no_byte) {
  check(pipe(cancel_ends) == 0);
  fcntl(cancel_ends[0], F_SETFL, 0);
  long written = 0;
  for (int i = 0; i < rounds(1000); i++) {
    pthread_t thread;
    pthread_create(&thread, 0, count_bytes, 0);
    for (int n = 0; n < 3; n++) written += write(cancel_ends[1], "x", 1) == 1;
    for (volatile int n = 0; n < i % 53 * 40; n++) {}
    pthread_cancel(thread);
    pthread_join(thread, 0);
  }
  fcntl(cancel_ends[0], F_SETFL, O_NONBLOCK);
  char byte;
  while (read(cancel_ends[0], &byte, 1) == 1) bytes_read++;
#if defined __GLIBC__ && (__GLIBC__ < 2 || __GLIBC_MINOR__ < 41)
  check(bytes_read <= written);
  say("none doubled");
#else
  check_equal(bytes_read, written);
  say("none lost");
#endif
}

// ---- identity calls in threads

static void *identify(void *argument) {
  long *out = argument;
  out[0] = raw(SYS_gettid, 0, 0, 0, 0, 0, 0);
  out[1] = raw(SYS_getpid, 0, 0, 0, 0, 0, 0);
  raw(SYS_prctl, 15 /* PR_SET_NAME */, (long)"a-thread", 0, 0, 0, 0);
  char name[32] = "", path[64];
  raw(SYS_prctl, 16 /* PR_GET_NAME */, (long)name, 0, 0, 0, 0);
  snprintf(path, sizeof path, "/proc/self/task/%ld/comm", out[0]);
  int file = open(path, O_RDONLY);
  char text[32] = "";
  check(read(file, text, 31) > 0);
  close(file);
  say("name %s, comm %s", name, strtok(text, "\n"));
  return 0;
}

CASE(thread_identity) {
  pthread_t thread;
  long ids[2];
  pthread_create(&thread, 0, identify, ids);
  pthread_join(thread, 0);
  say("pid same %d, tid other %d, main comm kept", ids[1] == getpid(), ids[0] != getpid());
}

// setuid and kin are sent to every thread by a signal that libc keeps to itself.
CASE(setxid_with_threads) {
  pthread_t threads[3];
  stop = 0;
  for (int i = 0; i < 3; i++) pthread_create(&threads[i], 0, churn, 0);
  int bad = 0;
  for (int i = 0; i < 20; i++) bad += setgid(getgid()) != 0;
  stop = 1;
  for (int i = 0; i < 3; i++) pthread_join(threads[i], 0);
  say("bad %d", bad);
}
