# gdb, which starts programs: breakpoints, watchpoints, threads, signals, a fault. The program writes to a file, since gdb
# holds its own words back.
cat > debuggee.c <<'TEXT'
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
struct pair { int first; const char *second; };
static int shared;
static struct pair pair = {3, "three"};
__attribute__((noinline)) static int fibonacci(int n) { return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2); }
static void *work(void *argument) {
  for (int i = 0; i < 1000; i++) __atomic_add_fetch(&shared, 1, __ATOMIC_SEQ_CST);
  return argument;
}
static void handler(int signal) { shared += signal; }
int main(int argc, char **argv) {
  pthread_t thread;
  signal(SIGUSR1, handler);
  int number = fibonacci(10);
  pthread_create(&thread, 0, work, &pair);
  pthread_join(thread, 0);
  raise(SIGUSR1);
  FILE *output = fopen("output", "w");
  fprintf(output, "%d %d %d\n", number, shared, argc);
  fclose(output);
  if (argc > 1) *(volatile int *)8 = 1;
  return shared % 256;
}
TEXT
gcc -g -O0 -pthread -o debuggee debuggee.c
export DEBUGINFOD_URLS=
g() {
  echo "--- $*"
  gdb -nx -q -batch -ex 'set startup-with-shell off' -ex 'set pagination off' -ex 'set print thread-events off' \
    -ex 'handle SIGUSR1 nostop print pass' "$@" < /dev/null 2>&1
  [ ! -e output ] || { cat output; rm output; }
}
g -ex 'info line main' -ex 'disassemble fibonacci' -ex 'ptype pair' -ex 'print pair' -ex 'print sizeof(pthread_t)' debuggee
g -ex 'break fibonacci if n == 3' -ex run -ex 'bt 4' -ex 'info breakpoints' -ex delete -ex finish -ex 'next' -ex 'tbreak handler' \
  -ex continue -ex 'print shared' -ex bt -ex 'up 2' -ex finish -ex continue --args ./debuggee
g -ex 'break work' -ex run -ex 'print *(struct pair *)argument' -ex 'watch shared if shared > 997' \
  -ex continue -ex continue -ex 'info watchpoints' -ex 'delete' -ex 'set var shared = 100' -ex continue --args ./debuggee
g -ex run -ex bt -ex 'print $_siginfo.si_signo' -ex 'print $_siginfo._sifields._sigfault.si_addr' -ex 'x/i $pc' \
  -ex 'info symbol $pc' -ex kill --args ./debuggee crash
g -ex 'break handler' -ex run -ex 'stepi 3' -ex 'info registers rdi eflags' -ex 'call fibonacci(12)' -ex continue --args ./debuggee
