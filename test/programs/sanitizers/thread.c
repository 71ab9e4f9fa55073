// ThreadSanitizer. Without arguments the program is clean; with one it has a race that is found in every run: the two
// accesses are ordered by relaxed atomics, which order them in time but not for the sanitizer.
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static long counter;
static int turn, raced, written, seen;
static volatile sig_atomic_t handled;

static void on_signal(int signal) { handled = signal; }

static void *count(void *argument) {
  for (int i = 0; i < 50000; i++) {
    pthread_mutex_lock(&mutex);
    counter++;
    pthread_mutex_unlock(&mutex);
  }
  return argument;
}

static void *take_turns(void *argument) {
  int mine = *(int *)argument;
  for (int i = 0; i < 500; i++) {
    pthread_mutex_lock(&mutex);
    while (turn != mine) pthread_cond_wait(&condition, &mutex);
    turn = !mine;
    pthread_cond_broadcast(&condition);
    pthread_mutex_unlock(&mutex);
  }
  return 0;
}

static void *race(void *argument) {
  raced = 1;
  __atomic_store_n(&written, 1, __ATOMIC_RELAXED);
  while (!__atomic_load_n(&seen, __ATOMIC_RELAXED)) {}
  return argument;
}

int main(int argc, char **argv) {
  pthread_t threads[4];
  for (int i = 0; i < 4; i++) pthread_create(&threads[i], 0, count, 0);
  for (int i = 0; i < 4; i++) pthread_join(threads[i], 0);
  printf("%ld\n", counter);

  int names[2] = {0, 1};
  for (int i = 0; i < 2; i++) pthread_create(&threads[i], 0, take_turns, &names[i]);
  for (int i = 0; i < 2; i++) pthread_join(threads[i], 0);
  printf("%d\n", turn);

  signal(SIGUSR1, on_signal);
  raise(SIGUSR1);
  printf("%d\n", handled);
  fflush(stdout);
  if (argc < 2) return 0;

  pthread_create(&threads[0], 0, race, 0);
  while (!__atomic_load_n(&written, __ATOMIC_RELAXED)) {}
  printf("%d\n", raced);
  fflush(stdout);
  __atomic_store_n(&seen, 1, __ATOMIC_RELAXED);
  pthread_join(threads[0], 0);
  return 0;
}
