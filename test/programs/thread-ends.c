// How threads and processes of many threads end, while other threads are at any place, in the engine too: the first thread
// before the others, by execve of any thread, by exit_group of any, by a signal.
// variants: dynamic static musl
#include "cases.h"
#include <linux/futex.h>
#include <pthread.h>
#include <spawn.h>
#include <stdatomic.h>
#include <sys/prctl.h>
#include <sys/resource.h>

extern char **environ;

static atomic_int stop;
static void *nothing(void *argument) { return argument; }

// Threads that are in the engine most of the time: they map this program's code, make threads and processes, and signal
// each other.
static pthread_t busy[4];
static void *keep_mapping(void *argument) {
  int file = open(case_argv[0], O_RDONLY | O_CLOEXEC);
  while (!stop) {
    void *code = mmap(0, 8192, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 4096);
    munmap(code, 8192);
  }
  close(file);
  return 0;
}
static void *keep_making_threads(void *argument) {
  while (!stop) {
    pthread_t thread;
    if (pthread_create(&thread, 0, nothing, 0) == 0) pthread_join(thread, 0);
  }
  return 0;
}
static void *keep_forking(void *argument) {
  while (!stop) {
    pid_t pid = vfork();
    if (pid == 0) _exit(0);
    waitpid(pid, 0, 0);
  }
  return 0;
}
static void ignore(int signal, siginfo_t *info, void *context) {}
static void *keep_signalling(void *argument) {
  while (!stop) {
    pthread_kill(busy[0], SIGUSR1);
    pthread_kill(busy[1], SIGUSR1);
    sched_yield();
  }
  return 0;
}
static void start_busy(void) {
  install(SIGUSR1, ignore, SA_RESTART);
  pthread_create(&busy[0], 0, keep_mapping, 0);
  pthread_create(&busy[1], 0, keep_making_threads, 0);
  pthread_create(&busy[2], 0, keep_forking, 0);
  pthread_create(&busy[3], 0, keep_signalling, 0);
}

// Children of processes that are killed are this one's, and are waited for at the end.
static void adopt_orphans(void) { check(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0); }
static void wait_for_orphans(void) {
  while (waitpid(-1, 0, __WALL) > 0 || errno == EINTR) {}
  check(errno == ECHILD);
}

static void wait_a_little(int i) {
  struct timespec time = {0, 200000 + i * 137000 % 3000000};
  nanosleep(&time, 0);
}

static char *const echo[] = {"sh", "-c", "echo in the new program; exit 5", 0};
static char *const look[] = {"sh", "-c", "test $$ = $WHO && echo same number; grep -c . /proc/self/comm; exit 6", 0};

// ---- the first thread is gone

static void check_engine_is_there(void) {
  pthread_t thread;
  void *result = 0;
  check(pthread_create(&thread, 0, nothing, &stop) == 0);
  pthread_join(thread, &result);
  check(result == &stop);
  int file = open(case_argv[0], O_RDONLY | O_CLOEXEC);
  void *code = mmap(0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 4096);
  check(file >= 0 && code != MAP_FAILED);
  munmap(code, 4096);
  pid_t pid = fork();
  if (pid == 0) _exit(3);
  wait_and_say(pid, "fork");
  pid = vfork();
  if (pid == 0) _exit(4);
  wait_and_say(pid, "vfork");
  check(posix_spawn(&pid, "/bin/sh", 0, 0, echo, environ) == 0);
  wait_and_say(pid, "posix_spawn");
}

static void wait_for_end_of(pid_t tid) {
  char path[64], text[256];
  snprintf(path, sizeof path, "/proc/%d/stat", tid);
  for (;;) {
    int file = open(path, O_RDONLY);
    ssize_t size = read(file, text, sizeof text - 1);
    close(file);
    text[size < 0 ? 0 : size] = 0;
    if (strrchr(text, ')')[2] == 'Z') return;
    sched_yield();
  }
}

static void *after_the_first(void *argument) {
  wait_for_end_of(getpid());
  char path[4096];
  say("own executable: %d", readlink("/proc/self/exe", path, sizeof path) > 0);
  say("by this thread: %d", readlink("/proc/thread-self/exe", path, sizeof path) > 0);
  check_engine_is_there();
  char who[32];  // not static: the kernel would copy it while another thread writes it
  snprintf(who, sizeof who, "WHO=%d", getpid());
  char *environment[] = {who, "PATH=/bin:/usr/bin", 0};
  if (argument) execve("/bin/sh", look, environment);
  exit(7);
}

static void end_first(void *argument) {
  pthread_t thread;
  pthread_create(&thread, 0, after_the_first, argument);
  raw(SYS_exit, 0, 0, 0, 0, 0, 0);
}

CASE(first_thread_ends) { end_first(0); }
CASE(first_thread_ends_then_exec) { end_first(&stop); }

CASE(first_thread_ends_in_children) {
  for (int i = 0; i < 10; i++) {
    pid_t pid = fork();
    if (pid == 0) end_first(i % 2 ? &stop : 0);
    wait_and_say(pid, "child");
  }
}

