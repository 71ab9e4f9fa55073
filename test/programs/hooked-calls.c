// What hooks are tested with (test/hook): each mode makes calls in a number or with results that the test knows.
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static long call(long number, long a, long b, long c) {
  long result;
  __asm__ volatile("syscall" : "=a"(result) : "0"(number), "D"(a), "S"(b), "d"(c) : "rcx", "r11", "memory");
  return result;
}

// The one site of all counted calls, in handlers and outside of them.
static long made;
__attribute__((noinline)) static long counted(void) {
  __atomic_add_fetch(&made, 1, __ATOMIC_SEQ_CST);
  return call(SYS_getppid, 0, 0, 0);
}

static volatile long handled;
static void inner(int signal) { counted(); }
static void handler(int signal) {
  counted();
  if (++handled % 4 == 0) raise(SIGUSR1);
  counted();
}


static void install(int signal, void (*function)(int), int flags) {
  struct sigaction action = {.sa_handler = function, .sa_flags = flags};
  sigaction(signal, &action, NULL);
}

// A process that sends SIGALRM until it is killed.
static pid_t start_sender(void) {
  pid_t parent = getpid();
  pid_t sender = fork();
  if (sender != 0) return sender;
  while (kill(parent, SIGALRM) == 0) sched_yield();
  _exit(0);
}
static void stop(pid_t sender) {
  kill(sender, SIGKILL);
  waitpid(sender, NULL, 0);
}

// Calls under a storm of signals whose handlers make the same call from the same site.
static int storm(void) {
  install(SIGUSR1, inner, SA_RESTART);
  install(SIGALRM, handler, SA_RESTART);
  pid_t sender = start_sender();
  while (handled < 500) counted();
  stop(sender);
  printf("made %ld\n", made);
  return 0;
}

// Blocking reads that signals interrupt, again and again, before a byte comes: the kernel restarts them.
static int pipe_ends[2];
static long reads;
static void feed(int signal) {
  static int turns;
  int waiting;
  // One byte at most: a read that finds bytes of earlier signals would not be interrupted.
  if (++turns % 5 == 0 && call(SYS_ioctl, pipe_ends[0], FIONREAD, (long)&waiting) == 0 && waiting == 0)
    call(SYS_write, pipe_ends[1], (long)"x", 1);
}
static int restarts(void) {
  if (pipe(pipe_ends) != 0) return 1;
  install(SIGALRM, feed, SA_RESTART);
  pid_t sender = start_sender();
  for (int i = 0; i < 500; i++) {
    char byte;
    long n = call(SYS_read, pipe_ends[0], (long)&byte, 1);
    reads++;
    if (n != 1) return printf("read gave %ld\n", n), 1;
  }
  install(SIGALRM, feed, 0);
  long interrupted = 0;
  for (int i = 0; i < 500; i++) {
    char byte;
    long n = call(SYS_read, pipe_ends[0], (long)&byte, 1);
    reads++;
    if (n == -EINTR) interrupted++;
    else if (n != 1) return printf("read gave %ld\n", n), 1;
  }
  stop(sender);
  printf("reads %ld, %s interrupted\n", reads, interrupted > 100 ? "many" : "few");
  return 0;
}

// Handlers that leave by siglongjmp: the call that they interrupted is not made again, and the next one is a new one.
static sigjmp_buf back;
static void jump(int signal) { siglongjmp(back, 1); }
static int jumps(void) {
  if (pipe(pipe_ends) != 0) return 1;
  install(SIGALRM, jump, SA_RESTART);
  volatile int turn = 0;
  sigsetjmp(back, 1);
  if (turn++ < 300) {
    struct itimerval once = {{0, 0}, {0, 400}};
    setitimer(ITIMER_REAL, &once, NULL);
    char byte;
    call(SYS_read, pipe_ends[0], (long)&byte, 1);
    return 1;
  }
  printf("left 300\n");
  return 0;
}

