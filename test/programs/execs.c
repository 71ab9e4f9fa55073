// execve and execveat in every form, their errors, and what survives them.
// variants: dynamic static musl
#include "execs.h"
#include <pthread.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>

CASE(show_arguments) {
  for (int i = 0; case_argv[i]; i++) say("  argv[%d] %s", i, strrchr(case_argv[i], '/') ? strrchr(case_argv[i], '/') : case_argv[i]);
  exit(17);
}

CASE(paths) {
  copy_program(case_argv[0], "program");
  mkdir("directory", 0700);
  copy_program(case_argv[0], "directory/program");
  symlink("directory/program", "link");
  try("absolute", execve("/bin/echo", echo, environ));
  try("relative", execve("program", show, environ));
  try("dot", execve("./program", show, environ));
  try("below", execve("directory/../directory/program", show, environ));
  try("link", execve("link", show, environ));
  try("after chdir", (chdir("directory"), execve("program", show, environ)));
  try("by PATH", execvp("echo", echo));
  try("empty PATH", (setenv("PATH", "", 1), execvp("program", show)));
  try("cwd of /proc", execve("/proc/self/cwd/program", show, environ));
}

CASE(scripts) {
  write_file("script", "#!/bin/sh\necho script $0 $1 $2\nexit 5\n", 0700);
  write_file("with-argument", "#! /bin/echo   one argument with blanks  \nignored\n", 0700);
  write_file("nested", "#!./script inner\n", 0700);
  write_file("env", "#!/usr/bin/env -S sh -c 'echo env $0 $1; exit 6'\n", 0700);
  write_file("no-line", "#!", 0700);
  write_file("missing-interpreter", "#!/no/such/interpreter\n", 0700);
  write_file("plain", "echo plain text $1; exit 7\n", 0700);
  write_file("not-executable", "#!/bin/sh\n", 0600);
  write_file("self", "#!./self\n", 0700);
  char *arguments[] = {"ignored", "first", "second", 0};
  try("script", execve("script", arguments, environ));
  try("script by ./", execve("./script", arguments, environ));
  try("argument", execve("./with-argument", arguments, environ));
  try("nested", execve("./nested", arguments, environ));
  try("env", execve("./env", arguments, environ));
  try("no line", execve("./no-line", arguments, environ));
  try("missing interpreter", execve("./missing-interpreter", arguments, environ));
  try("plain by execve", execve("./plain", arguments, environ));
  try("plain by execvp", execvp("./plain", arguments));
  try("not executable", execve("./not-executable", arguments, environ));
  try("its own interpreter", execve("./self", arguments, environ));
  try("empty argv", execve("./script", (char *[]){0}, environ));
}

CASE(errors) {
  write_file("empty", "", 0700);
  write_file("garbage", "\177ELF garbage", 0700);
  symlink("loop", "loop");
  mkdir("directory", 0700);
  copy_program(case_argv[0], "busy");
  char name[5000];
  memset(name, 'n', sizeof name - 1);
  name[sizeof name - 1] = 0;
  try("ENOENT", execve("/no/such/program", echo, environ));
  try("empty name", execve("", echo, environ));
  try("directory", execve("directory", echo, environ));
  try("ENOTDIR", execve("empty/program", echo, environ));
  try("ELOOP", execve("loop", echo, environ));
  try("ENAMETOOLONG", execve(name, echo, environ));
  try("empty file", execve("./empty", echo, environ));
  try("garbage", execve("./garbage", echo, environ));
  try("bad name", raw(SYS_execve, 8, (long)echo, (long)environ, 0, 0, 0));
  try("bad argv", raw(SYS_execve, (long)"/bin/echo", 8, (long)environ, 0, 0, 0));
  try("bad environment", raw(SYS_execve, (long)"/bin/echo", (long)echo, 8, 0, 0, 0));
  try("bad argument", raw(SYS_execve, (long)"/bin/echo", (long)(char *[]){"echo", (char *)8, 0}, (long)environ, 0, 0, 0));
  int writer = open("busy", O_WRONLY);
  check(writer >= 0);
  try("ETXTBSY", execve("./busy", show, environ));
  close(writer);
  try("no longer busy", execve("./busy", show, environ));
  try("null argv", raw(SYS_execve, (long)"/bin/echo", 0, (long)environ, 0, 0, 0));
}