// ---- execve with threads

static void *execute(void *argument) {
  char who[32];  // not static: the kernel would copy it while another thread writes it
  snprintf(who, sizeof who, "WHO=%d", getpid());
  char *environment[] = {who, "PATH=/bin:/usr/bin", 0};
  wait_a_little((int)(long)argument);
  execve("/bin/sh", look, environment);
  return 0;
}

static void exec_in_children(int from_thread) {
  adopt_orphans();
  for (int i = 0; i < rounds(20); i++) {
    pid_t pid = fork();
    if (pid == 0) {
      start_busy();
      if (!from_thread) execute((void *)(long)i);
      pthread_t thread;
      pthread_create(&thread, 0, execute, (void *)(long)i);
      for (;;) pause();
    }
    int status;
    check(waitpid(pid, &status, 0) == pid);
    check_equal(status, 6 << 8);
  }
  wait_for_orphans();
}

CASE(exec_from_a_thread_while_others_work) { exec_in_children(1); }
CASE(exec_from_the_first_while_others_work) { exec_in_children(0); }

CASE(several_execute_at_once) {
  for (int i = 0; i < rounds(20); i++) {
    pid_t pid = fork();
    if (pid == 0) {
      pthread_t threads[4];
      for (int n = 0; n < 4; n++) pthread_create(&threads[n], 0, execute, (void *)(long)i);
      for (;;) pause();
    }
    int status;
    check(waitpid(pid, &status, 0) == pid);
    check_equal(status, 6 << 8);
  }
}

// ---- exit_group and signals

static void *leave(void *argument) {
  wait_a_little((int)(long)argument);
  _exit(9);
}
static void *be_killed(void *argument) {
  wait_a_little((int)(long)argument);
  raise(SIGTERM);
  return 0;
}
static void *fault(void *argument) {
  wait_a_little((int)(long)argument);
  *(volatile int *)8 = 1;
  return 0;
}

