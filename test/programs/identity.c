// Who am I: /proc/self/exe under every name, the auxiliary vector, arguments, environment, name, heap.
// variants: dynamic fixed static static-pie musl
#include "cases.h"
#include <elf.h>
#include <link.h>
#include <pthread.h>
#include <sys/auxv.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>

extern char **environ;
static const char *tail_of(const char *path) { return strrchr(path, '/') ? strrchr(path, '/') + 1 : path; }

static void read_link_of(const char *what, const char *path) {
  char target[4096];
  ssize_t size = readlink(path, target, sizeof target - 1);
  if (size < 0) return say("%s: errno %d", what, errno);
  target[size] = 0;
  say("%s: %s, size %s", what, tail_of(target), size == (ssize_t)strlen(case_argv[0]) ? "as argv[0]" : "other");
}

CASE(exe_links) {
  char path[128];
  read_link_of("self", "/proc/self/exe");
  read_link_of("thread-self", "/proc/thread-self/exe");
  snprintf(path, sizeof path, "/proc/%d/exe", getpid());
  read_link_of("pid", path);
  snprintf(path, sizeof path, "/proc/%d/task/%d/exe", getpid(), getpid());
  read_link_of("task", path);
  read_link_of("dots", "/proc/../proc/./self//exe");
  read_link_of("root", "/proc/self/root/proc/self/exe");
  char target[4096] = "";
  int directory = open("/proc/self", O_RDONLY | O_DIRECTORY);
  check(directory >= 0);
  ssize_t size = readlinkat(directory, "exe", target, sizeof target - 1);
  say("readlinkat: %s", size > 0 ? tail_of(target) : "failed");
  memset(target, 0, sizeof target);
  int file = open("/proc/self/exe", O_PATH | O_NOFOLLOW);
  size = readlinkat(file, "", target, sizeof target - 1);
  say("readlinkat of O_PATH: %s", size > 0 ? tail_of(target) : "failed");
  check(chdir("/proc/self") == 0);
  read_link_of("relative", "exe");
  char small[4] = "....";
  size = readlink("/proc/self/exe", small, 2);
  say("truncated: %zd %.4s", size, small);
  check_equal(raw(SYS_readlink, (long)"/proc/self/exe", 8, 10, 0, 0, 0), -EFAULT);
  check_equal(raw(SYS_readlink, (long)"/proc/self/exe", (long)small, 0, 0, 0, 0), -EINVAL);
  say("realpath: %s", tail_of(realpath("/proc/self/exe", target) ?: "failed"));
}

static void same_file(const char *what, const struct stat *a, const struct stat *b) {
  say("%s: same file %d, same size %d", what, a->st_dev == b->st_dev && a->st_ino == b->st_ino, a->st_size == b->st_size);
}

CASE(exe_file) {
  struct stat own, other;
  check(stat(case_argv[0], &own) == 0);
  check(stat("/proc/self/exe", &other) == 0);
  same_file("stat", &own, &other);
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/exe", getpid());
  check(stat(path, &other) == 0);
  same_file("stat by pid", &own, &other);
  check(lstat("/proc/self/exe", &other) == 0);
  say("lstat: link %d", S_ISLNK(other.st_mode));
  uint64_t extended[32];  // struct statx; the inode is its word 4
  check(syscall(SYS_statx, AT_FDCWD, "/proc/self/exe", 0, 0x7ff, extended) == 0);
  say("statx: same inode %d", extended[4] == own.st_ino);
  int file = open("/proc/self/exe", O_RDONLY);
  check(file >= 0 && fstat(file, &other) == 0);
  same_file("open", &own, &other);
  unsigned char magic[4];
  check(read(file, magic, 4) == 4 && memcmp(magic, "\177ELF", 4) == 0);
  close(file);
  file = openat(AT_FDCWD, path, O_RDONLY | O_CLOEXEC);
  check(file >= 0 && fstat(file, &other) == 0);
  same_file("openat by pid", &own, &other);
  struct { uint64_t flags, mode, resolve; } how = {O_RDONLY, 0, 0};
  file = (int)syscall(437, AT_FDCWD, "/proc/self/exe", &how, sizeof how);
  check(file >= 0 && fstat(file, &other) == 0);
  same_file("openat2", &own, &other);
  say("access: %d, for writing: errno %d", access("/proc/self/exe", X_OK), open("/proc/self/exe", O_WRONLY) < 0 ? errno : 0);
}

