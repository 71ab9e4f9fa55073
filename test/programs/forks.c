// Processes made while code is being mapped: a child must find the engine whole wherever other threads were in it, and
// what parent and child map after the fork must stay apart, or together where they share memory.
// variants: dynamic static musl
#include "cases.h"
#include <pthread.h>
#include <spawn.h>
#include <stdatomic.h>

extern char **environ;

// Two pages of code that can be mapped anywhere. Each has a dozen sites, most of them too short for a jump of their own,
// and gives its tag plus the number of calls that answered as they should: 12.
long code_a(long pid), code_b(long pid);
#define CALL_IN_CODE "mov $39,%eax; syscall; cmp %rdi,%rax; sete %al; movzbl %al,%eax; add %rax,%rdx\n"
#define SIX(text) text text text text text text
#define CODE(name, tag)                                                           \
  ".balign 4096\n.globl " name "\n" name ": mov $" tag ",%edx\n"                  \
  SIX(CALL_IN_CODE CALL_IN_CODE) "mov %rdx,%rax; ret\n.balign 4096\n"
__asm__(".text\n" CODE("code_a", "1000") CODE("code_b", "2000"));

static char code_path[4096];
static long code_offset(const void *code) {
  FILE *maps = fopen("/proc/self/maps", "r");
  unsigned long start, end, offset;
  char line[8192];
  while (fgets(line, sizeof line, maps)) {
    if (sscanf(line, "%lx-%lx %*s %lx %*s %*s %4095s", &start, &end, &offset, code_path) < 3) continue;
    if ((unsigned long)code < start || (unsigned long)code >= end) continue;
    fclose(maps);
    return (long)(offset + ((unsigned long)code - start));
  }
  fclose(maps);
  return -1;
}

static int code_file;
static long offset_a, offset_b;
static void prepare_code(void) {
  offset_a = code_offset((void *)code_a);
  offset_b = code_offset((void *)code_b);
  code_file = open(code_path, O_RDONLY | O_CLOEXEC);
  check(code_file >= 0 && offset_a > 0 && offset_b > 0);
}

typedef long (*code_function)(long);
static code_function map_code(long offset, void *address) {
  void *got = mmap(address, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | (address ? MAP_FIXED : 0), code_file, offset);
  return got == MAP_FAILED ? 0 : (code_function)got;
}

// Maps, calls and unmaps both pages; gives how often something was wrong.
static int use_code(void) {
  long pid = raw(SYS_getpid, 0, 0, 0, 0, 0, 0);
  code_function a = map_code(offset_a, 0), b = map_code(offset_b, 0);
  if (!a || !b) return 100;
  int bad = (a(pid) != 1012) + (b(pid) != 2012);
  munmap((void *)a, 4096);
  munmap((void *)b, 4096);
  return bad;
}

static atomic_int stop, bad_in_threads;
static void *keep_mapping(void *argument) {
  while (!stop) bad_in_threads += use_code();
  return 0;
}
static void *keep_nothing(void *argument) { return argument; }
static void *keep_making_threads(void *argument) {
  while (!stop) {
    pthread_t thread;
    if (pthread_create(&thread, 0, keep_nothing, 0) == 0) pthread_join(thread, 0);
  }
  return 0;
}
static void ignore(int signal, siginfo_t *info, void *context) {}
static pthread_t others[4];
static void *keep_signalling(void *argument) {
  while (!stop) {
    pthread_kill(others[0], SIGUSR1);
    pthread_kill(others[1], SIGUSR1);
    sched_yield();
  }
  return 0;
}

static void start_others(void) {
  prepare_code();
  install(SIGUSR1, ignore, SA_RESTART);
  pthread_create(&others[0], 0, keep_mapping, 0);
  pthread_create(&others[1], 0, keep_mapping, 0);
  pthread_create(&others[2], 0, keep_making_threads, 0);
  pthread_create(&others[3], 0, keep_signalling, 0);
}

static void end_others(int bad) {
  stop = 1;
  // The one that signals the others ends before them: a thread that was joined is no argument of pthread_kill.
  for (int i = 3; i >= 0; i--) pthread_join(others[i], 0);
  say("bad %d, in threads %d", bad, bad_in_threads);
}

static int status_of(pid_t pid) {
  int status = -1;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {}
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + status;
}

