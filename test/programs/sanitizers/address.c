// AddressSanitizer (with the leak check, which stops all threads by ptrace from a clone of its own). Without arguments the
// program is clean; an argument says which error it makes.
#include <pthread.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile int index_behind = 10;

static void *allocate(void *argument) {
  long sum = 0;
  for (int i = 0; i < 20000; i++) {
    size_t size = 16 + i % 500;
    char *block = malloc(size);
    memset(block, i, size);
    sum += block[size - 1];
    free(block);
  }
  *(long *)argument = sum;
  return 0;
}

__attribute__((noinline)) static void overflow_heap(void) {
  volatile char *block = malloc(10);
  block[index_behind] = 1;
  free((void *)block);
}

__attribute__((noinline)) static void use_after_free(void) {
  volatile char *volatile block = malloc(100);
  free((void *)block);
  printf("%d\n", block[index_behind]);
}

__attribute__((noinline)) static void overflow_stack(void) {
  volatile char array[10] = {0};
  printf("%d\n", array[index_behind]);
}

__attribute__((noinline)) static void leak(void) {
  char *volatile block = malloc(1234);
  block = 0;
  (void)block;
}

int main(int argc, char **argv) {
  pthread_t threads[4];
  long sums[4];
  for (int i = 0; i < 4; i++) pthread_create(&threads[i], 0, allocate, &sums[i]);
  for (int i = 0; i < 4; i++) pthread_join(threads[i], 0);
  printf("%ld %ld\n", sums[0], sums[3]);

  // A site in the program itself: where its trampoline goes depends on the shadow when the program is not position-independent.
  long pid;
  __asm__ volatile("syscall" : "=a"(pid) : "a"(SYS_getpid) : "rcx", "r11", "memory");
  printf("%d\n", pid == getpid());

  jmp_buf environment;
  if (setjmp(environment) == 0) longjmp(environment, 1);
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    free(malloc(100));
    _exit(3);
  }
  int status;
  waitpid(child, &status, 0);
  printf("%d\n", WEXITSTATUS(status));
  fflush(stdout);

  const char *error = argc > 1 ? argv[1] : "";
  if (strcmp(error, "heap") == 0) overflow_heap();
  if (strcmp(error, "free") == 0) use_after_free();
  if (strcmp(error, "stack") == 0) overflow_stack();
  if (strcmp(error, "segv") == 0) *(volatile char *)8 = 1;
  if (strcmp(error, "leak") == 0) leak();
  return 0;
}
