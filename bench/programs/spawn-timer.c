// Times starting programs: spawn-timer ROUNDS COMMAND... [;; COMMAND...]...
//
// In each round every command is started once, in the order given, so that a slow spell of the machine falls on all of
// them. Prints one line a round: the nanoseconds from before vfork until the program was waited for, one number a
// command. vfork shares the page tables, so that the size of this process does not count. Standard output of the
// commands goes to /dev/null.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { COMMANDS_MAX = 64 };

static long long now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static long long time_one(char **argv, int null) {
  long long start = now();
  pid_t pid = vfork();
  if (pid == 0) {
    dup2(null, 1);
    execvp(argv[0], argv);
    _exit(127);
  }
  if (pid < 0) {
    perror("vfork");
    exit(1);
  }
  int status;
  while (waitpid(pid, &status, 0) < 0)
    if (errno != EINTR) exit(1);
  long long end = now();
  if (status != 0) {
    fprintf(stderr, "spawn-timer: %s ended with wait status 0x%x\n", argv[0], status);
    exit(1);
  }
  return end - start;
}

int main(int argc, char **argv) {
  char **commands[COMMANDS_MAX];
  int count = 0;
  if (argc < 3) return 2;
  long rounds = strtol(argv[1], NULL, 10);
  commands[count++] = argv + 2;
  for (int i = 2; i < argc; i++) {
    if (strcmp(argv[i], ";;") != 0) continue;
    argv[i] = NULL;
    if (count == COMMANDS_MAX) return 2;
    commands[count++] = argv + i + 1;
  }
  int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
  for (long round = 0; round < rounds; round++) {
    for (int i = 0; i < count; i++) printf("%lld%c", time_one(commands[i], null), i + 1 == count ? '\n' : ' ');
    fflush(stdout);
  }
  return 0;
}
