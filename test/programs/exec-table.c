// execve's table of forms and errors: where each check comes in the kernel's order, and what only the kernel knows.
// variants: dynamic static
#include "execs.h"
#include <pthread.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#define EMPTY_PATH 0x1000
#define EXECVE_CHECK 0x10000  // Linux 6.14

CASE(show_arguments) {
  for (int i = 0; case_argv[i]; i++) say("  argv[%d] %s", i, strrchr(case_argv[i], '/') ? strrchr(case_argv[i], '/') : case_argv[i]);
  exit(17);
}

static long at(int directory, const char *path, int flags) { return syscall(SYS_execveat, directory, path, show, environ, flags); }

CASE(script_depth) {
  // Scripts that are each other's interpreters: the kernel follows some and then gives up.
  for (int depth = 1; depth <= 8; depth++) {
    char name[32], line[64];
    snprintf(name, sizeof name, "script%d", depth);
    if (depth == 1) snprintf(line, sizeof line, "#!/bin/echo\n");
    else snprintf(line, sizeof line, "#!./script%d arg%d\n", depth - 1, depth);
    write_file(name, line, 0700);
  }
  for (int depth = 1; depth <= 8; depth++) {
    char name[32];
    snprintf(name, sizeof name, "./script%d", depth);
    try(name, execve(name, (char *[]){"zero", "one", 0}, environ));
  }
  // Deep and then an error: which one is said?
  write_file("script1", "#!./missing\n", 0700);
  for (int depth = 1; depth <= 8; depth++) {
    char name[32];
    snprintf(name, sizeof name, "./script%d", depth);
    try(name, execve(name, (char *[]){"zero", 0}, environ));
  }
  write_file("script1", "neither\n", 0700);
  for (int depth = 1; depth <= 8; depth++) {
    char name[32];
    snprintf(name, sizeof name, "./script%d", depth);
    try(name, execve(name, (char *[]){"zero", 0}, environ));
  }
}

CASE(script_lines) {
  write_file("relative", "#!interpreter\n", 0700);
  write_file("below", "#!directory/interpreter with an argument\n", 0700);
  mkdir("directory", 0700);
  copy_program("/bin/echo", "directory/interpreter");
  copy_program("/bin/echo", "interpreter");
  try("relative", execve("./relative", echo, environ));
  try("relative elsewhere", (chdir("directory"), execve("../below", echo, environ)));
  try("below", execve("below", echo, environ));
  write_file("to-directory", "#!directory\n", 0700);
  try("a directory", execve("./to-directory", echo, environ));
  write_file("to-unexecutable", "#!./plain\n", 0700);
  write_file("plain", "#!/bin/sh\n", 0600);
  try("not executable", execve("./to-unexecutable", echo, environ));
  write_file("carriage", "#!/bin/echo\r\n", 0700);
  try("carriage return", execve("./carriage", echo, environ));
  write_file("tabs", "#!\t /bin/echo\t\tone\ttwo \t\n", 0700);
  try("tabs", execve("./tabs", echo, environ));
  char line[600] = "#!/bin/echo ";
  memset(line + 12, 'x', 500);
  line[512] = '\n';
  write_file("long", line, 0700);
  try("a long argument", execve("./long", echo, environ));
  memset(line + 2, 'x', 500);
  line[2] = '/';
  write_file("long-path", line, 0700);
  try("a long path", execve("./long-path", echo, environ));
  for (int size = 254; size <= 257; size++) {
    memset(line, 'x', sizeof line);
    memcpy(line, "#!/", 3);
    line[size] = 0;
    write_file("edge", line, 0700);
    char what[32];
    snprintf(what, sizeof what, "path of %d bytes", size - 2);
    try(what, execve("./edge", echo, environ));
    line[size - 1] = '\n';
    write_file("edge", line, 0700);
    try("with a newline", execve("./edge", echo, environ));
  }
}

