// Processes as libc makes them: fork, vfork, posix_spawn, system, popen, waiting, groups, orphans.
// variants: dynamic static musl
#include "cases.h"
#include <pthread.h>
#include <spawn.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>

extern char **environ;
static int at_fork_calls;
static void at_fork(void) { at_fork_calls++; }

CASE(fork) {
  pthread_atfork(at_fork, at_fork, at_fork);
  pid_t parent = getpid(), pid = fork();
  if (pid == 0) {
    say("child: parent %s, pid %s, handlers %d", getppid() == parent ? "right" : "wrong", getpid() != parent ? "new" : "old", at_fork_calls);
    check(raw(SYS_gettid, 0, 0, 0, 0, 0, 0) == getpid());
    _exit(3);
  }
  wait_and_say(pid, "child");
}

CASE(fork_chain) {
  // A child of a child of a child, each seeing memory as it was.
  volatile int depth = 0;
  for (depth = 0; depth < 10; depth++) {
    pid_t pid = fork();
    if (pid == 0) continue;
    int status;
    waitpid(pid, &status, 0);
    if (depth == 0) say("all: %s", status_text(status));
    _exit(WEXITSTATUS(status) + 1);
  }
  _exit(0);
}

CASE(fork_storm) {
  int bad = 0;
  for (int i = 0; i < rounds(200); i++) {
    pid_t pid = fork();
    if (pid == 0) _exit(i & 127);
    int status;
    bad += waitpid(pid, &status, 0) != pid || WEXITSTATUS(status) != (i & 127);
  }
  say("bad %d", bad);
}

CASE(forks_at_once) {
  pid_t pids[50];
  int ends[2];
  check(pipe(ends) == 0);
  for (int i = 0; i < 50; i++) {
    pids[i] = fork();
    if (pids[i] == 0) {
      char byte;
      close(ends[1]);
      if (read(ends[0], &byte, 1) != 0) _exit(99);
      _exit(i);
    }
  }
  close(ends[1]);
  int sum = 0;
  for (int i = 0; i < 50; i++) {
    int status;
    waitpid(pids[i], &status, 0);
    sum += WEXITSTATUS(status);
  }
  say("sum %d", sum);
}

CASE(memory_after_fork) {
  char *private = mmap(0, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  char *shared = mmap(0, 65536, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  private[0] = shared[0] = 1;
  pid_t pid = fork();
  if (pid == 0) {
    private[0] = shared[0] = 2;
    _exit(0);
  }
  wait_and_say(pid, "child");
  say("private %d, shared %d", private[0], shared[0]);
}

CASE(signals_after_fork) {
  // Pending signals and timers stay with the parent; mask and actions are inherited.
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  sigprocmask(SIG_BLOCK, &set, 0);
  kill(getpid(), SIGUSR1);
  alarm(1000);
  signal(SIGUSR2, SIG_IGN);
  pid_t pid = fork();
  if (pid == 0) {
    sigset_t now;
    sigpending(&now);
    struct sigaction action;
    sigaction(SIGUSR2, 0, &action);
    int pending = sigismember(&now, SIGUSR1);
    sigprocmask(SIG_BLOCK, 0, &now);
    say("pending %d, blocked %d, ignored %d, alarm %u", pending, sigismember(&now, SIGUSR1), action.sa_handler == SIG_IGN, alarm(0));
    _exit(0);
  }
  wait_and_say(pid, "child");
  sigpending(&set);
  say("parent pending %d", sigismember(&set, SIGUSR1));
}

CASE(vfork_exit) {
  static volatile int shared;
  for (int i = 0; i < 20; i++) {
    pid_t pid = vfork();
    if (pid == 0) {
      shared++;  // the memory is the parent's
      _exit(i);
    }
    int status;
    check(shared == i + 1);
    check(waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == i);
  }
  say("shared %d", shared);
}

CASE(vfork_exec) {
  for (int i = 0; i < 5; i++) {
    pid_t pid = vfork();
    if (pid == 0) {
      char *arguments[] = {"sh", "-c", "exit 6", 0};
      execve("/bin/sh", arguments, environ);
      _exit(127);
    }
    int status;
    check(waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 6);
  }
  pid_t pid = vfork();
  if (pid == 0) {
    char *arguments[] = {"none", 0};
    execve("/no/such/program", arguments, environ);
    _exit(errno == ENOENT ? 44 : 45);
  }
  wait_and_say(pid, "failed exec");
}

CASE(vfork_killed) {
  pid_t pid = vfork();
  if (pid == 0) {
    raw(SYS_kill, raw(SYS_getpid, 0, 0, 0, 0, 0, 0), SIGKILL, 0, 0, 0, 0);
    _exit(1);
  }
  wait_and_say(pid, "child");
  say("parent goes on");
}

static void *vfork_thread(void *argument) {
  long bad = 0;
  for (int i = 0; i < 20; i++) {
    pid_t pid = vfork();
    if (pid == 0) _exit(17);
    int status;
    bad += waitpid(pid, &status, 0) != pid || WEXITSTATUS(status) != 17;
  }
  return (void *)bad;
}

CASE(vfork_in_threads) {
  pthread_t threads[4];
  long sum = 0;
  for (int i = 0; i < 4; i++) pthread_create(&threads[i], 0, vfork_thread, 0);
  for (int i = 0; i < 4; i++) {
    void *bad;
    pthread_join(threads[i], &bad);
    sum += (long)bad;
  }
  say("bad %ld", sum);
}

CASE(posix_spawn) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 1, "spawned", O_CREAT | O_WRONLY | O_TRUNC, 0600);
  posix_spawn_file_actions_addclose(&actions, 0);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  posix_spawnattr_setsigmask(&attributes, &set);
  sigemptyset(&set);
  sigaddset(&set, SIGUSR2);
  posix_spawnattr_setsigdefault(&attributes, &set);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  signal(SIGUSR2, SIG_IGN);
  signal(SIGTERM, SIG_IGN);
  char *arguments[] = {"grep", "-E", "^Sig(Blk|Ign):", "/proc/self/status", 0};
  pid_t pid;
  int result = posix_spawn(&pid, "/bin/grep", &actions, &attributes, arguments, environ);
  say("posix_spawn: %d", result);
  wait_and_say(pid, "spawned");
  char text[256] = "";
  int file = open("spawned", O_RDONLY);
  check(read(file, text, 255) > 0);
  say("%s", text);
  result = posix_spawn(&pid, "/no/such/program", 0, 0, arguments, environ);
  say("missing program: %d", result);
  result = posix_spawnp(&pid, "true", 0, 0, arguments, environ);
  say("posix_spawnp: %d", result);
  wait_and_say(pid, "true");
}

