// /proc/PID/exe under every name and by every call: it is the program's file, never Flicker's.
// variants: dynamic static
#include "execs.h"
#include <ctype.h>
#include <pthread.h>
#include <sys/auxv.h>
#include <sys/fanotify.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/xattr.h>
#include <utime.h>

static const char *tail_of(const char *path) { return strrchr(path, '/') ? strrchr(path, '/') + 1 : path; }

static struct stat own;
static int is_own(const char *path) {
  struct stat other;
  if (stat(path, &other) != 0) return -errno;
  return own.st_dev == other.st_dev && own.st_ino == other.st_ino;
}
static int opens_own(int directory, const char *path, int flags) {
  struct stat other;
  int file = openat(directory, path, flags | O_CLOEXEC);
  if (file < 0) return -errno;
  fstat(file, &other);
  close(file);
  return own.st_dev == other.st_dev && own.st_ino == other.st_ino;
}
static const char *link_of(int directory, const char *path) {
  static char text[4096];
  ssize_t size = readlinkat(directory, path, text, sizeof text - 1);
  if (size < 0) return strerror(errno);
  text[size] = 0;
  return tail_of(text);
}

// The rest works on a copy of the program, which it may change.
static int is_copy(const char *name) {
  if (strcmp(case_argv[0], "./copy") == 0) return stat("./copy", &own) == 0;
  copy_program(case_argv[0], "copy");
  pid_t pid = fork();
  if (pid == 0) {
    execl("./copy", "./copy", name, (char *)0);
    _exit(100);
  }
  wait_and_say(pid, "copy");
  return 0;
}

static void try_spelling(const char *what, const char *path) {
  say("%s: link %s, stat %d, open %d, O_PATH %d, access %d, execute %d", what, link_of(AT_FDCWD, path), is_own(path), opens_own(AT_FDCWD, path, O_RDONLY), opens_own(AT_FDCWD, path, O_PATH), access(path, R_OK), access(path, X_OK));
}

static void *try_in_thread(void *argument) {
  char path[128];
  try_spelling("thread-self", "/proc/thread-self/exe");
  snprintf(path, sizeof path, "/proc/%d/exe", gettid());
  try_spelling("tid", path);
  snprintf(path, sizeof path, "/proc/self/task/%d/exe", gettid());
  try_spelling("task", path);
  snprintf(path, sizeof path, "/proc/self/task/%d/exe", getpid());
  try_spelling("the first thread's", path);
  return 0;
}

static void try_spellings(void) {
  char path[128];
  try_spelling("self", "/proc/self/exe");
  snprintf(path, sizeof path, "/proc/%d/exe", getpid());
  try_spelling("pid", path);
  snprintf(path, sizeof path, "/proc/%d/task/%d/exe", getpid(), getpid());
  try_spelling("pid and task", path);
  try_spelling("dots", "/proc/../proc/./self//task/../exe");
  try_spelling("root", "/proc/self/root/proc/self/exe");
  try_spelling("cwd", "/proc/self/cwd/proc-link/self/exe");
  try_spelling("a link to the directory", "proc-link/self/exe");
  try_spelling("a link named exe", "directory/exe");
  try_spelling("a link to that", "exe");
  int self = open("/proc/self", O_RDONLY | O_DIRECTORY | O_CLOEXEC), proc = open("/proc", O_PATH | O_CLOEXEC);
  say("directory: link %s, open %d; proc: link %s, open %d", link_of(self, "exe"), opens_own(self, "exe", O_RDONLY), link_of(proc, "self/exe"), opens_own(proc, "self/exe", O_RDONLY));
  snprintf(path, sizeof path, "/proc/self/fd/%d/exe", self);
  try_spelling("by descriptor", path);
  int link = open("/proc/self/exe", O_PATH | O_NOFOLLOW | O_CLOEXEC);
  say("a descriptor of the link: %s", link_of(link, ""));
  chdir("/proc/self");
  try_spelling("from there", "exe");
  try_spelling("from there, dot", "./exe");
  close(self), close(proc), close(link);
}

static void make_links(void) {
  symlink("/proc", "proc-link");
  mkdir("directory", 0700);
  symlink("/proc/self/exe", "directory/exe");
  symlink("directory/exe", "exe");
}

CASE(spellings) {
  check(stat(case_argv[0], &own) == 0);
  make_links();
  int here = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
  try_spellings();
  fchdir(here);
  pthread_t thread;
  pthread_create(&thread, 0, try_in_thread, 0);
  pthread_join(thread, 0);
}