CASE(flags) {
  copy_program(case_argv[0], "program");
  symlink("program", "link");
  symlink("nowhere", "dangling");
  write_file("script", "#!/bin/echo\n", 0700);
  symlink("script", "script-link");
  int here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), program = open("program", O_RDONLY | O_CLOEXEC);
  try("no follow, a file", at(AT_FDCWD, "program", AT_SYMLINK_NOFOLLOW));
  try("no follow, a link", at(AT_FDCWD, "link", AT_SYMLINK_NOFOLLOW));
  try("no follow, a script", at(here, "script", AT_SYMLINK_NOFOLLOW));
  try("no follow, a link to a script", at(here, "script-link", AT_SYMLINK_NOFOLLOW));
  try("no follow, empty", at(program, "", AT_SYMLINK_NOFOLLOW | EMPTY_PATH));
  try("no follow, /proc/self/exe", at(AT_FDCWD, "/proc/self/exe", AT_SYMLINK_NOFOLLOW));
  try("a dangling link", at(AT_FDCWD, "dangling", 0));
  try("empty flag with a path", at(here, "program", EMPTY_PATH));
  try("empty flag with an absolute path", at(-1, "/bin/echo", EMPTY_PATH));
  try("AT_FDCWD and an empty path", at(AT_FDCWD, "", EMPTY_PATH));
  try("a directory, empty", at(here, "", EMPTY_PATH));
  try("bad descriptor, empty", at(99, "", EMPTY_PATH));
  try("bad descriptor, relative", at(99, "program", 0));
  try("a file as directory", at(program, "program", 0));
  try("bad flags and a bad path", at(99, "nothing", 0x40));
  try("AT_EACCESS", at(here, "program", AT_EACCESS));
  try("pipe", ({ int ends[2]; pipe(ends); at(ends[0], "", EMPTY_PATH); }));
}

CASE(check_only) {
  copy_program(case_argv[0], "program");
  write_file("script", "#!/no/such/interpreter\n", 0700);
  write_file("text", "text", 0700);
  write_file("unexecutable", "text", 0600);
  int program = open("program", O_RDONLY | O_CLOEXEC), path = open("program", O_PATH | O_CLOEXEC);
#define only(what, directory, path, flags)                                            \
  do {                                                                                \
    errno = 0;                                                                        \
    long result = at(directory, path, (flags) | EXECVE_CHECK);                        \
    say("check of %s: %ld, errno %d", what, result, errno);                           \
  } while (0)
  only("a program", AT_FDCWD, "program", 0);
  only("a descriptor", program, "", EMPTY_PATH);
  only("O_PATH", path, "", EMPTY_PATH);
  only("a script without interpreter", AT_FDCWD, "script", 0);
  only("text", AT_FDCWD, "text", 0);
  only("no x bit", AT_FDCWD, "unexecutable", 0);
  only("nothing", AT_FDCWD, "nothing", 0);
  only("/proc/self/exe", AT_FDCWD, "/proc/self/exe", 0);
  only("no follow", AT_FDCWD, "/proc/self/exe", AT_SYMLINK_NOFOLLOW);
  only("set-user-ID", AT_FDCWD, "/bin/su", 0);
  int writer = open("program", O_WRONLY | O_CLOEXEC);
  say("writer %d", writer >= 0);
  only("a busy program", AT_FDCWD, "program", 0);
}

CASE(busy) {
  copy_program(case_argv[0], "program");
  write_file("script", "#!/bin/echo\n", 0700);
  copy_program("/bin/echo", "interpreter");
  write_file("through", "#!./interpreter\n", 0700);
  int program = open("program", O_RDWR | O_CLOEXEC), script = open("script", O_WRONLY | O_CLOEXEC), interpreter = open("interpreter", O_WRONLY | O_CLOEXEC);
  try("busy program", execve("./program", show, environ));
  try("by its writing descriptor", at(program, "", EMPTY_PATH));
  try("busy script", execve("./script", show, environ));
  try("busy interpreter", execve("./through", show, environ));
  close(program);
  close(script);
  close(interpreter);
  try("program", execve("./program", show, environ));
  try("script", execve("./script", show, environ));
  try("interpreter", execve("./through", show, environ));
  // Mapped for writing and shared is open for writing still.
  program = open("program", O_RDWR | O_CLOEXEC);
  void *map = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, program, 0);
  check(map != MAP_FAILED);
  close(program);
  try("mapped for writing", execve("./program", show, environ));
  munmap(map, 4096);
  try("no longer", execve("./program", show, environ));
}