static void *many(void *count) {
  for (long i = 0; i < (long)count; i++) counted();
  return NULL;
}
static int threads(void) {
  pthread_t thread[8];
  for (int i = 0; i < 8; i++) pthread_create(&thread[i], NULL, many, (void *)20000);
  for (int i = 0; i < 8; i++) pthread_join(thread[i], NULL);
  printf("made %ld\n", made);
  return 0;
}

static int forks(void) {
  for (int i = 0; i < 4; i++) counted();
  fflush(stdout);
  for (int i = 0; i < 3; i++) {
    pid_t child = i == 1 ? vfork() : fork();
    if (child == 0) {
      counted();
      _exit(0);
    }
    if (waitpid(child, NULL, 0) != child) return 1;
  }
  counted();
  printf("made 8\n");
  return 0;
}

// Registers that a call must not change, whatever a hook makes of its arguments.
static int changed(void) {
  long result, a = 1, b = (long)"abcdef\n", c = 7;
  __asm__ volatile("syscall" : "=a"(result), "+D"(a), "+S"(b), "+d"(c) : "0"((long)SYS_write) : "rcx", "r11", "memory");
  printf("\nwrite gave %ld, registers %ld %s %ld\n", result, a, b == (long)"abcdef\n" || *(char *)b == 'a' ? "same" : "other", c);
  printf("getppid gave %ld\n", counted());
  printf("getuid is getpid: %d\n", call(SYS_getuid, 0, 0, 0) == getpid());
  printf("lseek gave %ld\n", call(SYS_lseek, -1, 5, 0));
  return 0;
}

static int removal(const char *path) {
  int result = unlink(path);
  printf("unlink: %s, file %s\n", result == 0 ? "done" : strerror(errno), access(path, F_OK) == 0 ? "there" : "gone");
  return 0;
}

// Has the hook look at and write to an address of the program's, a bad one, code, and the engine's memory.
static int memories(void) {
  static uint64_t word = 0x1122334455667788;
  printf("own: %#lx\n", call(SYS_getppid, (long)&word, 0, 0));
  printf("afterwards: %#lx\n", (long)word);
  printf("bad: %#lx\n", call(SYS_getppid, 0x1000, 0, 0));
  printf("code: %ld\n", call(SYS_getppid, (long)&memories, 1, 0));
  FILE *maps = fopen("/proc/self/maps", "r");
  char line[512], *launcher = getenv("LAUNCHER_NAME");
  int refused = 0, allowed = 0;
  while (fgets(line, sizeof line, maps)) {
    uint64_t start, end;
    char protection[5];
    if (sscanf(line, "%lx-%lx %4s", &start, &end, protection) != 3 || launcher == NULL) continue;
    if (strstr(line, launcher) == NULL) continue;
    if (call(SYS_getppid, start, 0, 0) == 0 && call(SYS_getppid, start, 1, 0) == 0) refused++;
    else allowed++;
  }
  printf("engine: %s refused, %d allowed\n", refused > 1 ? "all" : "nothing", allowed);
  return 0;
}

int main(int count, char **arguments) {
  const char *mode = count > 1 ? arguments[1] : "";
  if (strcmp(mode, "storm") == 0) return storm();
  if (strcmp(mode, "restarts") == 0) return restarts();
  if (strcmp(mode, "jumps") == 0) return jumps();
  if (strcmp(mode, "threads") == 0) return threads();
  if (strcmp(mode, "forks") == 0) return forks();
  if (strcmp(mode, "changed") == 0) return changed();
  if (strcmp(mode, "removal") == 0) return removal(arguments[2]);
  if (strcmp(mode, "memories") == 0) return memories();
  if (strcmp(mode, "call") == 0) return counted() < 0;
  if (strcmp(mode, "number") == 0) return call(atoi(arguments[2]), 0, 0, 0) < 0;
  return 2;
}
