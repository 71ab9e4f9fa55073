// waiting-threads COUNT [signalled|gone]: starts threads that wait, sends each a signal or lets all end, and then reads
// its standard input for ever, to be looked at from outside.
#define _GNU_SOURCE
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { STACK_SIZE = 32768 };

static atomic_int ready, handled, leave;
static void handle(int signal) { handled++; }
static void *wait(void *argument) {
  ready++;
  while (!leave) usleep(20000000);
  return 0;
}

int main(int argc, char **argv) {
  int count = argc > 1 ? atoi(argv[1]) : 0;
  const char *then = argc > 2 ? argv[2] : "";
  pthread_t *threads = calloc((size_t)count + 1, sizeof *threads);
  char *stacks = mmap(0, (size_t)count * STACK_SIZE + 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  signal(SIGUSR1, handle);
  for (int i = 0; i < count; i++) {
    pthread_attr_t attributes;
    pthread_attr_init(&attributes);
    pthread_attr_setstack(&attributes, stacks + (size_t)i * STACK_SIZE, STACK_SIZE);
    if (pthread_create(&threads[i], &attributes, wait, 0) != 0) return 1;
  }
  while (ready < count) usleep(1000);
  if (then[0] == 'g') leave = 1;
  for (int i = 0; then[0] && i < count; i++) pthread_kill(threads[i], SIGUSR1);
  while (then[0] == 's' && handled < count) usleep(1000);
  for (int i = 0; then[0] == 'g' && i < count; i++) pthread_join(threads[i], 0);
  if (then[0] == 'g') munmap(stacks, (size_t)count * STACK_SIZE + 1);
  char byte;
  return read(0, &byte, 1) < 0;
}