static void end_while_busy(void *(*body)(void *), int wanted) {
  struct rlimit no_core = {0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  adopt_orphans();
  for (int i = 0; i < rounds(30); i++) {
    pid_t pid = fork();
    if (pid == 0) {
      start_busy();
      pthread_t thread;
      if (i % 3 == 0) body((void *)(long)i);
      pthread_create(&thread, 0, body, (void *)(long)i);
      for (;;) pause();
    }
    int status;
    check(waitpid(pid, &status, 0) == pid);
    check_equal(status, wanted);
  }
  wait_for_orphans();
  say("done");
}

CASE(exit_group_while_others_work) { end_while_busy(leave, 9 << 8); }
CASE(killed_while_others_work) { end_while_busy(be_killed, SIGTERM); }
CASE(fault_while_others_work) { end_while_busy(fault, SIGSEGV); }

CASE(killed_from_outside_while_busy) {
  adopt_orphans();
  for (int i = 0; i < rounds(30); i++) {
    pid_t pid = fork();
    if (pid == 0) {
      start_busy();
      for (;;) pause();
    }
    wait_a_little(i);
    kill(pid, SIGKILL);
    int status;
    check(waitpid(pid, &status, 0) == pid && status == SIGKILL);
  }
  wait_for_orphans();
  say("done");
}

// ---- a process that shares memory is killed while it is in the engine: its parent goes on

static char child_stack[65536] __attribute__((aligned(64)));
static int work_until_killed(void *argument) {
  int file = (int)raw(SYS_open, (long)case_argv[0], O_RDONLY | O_CLOEXEC, 0, 0, 0, 0);
  for (;;) {
    long code = raw(SYS_mmap, 0, 8192, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 4096);
    raw(SYS_munmap, code, 8192, 0, 0, 0, 0);
  }
  return 0;
}

CASE(sharing_child_killed_in_the_engine) {
  pthread_t thread;
  for (int i = 0; i < rounds(60); i++) {
    pid_t pid = clone(work_until_killed, child_stack + sizeof child_stack, CLONE_VM | SIGCHLD, 0);
    check(pid > 0);
    wait_a_little(i);
    kill(pid, SIGKILL);
    int status;
    check(waitpid(pid, &status, 0) == pid && status == SIGKILL);
    check(pthread_create(&thread, 0, nothing, 0) == 0);
    pthread_join(thread, 0);
    pid = fork();
    if (pid == 0) _exit(0);
    check(waitpid(pid, &status, 0) == pid && status == 0);
    int file = open(case_argv[0], O_RDONLY | O_CLOEXEC);
    void *code = mmap(0, 8192, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 4096);
    check(code != MAP_FAILED && munmap(code, 8192) == 0);
    close(file);
  }
  say("done");
}

static int outlive(void *argument) {
  // The parent was killed in the middle of things; this process has its memory for itself.
  int *ends = argument;
  char byte;
  raw(SYS_read, ends[0], (long)&byte, 1, 0, 0, 0);
  for (int i = 0; i < 50; i++) {
    int file = (int)raw(SYS_open, (long)case_argv[0], O_RDONLY | O_CLOEXEC, 0, 0, 0, 0);
    long code = raw(SYS_mmap, 0, 8192, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 4096);
    raw(SYS_munmap, code, 8192, 0, 0, 0, 0);
    raw(SYS_close, file, 0, 0, 0, 0, 0);
    long pid = raw(SYS_fork, 0, 0, 0, 0, 0, 0);
    if (pid == 0) raw(SYS_exit_group, 0, 0, 0, 0, 0, 0);
    raw(SYS_wait4, pid, 0, 0, 0, 0, 0);
  }
  raw(SYS_write, ends[1], (long)"x", 1, 0, 0, 0);
  return 0;
}

CASE(parent_of_a_sharing_child_killed_in_the_engine) {
  adopt_orphans();
  for (int i = 0; i < rounds(20); i++) {
    int killed[2], done[2];
    check(pipe(killed) == 0 && pipe(done) == 0);
    pid_t parent = fork();
    if (parent == 0) {
      static int ends[2];
      ends[0] = killed[0];
      ends[1] = done[1];
      close(killed[1]);
      start_busy();
      check(clone(outlive, child_stack + sizeof child_stack, CLONE_VM | SIGCHLD, ends) > 0);
      for (;;) pause();
    }
    close(done[1]);
    close(killed[0]);
    wait_a_little(i * 3);
    kill(parent, SIGKILL);
    int status;
    check(waitpid(parent, &status, 0) == parent);
    close(killed[1]);
    char byte;
    ssize_t got = read(done[0], &byte, 1);
    // The child may not have been made yet.
    check(got == 1 || got == 0);
    close(done[0]);
  }
  wait_for_orphans();
  say("done");
}

// ---- robust futexes

struct shared {
  pthread_mutex_t mutex;
};
static struct shared *shared_robust(void) {
  struct shared *shared = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  pthread_mutexattr_t attributes;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
  pthread_mutex_init(&shared->mutex, &attributes);
  return shared;
}

static struct shared *robust;
static void *lock_and(void *argument) {
  pthread_mutex_lock(&robust->mutex);
  switch ((long)argument) {
    case 0: raw(SYS_exit, 0, 0, 0, 0, 0, 0); break;
    case 1: raise(SIGKILL); break;
    case 2: execve("/bin/true", (char *[]){"true", 0}, environ); break;
    case 3: _exit(0);
  }
  return 0;
}

CASE(robust_owner_ends) {
  adopt_orphans();
  robust = shared_robust();
  static const char *const ways[] = {"exit", "SIGKILL", "execve", "exit_group"};
  for (long way = 0; way < 4; way++) {
    for (int in_thread = 0; in_thread < 2; in_thread++) {
      // A thread that executes has taken the first's number over when the kernel looks for its mutexes, and finds none.
      if (way == 2 && in_thread) continue;
      pid_t pid = fork();
      if (pid == 0) {
        start_busy();
        pthread_t thread;
        if (in_thread) {
          pthread_create(&thread, 0, lock_and, (void *)way);
          if (way == 0) {
            // The thread ends, the process does not.
            pthread_mutex_t *mutex = &robust->mutex;
            int result;
            while ((result = pthread_mutex_trylock(mutex)) == EBUSY || result == 0) {
              if (result == 0) pthread_mutex_unlock(mutex);
              sched_yield();
            }
            pthread_mutex_consistent(mutex);
            _exit(result == EOWNERDEAD ? 0 : 1);
          }
          for (;;) pause();
        }
        lock_and((void *)way);
      }
      // A first thread that is gone while others run does not end its process.
      int result;
      if (way == 0 && !in_thread) {
        wait_for_end_of(pid);
        result = pthread_mutex_lock(&robust->mutex);
        kill(pid, SIGKILL);
        waitpid(pid, 0, 0);
      } else {
        wait_and_say(pid, ways[way]);
        result = pthread_mutex_lock(&robust->mutex);
      }
      say("%s in %s: %s", ways[way], in_thread ? "a thread" : "the first", result == EOWNERDEAD ? "EOWNERDEAD" : strerror(result));
      pthread_mutex_consistent(&robust->mutex);
      pthread_mutex_unlock(&robust->mutex);
    }
  }
  wait_for_orphans();
}

// A signal for the process that arrives while a thread is on its way out is not lost with it.
static atomic_int handled;
static void count(int signal, siginfo_t *info, void *context) { handled++; }
static void *end_soon(void *argument) { return 0; }

CASE(signals_to_a_process_whose_threads_end) {
  install(SIGUSR2, count, SA_RESTART);
  int sent = 0;
  for (int i = 0; i < rounds(1500); i++) {
    pthread_t thread;
    check(pthread_create(&thread, 0, end_soon, 0) == 0);
    int before = handled;
    kill(getpid(), SIGUSR2);
    sent++;
    for (int n = 0; handled == before && n < 100000; n++) sched_yield();
    check(handled > before);
    pthread_join(thread, 0);
  }
  say("lost %d", sent - handled);
}
