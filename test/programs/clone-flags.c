// Each flag of clone and clone3, and what the kernel says to combinations of them, by the bare instruction.
// variants: dynamic static musl
#include "cases.h"
#include <linux/futex.h>
#include <linux/sched.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/utsname.h>

// start(number, a, b, c, d, e, function, argument): the call, and in a child with a stack of its own function(argument),
// then exit with what it gives.
long start(long number, long a, long b, long c, long d, long e, long (*function)(void *), void *argument);
__asm__(
    ".text\n"
    "start:\n"
    "  push %rbx; push %r12; push %r13\n"
    "  mov %rdi,%rax; mov %rsi,%rdi; mov %rdx,%rsi; mov %rcx,%rdx; mov %r8,%r10; mov %r9,%r8\n"
    "  mov 32(%rsp),%r12; mov 40(%rsp),%r13\n"
    "  syscall\n"
    "  test %rax,%rax\n"
    "  jz 1f\n"
    "2: pop %r13; pop %r12; pop %rbx; ret\n"
    "1: test %r12,%r12; jz 2b\n"
    "  xor %ebp,%ebp\n"
    "  mov %r13,%rdi\n"
    "  and $-16,%rsp\n"
    "  call *%r12\n"
    "  mov %eax,%edi\n"
    "  mov $60,%eax\n"
    "  syscall\n"
    "  hlt\n");

static char stacks[4][65536] __attribute__((aligned(64)));
#define top(n) ((long)(stacks[n] + sizeof stacks[n]))
#define THREAD_FLAGS (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM)

static long clone3_of(struct clone_args *arguments, size_t size, long (*function)(void *), void *argument) {
  return start(435, (long)arguments, (long)size, 0, 0, 0, function, argument);
}

static long give(void *argument) { return (long)argument; }

static void wait_for_zero(atomic_int *word) {
  int value;
  while ((value = *word) != 0) raw(SYS_futex, (long)word, FUTEX_WAIT, value, 0, 0, 0);
}

static const char *status_of(long pid) {
  int status = -1;
  pid_t got;
  while ((got = waitpid((pid_t)pid, &status, __WALL)) < 0 && errno == EINTR) {}
  return got == pid ? status_text(status) : "not to be waited for";
}

// ---- combinations

// All flags but those that need a caller's preparation; each combination is tried and answered as natively.
static void try_flags(unsigned long flags) {
  static atomic_int tid;
  static int pidfd;
  tid = 1;
  pidfd = -1;
  long pid = start(SYS_clone, (long)flags, top(0), (long)&pidfd, (long)&tid, 0, give, (void *)7);
  if (pid < 0) {
    say("%#lx: %ld", flags, pid);
    return;
  }
  if (flags & CLONE_PIDFD) check(close(pidfd) == 0);
  if (flags & CLONE_THREAD) {
    if (flags & CLONE_CHILD_CLEARTID) wait_for_zero(&tid);
    else while (raw(SYS_tgkill, getpid(), pid, 0, 0, 0, 0) == 0) sched_yield();
    say("%#lx: thread", flags);
  } else say("%#lx: %s", flags, status_of(pid));
}

CASE(combinations) {
  // Without the flags that say where to write: those of threads share pidfd's place.
  static const unsigned long flags[] = {CLONE_VM, CLONE_FS, CLONE_FILES, CLONE_SIGHAND, CLONE_VFORK, CLONE_THREAD,
      CLONE_NEWNS, CLONE_SYSVSEM, CLONE_CHILD_CLEARTID, CLONE_UNTRACED, CLONE_IO, CLONE_NEWUTS, CLONE_NEWIPC,
      CLONE_DETACHED, CLONE_PIDFD, SIGCHLD, 255, 1};
  enum { COUNT = sizeof flags / sizeof *flags };
  unsigned random = 1;
  // Children end with all kinds of signals.
  sigset_t every;
  sigfillset(&every);
  sigprocmask(SIG_SETMASK, &every, 0);
  for (int i = 0; i < 400; i++) {
    unsigned long set = 0;
    for (int n = 0; n < 1 + i % 7; n++) {
      random = random * 1103515245 + 12345;
      set |= flags[(random >> 16) % COUNT];
    }
    if (i % 2) set |= SIGCHLD;
    if (i % 4 == 3) set |= CLONE_VM | CLONE_SIGHAND;
    try_flags(set);
  }
  for (int signal = 0; signal < 70; signal += 23) try_flags(CLONE_VM | (unsigned long)signal);
  try_flags(THREAD_FLAGS | CLONE_CHILD_CLEARTID);
  try_flags(THREAD_FLAGS | CLONE_VFORK);
  try_flags(THREAD_FLAGS | CLONE_NEWUSER);
  try_flags(THREAD_FLAGS | CLONE_NEWPID);
  try_flags(0xffffffff);
  try_flags(0x100000000 | SIGCHLD);
}