CASE(exec_self) {
  char *arguments[] = {"renamed", "exec_self_inner", 0};
  execv("/proc/self/exe", arguments);
  say("errno %d", errno);
}

CASE(exec_self_inner) {
  say("argv[0] %s", case_argv[0]);
  char name[32] = "";
  prctl(PR_GET_NAME, name, 0, 0, 0);
  say("comm %s", name);
}

// ---- the auxiliary vector

static int first_object_bias(struct dl_phdr_info *info, size_t size, void *bias) {
  *(unsigned long *)bias = info->dlpi_addr;
  return 1;
}

CASE(auxv) {
  say("AT_PAGESZ %lu, AT_PHENT %lu, AT_CLKTCK %lu, AT_FLAGS %lu, AT_SECURE %lu", getauxval(AT_PAGESZ), getauxval(AT_PHENT), getauxval(AT_CLKTCK), getauxval(AT_FLAGS), getauxval(AT_SECURE));
  say("AT_UID %d AT_EUID %d AT_GID %d AT_EGID %d", getauxval(AT_UID) == getuid(), getauxval(AT_EUID) == geteuid(), getauxval(AT_GID) == getgid(), getauxval(AT_EGID) == getegid());
  say("AT_EXECFN is argv[0]: %d", strcmp((char *)getauxval(AT_EXECFN), case_argv[0]) == 0);
  say("AT_PLATFORM %s", (char *)getauxval(AT_PLATFORM));
  unsigned char *random = (unsigned char *)getauxval(AT_RANDOM);
  int different = 0;
  for (int i = 1; i < 16; i++) different += random[i] != random[0];
  say("AT_RANDOM: random %d", different > 5);
  say("AT_SYSINFO_EHDR: %d, AT_MINSIGSTKSZ %lu", getauxval(AT_SYSINFO_EHDR) != 0, getauxval(51));
  say("AT_HWCAP %#lx, AT_HWCAP2 %#lx", getauxval(AT_HWCAP), getauxval(AT_HWCAP2));
  const ElfW(Phdr) *headers = (void *)getauxval(AT_PHDR);
  unsigned long bias = 0;
  int has_interpreter = 0;
  dl_iterate_phdr(first_object_bias, &bias);
  for (unsigned long i = 0; i < getauxval(AT_PHNUM); i++) has_interpreter |= headers[i].p_type == PT_INTERP;
  const ElfW(Ehdr) *file = 0;
  for (unsigned long i = 0; i < getauxval(AT_PHNUM); i++)
    if (headers[i].p_type == PT_LOAD && headers[i].p_offset == 0) file = (void *)(bias + headers[i].p_vaddr);
  check(file && memcmp(file->e_ident, ELFMAG, SELFMAG) == 0);
  say("AT_PHNUM as in the file %d, AT_ENTRY as in the file %d, interpreter %d, AT_BASE set %d", file->e_phnum == getauxval(AT_PHNUM), getauxval(AT_ENTRY) == (file->e_type == ET_DYN ? bias : 0) + file->e_entry, has_interpreter, getauxval(AT_BASE) != 0);
}

CASE(auxv_in_proc) {
  // The kernel's copy must say what the stack says.
  unsigned long vector[128] = {0};
  int file = open("/proc/self/auxv", O_RDONLY);
  ssize_t size = read(file, vector, sizeof vector);
  check(size > 0 && size % 16 == 0);
  // The order of entries on the stack is the kernel's.
  char **end = environ;
  while (*end) end++;
  unsigned long *on_stack = (unsigned long *)(end + 1);
  int wrong = 0;
  for (ssize_t i = 0; i < size / 8; i++) wrong += on_stack[i] != vector[i];
  say("words that differ from the stack's: %d", wrong);
  char text[512];
  int length = 0;
  do length += snprintf(text + length, sizeof text - length, " %lu", *on_stack);
  while ((on_stack += 2)[-2]);
  say("types:%s", text);
  unsigned long again[128] = {0};
  long got = syscall(SYS_prctl, 0x41555856 /* PR_GET_AUXV */, again, sizeof again, 0, 0);
  say("PR_GET_AUXV: %s", got < 0 ? "not there" : memcmp(vector, again, (size_t)size) == 0 ? "same" : "differs");
}

