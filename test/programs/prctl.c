// Options of prctl that could meet the engine: kernel/prctl-options.txt says what becomes of each.
// variants: dynamic static musl
#include "cases.h"
#include <linux/prctl.h>
#include <sys/auxv.h>
int prctl(int option, ...);

#ifndef PR_GET_AUXV
#define PR_GET_AUXV 0x41555856
#endif

static sigjmp_buf landing;
static void leap(int signal, siginfo_t *info, void *context) {
  (void)info, (void)context;
  siglongjmp(landing, signal);
}

static void exec_self(const char *name) {
  char *arguments[] = {case_argv[0], (char *)name, 0};
  extern char **environ;
  execve("/proc/self/exe", arguments, environ);
  say("execve: %s", strerror(errno));
}

CASE(name) {
  char name[16];
  check_equal(prctl(PR_SET_NAME, "a name of its own", 0, 0, 0), 0);
  check_equal(prctl(PR_GET_NAME, name, 0, 0, 0), 0);
  say("%s", name);
  check_equal(prctl(PR_SET_NAME, 16, 0, 0, 0), -1);
  int file = open("/proc/self/comm", O_RDONLY);
  char text[32] = {0};
  check(read(file, text, sizeof text - 1) > 0);
  say("%s", text);
}

// Reading the time-stamp counter faults; clock_gettime reads it in the vDSO.
CASE(time_stamp_counter) {
  int mode = -1;
  check_equal(prctl(PR_GET_TSC, &mode, 0, 0, 0), 0);
  check_equal(mode, PR_TSC_ENABLE);
  install(SIGSEGV, leap, SA_NODEFER);
  check_equal(prctl(PR_SET_TSC, PR_TSC_SIGSEGV, 0, 0, 0), 0);
  int got = sigsetjmp(landing, 1);
  if (got == 0) __asm__ volatile("rdtsc" ::: "eax", "edx");
  say("rdtsc: signal %d", got);
  // The engine goes on without it.
  pid_t pid = fork();
  if (pid == 0) exec_self("executed");
  wait_and_say(pid, "executed");
  check_equal(prctl(PR_SET_TSC, PR_TSC_ENABLE, 0, 0, 0), 0);
}

CASE(executed) {
  int mode = -1;
  prctl(PR_GET_TSC, &mode, 0, 0, 0);
  say("tsc %d dumpable %d no_new_privs %d death %d", mode, prctl(PR_GET_DUMPABLE, 0, 0, 0, 0),
      prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0));
}

// /proc/self is root's from then on; the program still finds itself there and executes itself.
CASE(not_dumpable) {
  if (getuid() == 0 && setresuid(65534, 65534, 65534) != 0) say("setresuid failed");
  check_equal(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0), 0);
  say("dumpable %d", prctl(PR_GET_DUMPABLE, 0, 0, 0, 0));
  char path[4096];
  ssize_t size = readlink("/proc/self/exe", path, sizeof path - 1);
  path[size < 0 ? 0 : size] = 0;
  char *last = strrchr(path, '/');
  say("exe %s", last ? last : "none");
  void *page = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  check(page != MAP_FAILED);
  exec_self("executed");
}

CASE(no_new_privileges) {
  check_equal(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
  check_equal(prctl(PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0), -1);
  exec_self("executed");
}

CASE(parent_death) {
  int ends[2], alive[2];
  check(pipe(ends) == 0 && pipe(alive) == 0);
  pid_t pid = fork();
  if (pid == 0) {
    pid_t grandchild = fork();
    if (grandchild == 0) {
      prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
      int signal = 0;
      prctl(PR_GET_PDEATHSIG, &signal, 0, 0, 0);
      check(write(ends[1], &signal, sizeof signal) == sizeof signal);
      close(alive[0]);
      for (;;) pause();
    }
    int signal;
    check(read(ends[0], &signal, sizeof signal) == sizeof signal);
    say("death signal %d", signal);
    _exit(0);
  }
  wait_and_say(pid, "parent");
  close(alive[1]);
  char byte;
  say("end of the grandchild: %zd", read(alive[0], &byte, 1));
}

CASE(subreaper) {
  check_equal(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
  int is = 0;
  check_equal(prctl(PR_GET_CHILD_SUBREAPER, &is, 0, 0, 0), 0);
  check_equal(is, 1);
  pid_t pid = fork();
  if (pid == 0) {
    if (fork() == 0) {
      while (getppid() == 0) sched_yield();
      _exit(12);
    }
    _exit(11);
  }
  int first = 0, second = 0;
  wait(&first);
  wait(&second);
  say("%d", WEXITSTATUS(first) + WEXITSTATUS(second));
}

CASE(auxiliary_vector) {
  static unsigned long vector[128];
  long size = raw(SYS_prctl, PR_GET_AUXV, (long)vector, sizeof vector, 0, 0, 0);
  if (size < 0) {
    say("not known: %ld", size);
    return;
  }
  int right = 0;
  for (int i = 0; i < 128 && vector[i]; i += 2)
    if ((vector[i] == AT_ENTRY || vector[i] == AT_PHDR || vector[i] == AT_BASE || vector[i] == AT_EXECFN) && vector[i + 1] == getauxval(vector[i])) right++;
  say("right %d", right);
}

// The name of anonymous memory shows in maps.
CASE(memory_name) {
  void *page = mmap(0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  int result = prctl(0x53564d41 /* PR_SET_VMA */, 0 /* PR_SET_VMA_ANON_NAME */, page, 4096, "own");
  say("named %d", result == 0 ? 0 : errno);
}

CASE(unknown) {
  say("%ld %ld", raw(SYS_prctl, 9999, 0, 0, 0, 0, 0), raw(SYS_prctl, -1, 0, 0, 0, 0, 0));
  say("%ld", raw(SYS_prctl, PR_SET_DUMPABLE, 7, 0, 0, 0, 0));
}