CASE(clone3_combinations) {
  static const uint64_t flags[] = {0, CLONE_VM, CLONE_VM | CLONE_SIGHAND, CLONE_SIGHAND, CLONE_CLEAR_SIGHAND,
      CLONE_CLEAR_SIGHAND | CLONE_VM, CLONE_CLEAR_SIGHAND | CLONE_VM | CLONE_SIGHAND, CLONE_INTO_CGROUP, CLONE_DETACHED,
      CLONE_VFORK, CLONE_VM | CLONE_VFORK, 0x11, 0xff, 1ULL << 40, 1ULL << 63, CLONE_NEWTIME, CLONE_PARENT_SETTID | CLONE_PIDFD};
  static int parent_tid, pidfd, more[8];
  for (unsigned i = 0; i < sizeof flags / sizeof *flags; i++) {
    for (int stack = 0; stack < 4; stack++) {
      struct clone_args arguments = {.flags = flags[i], .exit_signal = SIGCHLD, .parent_tid = (uint64_t)&parent_tid, .pidfd = (uint64_t)&pidfd};
      if (stack & 1) arguments.stack = (uint64_t)stacks[1];
      if (stack & 2) arguments.stack_size = sizeof stacks[1];
      if (flags[i] & CLONE_INTO_CGROUP) arguments.cgroup = 77;
      // Not both at once on one stack.
      if (stack == 0 && (flags[i] & (CLONE_VM | CLONE_VFORK)) == CLONE_VM) continue;
      long pid = clone3_of(&arguments, sizeof arguments, give, (void *)5);
      if (pid < 0) say("%#llx, stack %d: %ld", (unsigned long long)flags[i], stack, pid);
      else say("%#llx, stack %d: %s", (unsigned long long)flags[i], stack, status_of(pid));
    }
  }
  // Sizes: the first version's, the newest's, and what a newer kernel may know, which must be zero.
  struct { struct clone_args known; uint64_t unknown[4]; } large = {.known = {.exit_signal = SIGCHLD}};
  for (size_t size = 0; size <= sizeof large; size += 8) {
    long pid = clone3_of(&large.known, size, 0, 0);
    if (pid == 0) _exit(4);
    if (pid < 0) say("size %zu: %ld", size, pid);
    else say("size %zu: %s", size, status_of(pid));
  }
  large.unknown[1] = 1;
  say("unknown field: %ld", clone3_of(&large.known, sizeof large, 0, 0));
  say("too large: %ld", clone3_of(&large.known, 4097, 0, 0));
  struct clone_args arguments = {.exit_signal = SIGCHLD, .set_tid = (uint64_t)more, .set_tid_size = 0};
  say("set_tid without a size: %ld", clone3_of(&arguments, sizeof arguments, 0, 0));
  arguments.set_tid_size = 33;
  say("too many set_tid: %ld", clone3_of(&arguments, sizeof arguments, 0, 0));
  arguments.set_tid_size = 1;
  more[0] = 1;
  say("set_tid that is taken: %ld", clone3_of(&arguments, sizeof arguments, 0, 0));
  more[0] = 0;
  say("set_tid zero: %ld", clone3_of(&arguments, sizeof arguments, 0, 0));
}

