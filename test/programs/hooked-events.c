// What hooks are told of a process: threads, children, libraries, ends. Each line of output is what the program knows itself.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void *nothing(void *argument) { return argument; }

static void *end_with_seven(void *argument) {
  syscall(SYS_exit, 7);
  return argument;
}

static void *end_all(void *argument) { _exit(4); }

static uint64_t cpuid(uint64_t leaf) {
  uint64_t a = leaf, b, c = 0, d;
  __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
  return a;
}

int main(int count, char **arguments) {
  char *what = count > 1 ? arguments[1] : "";
  pthread_t thread;
  if (!strcmp(what, "threads")) {
    for (int i = 0; i < 3; i++) {
      if (pthread_create(&thread, 0, nothing, 0) != 0) return 1;
      pthread_join(thread, 0);
    }
    return 5;
  }
  if (!strcmp(what, "ended")) { // by a thread, which does not end by itself
    if (pthread_create(&thread, 0, end_all, 0) != 0) return 1;
    pthread_join(thread, 0);
  }
  if (!strcmp(what, "last")) { // both end by themselves, in whatever order
    if (pthread_create(&thread, 0, end_with_seven, 0) != 0) return 1;
    syscall(SYS_exit, 7);
  }
  if (!strcmp(what, "children")) {
    int status;
    pid_t child = fork();
    if (child == 0) _exit(6);
    waitpid(child, &status, 0);
    char *true_arguments[] = {"true", 0};
    if (posix_spawn(&child, "/bin/true", 0, 0, true_arguments, 0) != 0) return 1;
    waitpid(child, &status, 0);
    execl("/nowhere/true", "true", (char *)0);
    execl("/bin/true", "true", (char *)0);
  }
  if (!strcmp(what, "library")) return dlopen("libm.so.6", RTLD_NOW) == 0;
  if (!strcmp(what, "cpuid")) {
    uint64_t sum = 0;
    for (int i = 0; i < 10; i++) sum += cpuid(i < 5 ? 7 : i < 8 ? 0 : 0x80000000);
    printf("%lu\n", sum);
  }
  return 0;
}