CASE(spellings_in_a_child) {
  check(stat(case_argv[0], &own) == 0);
  make_links();
  pid_t pid = fork();
  if (pid == 0) {
    try_spellings();
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/exe", getppid());
    try_spelling("parent", path);
    _exit(0);
  }
  wait_and_say(pid, "child");
}

CASE(executed_by_alias) {
  make_links();
  symlink("/proc/self/exe", "me");
  symlink("me", "me-too");
  int self = open("/proc/self", O_RDONLY | O_DIRECTORY), link = open("/proc/self/exe", O_PATH | O_NOFOLLOW);
  char *arguments[] = {"renamed", "show_own_name", 0}, path[64];
  snprintf(path, sizeof path, "/proc/%d/exe", getppid());
  try("thread-self", execv("/proc/thread-self/exe", arguments));
  try("dots", execv("/proc/../proc/self/exe", arguments));
  try("a link named exe", execv("exe", arguments));
  try("a link", execv("me", arguments));
  try("a link to a link", execv("me-too", arguments));
  try("by directory", syscall(SYS_execveat, self, "exe", arguments, environ, 0));
  try("by the link's descriptor", syscall(SYS_execveat, link, "", arguments, environ, AT_EMPTY_PATH));
  try("no follow", syscall(SYS_execveat, self, "exe", arguments, environ, AT_SYMLINK_NOFOLLOW));
  snprintf(path, sizeof path, "/proc/%d/exe", getpid());
  try("the parent's", execv(path, arguments));
  int descriptor = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  try("by descriptor", fexecve(descriptor, arguments, environ));
}

CASE(show_own_name) {
  char comm[32] = "";
  prctl(PR_GET_NAME, comm, 0, 0, 0);
  say("  comm %s, argv[0] %s, exe %s", isdigit((unsigned char)comm[0]) ? "a number" : comm, case_argv[0], link_of(AT_FDCWD, "/proc/self/exe"));
}

// ---- other processes

CASE(wait_for_input) {
  say("ready");
  char byte;
  check(read(0, &byte, 1) >= 0);
}

CASE(other_process) {
  int out[2], in[2];
  check(pipe(out) == 0 && pipe(in) == 0);
  copy_program(case_argv[0], "other");
  pid_t pid = fork();
  if (pid == 0) {
    dup2(in[0], 0), dup2(out[1], 1);
    close(in[1]), close(out[0]);
    execl("./other", "its-name", "wait_for_input", (char *)0);
    _exit(100);
  }
  char ready[6], path[64];
  check(read(out[0], ready, 6) == 6);
  check(stat("other", &own) == 0);
  snprintf(path, sizeof path, "/proc/%d/exe", pid);
  try_spelling("another", path);
  char *arguments[] = {"renamed", "show_own_name", 0};
  try("executed", execv(path, arguments));
  check(rename("other", "renamed") == 0);
  try_spelling("renamed", path);
  try("executed", execv(path, arguments));
  unlink("renamed");
  say("deleted: link %s", link_of(AT_FDCWD, path));
  close(in[1]);
  wait_and_say(pid, "other");
  say("gone: %s", link_of(AT_FDCWD, path));
  snprintf(path, sizeof path, "/proc/%d/exe", 1);
  say("init: %d", readlink(path, ready, sizeof ready) < 0 ? errno : 0);
}

// ---- every call

