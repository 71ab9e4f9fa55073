// Calls a system call from main through two functions of its own, for debuggers to look at: test/debugger.
//
//   blocked read       blocks in a call that passes through its trampoline
//   blocked ppoll      blocks in one that the engine hands to the kernel
//   blocked handler    blocks in a signal handler
//   blocked calls      makes calls that the engine answers, passes on, and clones with
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void read_byte(int signal) {
  char byte;
  if (read(0, &byte, 1) < 0) perror("read");
}

__attribute__((noinline)) static void inner(const char *how) {
  sigset_t none;
  sigemptyset(&none);
  if (!strcmp(how, "read")) read_byte(0);
  if (!strcmp(how, "ppoll")) {
    struct pollfd input = {0, POLLIN, 0};
    ppoll(&input, 1, NULL, &none);
  }
  if (!strcmp(how, "handler")) {
    signal(SIGUSR1, read_byte);
    raise(SIGUSR1);
  }
  if (!strcmp(how, "calls")) {
    struct timespec no_time = {0, 0};
    sigprocmask(SIG_SETMASK, &none, NULL);
    ppoll(NULL, 0, &no_time, &none);
    getppid();
    pid_t child = vfork();
    if (child == 0) _exit(0);
    waitpid(child, NULL, 0);
  }
  puts(how);
}

__attribute__((noinline)) static void outer(const char *how) {
  inner(how);
  puts("outer");
}

int main(int argc, char **argv) {
  outer(argv[1]);
  return 0;
}