CASE(arguments_at_the_end_of_memory) {
  // clone3 reads its arguments to the last byte and no further.
  char *pages = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  munmap(pages + 4096, 4096);
  struct clone_args *arguments = (struct clone_args *)(pages + 4096 - sizeof *arguments);
  arguments->exit_signal = SIGCHLD;
  long pid = clone3_of(arguments, sizeof *arguments, 0, 0);
  if (pid == 0) _exit(8);
  say("whole: %s", status_of(pid));
  for (int missing = 1; missing <= 88; missing += 29) {
    long result = clone3_of((struct clone_args *)((char *)arguments + missing), sizeof *arguments, 0, 0);
    say("%d bytes missing: %ld", missing, result);
  }
}

// ---- one by one

CASE(set_tids_in_memory_that_cannot_be_written) {
  // The kernel forgets about it: clone(2) does not fail.
  long pid = start(SYS_clone, CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | SIGCHLD, 0, 8, 16, 0, 0, 0);
  if (pid == 0) _exit(9);
  say("%s", pid < 0 ? strerror((int)-pid) : status_of(pid));
  pid = start(SYS_clone, CLONE_PIDFD | SIGCHLD, 0, 8, 0, 0, 0, 0);
  if (pid == 0) _exit(9);
  say("pidfd: %s", pid < 0 ? strerror((int)-pid) : status_of(pid));
}

CASE(settid_and_cleartid) {
  static atomic_int child_tid;
  static int parent_tid;
  for (int i = 0; i < 20; i++) {
    child_tid = parent_tid = 0;
    long tid = start(SYS_clone, THREAD_FLAGS | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID, top(0), (long)&parent_tid, (long)&child_tid, 0, give, 0);
    check_equal(parent_tid, tid);
    // Set in the child before it runs, cleared when it is gone.
    while (raw(SYS_tgkill, getpid(), tid, 0, 0, 0, 0) == 0) sched_yield();
    wait_for_zero(&child_tid);
  }
  say("done");
}

static long tid_address(void *argument) {
  // set_tid_address replaces what clone was given.
  static atomic_int own = 1;
  *(atomic_int **)argument = &own;
  return raw(SYS_set_tid_address, (long)&own, 0, 0, 0, 0, 0) == raw(SYS_gettid, 0, 0, 0, 0, 0, 0) ? 0 : 1;
}

CASE(set_tid_address_of_a_thread) {
  static atomic_int given = 1;
  static atomic_int *volatile own;
  long tid = start(SYS_clone, THREAD_FLAGS | CLONE_CHILD_CLEARTID, top(0), 0, (long)&given, 0, tid_address, (void *)&own);
  while (!own) sched_yield();
  wait_for_zero(own);
  say("thread %d, given stays %d", tid > 0, given);
}

static long change_directory(void *argument) { return raw(SYS_chdir, (long)"/", 0, 0, 0, 0, 0); }
static long close_zero(void *argument) { return raw(SYS_close, 0, 0, 0, 0, 0, 0); }

CASE(shared_or_copied) {
  char here[4096], there[4096];
  for (int shared = 0; shared < 2; shared++) {
    check(getcwd(here, sizeof here) != 0);
    long pid = start(SYS_clone, (shared ? CLONE_FS : 0) | CLONE_VM | SIGCHLD, top(0), 0, 0, 0, change_directory, 0);
    const char *status = status_of(pid);
    check(getcwd(there, sizeof there) != 0);
    say("fs shared %d: %s, directory %s", shared, status, strcmp(here, there) == 0 ? "kept" : there);
    check(chdir(here) == 0);
    int zero = open("/dev/null", O_RDONLY);
    check(dup2(zero, 0) == 0);
    pid = start(SYS_clone, (shared ? CLONE_FILES : 0) | SIGCHLD, 0, 0, 0, 0, 0, 0);
    if (pid == 0) raw(SYS_exit_group, close_zero(0), 0, 0, 0, 0, 0);
    status = status_of(pid);
    say("files shared %d: %s, descriptor %s", shared, status, fcntl(0, F_GETFD) == 0 ? "open" : "closed");
  }
}

