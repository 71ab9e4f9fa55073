// What is left of threads and of processes that share memory once they are gone, however they went: nothing. Address
// space and resident memory are compared with those before; the limits leave room for what libc keeps.
// variants: dynamic static musl
#include "cases.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/resource.h>

struct usage { long address_space, resident; };  // KiB

static struct usage usage(void) {
  char text[4096];
  int file = open("/proc/self/status", O_RDONLY);
  ssize_t size = read(file, text, sizeof text - 1);
  close(file);
  text[size < 0 ? 0 : size] = 0;
  return (struct usage){atol(strstr(text, "VmSize:") + 7), atol(strstr(text, "VmRSS:") + 6)};
}

static void say_growth(struct usage before, long address_space, long resident) {
  struct usage now = usage();
  if (getenv("SHOW_GROWTH")) fprintf(stderr, "VmSize +%ld KiB, VmRSS +%ld KiB\n", now.address_space - before.address_space, now.resident - before.resident);
  say("address space is given back: %d", now.address_space - before.address_space <= address_space);
  say("memory is given back: %d", now.resident - before.resident <= resident);
}

static void *nothing(void *argument) { return argument; }

// Stacks of the test's own, so that what libc keeps does not count.
enum { STACK_SIZE = 32768 };
static char *map_stacks(int count) {
  char *stacks = mmap(0, (size_t)count * STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  check(stacks != MAP_FAILED);
  return stacks;
}
static int start(pthread_t *thread, char *stack, void *(*body)(void *), void *argument) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstack(&attributes, stack, STACK_SIZE);
  int result = pthread_create(thread, &attributes, body, argument);
  pthread_attr_destroy(&attributes);
  return result;
}

CASE(one_after_another) {
  char *stack = map_stacks(1);
  pthread_t thread;
  struct usage before = {0, 0};
  for (int i = 0; i < 10000; i++) {
    if (i == 10) before = usage();
    check(start(&thread, stack, nothing, 0) == 0);
    check(pthread_join(thread, 0) == 0);
  }
  say_growth(before, 1024, 512);
}

static atomic_int arrived, leave;
static void *arrive_and_wait(void *argument) {
  arrived++;
  raw(SYS_futex, (long)&arrived, 1 /* FUTEX_WAKE */, 1, 0, 0, 0);
  while (!leave) raw(SYS_futex, (long)&leave, 0 /* FUTEX_WAIT */, 0, 0, 0, 0);
  return 0;
}

// All at once, `times` over. What libc keeps for its threads grows with the first round, so that is not counted.
static void at_once(int count, int times) {
  pthread_t *threads = calloc((size_t)count, sizeof *threads), thread;
  char *stack = map_stacks(1);
  check(start(&thread, stack, nothing, 0) == 0);
  pthread_join(thread, 0);
  struct usage before = usage();
  for (int round = 0; round < times; round++) {
    char *stacks = map_stacks(count);
    arrived = leave = 0;
    int started = 0;
    while (started < count && start(&threads[started], stacks + (size_t)started * STACK_SIZE, arrive_and_wait, 0) == 0) started++;
    check_equal(started, count);
    int seen;
    while ((seen = arrived) < started) raw(SYS_futex, (long)&arrived, 0, seen, 0, 0, 0);
    if (getenv("SHOW_GROWTH")) say_growth(before, 0, 0);
    leave = 1;
    raw(SYS_futex, (long)&leave, 1, 0x7fffffff, 0, 0, 0);
    for (int i = 0; i < started; i++) check(pthread_join(threads[i], 0) == 0);
    munmap(stacks, (size_t)count * STACK_SIZE);
  }
  say_growth(before, 4096, 2048);
}

CASE(five_hundred_at_once) { at_once(500, 4); }
CASE(five_thousand_at_once) { at_once(5000, 1); }