CASE(permissions) {
  copy_program(case_argv[0], "program");
  mkdir("closed", 0700);
  copy_program(case_argv[0], "closed/program");
  write_file("script", "#!/bin/sh\n", 0755);
  chmod("program", 0);
  try("no bits", execve("./program", show, environ));
  chmod("program", 0111);
  try("execute only", execve("./program", show, environ));
  chmod("program", 0711);
  chmod("script", 0111);
  if (getuid() == 0) {
    chmod(".", 0755);
    chmod("closed", 0700);
#define as_nobody(call) ({ syscall(SYS_setresgid, 65534, 65534, 65534); syscall(SYS_setresuid, 65534, 65534, 65534); call; })
    try("nobody, execute only", as_nobody(execve("./program", show, environ)));
    try("nobody, a script that cannot be read", as_nobody(execve("./script", show, environ)));
    try("nobody, closed directory", as_nobody(execve("./closed/program", show, environ)));
    chmod("program", 0744);
    try("nobody, readable", as_nobody(execve("./program", show, environ)));
    chmod("program", 0701);
    try("nobody, other", as_nobody(execve("./program", show, environ)));
    chmod("program", 0070);
    try("root, group's only", execve("./program", show, environ));
    chmod("program", 0755);
    try("nobody", as_nobody(execve("./program", show, environ)));
  }
}

CASE(bad_pointers) {
  char *page = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  munmap(page + 4096, 4096);
  memcpy(page + 4096 - 9, "/bin/echo", 9);
  try("a path that runs into nothing", raw(SYS_execve, (long)page + 4096 - 9, (long)echo, (long)environ, 0, 0, 0));
  char **array = (char **)(page + 4096 - 16);
  array[0] = "echo";
  array[1] = "unterminated";
  try("an argv that runs into nothing", raw(SYS_execve, (long)"/bin/echo", (long)array, (long)environ, 0, 0, 0));
  try("an environment that does", raw(SYS_execve, (long)"/bin/echo", (long)echo, (long)array, 0, 0, 0));
  try("misaligned", raw(SYS_execve, (long)"/bin/echo", (long)page + 4096 - 11, (long)environ, 0, 0, 0));
  try("a bad environment string", raw(SYS_execve, (long)"/bin/echo", (long)echo, (long)(char *[]){"A=1", (char *)16, 0}, 0, 0, 0));
  try("a kernel address", raw(SYS_execve, (long)"/bin/echo", -4096, (long)environ, 0, 0, 0));
  try("ENOENT before EFAULT", raw(SYS_execve, (long)"/no/such", 8, (long)environ, 0, 0, 0));
  try("EFAULT before ENOEXEC", raw(SYS_execve, (long)"/etc/hostname", 8, (long)environ, 0, 0, 0));
  write_file("text", "text", 0700);
  try("EFAULT or ENOEXEC", raw(SYS_execve, (long)"./text", 8, (long)environ, 0, 0, 0));
  try("nothing at all", raw(SYS_execve, 0, 0, 0, 0, 0, 0));
  try("no argv, no environment", raw(SYS_execve, (long)"/usr/bin/env", 0, 0, 0, 0, 0));
}

CASE(lost_directory) {
  copy_program(case_argv[0], "program");
  int program = open("program", O_PATH | O_CLOEXEC);
  mkdir("gone", 0700);
  chdir("gone");
  rmdir("../gone");
  try("relative", execve("./program", show, environ));
  try("absolute", execve("/bin/echo", echo, environ));
  try("descriptor", at(program, "", EMPTY_PATH));
  try("parent", execve("../program", show, environ));
}

CASE(long_names) {
  char name[4200];
  memset(name, 'n', sizeof name);
  name[255] = 0;
  try("255 bytes", execve(name, show, environ));
  name[255] = 'n', name[256] = 0;
  try("256 bytes", execve(name, show, environ));
  for (int i = 0; i < 4200; i += 2) name[i] = '.', name[i + 1] = '/';
  for (int size = 4092; size <= 4098; size++) {
    memcpy(name + size - 4, "link", 5);
    symlink("/bin/echo", "link");
    char what[32];
    snprintf(what, sizeof what, "path of %d bytes", size);
    memset(name, '/', 4), memcpy(name, ".///", 4);
    try(what, execve(name, (char *[]){"echo", "long path", 0}, environ));
    for (int i = 0; i < 4200; i++) name[i] = i & 1 ? '/' : '.';
    if (size & 1) name[size - 5] = '/';
  }
  // A chain of links, up to what the kernel follows and beyond.
  symlink("/bin/echo", "l0");
  for (int i = 1; i <= 45; i++) {
    char from[16], to[16];
    snprintf(from, sizeof from, "l%d", i);
    snprintf(to, sizeof to, "l%d", i - 1);
    symlink(to, from);
  }
  try("38 links", execve("l38", echo, environ));
  try("39 links", execve("l39", echo, environ));
  try("40 links", execve("l40", echo, environ));
  try("41 links", execve("l41", echo, environ));
}