CASE(parent_of_my_parent) {
  // The child of CLONE_PARENT is its creator's brother, and ends with its creator's exit signal.
  int ends[2];
  check(pipe(ends) == 0);
  pid_t creator = fork();
  if (creator == 0) {
    int mine = 0;
    for (int i = 0; i < 3; i++) {
      long pid = start(SYS_clone, CLONE_PARENT | (i == 2 ? CLONE_VM : 0) | SIGUSR1, top(0), 0, 0, 0, give, (void *)11);
      check(write(ends[1], &pid, sizeof pid) == sizeof pid);
      mine += waitpid((pid_t)pid, 0, __WALL) != -1 || errno != ECHILD;
    }
    _exit(mine);
  }
  for (int i = 0; i < 3; i++) {
    long pid;
    check(read(ends[0], &pid, sizeof pid) == sizeof pid);
    say("brother: %s", status_of(pid));
  }
  wait_and_say(creator, "creator");
  pid_t init = fork();
  if (init == 0) {
    if (unshare(CLONE_NEWPID) != 0) _exit(40);
    pid_t first = fork();
    if (first == 0) _exit(raw(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0, 0) == -EINVAL ? 41 : 42);
    int status;
    waitpid(first, &status, 0);
    _exit(WEXITSTATUS(status));
  }
  wait_and_say(init, "brother of an init");
}

static atomic_int handled_in_child;
static void count(int signal, siginfo_t *info, void *context) { handled_in_child++; }

static void clone_in_handler(int number, siginfo_t *info, void *context) {
  static atomic_int tid;
  tid = 1;
  long pid = start(SYS_clone, SIGCHLD, 0, 0, 0, 0, 0, 0);
  if (pid == 0) {
    raise(SIGUSR2);
    _exit(handled_in_child == 1 ? 12 : 13);
  }
  say("process: %s", status_of(pid));
  pid = vfork();
  if (pid == 0) _exit(14);
  say("vfork: %s", status_of(pid));
  start(SYS_clone, THREAD_FLAGS | CLONE_CHILD_CLEARTID, top(0), 0, (long)&tid, 0, give, 0);
  wait_for_zero(&tid);
}

CASE(in_a_signal_handler) {
  static char alternate[65536];
  stack_t stack = {.ss_sp = alternate, .ss_size = sizeof alternate};
  install(SIGUSR2, count, 0);
  install(SIGUSR1, clone_in_handler, 0);
  raise(SIGUSR1);
  sigaltstack(&stack, 0);
  install(SIGUSR1, clone_in_handler, SA_ONSTACK);
  raise(SIGUSR1);
  sigset_t set;
  sigprocmask(SIG_BLOCK, 0, &set);
  say("mask empty again: %d", !sigismember(&set, SIGUSR1));
}

CASE(mask_of_children) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  sigaddset(&set, SIGSEGV);
  sigprocmask(SIG_SETMASK, &set, 0);
  for (int i = 0; i < 3; i++) {
    static const int flags[] = {SIGCHLD, CLONE_VFORK | SIGCHLD, CLONE_VM | CLONE_VFORK | SIGCHLD};
    long pid = start(SYS_clone, flags[i], 0, 0, 0, 0, 0, 0);
    if (pid == 0) {
      unsigned long mask = 0;
      raw(SYS_rt_sigprocmask, 0, 0, (long)&mask, 8, 0, 0);
      raw(SYS_exit_group, mask == (1UL << (SIGUSR1 - 1) | 1UL << (SIGSEGV - 1)) ? 3 : 4, 0, 0, 0, 0, 0);
    }
    say("%s", status_of(pid));
  }
}

// ---- limits

CASE(limit_of_processes) {
  // As a user with no other processes, who may have three.
  pid_t pid = fork();
  if (pid == 0) {
    if (setgid(61234) != 0 || setuid(61234) != 0) _exit(90);
    struct rlimit limit = {3, 3};
    setrlimit(RLIMIT_NPROC, &limit);
    static atomic_int tid = 1;
    int again = 0, made = 0;
    pid_t kept = fork();
    if (kept == 0) for (;;) pause();
    pid_t second = fork();
    if (second == 0) for (;;) pause();
    for (int i = 0; i < 2000; i++) {
      again += start(SYS_clone, THREAD_FLAGS | CLONE_CHILD_CLEARTID, top(0), 0, (long)&tid, 0, give, 0) == -EAGAIN;
      again += start(SYS_clone, CLONE_VM | SIGCHLD, top(0), 0, 0, 0, give, 0) == -EAGAIN;
      again += start(SYS_clone, CLONE_VM | CLONE_VFORK | SIGCHLD, top(0), 0, 0, 0, give, 0) == -EAGAIN;
      again += start(SYS_clone, SIGCHLD, 0, 0, 0, 0, 0, 0) == -EAGAIN;
      again += start(SYS_clone, CLONE_VFORK | SIGCHLD, 0, 0, 0, 0, 0, 0) == -EAGAIN;
    }
    kill(second, SIGKILL);
    status_of(second);
    for (int i = 0; i < 50; i++) {
      tid = 1;
      if (start(SYS_clone, THREAD_FLAGS | CLONE_CHILD_CLEARTID, top(0), 0, (long)&tid, 0, give, 0) < 0) continue;
      made++;
      wait_for_zero(&tid);
    }
    say("refused %d, then made %s", again, made > 0 ? "again" : "none");
    kill(kept, SIGKILL);
    status_of(kept);
    _exit(0);
  }
  say("%s", status_of(pid));
}

