// Programs that close what they do not know, and look at what they have: the engine has no descriptor that they can hit.
// variants: dynamic static
#include "cases.h"
#include <dirent.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/syscall.h>

static int works(void) {
  int ends[2];
  char byte = 7;
  if (pipe(ends) != 0 || write(ends[1], &byte, 1) != 1 || read(ends[0], &byte, 1) != 1) return 0;
  close(ends[0]);
  close(ends[1]);
  pid_t pid = fork();
  if (pid == 0) {
    execl("/bin/sh", "sh", "-c", "exit 9", (char *)0);
    _exit(1);
  }
  int status;
  return waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 9;
}

static void *thread_works(void *argument) { return (void *)(long)works(); }

static int works_in_thread(void) {
  pthread_t thread;
  void *result = 0;
  if (pthread_create(&thread, 0, thread_works, 0) != 0) return 0;
  pthread_join(thread, &result);
  return result != 0;
}

CASE(close_one_by_one) {
  int out = fcntl(1, F_DUPFD, 300);
  int closed = 0;
  for (int file = 0; file < 256; file++) closed += close(file) == 0;
  int ok = works() && works_in_thread();
  check(dup2(out, 1) == 1);
  say("closed %d, works %d", closed, ok);
}

CASE(close_range) {
  int out = fcntl(1, F_DUPFD, 300);
  long result = syscall(436, 0, 255, 0);
  int ok = works() && works_in_thread();
  check(dup2(out, 1) == 1);
  say("close_range %ld, works %d", result, ok);
  result = syscall(436, 3, ~0u, 0);
  say("close all above: %ld, works %d", result, works());
}

CASE(close_range_on_exec) {
  long result = syscall(436, 3, ~0u, 4u /* CLOSE_RANGE_CLOEXEC */);
  say("%ld, works %d", result, works());
  result = syscall(436, 3, ~0u, 2u /* CLOSE_RANGE_UNSHARE */);
  say("%ld, works %d", result, works());
}

CASE(dup_over_everything) {
  for (int file = 3; file < 256; file++) check(dup2(2, file) == file);
  for (int file = 3; file < 256; file++) check(fcntl(file, F_GETFD) == 0);
  int next = open("/dev/null", O_RDONLY);
  say("next %d", next);
  for (int file = 3; file < 256; file++) close(file);
  say("works %d", works());
}

CASE(lowest_numbers) {
  // Every descriptor number is the lowest free one, as POSIX promises: libc and shells count on it.
  for (int i = 0; i < 50; i++) check_equal(open("/dev/null", O_RDONLY), 3 + i);
  close(7);
  check_equal(dup(0), 7);
  close(0);
  check_equal(open("/dev/null", O_RDONLY), 0);
  say("done");
}

CASE(limits) {
  struct rlimit limit;
  check(getrlimit(RLIMIT_NOFILE, &limit) == 0);
  say("RLIMIT_NOFILE %ld %ld", (long)limit.rlim_cur, (long)limit.rlim_max);
  limit.rlim_cur = 5;
  check(setrlimit(RLIMIT_NOFILE, &limit) == 0);
  check_equal(open("/dev/null", O_RDONLY), 3);
  check_equal(open("/dev/null", O_RDONLY), 4);
  check(open("/dev/null", O_RDONLY) == -1 && errno == EMFILE);
  close(3);
  close(4);
  pid_t pid = fork();
  if (pid == 0) {
    execl("/bin/echo", "echo", "with three descriptors", (char *)0);
    _exit(1);
  }
  wait_and_say(pid, "echo");
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);
  pid = fork();
  if (pid == 0) {
    static const int others[] = {RLIMIT_FSIZE, RLIMIT_MEMLOCK, RLIMIT_SIGPENDING, RLIMIT_MSGQUEUE};
    for (int i = 0; i < 4; i++) setrlimit(others[i], &(struct rlimit){0, 0});
    signal(SIGXFSZ, SIG_IGN);
    _exit(works() ? 0 : 1);
  }
  wait_and_say(pid, "with nothing left");
}

CASE(listing) {
  DIR *directory = opendir("/proc/self/fd");
  struct dirent *entry;
  int count = 0;
  while ((entry = readdir(directory))) count += entry->d_name[0] != '.';
  closedir(directory);
  say("%d descriptors", count - 1);
}