CASE(calls) {
  if (!is_copy("calls")) return;
  const char *exe = "/proc/self/exe";
  struct stat other;
  check(chmod(exe, 0751) == 0 && stat("copy", &other) == 0);
  say("chmod: %o", other.st_mode & 07777);
  check(syscall(SYS_fchmodat, AT_FDCWD, exe, 0755) == 0 && stat("copy", &other) == 0);
  say("fchmodat: %o", other.st_mode & 07777);
  long result = syscall(452 /* fchmodat2 */, AT_FDCWD, exe, 0711, 0);
  say("fchmodat2: %ld, %o", result, (stat("copy", &other), other.st_mode & 07777));
  say("fchmodat2, no follow: %d", syscall(452, AT_FDCWD, exe, 0700, AT_SYMLINK_NOFOLLOW) < 0 ? errno : 0);
  check(chmod(exe, 0755) == 0);
  struct timeval times[2] = {{1000000000, 0}, {1100000000, 0}};
  check(utimes(exe, times) == 0 && stat("copy", &other) == 0);
  say("utimes: %ld", (long)other.st_mtime);
  check(utime(exe, &(struct utimbuf){1, 1200000000}) == 0 && stat("copy", &other) == 0);
  say("utime: %ld", (long)other.st_mtime);
  struct timespec precise[2] = {{1, 2}, {1300000000, 4}};
  check(utimensat(AT_FDCWD, exe, precise, 0) == 0 && stat("copy", &other) == 0);
  say("utimensat: %ld", (long)other.st_mtime);
  check(syscall(SYS_futimesat, AT_FDCWD, exe, times) == 0 && stat("copy", &other) == 0);
  say("futimesat: %ld", (long)other.st_mtime);
  say("chown: %d, fchownat %d", chown(exe, getuid(), getgid()), fchownat(AT_FDCWD, exe, getuid(), getgid(), 0));
  say("access: R %d W %d X %d", access(exe, R_OK), access(exe, W_OK), access(exe, X_OK));
  say("faccessat2: %ld", syscall(439, AT_FDCWD, exe, W_OK, AT_EACCESS));
  struct statfs here, there;
  check(statfs("copy", &here) == 0 && statfs(exe, &there) == 0);
  say("statfs: same %d", here.f_type == there.f_type);
  char value[64] = "";
  int set = setxattr(exe, "user.flicker", "value", 5, 0);
  int error = errno;
  int got = (int)getxattr("copy", "user.flicker", value, sizeof value);
  say("xattr: %d %d %d %s", set, set ? error : 0, got, value);
  say("listxattr: %d, removexattr: %d", listxattr(exe, value, sizeof value) >= 0, removexattr(exe, "user.flicker"));
  struct { struct file_handle handle; char bytes[128]; } a = {.handle.handle_bytes = 128}, b = a;
  int mount;
  int failed = name_to_handle_at(AT_FDCWD, exe, &a.handle, &mount, AT_SYMLINK_FOLLOW);
  int failed_too = name_to_handle_at(AT_FDCWD, "copy", &b.handle, &mount, 0);
  say("handles: %d %d same %d", failed, failed_too, memcmp(&a, &b, sizeof a) == 0);
  say("linkat: %d", linkat(AT_FDCWD, exe, AT_FDCWD, "linked", AT_SYMLINK_FOLLOW) ? errno : 0);
  say("is it: %d", is_own("linked"));
  say("link: %d", linkat(AT_FDCWD, exe, AT_FDCWD, "cannot", 0) ? errno : 0);
  int watches = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
  check(inotify_add_watch(watches, exe, IN_ATTRIB) > 0);
  check(chmod("copy", 0700) == 0);
  struct inotify_event event;
  say("inotify: %d", read(watches, &event, sizeof event) == sizeof event && event.mask == IN_ATTRIB);
  uint64_t extended[32];
  check(syscall(SYS_statx, AT_FDCWD, exe, 0, 0x7ff, extended) == 0);
  say("statx: %d", extended[4] == own.st_ino);
  check(syscall(SYS_newfstatat, AT_FDCWD, exe, &other, AT_SYMLINK_NOFOLLOW) == 0);
  say("a link: %d", S_ISLNK(other.st_mode));
}

CASE(opens) {
  if (!is_copy("opens")) return;
  const char *exe = "/proc/self/exe";
  static const int flags[] = {O_RDONLY, O_WRONLY, O_RDWR, O_RDONLY | O_TRUNC, O_PATH, O_PATH | O_RDWR, O_RDONLY | O_NOFOLLOW, O_WRONLY | O_CREAT, O_RDONLY | O_CREAT, O_RDONLY | O_CREAT | O_EXCL, O_RDONLY | O_DIRECTORY, O_ACCMODE, O_RDONLY | O_NOATIME, O_TMPFILE | O_RDWR, O_WRONLY | O_APPEND, O_RDONLY | O_EXCL};
  for (unsigned i = 0; i < sizeof flags / sizeof *flags; i++) say("%#o: %d", flags[i], opens_own(AT_FDCWD, exe, flags[i]));
  say("creat: %d", creat(exe, 0600) < 0 ? errno : 0);
  say("truncate: %d", truncate(exe, 0) ? errno : 0);
  struct { uint64_t flags, mode, resolve; } how = {O_RDONLY, 0, 0};
  for (unsigned i = 0; i < 7; i++) {
    static const int ways[] = {0, 1, 2, 4, 8, 16, 32};
    how.resolve = (uint64_t)ways[i];
    int file = (int)syscall(437, AT_FDCWD, exe, &how, sizeof how);
    struct stat other = {0};
    if (file >= 0) fstat(file, &other);
    say("openat2, resolve %d: %d, %d", ways[i], file < 0 ? -errno : 0, other.st_ino == own.st_ino);
    if (file >= 0) close(file);
  }
  if (getuid() == 0) {
    chmod("copy", 0755);
    setresuid(65534, 65534, 65534);
    say("nobody: read %d, write %d, both %d, truncate %d", opens_own(AT_FDCWD, exe, O_RDONLY), opens_own(AT_FDCWD, exe, O_WRONLY), opens_own(AT_FDCWD, exe, O_RDWR), truncate(exe, 0) ? errno : 0);
  }
}