CASE(a_child_of_many_threads) {
  // The child of a fork has one thread, and none of the memory of the others.
  static pthread_t threads[500];
  char *stacks = map_stacks(500);
  struct usage before = usage();
  for (int i = 0; i < 500; i++) check(start(&threads[i], stacks + (size_t)i * STACK_SIZE, arrive_and_wait, 0) == 0);
  pid_t pid = fork();
  if (pid == 0) {
    say_growth(before, 4096, 16384);
    _exit(failures != 0);
  }
  wait_and_say(pid, "child");
  leave = 1;
  raw(SYS_futex, (long)&leave, 1, 0x7fffffff, 0, 0, 0);
  for (int i = 0; i < 500; i++) check(pthread_join(threads[i], 0) == 0);
}

// ---- processes that share memory, and how they end

static int end_by_exit_group(void *argument) { raw(SYS_exit_group, 3, 0, 0, 0, 0, 0); return 0; }
static int end_by_exit(void *argument) { raw(SYS_exit, 3, 0, 0, 0, 0, 0); return 0; }
static int end_by_kill(void *argument) {
  raw(SYS_kill, raw(SYS_getpid, 0, 0, 0, 0, 0, 0), SIGKILL, 0, 0, 0, 0);
  return 0;
}
static int end_by_signal(void *argument) {
  raw(SYS_kill, raw(SYS_getpid, 0, 0, 0, 0, 0, 0), SIGTERM, 0, 0, 0, 0);
  return 0;
}
static int end_by_fault(void *argument) { return *(volatile int *)8; }
static int end_by_exec(void *argument) {
  static char *const arguments[] = {"true", 0}, *const environment[] = {0};
  raw(SYS_execve, (long)"/bin/true", (long)arguments, (long)environment, 0, 0, 0);
  return 1;
}

