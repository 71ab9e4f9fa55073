// What the programs that time system calls share: COUNT calls of a number that does not exist, in nanoseconds each.
//
// The kernel answers ENOSYS at once, so what is measured is the way into the kernel and back: all that a rewriter or a
// tracer can add to.
#ifndef TIMED_CALLS_H
#define TIMED_CALLS_H
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { NO_SUCH_CALL = 1000 };
/** What main returns when the kernel or the machine does not let it try; standard error says why. */
enum { NOT_PERMITTED = 77 };

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e9 + t.tv_nsec;
}

/** `call` makes one system call and gives what it returned. */
static void repeat(long count, long (*call)(void)) {
  for (long i = 0; i < count; i++)
    if (call() != -ENOSYS) abort();
}

/** So many that one takes a few tenths of a millisecond: less than a busy scheduler gives at a time. */
enum { BATCHES = 1000 };

static int compare_doubles(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/** Nanoseconds a call: the median of batches, so that a batch that lost the processor to another process does not count. */
static double time_calls(long count, long (*call)(void)) {
  double batches[BATCHES];
  long size = count / BATCHES + 1;
  repeat(size, call);
  for (int i = 0; i < BATCHES; i++) {
    double start = now();
    repeat(size, call);
    batches[i] = (now() - start) / size;
  }
  qsort(batches, BATCHES, sizeof *batches, compare_doubles);
  return batches[BATCHES / 2];
}

static long count_of(int argc, char **argv) {
  if (argc != 2) exit(2);
  return strtol(argv[1], NULL, 10);
}

/** The call as a program makes it natively. */
__attribute__((unused, noinline)) static long native_call(void) {
  long result = NO_SUCH_CALL;
  __asm__ volatile("syscall" : "+a"(result) : : "rcx", "r11", "memory");
  return result;
}
#endif
