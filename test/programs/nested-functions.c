// GNU nested functions: gcc writes a trampoline for each to the stack, which is executable then, and runs it there.
//
// variants: dynamic static
// options:
// options: --match=call
#include "cases.h"
#include <pthread.h>

typedef int (*visitor)(int);

__attribute__((noinline)) static int visit(visitor visitor, int count) {
  int sum = 0;
  for (int i = 0; i < count; i++) sum += visitor(i);
  return sum;
}

__attribute__((noinline)) static int recurse(int depth, visitor outer) {
  int own = depth * 3;
  int add(int n) { return n + own + (outer ? outer(1) : 0); }
  return depth == 0 ? visit(add, 10) : recurse(depth - 1, add) + visit(add, 2);
}

CASE(on_the_stack) { say("%d", recurse(12, 0)); }

static void *in_thread(void *argument) {
  long sum = 0;
  for (int i = 0; i < 50; i++) sum += recurse(8, 0);
  return argument ? argument : (void *)sum;
}
CASE(on_a_thread_stack) {
  pthread_t threads[4];
  void *sum;
  for (int i = 0; i < 4; i++) pthread_create(&threads[i], 0, in_thread, 0);
  for (int i = 0; i < 4; i++) {
    pthread_join(threads[i], &sum);
    say("%ld", (long)sum);
  }
}

static volatile int handled;
CASE(in_a_handler) {
  void count(int signal) { handled += signal == SIGUSR1; }
  struct sigaction action = {.sa_handler = count};
  check(sigaction(SIGUSR1, &action, 0) == 0);
  for (int i = 0; i < 20; i++) raise(SIGUSR1);
  say("%d", handled);
}