static int child_with_threads(void) {
  int bad = use_code();
  pthread_t thread;
  void *result = 0;
  if (pthread_create(&thread, 0, keep_nothing, &bad) != 0) return 50;
  pthread_join(thread, &result);
  if (result != &bad) return 51;
  pid_t pid = fork();
  if (pid == 0) _exit(use_code());
  return bad + status_of(pid) + use_code();
}

CASE(fork_while_mapping) {
  start_others();
  int bad = 0;
  for (int i = 0; i < rounds(60); i++) {
    pid_t pid = fork();
    if (pid == 0) _exit(child_with_threads());
    bad += status_of(pid) != 0;
  }
  end_others(bad);
}

CASE(raw_fork_while_mapping) {
  start_others();
  int bad = 0;
  for (int i = 0; i < rounds(60); i++) {
    pid_t pid = (pid_t)(i & 1 ? raw(SYS_fork, 0, 0, 0, 0, 0, 0) : raw(SYS_clone, SIGCHLD, 0, 0, 0, 0, 0));
    if (pid == 0) raw(SYS_exit_group, use_code() + use_code(), 0, 0, 0, 0, 0);
    bad += status_of(pid) != 0;
  }
  end_others(bad);
}

extern pid_t _Fork(void);
CASE(underscore_fork_while_mapping) {
  start_others();
  int bad = 0;
  for (int i = 0; i < rounds(60); i++) {
    pid_t pid = _Fork();
    if (pid == 0) _exit(use_code());
    bad += status_of(pid) != 0;
  }
  end_others(bad);
}

CASE(vfork_while_mapping) {
  start_others();
  int bad = 0;
  for (int i = 0; i < rounds(60); i++) {
    pid_t pid = vfork();
    if (pid == 0) _exit(use_code());
    bad += status_of(pid) != 0;
  }
  end_others(bad);
}

CASE(spawn_while_mapping) {
  start_others();
  int bad = 0;
  for (int i = 0; i < rounds(20); i++) {
    char *arguments[] = {"sh", "-c", "exit 3", 0};
    pid_t pid;
    bad += posix_spawn(&pid, "/bin/sh", 0, 0, arguments, environ) != 0;
    bad += status_of(pid) != 3;
  }
  end_others(bad);
}

// CLONE_VFORK without CLONE_VM: the parent's thread sleeps until the child is done, the parent's other threads do not.
CASE(vfork_of_a_copy) {
  start_others();
  int bad = 0, ends[2];
  for (int i = 0; i < rounds(20); i++) {
    check(pipe(ends) == 0);
    pid_t pid = (pid_t)raw(SYS_clone, 0x4000 | SIGCHLD, 0, 0, 0, 0, 0);
    if (pid == 0) raw(SYS_exit_group, use_code(), 0, 0, 0, 0, 0);
    bad += status_of(pid) != 0;
    close(ends[0]);
    close(ends[1]);
  }
  end_others(bad);
}

static int go_on[2], went_on[2];
static void *map_and_answer(void *argument) {
  char byte;
  if (read(go_on[0], &byte, 1) != 1) return 0;
  bad_in_threads += use_code();
  pthread_t thread;
  if (pthread_create(&thread, 0, keep_nothing, 0) == 0) pthread_join(thread, 0);
  check(write(went_on[1], "x", 1) == 1);
  return 0;
}

CASE(vfork_of_a_copy_waits_for_a_thread) {
  // The child of such a clone may wait for a thread of its parent, which must get through the engine meanwhile.
  prepare_code();
  check(pipe(go_on) == 0 && pipe(went_on) == 0);
  for (int i = 0; i < 5; i++) {
    pthread_t thread;
    pthread_create(&thread, 0, map_and_answer, 0);
    pid_t pid = (pid_t)raw(SYS_clone, 0x4000 | SIGCHLD, 0, 0, 0, 0, 0);
    if (pid == 0) {
      char byte;
      int bad = use_code();
      bad += write(go_on[1], "x", 1) != 1;
      bad += read(went_on[0], &byte, 1) != 1;
      // A child of such a child, too.
      pid_t inner = (pid_t)raw(SYS_clone, 0x4000 | SIGCHLD, 0, 0, 0, 0, 0);
      if (inner == 0) raw(SYS_exit_group, use_code(), 0, 0, 0, 0, 0);
      raw(SYS_exit_group, bad + status_of(inner), 0, 0, 0, 0, 0);
    }
    say("child %d", status_of(pid));
    pthread_join(thread, 0);
  }
  check_equal(raw(SYS_clone, 0x4000 | 0x10000, 0, 0, 0, 0, 0), -EINVAL);
  say("bad in threads %d, own %d", bad_in_threads, use_code());
}

