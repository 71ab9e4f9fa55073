// What the test targets share. A target is a list of cases:
//
//     CASE(restart_read) { ... say("read gave %zd", n); check(n == 1); }
//
// `target NAME` runs one case in the process itself; `target` runs each in a child and says how it ended. What a case
// says must be the same in every run: the differential tests compare it byte for byte. `check` also judges it alone.
#pragma once
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int failures;
static char **case_argv;

// One write(2) a line, so that a crash or a fork loses or doubles nothing; usable in handlers.
__attribute__((format(printf, 1, 2), unused)) static void say(const char *format, ...) {
  char line[4096];
  int saved = errno;
  va_list arguments;
  va_start(arguments, format);
  int size = vsnprintf(line, sizeof line - 1, format, arguments);
  va_end(arguments);
  if (size > (int)sizeof line - 2) size = sizeof line - 2;
  line[size++] = '\n';
  if (write(1, line, size) != size) _exit(99);
  errno = saved;
}

#define check(condition)                                                    \
  do {                                                                      \
    if (!(condition)) {                                                     \
      say("FAILED line %d: %s (errno %d)", __LINE__, #condition, errno);    \
      __atomic_add_fetch(&failures, 1, __ATOMIC_SEQ_CST);                   \
    }                                                                       \
  } while (0)

// A result that must be equal in both runs and is judged here too; `%lld` either way.
#define check_equal(value, expected)                                                                        \
  do {                                                                                                      \
    long long value_ = (long long)(value), expected_ = (long long)(expected);                               \
    if (value_ != expected_) {                                                                              \
      say("FAILED line %d: %s is %lld (%#llx), expected %lld (%#llx), errno %d", __LINE__, #value, value_, \
          value_, expected_, expected_, errno);                                                             \
      __atomic_add_fetch(&failures, 1, __ATOMIC_SEQ_CST);                                                   \
    }                                                                                                       \
  } while (0)

struct test_case {
  const char *name;
  void (*run)(void);
  struct test_case *next;
};
static struct test_case *first_case, **last_case = &first_case;

#define CASE(id)                                                    \
  static void case_##id(void);                                      \
  __attribute__((constructor)) static void register_##id(void) {    \
    static struct test_case entry = {#id, case_##id, 0};            \
    *last_case = &entry;                                            \
    last_case = &entry.next;                                        \
  }                                                                 \
  static void case_##id(void)

// FLICKER_TEST_LONG multiplies the rounds of storms and loops.
__attribute__((unused)) static int rounds(int count) { return getenv("FLICKER_TEST_LONG") ? count * 20 : count; }

__attribute__((unused)) static const char *status_text(int status) {
  static char text[64];
  if (WIFEXITED(status)) snprintf(text, sizeof text, "exit %d", WEXITSTATUS(status));
  else if (WIFSIGNALED(status)) snprintf(text, sizeof text, "signal %d", WTERMSIG(status));
  else if (WIFSTOPPED(status)) snprintf(text, sizeof text, "stopped by %d", WSTOPSIG(status));
  else snprintf(text, sizeof text, "status %#x", status);
  return text;
}

__attribute__((unused)) static void wait_and_say(pid_t pid, const char *what) {
  int status = -1;
  pid_t got;
  do got = waitpid(pid, &status, 0);
  while (got < 0 && errno == EINTR);
  check(got == pid);
  say("%s: %s", what, status_text(status));
}

// A system call whose `syscall` instruction is in the target itself, not in libc.
__attribute__((unused)) static long raw(long number, long a, long b, long c, long d, long e, long f) {
  register long r10 __asm__("r10") = d;
  register long r8 __asm__("r8") = e;
  register long r9 __asm__("r9") = f;
  long result;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                   : "rcx", "r11", "memory");
  return result;
}

__attribute__((unused)) static void install(int signal, void (*handler)(int, siginfo_t *, void *), int flags) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_sigaction = handler;
  action.sa_flags = SA_SIGINFO | flags;
  sigemptyset(&action.sa_mask);
  if (sigaction(signal, &action, 0) != 0) say("sigaction(%d) failed: %s", signal, strerror(errno));
}

// Spins until the process sleeps in the given system call: "asleep" alone could be some other call on the way there.
__attribute__((unused)) static void wait_until_in(pid_t pid, long number) {
  char path[64], text[512];
  for (;;) {
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    int file = open(path, O_RDONLY);
    ssize_t size = file < 0 ? -1 : read(file, text, sizeof text - 1);
    close(file);
    if (size <= 0) return;
    text[size] = 0;
    char state = strrchr(text, ')')[2];
    if (state == 'Z') return;
    if (state == 'S') {
      snprintf(path, sizeof path, "/proc/%d/syscall", pid);
      file = open(path, O_RDONLY);
      size = file < 0 ? -1 : read(file, text, sizeof text - 1);
      close(file);
      if (size <= 0) return;  // not allowed to look: asleep must do
      text[size] = 0;
      if (strncmp(text, "running", 7) != 0 &&
          (strtol(text, 0, 10) == number || (number == SYS_clock_nanosleep && strtol(text, 0, 10) == SYS_nanosleep)))
        return;
    }
    sched_yield();
  }
}

// A child that sends this process a signal once it sleeps in the given system call.
__attribute__((unused)) static pid_t signal_when_in(long number, int signal) {
  pid_t parent = getpid(), pid = fork();
  if (pid) return pid;
  wait_until_in(parent, number);
  kill(parent, signal);
  _exit(0);
}

int main(int argc, char **argv) {
  case_argv = argv;
  for (struct test_case *entry = first_case; entry; entry = entry->next) {
    if (argc > 1) {
      if (strcmp(argv[1], entry->name) != 0) continue;
      entry->run();
      return failures != 0;
    }
    if (!argv[0] || !argv[0][0]) return 101;  // executed with no arguments at all, by a case
    pid_t pid = fork();
    if (pid == 0) {
      entry->run();
      exit(failures != 0);
    }
    wait_and_say(pid, entry->name);
  }
  if (argc > 1) {
    say("no case %s", argv[1]);
    return 100;
  }
  return 0;
}