// ---- namespaces

static long who_am_i(void *argument) {
  long pid = raw(SYS_getpid, 0, 0, 0, 0, 0, 0), tid = raw(SYS_gettid, 0, 0, 0, 0, 0, 0), parent = raw(SYS_getppid, 0, 0, 0, 0, 0, 0);
  return pid * 10 + tid * 3 + parent;
}

static long signal_in_namespace(void *argument) {
  long before = handled_in_child;
  raw(SYS_tgkill, raw(SYS_getpid, 0, 0, 0, 0, 0, 0), raw(SYS_gettid, 0, 0, 0, 0, 0, 0), SIGUSR2, 0, 0, 0);
  return handled_in_child - before == 1 ? who_am_i(0) : 99;
}

CASE(pid_namespace) {
  install(SIGUSR2, count, 0);
  static const int flags[] = {0, CLONE_VM, CLONE_VM | CLONE_VFORK, CLONE_VFORK};
  for (int i = 0; i < 4; i++) {
    long pid = start(SYS_clone, CLONE_NEWPID | flags[i] | SIGCHLD, top(0), 0, 0, 0, signal_in_namespace, 0);
    say("flags %#x: %s", flags[i], pid < 0 ? strerror((int)-pid) : status_of(pid));
  }
  // Later children of one that has left, and threads of an init.
  pid_t leaver = fork();
  if (leaver == 0) {
    check(unshare(CLONE_NEWPID) == 0);
    static atomic_int tid = 1;
    say("thread after unshare: %ld", start(SYS_clone, THREAD_FLAGS | CLONE_CHILD_CLEARTID, top(0), 0, (long)&tid, 0, give, 0));
    pid_t init = fork();
    if (init == 0) {
      int bad = 0;
      for (int i = 0; i < 20; i++) {
        tid = 1;
        bad += start(SYS_clone, THREAD_FLAGS | CLONE_CHILD_CLEARTID, top(1), 0, (long)&tid, 0, signal_in_namespace, 0) <= 0;
        wait_for_zero(&tid);
        pid_t child = fork();
        if (child == 0) _exit(getppid() == 1 ? 0 : 1);
        bad += strcmp(status_of(child), "exit 0") != 0;
        child = vfork();
        if (child == 0) _exit(0);
        bad += strcmp(status_of(child), "exit 0") != 0;
      }
      say("init: bad %d, handled %d", bad, handled_in_child);
      _exit(0);
    }
    say("init: %s", status_of(init));
    say("after its init: %d", fork() == -1 && errno == ENOMEM);
    _exit(0);
  }
  say("%s", status_of(leaver));
}

static long wait_in_namespace(void *argument) {
  static atomic_int never;
  atomic_fetch_add((atomic_int *)argument, 1);
  for (;;) raw(SYS_futex, (long)&never, FUTEX_WAIT, 0, 0, 0, 0);
  return 0;
}

