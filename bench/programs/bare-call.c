// Prints the nanoseconds that one system call with a number that does not exist takes: bare-call COUNT.
//
// The kernel answers ENOSYS at once, so what is measured is the way into the kernel and back: all that a rewriter can add
// to. The `syscall` instruction stands in the loop itself; a program compiled otherwise calls libc's.
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { NO_SUCH_CALL = 1000 };

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e9 + t.tv_nsec;
}

static void call(long count) {
  for (long i = 0; i < count; i++) {
    long result = NO_SUCH_CALL;
    __asm__ volatile("syscall" : "+a"(result) : : "rcx", "r11", "memory");
    if (result != -38) exit(1);
  }
}

int main(int argc, char **argv) {
  if (argc != 2) return 2;
  long count = strtol(argv[1], NULL, 10);
  call(count / 10 + 1);
  double start = now();
  call(count);
  printf("%.3f\n", (now() - start) / count);
  return 0;
}