// ---- where the path leads no more

CASE(unreachable) {
  // Root drops its rights, and its program is in a directory of root's.
  if (getuid() != 0) return;
  if (strcmp(tail_of(case_argv[0]), "hidden") != 0) {
    mkdir("secret", 0700);
    copy_program(case_argv[0], "secret/hidden");
    chmod("secret/hidden", 0755);
    try("hidden", execl("secret/hidden", "secret/hidden", "unreachable", (char *)0));
    return;
  }
  check(stat(case_argv[0], &own) == 0);
  check(setgid(65534) == 0 && setuid(65534) == 0);
  say("the path: %d", is_own(case_argv[0]));
  try_spelling("hidden", "/proc/self/exe");
  char *arguments[] = {"renamed", "show_own_name", 0};
  try("executed", execv("/proc/self/exe", arguments));
}

CASE(in_a_new_root) {
  if (getuid() != 0) return;
  check(stat(case_argv[0], &own) == 0);
  mkdir("root", 0755);
  mkdir("root/proc", 0755);
  check(unshare(CLONE_NEWNS) == 0 && mount("none", "/", 0, MS_REC | MS_PRIVATE, 0) == 0);
  check(mount("/proc", "root/proc", 0, MS_BIND, 0) == 0);
  check(chroot("root") == 0 && chdir("/") == 0);
  say("the path: %d", is_own(case_argv[0]));
  try_spelling("new root", "/proc/self/exe");
  char *arguments[] = {"renamed", "show_own_name", 0};
  // A dynamic program has no interpreter here.
  if (!getauxval(AT_BASE)) try("executed", execv("/proc/self/exe", arguments));
  umount("/proc");
  try_spelling("no procfs", "/proc/self/exe");
}

CASE(memory_file) {
  int file = (int)syscall(SYS_memfd_create, "in-memory", MFD_CLOEXEC);
  copy_into(case_argv[0], file);
  char *arguments[] = {"memory", "in_memory", 0};
  try("memory", fexecve(file, arguments, environ));
}

CASE(in_memory) {
  if (strcmp(case_argv[0], "memory") != 0) return;
  struct stat other;
  check(stat("/proc/self/exe", &own) == 0);
  int file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
  check(file >= 0 && fstat(file, &other) == 0);
  say("link %s, open %d, links %d", link_of(AT_FDCWD, "/proc/self/exe"), own.st_ino == other.st_ino, (int)other.st_nlink);
  char magic[4];
  check(read(file, magic, 4) == 4 && memcmp(magic, "\177ELF", 4) == 0);
  if (getuid() == 0) {
    check(setresuid(65534, 65534, 65534) == 0);
    say("nobody: link %s, open %d", link_of(AT_FDCWD, "/proc/self/exe"), opens_own(AT_FDCWD, "/proc/self/exe", O_RDONLY));
  }
  char *arguments[] = {"again", "show_own_name", 0};
  execv("/proc/self/exe", arguments);
  say("errno %d", errno);
}

CASE(no_descriptor_left) {
  check(stat(case_argv[0], &own) == 0);
  struct rlimit { unsigned long soft, hard; } limit = {40, 40};
  syscall(SYS_setrlimit, 7, &limit);
  while (dup(0) >= 0) continue;
  say("link %s, stat %d, access %d", link_of(AT_FDCWD, "/proc/self/exe"), is_own("/proc/self/exe"), access("/proc/self/exe", X_OK));
}

CASE(not_dumpable) {
  // Its files in /proc belong to root then: it may still look at its own.
  check(stat(case_argv[0], &own) == 0);
  make_links();
  if (getuid() == 0) check(chmod(".", 0755) == 0 && setresgid(65534, 65534, 65534) == 0 && setresuid(65534, 65534, 65534) == 0);
  check(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0);
  try_spelling("self", "/proc/self/exe");
  try_spelling("a link named exe", "directory/exe");
  char *arguments[] = {"renamed", "show_own_name", 0}, path[64];
  try("executed", execv("/proc/self/exe", arguments));
  snprintf(path, sizeof path, "/proc/%d/exe", getpid());
  pid_t pid = fork();
  if (pid == 0) {
    try_spelling("parent", path);
    _exit(0);
  }
  wait_and_say(pid, "child");
}
