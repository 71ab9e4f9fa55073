// A program that takes from itself all that it can: limits, privileges, the right to be looked at. What works then, and what
// fails, is as natively.
// variants: dynamic static musl-static
#include "cases.h"
#include <dlfcn.h>
#include <grp.h>
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/resource.h>

static volatile int handled;
static void handler(int signal, siginfo_t *info, void *context) { handled++; }
static void *nothing(void *argument) { return argument; }

// What works, as letters.
static void try_everything(const char *what) {
  char result[64];
  int n = 0;
  pid_t pid = fork();
  if (pid == 0) _exit(7);
  int status = 0;
  result[n++] = pid > 0 && waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 7 ? 'f' : '-';
  handled = 0;
  install(SIGUSR1, handler, 0);
  raise(SIGUSR1);
  result[n++] = handled ? 's' : '-';
  pthread_t thread;
  int error = pthread_create(&thread, 0, nothing, 0);
  if (error == 0) pthread_join(thread, 0);
  result[n++] = error == 0 ? 't' : '-';
  int file = open("/bin/sh", O_RDONLY);
  result[n++] = file >= 0 ? 'o' : '-';
  void *code = file < 0 ? MAP_FAILED : mmap(0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 0);
  result[n++] = code != MAP_FAILED ? 'c' : '-';
  if (file >= 0) close(file);
  void *memory = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  result[n++] = memory != MAP_FAILED ? 'm' : '-';
  char target[4096];
  result[n++] = readlink("/proc/self/exe", target, sizeof target) > 0 ? 'l' : '-';
  pid = vfork();
  if (pid == 0) {
    execl("/bin/true", "true", (char *)0);
    _exit(9);
  }
  status = 0;
  result[n++] = pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0 ? 'x' : '-';
  result[n] = 0;
  say("%s: %s", what, result);
}

static const struct {
  const char *name;
  int resource;
  unsigned long least;
} limits[] = {
    {"fsize", RLIMIT_FSIZE, 0},           {"data", RLIMIT_DATA, 4096},  {"core", RLIMIT_CORE, 0},
    {"nproc", RLIMIT_NPROC, 0},           {"memlock", RLIMIT_MEMLOCK, 0}, {"locks", RLIMIT_LOCKS, 0},
    {"sigpending", RLIMIT_SIGPENDING, 0}, {"msgqueue", RLIMIT_MSGQUEUE, 0}, {"nice", RLIMIT_NICE, 0},
    {"rtprio", RLIMIT_RTPRIO, 0},         {"rttime", RLIMIT_RTTIME, 0}, {"rss", RLIMIT_RSS, 0},
};

CASE(each_limit) {
  for (unsigned i = 0; i < sizeof limits / sizeof *limits; i++) {
    pid_t pid = fork();
    if (pid == 0) {
      struct rlimit limit = {limits[i].least, limits[i].least};
      check(setrlimit(limits[i].resource, &limit) == 0);
      try_everything(limits[i].name);
      _exit(0);
    }
    wait_and_say(pid, limits[i].name);
  }
}

CASE(no_descriptors) {
  struct rlimit limit = {3, 3};
  int out = dup(1);
  check(out == 3 && setrlimit(RLIMIT_NOFILE, &limit) == 0);
  try_everything("nofile");
  limit.rlim_cur = limit.rlim_max = 0;
  check(setrlimit(RLIMIT_NOFILE, &limit) == 0);
  try_everything("none");
}

CASE(no_address_space) {
  struct rlimit limit = {1 << 20, RLIM_INFINITY}, free_again = {RLIM_INFINITY, RLIM_INFINITY};
  check(setrlimit(RLIMIT_AS, &limit) == 0);
  handled = 0;
  install(SIGUSR1, handler, 0);
  raise(SIGUSR1);
  int file = open("/bin/sh", O_RDONLY);
  void *code = mmap(0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 0);
  int error = errno;
  pid_t pid = fork();
  if (pid == 0) _exit(7);
  wait_and_say(pid, "fork");
  check(setrlimit(RLIMIT_AS, &free_again) == 0);
  say("handled %d, code %d errno %d", handled, code != MAP_FAILED, error);
  try_everything("afterwards");
}

CASE(no_privileges) {
  if (geteuid() != 0) return say("not root");
  check(setgroups(0, 0) == 0 && setresgid(65534, 65534, 65534) == 0 && setresuid(65534, 65534, 65534) == 0);
  check(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
  try_everything("nobody");
  check(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == 0);
  try_everything("dumpable");
  check(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0);
  try_everything("not dumpable");
}

CASE(locked) {
  check(mlockall(MCL_CURRENT | MCL_FUTURE) == 0);
  try_everything("locked");
  check(munlockall() == 0);
  check(mlockall(MCL_CURRENT | MCL_FUTURE | 4 /* MCL_ONFAULT */) == 0);
  try_everything("locked on fault");
}