CASE(stack_layout) {
  char **argv = case_argv;
  int argc = 0;
  while (argv[argc]) argc++;
  say("argc before argv: %ld, environment follows: %d", ((long *)argv)[-1], (char **)environ == argv + argc + 1);
  say("argument strings follow each other: %d", !argv[1] || argv[1] == argv[0] + strlen(argv[0]) + 1);
  const char *last = 0;
  for (char **e = environ; *e; e++) last = *e;
  const char *name = (char *)getauxval(AT_EXECFN);
  say("file name after the environment: %d", last && name == last + strlen(last) + 1);
  say("stack aligned: %d", (uintptr_t)((long *)argv - 1) % 16 == 0);
  say("end of the stack: %d", ((uintptr_t)name + strlen(name) + 1 + 8 + 4095) % 4096 < 4096);
  // [stack] in maps holds this frame.
  FILE *maps = fopen("/proc/self/maps", "r");
  char line[512];
  int found = 0;
  while (fgets(line, sizeof line, maps)) {
    unsigned long start, end;
    sscanf(line, "%lx-%lx", &start, &end);
    if (strstr(line, "[stack]")) found = (unsigned long)&found >= start && (unsigned long)name < end;
  }
  say("[stack] holds it: %d", found);
}

CASE(say_stack_place) {
  unsigned place = (uintptr_t)case_argv & 0xfff;
  check(write(77, &place, sizeof place) <= (ssize_t)sizeof place);
}

CASE(stack_is_random) {
  // Below a page, too: arch_align_stack moves it by up to 8 KiB.
  int ends[2], different = 0;
  check(pipe(ends) == 0 && dup2(ends[1], 77) == 77);
  unsigned places[16] = {0};
  for (int i = 0; i < 16; i++) {
    pid_t pid = fork();
    if (pid == 0) {
      execl("/proc/self/exe", case_argv[0], "say_stack_place", (char *)0);
      _exit(1);
    }
    check(waitpid(pid, 0, 0) == pid && read(ends[0], &places[i], sizeof places[i]) == sizeof places[i]);
    different += places[i] != places[0];
  }
  say("different: %d", different > 8);
}

CASE(stack_of_main_thread) {
  pthread_attr_t attributes;
  void *address;
  size_t size;
  check(pthread_getattr_np(pthread_self(), &attributes) == 0);
  pthread_attr_getstack(&attributes, &address, &size);
  char local;
  say("own frame within: %d", &local >= (char *)address && &local < (char *)address + size);
  // The stack grows: 4 MB of it.
  volatile char *big = __builtin_alloca(4 << 20);
  big[0] = 1;
  for (int i = 0; i < 4 << 20; i += 4096) big[i] = 2;
  say("grew %d", big[0]);
}

// ---- arguments, environment, name

CASE(cmdline_and_comm) {
  char text[4096];
  int file = open("/proc/self/cmdline", O_RDONLY);
  ssize_t size = read(file, text, sizeof text - 1);
  close(file);
  check(size > 0);
  say("cmdline: %s, %s, size %s", tail_of(text), text + strlen(text) + 1, (size_t)size == strlen(case_argv[0]) + strlen(case_argv[1] ?: "") + 1 + !!case_argv[1] ? "right" : "wrong");
  file = open("/proc/self/comm", O_RDONLY);
  size = read(file, text, sizeof text - 1);
  close(file);
  text[size > 0 ? size - 1 : 0] = 0;
  say("comm: %s", text);
  file = open("/proc/self/stat", O_RDONLY);
  size = read(file, text, sizeof text - 1);
  text[size] = 0;
  *strchr(text, ')') = 0;
  say("stat: %s", strchr(text, '(') + 1);
  file = open("/proc/self/environ", O_RDONLY);
  size = read(file, text, sizeof text - 1);
  size_t expected = 0;
  for (char **e = environ; *e; e++) expected += strlen(*e) + 1;
  say("environ: size %s", size == (ssize_t)expected ? "right" : "wrong");
  case_argv[0][0] = 'X';
  file = open("/proc/self/cmdline", O_RDONLY);
  check(read(file, text, sizeof text - 1) > 0);
  say("changed argv[0] shows: %d", text[0] == 'X');
}

