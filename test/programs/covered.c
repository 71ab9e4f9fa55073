// What runs of it is known to test/cover: cases of a `switch`, threads, children, a library.
//
// usage: covered cases N... | threads | children SELF | library FILE | abort

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

// A jump table, with cases that fall into the next one.
__attribute__((noinline)) int kind(int n) {
  int result = n * 2;
  switch (n) {
    case 0:
      result += 3;
      // fall through
    case 1:
      result *= n + 5;
      break;
    case 2:
      result -= 7 * n;
      // fall through
    case 3:
      result ^= getppid() & 1;
      // fall through
    case 4:
      result += n;
      break;
    case 5:
      return 12;
    case 6:
      result = printf("six\n");
      break;
    case 9:
      result = abs(n - 20) + 3;
      // fall through
    default:
      result += 100;
  }
  return result;
}

__attribute__((noinline)) int in_thread(int n) {
  return n > 2 ? kind(n) : 1;
}

static void *thread(void *n) {
  in_thread((int)(long)n);
  return NULL;
}

__attribute__((noinline)) int in_child(int n) {
  return n & 1;
}

static int run_children(const char *self) {
  for (int i = 0; i < 3; i++) {
    pid_t child = fork();
    if (child == 0) {
      if (i == 2) execl(self, self, "cases", "5", NULL);
      _exit(in_child(i));
    }
    int status;
    waitpid(child, &status, 0);
  }
  return 7;
}

static int run_library(const char *file) {
  void *library = dlopen(file, RTLD_NOW);
  if (library == NULL) return 1;
  int (*in_library)(int) = dlsym(library, "in_library");
  return in_library == NULL || in_library(3) != 4;
}

int main(int count, char **arguments) {
  if (count < 2) return 2;
  if (strcmp(arguments[1], "cases") == 0) {
    for (int i = 2; i < count; i++) printf("%d\n", kind(atoi(arguments[i])));
  } else if (strcmp(arguments[1], "threads") == 0) {
    pthread_t threads[4];
    for (long i = 0; i < 4; i++) pthread_create(&threads[i], NULL, thread, (void *)i);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
  } else if (strcmp(arguments[1], "children") == 0) {
    return run_children(arguments[2]);
  } else if (strcmp(arguments[1], "library") == 0) {
    return run_library(arguments[2]);
  } else if (strcmp(arguments[1], "abort") == 0) {
    abort();
  }
  return 0;
}
