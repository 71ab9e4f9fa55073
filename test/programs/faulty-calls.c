// A program for `flicker fault`: makes calls whose results a rule changes (getppid gives 7), and says which were.

#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
static const char *self;

static int is_changed(void) { return syscall(SYS_getppid) == 7; }

// Which of so many calls were changed, as one write: `..x.`.
static void make_calls(const char *name, int count) {
  char line[512];
  int at = snprintf(line, sizeof line, "%s ", name);
  for (int i = 0; i < count; i++) line[at++] = is_changed() ? 'x' : '.';
  line[at++] = '\n';
  if (write(1, line, at) != at) abort();
}

enum { THREADS = 8, CALLS = 5000 };

static void *count_changed(void *sum) {
  int changed = 0;
  for (int i = 0; i < CALLS; i++) changed += is_changed();
  __atomic_fetch_add((int *)sum, changed, __ATOMIC_RELAXED);
  return 0;
}

static void threads(void) {
  pthread_t thread[THREADS];
  int sum = 0;
  for (int i = 0; i < THREADS; i++) pthread_create(&thread[i], 0, count_changed, &sum);
  for (int i = 0; i < THREADS; i++) pthread_join(thread[i], 0);
  printf("changed %d of %d\n", sum, THREADS * CALLS);
}

static void forks(int count) {
  make_calls("parent", count);
  for (int child = 0; child < 3; child++) {
    pid_t pid = fork();
    if (pid == 0) {
      char name[32];
      snprintf(name, sizeof name, "child %d", child);
      make_calls(name, count);
      if (child == 1 && fork() == 0) {
        make_calls("grandchild", count);
        _exit(0);
      }
      while (wait(0) > 0) {}
      _exit(0);
    }
    waitpid(pid, 0, 0);
  }
  make_calls("parent", count);
}

static void execute(const char *mode, const char *count) {
  execl(self, self, mode, count, (char *)0);
  perror("execl");
}

// A vfork child has the parent's memory, and counts for itself.
static void vforks(const char *count) {
  make_calls("parent", atoi(count));
  pid_t pid = vfork();
  if (pid == 0) {
    make_calls("vfork child", atoi(count));
    execute("calls", count);
    _exit(1);
  }
  waitpid(pid, 0, 0);
  make_calls("parent", atoi(count));
}

static int handled;
static void on_signal(int signal) { handled += signal != 0; }

// Calls that the engine answers fail once; what they do afterwards must be right.
static void engine_calls(void) {
  static const unsigned char code[] = {0xb8, 0x27, 0, 0, 0, 0x0f, 0x05, 0xc3};  // mov $getpid, %eax; syscall; ret
  errno = 0;
  void *failed = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  printf("mmap %s\n", failed == MAP_FAILED ? strerror(errno) : "works");
  unsigned char *place = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  memcpy(place, code, sizeof code);
  int result = mprotect(place, 4096, PROT_READ | PROT_EXEC);
  printf("mprotect %s\n", result < 0 ? strerror(errno) : "works");
  if (mprotect(place, 4096, PROT_READ | PROT_EXEC) != 0) abort();
  printf("code %s\n", ((long (*)(void))place)() == getpid() ? "runs" : "fails");
  result = munmap(place, 4096);
  printf("munmap %s\n", result < 0 ? strerror(errno) : "works");
  if (result < 0) printf("code %s\n", ((long (*)(void))place)() == getpid() ? "runs" : "fails");
  munmap(place, 4096);

  struct sigaction action = {.sa_handler = on_signal};
  result = sigaction(SIGUSR1, &action, 0);
  printf("sigaction %s\n", result < 0 ? strerror(errno) : "works");
  sigaction(SIGUSR2, &action, 0);
  raise(SIGUSR2);
  printf("handled %d\n", handled);
  struct sigaction before;
  sigaction(SIGUSR1, 0, &before);
  printf("SIGUSR1 %s\n", before.sa_handler == SIG_DFL ? "default" : "handled");

  for (int i = 0; i < 2; i++) {
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) _exit(is_changed());
    int status = 0;
    if (pid > 0) waitpid(pid, &status, 0);
    printf("fork %s\n", pid < 0 ? strerror(errno) : "works");
  }
  for (int i = 0; i < 2; i++) {
    int sum = 0;
    pthread_t thread;
    int error = pthread_create(&thread, 0, count_changed, &sum);
    if (error == 0) pthread_join(thread, 0);
    printf("thread %s\n", error != 0 ? strerror(error) : "works");
  }
  for (int i = 0; i < 2; i++) {
    fflush(stdout);
    pid_t pid;
    int status = -1;
    char *arguments[] = {(char *)self, "calls", "3", 0};
    int error = posix_spawn(&pid, self, 0, 0, arguments, environ);
    if (error == 0) waitpid(pid, &status, 0);
    printf("spawn %s %d\n", error != 0 ? strerror(error) : "works", status);
  }
  fflush(stdout);
  execute("calls", "5");
  execute("calls", "5");
}

// Vectors are short too.
static void vectors(void) {
  int ends[2];
  char a[4] = {0}, b[4] = {0};
  if (pipe(ends) != 0) abort();
  struct iovec out[] = {{"", 0}, {"abc", 3}, {"def", 3}};
  struct iovec in[] = {{a, 0}, {a, 3}, {b, 3}};
  long wrote = writev(ends[1], out, 3);
  long more = writev(ends[1], out, 3);
  long got = readv(ends[0], in, 3);
  printf("%ld %ld %ld %s\n", wrote, more, got, a);
}

int main(int count, char **arguments) {
  setvbuf(stdout, 0, _IOFBF, 1 << 14);
  self = arguments[0];
  const char *mode = count > 1 ? arguments[1] : "";
  const char *calls = count > 2 ? arguments[2] : "1";
  if (strcmp(mode, "calls") == 0) make_calls("calls", atoi(calls));
  else if (strcmp(mode, "threads") == 0) threads();
  else if (strcmp(mode, "forks") == 0) forks(atoi(calls));
  else if (strcmp(mode, "vforks") == 0) vforks(calls);
  else if (strcmp(mode, "engine") == 0) engine_calls();
  else if (strcmp(mode, "vectors") == 0) vectors();
  else if (strcmp(mode, "exec") == 0) {
    make_calls("before", atoi(calls));
    execute("calls", calls);
  } else return 1;
  return 0;
}