// ---- what each side maps after the fork is its own

CASE(own_code_at_equal_addresses) {
  // Both map other code at the same addresses and run it at the same time, many times.
  prepare_code();
  enum { PLACES = 16 };
  char *places = mmap(0, 4096 * 2 * PLACES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  code_function before = map_code(offset_a, places);
  pid_t parent = getpid(), pids[2];
  int bad = 0;
  for (int child = 0; child < 2; child++) {
    pids[child] = fork();
    if (pids[child] == 0) break;
  }
  pid_t pid = getpid();
  int which = pid == parent ? 0 : pids[0] == 0 ? 1 : 2;
  for (int round = 0; round < rounds(40); round++) {
    code_function code[PLACES];
    for (int i = 1; i < PLACES; i++) code[i] = map_code((i + which + round) % 2 ? offset_a : offset_b, places + 8192 * i);
    for (int n = 0; n < 20; n++) {
      for (int i = 1; i < PLACES; i++) bad += code[i](pid) != ((i + which + round) % 2 ? 1012 : 2012);
      bad += before(pid) != 1012;
    }
    for (int i = 1; i < PLACES; i++)
      if ((i + round) % 3 == which) mmap(places + 8192 * i, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  }
  if (which != 0) _exit(bad != 0);
  wait_and_say(pids[0], "first child");
  wait_and_say(pids[1], "second child");
  say("parent bad %d", bad);
}

// ---- what processes that share memory map is everybody's

static char *common;
static char child_stack[65536] __attribute__((aligned(64)));
static int map_in_child(void *argument) {
  code_function code = map_code(offset_b, common);
  return code(raw(SYS_getpid, 0, 0, 0, 0, 0, 0)) == 2012 ? 7 : 8;
}

CASE(code_mapped_by_a_sharing_child) {
  prepare_code();
  for (int i = 0; i < 10; i++) {
    common = mmap(0, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int flags = i & 1 ? CLONE_VM | SIGCHLD : CLONE_VM | CLONE_VFORK | SIGCHLD;
    pid_t pid = clone(map_in_child, child_stack + sizeof child_stack, flags, 0);
    int status = status_of(pid);
    say("child %d, called by the parent %ld", status, ((code_function)(void *)common)(getpid()));
    code_function own = map_code(offset_a, common);
    check_equal(own(getpid()), 1012);
    pid = fork();
    if (pid == 0) _exit(own(getpid()) == 1012 ? 0 : 1);
    check(status_of(pid) == 0);
    munmap(common, 4096);
  }
}

CASE(vfork_child_maps_code) {
  prepare_code();
  for (int i = 0; i < 10; i++) {
    common = mmap(0, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    pid_t pid = vfork();
    if (pid == 0) _exit(map_in_child(0));
    int status = status_of(pid);
    say("child %d, called by the parent %ld", status, ((code_function)(void *)common)(getpid()));
  }
}

static int sharing_child(void *argument) {
  int bad = 0;
  while (!stop) bad += use_code();
  return bad != 0;
}

CASE(sharing_processes_map_at_once) {
  // Processes that share memory and nothing else, and their parent, all map, call and unmap at once.
  enum { CHILDREN = 3 };
  static char stacks[CHILDREN][65536] __attribute__((aligned(64)));
  prepare_code();
  pid_t pids[CHILDREN];
  int bad = 0;
  for (int i = 0; i < CHILDREN; i++) pids[i] = clone(sharing_child, stacks[i] + sizeof stacks[i], CLONE_VM | SIGCHLD, 0);
  for (int i = 0; i < rounds(60); i++) {
    bad += use_code();
    pid_t pid = fork();
    if (pid == 0) _exit(use_code());
    bad += status_of(pid) != 0;
  }
  stop = 1;
  for (int i = 0; i < CHILDREN; i++) wait_and_say(pids[i], "child");
  say("bad %d", bad);
}