CASE(by_descriptor) {
  write_file("script", "#!/bin/echo\n", 0700);
  copy_program(case_argv[0], "program");
  int held = open("program", O_PATH), closing = open("program", O_PATH | O_CLOEXEC);
  int script = open("script", O_PATH), closing_script = open("script", O_PATH | O_CLOEXEC);
  int directory = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC), open_directory = open(".", O_PATH | O_DIRECTORY);
  try("held", at(held, "", EMPTY_PATH));
  try("closing", at(closing, "", EMPTY_PATH));
  try("script", at(script, "", EMPTY_PATH));
  try("closing script", at(closing_script, "", EMPTY_PATH));
  try("script in a closing directory", at(directory, "script", 0));
  try("script in a directory", at(open_directory, "script", 0));
  try("program in a closing directory", at(directory, "program", 0));
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", closing);
  try("by /proc, closing", execve(path, show, environ));
  snprintf(path, sizeof path, "/proc/self/fd/%d", closing_script);
  try("by /proc, closing script", execve(path, show, environ));
  snprintf(path, sizeof path, "/proc/self/fd/%d/program", directory);
  try("by /proc below a closing directory", execve(path, show, environ));
  snprintf(path, sizeof path, "/dev/fd/%d/script", directory);
  try("by /dev/fd, script below a closing directory", execve(path, show, environ));
  int high = fcntl(held, F_DUPFD, 950);
  try("a high descriptor", at(high, "", EMPTY_PATH));
  unlink("program");
  try("deleted", at(closing, "", EMPTY_PATH));
}

static void *run_in_thread(void *argument) {
  at(AT_FDCWD, "program", 0);
  return 0;
}

CASE(from_a_thread) {
  copy_program(case_argv[0], "program");
  pthread_t thread;
  pid_t pid = fork();
  if (pid == 0) {
    pthread_create(&thread, 0, run_in_thread, 0);
    pthread_join(thread, 0);
    _exit(50);
  }
  wait_and_say(pid, "thread");
  // The leader is gone by then.
  pid = fork();
  if (pid == 0) {
    pthread_create(&thread, 0, run_in_thread, 0);
    syscall(SYS_exit, 0);
  }
  wait_and_say(pid, "after the leader's end");
}

CASE(few_descriptors) {
  // execve takes none.
  copy_program(case_argv[0], "program");
  write_file("script", "#!/bin/echo\n", 0700);
  int held = open("program", O_PATH);
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  while (open("/dev/null", O_RDONLY | O_CLOEXEC) >= 0)
    if (limit.rlim_cur > 100) limit.rlim_cur = 100, setrlimit(RLIMIT_NOFILE, &limit);
  say("errno %d", errno);
  try("program", execve("./program", show, environ));
  try("script", execve("./script", echo, environ));
  try("descriptor", at(held, "", EMPTY_PATH));
  try("/proc/self/exe", execve("/proc/self/exe", show, environ));
  try("a missing file", execve("./missing", echo, environ));
}

CASE(few_descriptors_inherited) {
  // None is free when the new program starts, either.
  copy_program(case_argv[0], "program");
  struct rlimit limit = {20, 20};
  setrlimit(RLIMIT_NOFILE, &limit);
  while (open("/dev/null", O_RDONLY) >= 0) continue;
  try("program", execve("./program", (char *[]){"name", "show_arguments", 0}, environ));
  limit.rlim_cur = limit.rlim_max = 0;
  setrlimit(RLIMIT_NOFILE, &limit);
  try("limit 0", execve("./program", (char *[]){"name", "show_arguments", 0}, environ));
}