CASE(system_and_popen) {
  int status = system("echo from system; exit 4");
  say("system: %s", status_text(status));
  FILE *stream = popen("echo one; echo two; exit 2", "r");
  char line[64];
  while (fgets(line, sizeof line, stream)) say("popen: %.*s", (int)strcspn(line, "\n"), line);
  status = pclose(stream);
  say("pclose: %s", status_text(status));
  stream = popen("cat", "w");
  fprintf(stream, "through cat\n");
  say("cat: %s", status_text(pclose(stream)));
}

CASE(waitid) {
  pid_t pid = fork();
  if (pid == 0) _exit(77);
  siginfo_t info;
  memset(&info, 0, sizeof info);
  check(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) == 0);
  say("signo %d, code %d, status %d, pid %s", info.si_signo, info.si_code, info.si_status, info.si_pid == pid ? "right" : "wrong");
  struct rusage usage;
  int status;
  check(wait4(pid, &status, 0, &usage) == pid);
  say("%s", status_text(status));
  check(waitpid(-1, &status, WNOHANG) == -1 && errno == ECHILD);
  pid = fork();
  if (pid == 0) {
    pause();
    _exit(0);
  }
  check(waitpid(pid, &status, WNOHANG) == 0);
  kill(pid, SIGTERM);
  wait_and_say(pid, "paused");
}

CASE(exit_statuses) {
  static const int values[] = {0, 1, 127, 128, 255, 256, -1, 12345};
  for (unsigned i = 0; i < sizeof values / sizeof *values; i++) {
    pid_t pid = fork();
    if (pid == 0) exit(values[i]);
    char text[32];
    snprintf(text, sizeof text, "exit(%d)", values[i]);
    wait_and_say(pid, text);
  }
  pid_t pid = fork();
  if (pid == 0) raw(SYS_exit, 9, 0, 0, 0, 0, 0);
  wait_and_say(pid, "exit(2) of the only thread");
}

static void say_bye(void) { say("atexit ran"); }
CASE(atexit_and_return) {
  atexit(say_bye);
  pid_t pid = fork();
  if (pid == 0) exit(0);
  wait_and_say(pid, "child");
}

CASE(groups_and_sessions) {
  pid_t pid = fork();
  if (pid == 0) {
    check(setpgid(0, 0) == 0);
    check(getpgrp() == getpid());
    pid_t inner = fork();
    if (inner == 0) {
      pause();
      _exit(0);
    }
    signal(SIGTERM, SIG_IGN);
    kill(0, SIGTERM);
    wait_and_say(inner, "member of the group");
    check(setsid() == -1);
    pid_t leader = fork();
    if (leader == 0) _exit(setsid() == getpid() ? 0 : 1);
    wait_and_say(leader, "new session");
    _exit(0);
  }
  wait_and_say(pid, "group leader");
}

CASE(orphan) {
  // The orphan learns of its parent's death by a signal and is adopted by the subreaper.
  prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  pid_t pid = fork();
  if (pid == 0) {
    pid_t parent = getpid(), orphan = fork();
    if (orphan == 0) {
      sigset_t set;
      sigemptyset(&set);
      sigaddset(&set, SIGUSR1);
      sigprocmask(SIG_BLOCK, &set, 0);
      prctl(PR_SET_PDEATHSIG, SIGUSR1, 0, 0, 0);
      int number = 0;
      if (getppid() == parent) sigwait(&set, &number);
      _exit(getppid() != parent ? 8 : 9);
    }
    _exit(0);
  }
  wait_and_say(pid, "parent");
  int status;
  check(waitpid(-1, &status, 0) > 0);
  say("orphan: %s", status_text(status));
}

CASE(pidfd) {
  pid_t pid = fork();
  if (pid == 0) {
    pause();
    _exit(0);
  }
  int file = (int)syscall(434, pid, 0);  // pidfd_open
  check(file >= 0);
  check(syscall(424, file, SIGTERM, 0, 0) == 0);  // pidfd_send_signal
  siginfo_t info;
  memset(&info, 0, sizeof info);
  check(waitid(3 /* P_PIDFD */, (id_t)file, &info, WEXITED) == 0);
  say("code %d, status %d", info.si_code, info.si_status);
}

CASE(resource_usage_of_children) {
  struct rusage usage;
  check(getrusage(RUSAGE_CHILDREN, &usage) == 0);
  say("before: %ld %ld", (long)usage.ru_utime.tv_sec, (long)usage.ru_stime.tv_sec);
  pid_t pid = fork();
  if (pid == 0) _exit(0);
  wait_and_say(pid, "child");
}