CASE(many_in_other_namespaces) {
  // Inits of namespaces of their own share this memory: their numbers say nothing about the threads here.
  enum { COUNT = 40 };
  static char many[COUNT][16384] __attribute__((aligned(64)));
  static atomic_int ready;
  long pids[COUNT];
  for (int i = 0; i < COUNT; i++) pids[i] = start(SYS_clone, CLONE_NEWPID | CLONE_VM | SIGCHLD, (long)(many[i] + sizeof many[i]), 0, 0, 0, wait_in_namespace, &ready);
  for (int i = 0; i < COUNT; i++) check(pids[i] > 0);
  while (ready < COUNT) sched_yield();
  for (int i = 0; i < COUNT; i++) kill((pid_t)pids[i], SIGKILL);
  int bad = 0;
  for (int i = 0; i < COUNT; i++) bad += strcmp(status_of(pids[i]), "signal 9") != 0;
  say("bad %d", bad);
}

CASE(other_namespaces) {
  static const int flags[] = {CLONE_NEWUTS, CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWUSER, CLONE_NEWCGROUP, CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS};
  for (unsigned i = 0; i < sizeof flags / sizeof *flags; i++) {
    long pid = start(SYS_clone, flags[i] | SIGCHLD, 0, 0, 0, 0, 0, 0);
    if (pid == 0) {
      struct utsname names;
      if (flags[i] & CLONE_NEWUTS) check(sethostname("elsewhere", 9) == 0);
      uname(&names);
      int user = (int)getuid();
      pid_t inner = fork();
      if (inner == 0) _exit(5);
      status_of(inner);
      _exit(user == 65534 ? 21 : strcmp(names.nodename, "elsewhere") == 0 ? 22 : 23);
    }
    say("%#x: %s", flags[i], pid < 0 ? strerror((int)-pid) : status_of(pid));
  }
}

CASE(unshare_and_setns) {
  int uts = open("/proc/self/ns/uts", O_RDONLY), pid_namespace = open("/proc/self/ns/pid", O_RDONLY);
  check(unshare(CLONE_FS | CLONE_FILES | CLONE_SYSVSEM) == 0);
  check(unshare(CLONE_NEWUTS) == 0);
  check(sethostname("unshared", 8) == 0);
  struct utsname names;
  uname(&names);
  say("%s", names.nodename);
  check(setns(uts, CLONE_NEWUTS) == 0);
  uname(&names);
  say("back: %d", strcmp(names.nodename, "unshared") != 0);
  say("into its own pid namespace: %d", setns(pid_namespace, 0));
  say("wrong kind: %d", setns(uts, CLONE_NEWPID) == -1 && errno == EINVAL);
  say("no descriptor: %d", setns(-1, 0) == -1 && errno == EBADF);
  say("thread and memory: %d", unshare(CLONE_VM | CLONE_SIGHAND | CLONE_THREAD));
  static atomic_int tid = 1, ready;
  start(SYS_clone, THREAD_FLAGS | CLONE_CHILD_CLEARTID, top(0), 0, (long)&tid, 0, wait_in_namespace, &ready);
  while (!ready) sched_yield();
  say("with a thread: %d", unshare(CLONE_VM) == -1 && errno == EINVAL);
  say("unknown: %d", unshare(0x40000000) == -1 ? errno : 0);
}

CASE(chosen_number) {
  // set_tid, in a pid namespace of its own.
  pid_t leaver = fork();
  if (leaver == 0) {
    check(unshare(CLONE_NEWPID) == 0);
    pid_t init = fork();
    if (init == 0) {
      int wanted = 777;
      struct clone_args arguments = {.exit_signal = SIGCHLD, .set_tid = (uint64_t)&wanted, .set_tid_size = 1};
      long pid = clone3_of(&arguments, sizeof arguments, 0, 0);
      if (pid == 0) _exit(getpid() == 777 && raw(SYS_gettid, 0, 0, 0, 0, 0, 0) == 777 ? 31 : 32);
      say("%ld: %s", pid, pid < 0 ? strerror((int)-pid) : status_of(pid));
      arguments.flags = CLONE_VM | CLONE_VFORK;
      arguments.stack = (uint64_t)stacks[2];
      arguments.stack_size = sizeof stacks[2];
      wanted = 778;
      pid = clone3_of(&arguments, sizeof arguments, who_am_i, 0);
      say("%ld: %s", pid, pid < 0 ? strerror((int)-pid) : status_of(pid));
      _exit(0);
    }
    say("init: %s", status_of(init));
    _exit(0);
  }
  say("%s", status_of(leaver));
}