CASE(memory_files) {
  int file = (int)syscall(SYS_memfd_create, "in-memory", 1u), open_file = (int)syscall(SYS_memfd_create, "kept", 0u);
  copy_into(case_argv[0], file);
  copy_into(case_argv[0], open_file);
  char *arguments[] = {"memory", "show_memory_file", 0};
  try("closing", syscall(SYS_execveat, file, "", arguments, environ, EMPTY_PATH));
  try("kept", syscall(SYS_execveat, open_file, "", arguments, environ, EMPTY_PATH));
  char path[64];
  snprintf(path, sizeof path, "/proc/self/fd/%d", file);
  try("by /proc", execve(path, arguments, environ));
  int script = (int)syscall(SYS_memfd_create, "script", 0u);
  check(write(script, "#!/bin/echo\n", 12) == 12);
  try("script", syscall(SYS_execveat, script, "", arguments, environ, EMPTY_PATH));
}

CASE(show_memory_file) {
  char link[256] = "", comm[32] = "";
  check(readlink("/proc/self/exe", link, sizeof link - 1) > 0);
  prctl(PR_GET_NAME, comm, 0, 0, 0);
  say("exe %s, comm %s", link, comm);
  struct stat stat_of_exe;
  check(stat("/proc/self/exe", &stat_of_exe) == 0);
  say("size %d", stat_of_exe.st_size > 0);
  char *arguments[] = {"again", "show_arguments", 0};
  execv("/proc/self/exe", arguments);
  say("errno %d", errno);
}

CASE(replaced) {
  copy_program(case_argv[0], "program");
  try("replaced", execl("./program", "program", "replace_and_show", (char *)0));
}

CASE(replace_and_show) {
  if (strcmp(case_argv[0], "program") != 0) return;
  copy_program("/bin/echo", "other");
  check(rename("other", "program") == 0);
  char link[512] = "";
  check(readlink("/proc/self/exe", link, sizeof link - 1) > 0);
  say("%s", strrchr(link, '/'));
  struct stat now, own;
  check(stat("program", &now) == 0 && stat("/proc/self/exe", &own) == 0);
  say("another file %d", now.st_ino != own.st_ino);
  execl("/proc/self/exe", "renewed", "show_arguments", (char *)0);
  say("errno %d", errno);
}

CASE(renamed) {
  copy_program(case_argv[0], "program");
  try("renamed", execl("./program", "program", "rename_and_show", (char *)0));
}

CASE(rename_and_show) {
  if (strcmp(case_argv[0], "program") != 0) return;
  mkdir("below", 0700);
  check(rename("program", "below/elsewhere") == 0);
  char link[512] = "";
  check(readlink("/proc/self/exe", link, sizeof link - 1) > 0);
  say("%s", strrchr(link, '/'));
  struct stat now, own;
  check(stat("below/elsewhere", &now) == 0 && stat("/proc/self/exe", &own) == 0);
  say("same file %d", now.st_ino == own.st_ino);
  execl("/proc/self/exe", "renewed", "show_arguments", (char *)0);
  say("errno %d", errno);
}

CASE(show_ids) { say("  uid %d %d, gid %d %d, exe %d", getuid(), geteuid(), getgid(), getegid(), access("/proc/self/exe", X_OK)); }

// What a set-user-ID program is to its owner, without new privileges, and to others.
CASE(set_user_id) {
  if (getuid() != 0) return;
  copy_program(case_argv[0], "program");
  char *arguments[] = {"program", "show_ids", 0};
  chmod(".", 0755);
  chmod("program", 06755);
  try("root's own", execv("./program", arguments));
  try("another's", (setresgid(65534, 65534, 65534), setresuid(65534, 65534, 65534), execv("./program", arguments)));
  try("no new privileges", (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), setresgid(65534, 65534, 65534), setresuid(65534, 65534, 65534), execv("./program", arguments)));
  chmod("program", 04755);
  check(chown("program", 1234, 1234) == 0 && chmod("program", 04755) == 0);
  try("root to another", execv("./program", arguments));
  try("its owner", (setresuid(1234, 1234, 1234), execv("./program", arguments)));
  try("only effectively", (setresuid(0, 1234, 0), execv("./program", arguments)));
  chmod("program", 02755);
  try("its group", execv("./program", arguments));
  chmod("program", 02745);
  try("group's bit without x", execv("./program", arguments));
}