CASE(environment) {
  // But for what the harness names after its own run.
  for (char **e = environ; *e; e++) {
    char *name = strdup(*e);
    *strchr(name, '=') = 0;
    say("%s", name);
  }
}

CASE(descriptors_at_start) {
  for (int file = 0; file < 1024; file++) {
    int flags = fcntl(file, F_GETFD);
    if (flags >= 0) say("%d is open, flags %d", file, flags);
  }
  int next = open("/dev/null", O_RDONLY);
  say("next %d", next);
}

CASE(status_at_start) {
  // Not SigCgt: under Flicker the kernel's handlers are the engine's, a known exception.
  char text[8192];
  int file = open("/proc/self/status", O_RDONLY);
  ssize_t size = read(file, text, sizeof text - 1);
  text[size] = 0;
  static const char *const fields[] = {"Name:", "Umask:", "TracerPid:", "Threads:", "SigPnd:", "SigBlk:", "SigIgn:", "CapEff:", "NoNewPrivs:", "Seccomp:", "FDSize:"};
  for (char *line = strtok(text, "\n"); line; line = strtok(0, "\n"))
    for (unsigned i = 0; i < sizeof fields / sizeof *fields; i++)
      if (strncmp(line, fields[i], strlen(fields[i])) == 0) say("%s", line);
  say("dumpable %d, name bits %ld", prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), raw(SYS_personality, -1, 0, 0, 0, 0, 0));
}

// ---- heap

static char in_bss[100000];
CASE(brk_follows_bss) {
  // By the bare call: musl's sbrk refuses to move.
  long start = raw(SYS_brk, 0, 0, 0, 0, 0, 0);
  say("brk is behind bss: %d, not far: %d", start > (long)in_bss, start - (long)in_bss < 1l << 36);
  for (long end = start + 100000; end <= start + 10000000; end += 100000) {
    check_equal(raw(SYS_brk, end, 0, 0, 0, 0, 0), end);
    memset((char *)end - 100000, 1, 100000);
  }
  check_equal(raw(SYS_brk, start, 0, 0, 0, 0, 0), start);
  check_equal(raw(SYS_brk, start + 5000000, 0, 0, 0, 0, 0), start + 5000000);
  check_equal(*(char *)start, start % 4096 ? 1 : 0);  // pages given back come again as zeros
  check_equal(raw(SYS_brk, 1, 0, 0, 0, 0, 0), start + 5000000);
  FILE *maps = fopen("/proc/self/maps", "r");
  char line[512];
  int heap = 0;
  while (fgets(line, sizeof line, maps)) heap |= strstr(line, "[heap]") != 0;
  say("[heap] is named: %d", heap);
}

CASE(sizes_in_statm) {
  void *before = malloc(100);
  say("malloc works: %d", before != 0);
  char *large = malloc(50 << 20);
  memset(large, 1, 50 << 20);
  free(large);
  free(before);
}

// gdb runs its programs so: breakpoints that were set before the start are at the place that the kernel would give.
CASE(without_randomisation) {
  extern char end;
  if (!(personality(0xffffffff) & ADDR_NO_RANDOMIZE)) {
    check(personality(ADDR_NO_RANDOMIZE) == 0);
    execve("/proc/self/exe", case_argv, (char *[]){"ONE=1", "TWO=2", 0});
    check(!"execve returned");
  }
  say("argv %p %p, environment %p %p", (void *)case_argv, case_argv[0], (void *)environ, environ[0]);
  say("AT_RANDOM %#lx, AT_PLATFORM %#lx, AT_EXECFN %#lx", getauxval(AT_RANDOM), getauxval(AT_PLATFORM), getauxval(AT_EXECFN));
  // A static position-independent program lies among the mappings, beside the launcher.
  if (getauxval(AT_BASE) == 0 && (uintptr_t)&end > 0x700000000000) return say("among the mappings");
  say("end of bss %p", (void *)&end);
  uintptr_t page = ((uintptr_t)&end + 4095) & ~4095ul;
  say("heap %ld pages behind it", ((long)raw(SYS_brk, 0, 0, 0, 0, 0, 0) - (long)page) >> 12);
}