CASE(too_big) {
  // One argument over 128 KiB fails; a great many small ones do, too; some hundreds of kilobytes do not.
  size_t size = 131072;
  char *big = malloc(size + 1);
  memset(big, 'x', size);
  big[size] = 0;
  try("one argument of 128 KiB", execve("/bin/true", (char *[]){"true", big, 0}, environ));
  big[size - 1] = 0;
  try("one byte less", execve("/bin/true", (char *[]){"true", big, 0}, environ));
  int count = 100000;
  char **many = calloc((size_t)count + 1, sizeof *many);
  for (int i = 0; i < count; i++) many[i] = "12345678901234567890123456789012345678901234567890";
  many[0] = "true";
  try("8 MB", execve("/bin/true", many, environ));
  many[10000] = 0;
  try("600 KB", execve("/bin/true", many, environ));
  try("600 KB of environment", execve("/bin/true", echo, many));
}

CASE(descriptors) {
  int file = open("/bin/echo", O_RDONLY | O_CLOEXEC), path = open("/bin/echo", O_PATH), directory = open("/bin", O_RDONLY | O_DIRECTORY);
  check(file >= 0 && path >= 0 && directory >= 0);
  write_file("script", "#!/bin/sh\necho script; exit 5\n", 0700);
  int script = open("script", O_RDONLY), closing = open("script", O_RDONLY | O_CLOEXEC), here = open(".", O_RDONLY | O_DIRECTORY);
  try("fexecve", fexecve(file, echo, environ));
  try("AT_EMPTY_PATH", syscall(SYS_execveat, file, "", echo, environ, AT_EMPTY_PATH));
  try("AT_EMPTY_PATH with O_PATH", syscall(SYS_execveat, path, "", echo, environ, AT_EMPTY_PATH));
  try("no AT_EMPTY_PATH", syscall(SYS_execveat, file, "", echo, environ, 0));
  try("relative to directory", syscall(SYS_execveat, directory, "echo", echo, environ, 0));
  try("relative script", syscall(SYS_execveat, here, "script", echo, environ, 0));
  try("absolute", syscall(SYS_execveat, -1, "/bin/echo", echo, environ, 0));
  try("AT_FDCWD", syscall(SYS_execveat, AT_FDCWD, "script", echo, environ, 0));
  try("bad descriptor", syscall(SYS_execveat, 77, "echo", echo, environ, 0));
  try("bad flags", syscall(SYS_execveat, file, "", echo, environ, 0x8000));
  symlink("script", "link");
  try("no follow", syscall(SYS_execveat, AT_FDCWD, "link", echo, environ, AT_SYMLINK_NOFOLLOW));
  try("script by descriptor", syscall(SYS_execveat, script, "", echo, environ, AT_EMPTY_PATH));
  try("script by closing descriptor", syscall(SYS_execveat, closing, "", echo, environ, AT_EMPTY_PATH));
  char name[64];
  snprintf(name, sizeof name, "/proc/self/fd/%d", path);
  try("/proc/self/fd", execve(name, echo, environ));
  snprintf(name, sizeof name, "/dev/fd/%d", script);
  try("/dev/fd script", execve(name, echo, environ));
}

CASE(memory_file) {
  int source = open("/bin/echo", O_RDONLY), file = (int)syscall(SYS_memfd_create, "in-memory", 1u);
  char buffer[65536];
  ssize_t size;
  while ((size = read(source, buffer, sizeof buffer)) > 0) check(write(file, buffer, (size_t)size) == size);
  try("memfd", fexecve(file, echo, environ));
}

CASE(deleted_program) {
  copy_program(case_argv[0], "program");
  int file = open("program", O_RDONLY);
  unlink("program");
  try("deleted", fexecve(file, show, environ));
  copy_program(case_argv[0], "again");
  try("deletes itself", (execl("./again", "again", "delete_and_go_on", (char *)0)));
}

CASE(delete_and_go_on) {
  unlink("again");
  char target[4096] = "";
  check(readlink("/proc/self/exe", target, sizeof target - 1) > 0);
  say("link ends in: %s", strrchr(target, '/'));
  execl("/proc/self/exe", "gone", "show_arguments", (char *)0);
  say("errno %d", errno);
}

// ---- what survives

