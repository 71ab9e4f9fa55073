// Writes records by the hook test/hook/hooks/many-records.ts, from processes and threads at once.
//
//   ring-writers CALLS COUNT SIZE MODE
//
// Each of two processes with two threads each makes CALLS calls of COUNT records, numbered from 0 in each thread, with up to SIZE bytes.
// MODE: plain; signals: a timer interrupts all the time; kill: the second process is killed in the middle, again and again;
// exec: closes every descriptor, unmaps all that is shared, and executes itself in mode plain; vfork: a vfork child executes
// it; root: executes /writers
// in a new root directory, ARGUMENT 5.

#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static long calls, count, size;
static unsigned char bytes[65536];
static volatile long ticks;

static void on_tick(int signal) { ticks++; }

static void *write_records(void *unused) {
  for (long i = 0; i < calls; i++) syscall(SYS_getppid, i * count, count, bytes, size);
  return NULL;
}

static void write_all(void) {
  pthread_t thread;
  pthread_create(&thread, NULL, write_records, NULL);
  write_records(NULL);
  pthread_join(thread, NULL);
}

static void unmap_shared(void) {
  FILE *maps = fopen("/proc/self/maps", "r");
  char line[512], permissions[8];
  unsigned long start, end;
  while (fgets(line, sizeof line, maps))
    if (sscanf(line, "%lx-%lx %7s", &start, &end, permissions) == 3 && permissions[3] == 's')
      munmap((void *)start, end - start);
  fclose(maps);
}

int main(int argc, char **argv) {
  calls = atol(argv[1]), count = atol(argv[2]), size = atol(argv[3]);
  for (int i = 0; i < sizeof bytes; i++) bytes[i] = i * 7;
  char *plain[] = {"ring-writers", argv[1], argv[2], argv[3], "plain", NULL};
  const char *mode = argv[4];
  if (!strcmp(mode, "exec") || !strcmp(mode, "root")) {
    int self = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
    if (!strcmp(mode, "root")) {
      if (chroot(argv[5]) != 0) return 77;
      execv("/writers", plain);
    } else {
      unmap_shared();
      for (int fd = 3; fd < 1024; fd++) if (fd != self) close(fd);
    }
    fexecve(self, plain, environ);
    return 1;
  }
  if (!strcmp(mode, "vfork")) {
    pid_t child = vfork();
    if (child == 0) {
      execv("/proc/self/exe", plain);
      _exit(1);
    }
    int status;
    waitpid(child, &status, 0);
    write_all();
    return WEXITSTATUS(status);
  }
  if (!strcmp(mode, "signals")) {
    struct sigaction action = {.sa_handler = on_tick, .sa_flags = SA_RESTART};
    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &(struct itimerval){{0, 200}, {0, 200}}, NULL);
  }
  if (!strcmp(mode, "kill")) {
    for (int round = 0; round < 30; round++) {
      pid_t child = fork();
      if (child == 0) {
        write_all();
        pause();
      }
      usleep(500 + round * 37 % 1500);
      kill(child, SIGKILL);
      waitpid(child, NULL, 0);
    }
    write_all();
    return 0;
  }
  pid_t child = fork();
  write_all();
  if (child == 0) _exit(0);
  waitpid(child, NULL, 0);
  setitimer(ITIMER_REAL, &(struct itimerval){0}, NULL);
  return !strcmp(mode, "signals") && ticks == 0;
}