static void children(int (*body)(void *), int count, int flags) {
  char *stack = map_stacks(1);
  struct rlimit no_core = {0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  struct usage before = {0, 0};
  int status = 0, bad = 0, first = 0;
  for (int i = 0; i < count; i++) {
    if (i == 10) before = usage();
    pid_t pid = clone(body, stack + STACK_SIZE, CLONE_VM | flags | SIGCHLD, 0);
    if (pid < 0) {
      check(!"clone");
      return;
    }
    check(waitpid(pid, &status, 0) == pid);
    if (i == 0) first = status;
    bad += status != first;
  }
  say("%s, others %d", status_text(first), bad);
  if (count > 10) say_growth(before, 8192, 2048);
}

CASE(sharing_children_exit) { children(end_by_exit, 1500, 0); }
CASE(sharing_children_exit_group) { children(end_by_exit_group, 1500, 0); }
CASE(sharing_children_killed) { children(end_by_kill, 1500, 0); }
CASE(sharing_children_killed_by_signal) { children(end_by_signal, 1500, 0); }
CASE(sharing_children_fault) { children(end_by_fault, 1500, 0); }
CASE(sharing_children_exec) { children(end_by_exec, 60, 0); }
CASE(sharing_handlers_killed) { children(end_by_kill, 1500, CLONE_SIGHAND); }
CASE(vfork_children_killed) { children(end_by_kill, 1500, CLONE_VFORK); }
CASE(vfork_children_exit) { children(end_by_exit, 1500, CLONE_VFORK); }
CASE(vfork_children_exit_group) { children(end_by_exit_group, 1500, CLONE_VFORK); }

// A child with threads of its own: they go with it.
static char thread_stacks[4][16384] __attribute__((aligned(64)));
static int wait_for_ever(void *argument) {
  for (;;) raw(SYS_pause, 0, 0, 0, 0, 0, 0);
  return 0;
}
static int end_with_threads(void *argument) {
  int (*end)(void *) = (int (*)(void *))argument;
  const int flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;
  for (int i = 0; i < 4; i++)
    if (clone(wait_for_ever, thread_stacks[i] + sizeof thread_stacks[i], flags, 0) < 0) return 9;
  return end(0);
}

static void children_with_threads(int (*end)(void *), int count, int flags) {
  char *stack = map_stacks(1);
  struct usage before = {0, 0};
  int status, bad = 0, first = 0;
  for (int i = 0; i < count; i++) {
    if (i == 10) before = usage();
    pid_t pid = clone(end_with_threads, stack + STACK_SIZE, CLONE_VM | flags | SIGCHLD, (void *)end);
    check(waitpid(pid, &status, 0) == pid);
    if (i == 0) first = status;
    bad += status != first;
  }
  say("%s, others %d", status_text(first), bad);
  say_growth(before, 8192, 2048);
}

CASE(children_with_threads_exit_group) { children_with_threads(end_by_exit_group, 500, 0); }
CASE(children_with_threads_killed) { children_with_threads(end_by_kill, 500, 0); }
CASE(children_with_threads_exec) { children_with_threads(end_by_exec, 60, 0); }
CASE(vfork_children_with_threads_killed) { children_with_threads(end_by_kill, 500, CLONE_VFORK); }
CASE(vfork_children_with_threads_exit_group) { children_with_threads(end_by_exit_group, 500, CLONE_VFORK); }

// A filter kills one thread, and the rest of the process never hears of it.
static void *die_by_filter(void *argument) {
  struct sock_filter filter[] = {
      {BPF_LD | BPF_W | BPF_ABS, 0, 0, 0},
      {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, SYS_getppid},
      {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_KILL_THREAD},
      {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW},
  };
  struct sock_fprog program = {4, filter};
  if (raw(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0) != 0) return argument;
  if (raw(SYS_prctl, PR_SET_SECCOMP, SECCOMP_MODE_FILTER, (long)&program, 0, 0, 0) != 0) return argument;
  raw(SYS_getppid, 0, 0, 0, 0, 0, 0);
  return argument;
}

CASE(threads_killed_by_a_filter) {
  char *stack = map_stacks(1);
  pthread_t thread;
  struct usage before = {0, 0};
  // A thread that is killed does not leave its libc's list of threads: musl waits for it in every later call.
#ifdef __GLIBC__
  for (int i = 0; i < 400; i++) {
    if (i == 10) before = usage();
    check(start(&thread, stack, die_by_filter, 0) == 0);
    check(pthread_join(thread, 0) == 0);
  }
  say_growth(before, 32768, 4096);
#else
  (void)stack, (void)thread, (void)before, (void)die_by_filter;
  say("not with musl");
#endif
}

// Each sharing child has signal actions of its own; nothing may be left of them in a child of fork. Every generation is
// the child of the one before, which then ends.
CASE(generations_of_forks) {
  enum { GENERATIONS = 100, SHARING = 7 };
  char *stacks = map_stacks(SHARING), result = 0;
  int ends[2];
  check(pipe(ends) == 0);
  for (int i = 0; i < GENERATIONS; i++) {
    pid_t sharing[SHARING];
    int made = 0;
    for (int k = 0; k < SHARING; k++) {
      sharing[k] = clone(wait_for_ever, stacks + (k + 1) * STACK_SIZE, CLONE_VM | SIGCHLD, 0);
      made += sharing[k] > 0;
    }
    pid_t pid = fork();
    if (pid == 0 && made == SHARING) continue;
    if (pid == 0) say("generation %d: %d children", i, made);
    else {
      for (int k = 0; k < SHARING; k++) {
        kill(sharing[k], SIGKILL);
        waitpid(sharing[k], 0, 0);
      }
    }
    if (i != 0) {
      // Whoever sees the first one end must find nobody left.
      waitpid(pid, 0, 0);
      _exit(0);
    }
    close(ends[1]);
    say("came through: %d", read(ends[0], &result, 1) == 1);
    waitpid(pid, 0, 0);
    return;
  }
  check(write(ends[1], "x", 1) == 1);
  _exit(0);
}

CASE(many_sharing_children_at_once) {
  enum { COUNT = 700 };
  static pid_t pids[COUNT];
  char *stacks = map_stacks(COUNT);
  for (int i = 0; i < COUNT; i++) {
    pids[i] = clone(wait_for_ever, stacks + (size_t)(i + 1) * STACK_SIZE, CLONE_VM | SIGCHLD, 0);
    check(pids[i] > 0);
    if (pids[i] <= 0) break;
  }
  for (int i = 0; i < COUNT; i++)
    if (pids[i] > 0) kill(pids[i], SIGKILL);
  for (int i = 0; i < COUNT; i++)
    if (pids[i] > 0) check(waitpid(pids[i], 0, 0) == pids[i]);
  munmap(stacks, (size_t)COUNT * STACK_SIZE);
  children(end_by_exit, 1, 0);
}