CASE(show_state) {
  sigset_t blocked, pending;
  sigprocmask(SIG_BLOCK, 0, &blocked);
  sigpending(&pending);
  struct sigaction ignored, handled;
  sigaction(SIGUSR2, 0, &ignored);
  sigaction(SIGTERM, 0, &handled);
  stack_t stack;
  sigaltstack(0, &stack);
  struct itimerval timer;
  getitimer(ITIMER_REAL, &timer);
  say("USR1 blocked %d pending %d, USR2 ignored %d, TERM default %d", sigismember(&blocked, SIGUSR1), sigismember(&pending, SIGUSR1), ignored.sa_handler == SIG_IGN, handled.sa_handler == SIG_DFL);
  say("alternate stack off %d, timer runs %d, umask %o", stack.ss_flags == SS_DISABLE, timer.it_value.tv_sec > 0, umask(0));
  for (int file = 3; file < 64; file++)
    if (fcntl(file, F_GETFD) >= 0) say("descriptor %d open", file);
  char name[32] = "";
  prctl(PR_GET_NAME, name, 0, 0, 0);
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  say("name %s, nice %d, files %ld, no_new_privs %d, dumpable %d", name, nice(0), (long)limit.rlim_cur, prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), prctl(PR_GET_DUMPABLE, 0, 0, 0, 0));
  say("ALRM wakes: %d", alarm(0) > 0);
}

static void handler(int signal, siginfo_t *info, void *context) {}

CASE(state_across_exec) {
  static char memory[65536];
  stack_t stack = {.ss_sp = memory, .ss_size = sizeof memory};
  sigaltstack(&stack, 0);
  install(SIGTERM, handler, SA_ONSTACK);
  signal(SIGUSR2, SIG_IGN);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  sigprocmask(SIG_BLOCK, &set, 0);
  raise(SIGUSR1);
  alarm(1000);
  umask(027);
  dup2(1, 40);
  dup2(1, 41);
  fcntl(41, F_SETFD, FD_CLOEXEC);
  prctl(PR_SET_NAME, "other", 0, 0, 0);
  struct rlimit limit = {100, 100};
  setrlimit(RLIMIT_NOFILE, &limit);
  nice(3);
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  char *path = strdup(case_argv[0]);
  execl(path, path, "show_state", (char *)0);
  say("errno %d", errno);
}

CASE(exec_chain) {
  // The same process a hundred times over, counting in an argument.
  int count = case_argv[2] ? atoi(case_argv[2]) : 0;
  int limit = rounds(50);
  if (count == limit) {
    int open_files = 0;
    for (int file = 0; file < 256; file++) open_files += fcntl(file, F_GETFD) >= 0;
    say("descriptors open: %d, pid kept: %d", open_files, atoi(case_argv[3]) == getpid());
    return;
  }
  char number[16], pid[16];
  snprintf(number, sizeof number, "%d", count + 1);
  snprintf(pid, sizeof pid, "%d", count ? atoi(case_argv[3]) : getpid());
  char *path = strdup(case_argv[0]);
  execl(path, path, "exec_chain", number, pid, (char *)0);
  say("errno %d", errno);
}

static void *sleep_on(void *argument) {
  for (;;) pause();
  return 0;
}

static void *execute(void *argument) {
  execv("/bin/echo", echo);
  return 0;
}

CASE(exec_ends_other_threads) {
  pthread_t thread;
  for (int i = 0; i < 5; i++) pthread_create(&thread, 0, sleep_on, 0);
  pthread_create(&thread, 0, execute, 0);
  sleep_on(0);
}

CASE(failed_exec_changes_nothing) {
  install(SIGUSR1, handler, 0);
  signal(SIGUSR2, SIG_IGN);
  execv("/no/such/program", echo);
  struct sigaction action;
  sigaction(SIGUSR1, 0, &action);
  say("errno %d, handler kept %d", errno, action.sa_sigaction == handler);
  raise(SIGUSR1);
  pthread_t thread;
  check(pthread_create(&thread, 0, (void *(*)(void *))(void *)getpid, 0) == 0);
  pthread_join(thread, 0);
}

CASE(environment_exact) {
  char *environment[] = {"A=1", "EMPTY=", "no-equals-sign", "A=2", "LD_BIND_NOW=1", "UTF=\xc3\xa4", 0};
  try("env", execve("/usr/bin/env", (char *[]){"env", 0}, environment));
  try("empty", execve("/usr/bin/env", (char *[]){"env", 0}, (char *[]){0}));
  try("null", execve("/usr/bin/env", (char *[]){"env", 0}, 0));
}

CASE(set_user_id_program) {
  // Ends the same, whether or not it may be instrumented.
  try("su", execve("/bin/su", (char *[]){"su", "--version", 0}, environ));
}