CASE(noexec_mount) {
  if (unshare(CLONE_NEWNS) != 0) return say("no mount name space");
  mkdir("mounted", 0700);
  check(mount("none", "/", 0, MS_REC | MS_PRIVATE, 0) == 0);
  check(mount("tmpfs", "mounted", "tmpfs", MS_NOEXEC, 0) == 0);
  copy_program(case_argv[0], "mounted/program");
  write_file("mounted/script", "#!/bin/echo\n", 0700);
  write_file("through", "#!mounted/program\n", 0700);
  int file = open("mounted/program", O_RDONLY);
  try("program", execve("mounted/program", show, environ));
  try("script", execve("mounted/script", show, environ));
  try("interpreter", execve("through", show, environ));
  try("descriptor", at(file, "", EMPTY_PATH));
  check(mount("none", "mounted", 0, MS_REMOUNT | MS_BIND | MS_NOSUID, 0) == 0);
  try("nosuid", execve("mounted/program", show, environ));
  chmod("mounted/program", 06755);
  try("nosuid, set-user-ID", execve("mounted/program", show, environ));
}

// ---- sizes

CASE(sum_arguments) {
  // argv[2] says how many bytes all strings behind it have, zeros included.
  long sum = 0;
  for (char **a = case_argv + 3; *a; a++) sum += (long)strlen(*a) + 1;
  _exit(sum == atol(case_argv[2]) ? 0 : 1);
}

// Whether an execve with `count` arguments, which have `size` bytes, works and hands all of them over.
static int fits(long count, long size, char **environment) {
  char **arguments = calloc((size_t)count + 4, sizeof *arguments), number[24];
  snprintf(number, sizeof number, "%ld", size);
  arguments[0] = "sum", arguments[1] = "sum_arguments", arguments[2] = number;
  for (long i = 0; i < count; i++) {
    long length = size / count + (i < size % count) - 1;
    arguments[3 + i] = memset(calloc((size_t)length + 1, 1), 'x', (size_t)length);
  }
  fflush(0);
  pid_t pid = fork();
  if (pid == 0) {
    execve(case_argv[0], arguments, environment);
    _exit(errno == E2BIG ? 7 : 50 + errno);
  }
  int status;
  check(waitpid(pid, &status, 0) == pid);
  if (status != 0 && status != 7 << 8) say("%ld arguments of %ld bytes: %s", count, size, status_text(status));
  for (long i = 0; i < count; i++) free(arguments[3 + i]);
  free(arguments);
  return status == 0;
}

static void say_largest(const char *what, long count, char **environment) {
  long works = count * 2, fails = 4 << 20;
  while (fails - works > 1) {
    long middle = (works + fails) / 2;
    if (middle / count < 131072 && fits(count, middle, environment)) works = middle;
    else fails = middle;
  }
  say("%s: %ld bytes", what, works);
}

CASE(largest) {
  char *none[] = {0};
  say_largest("a hundred arguments", 100, none);
  struct rlimit limit = {1 << 20, RLIM_INFINITY};
  setrlimit(RLIMIT_STACK, &limit);
  say_largest("a stack of 1 MiB", 20000, none);
}

CASE(names_of_scripts) {
  write_file("script", "#!/bin/sh\ncat /proc/$$/comm\n", 0700);
  write_file("nested", "#!./script\n", 0700);
  write_file("a-name-that-is-longer-than-comm", "#!/bin/sh\ncat /proc/$$/comm\n", 0700);
  symlink("script", "linked");
  int script = open("script", O_RDONLY), here = open(".", O_PATH | O_DIRECTORY);
  try("script", execve("./script", echo, environ));
  try("nested", execve("./nested", echo, environ));
  try("long", execve("./a-name-that-is-longer-than-comm", echo, environ));
  try("linked", execve("./linked", echo, environ));
  try("by descriptor", at(script, "", EMPTY_PATH));
  try("by directory", at(here, "script", 0));
  char path[64];
  snprintf(path, sizeof path, "/dev/fd/%d", script);
  try("by /dev/fd", execve(path, echo, environ));
  int program = open(case_argv[0], O_RDONLY | O_CLOEXEC);
  char *arguments[] = {"name", "show_comm", 0};
  try("a program by descriptor", syscall(SYS_execveat, program, "", arguments, environ, EMPTY_PATH));
  symlink(case_argv[0], "alias");
  int alias = open("alias", O_RDONLY | O_CLOEXEC);
  try("through a link", syscall(SYS_execveat, alias, "", arguments, environ, EMPTY_PATH));
  snprintf(path, sizeof path, "/proc/self/fd/%d", program);
  try("a program by /proc", execve(path, arguments, environ));
}

CASE(show_comm) {
  char name[32] = "";
  prctl(PR_GET_NAME, name, 0, 0, 0);
  say("comm %s", name);
}
