// What a process keeps across execve and what it loses: man 2 execve, begin_new_exec of fs/exec.c.
// variants: dynamic static
#include "execs.h"
#include <pthread.h>
#include <sched.h>
#include <spawn.h>
#include <sys/auxv.h>
#include <sys/io.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <termios.h>

static int status_line(const char *name, char *line, size_t size) {
  FILE *file = fopen("/proc/self/status", "r");
  while (file && fgets(line, (int)size, file)) {
    if (strncmp(line, name, strlen(name)) != 0) continue;
    line[strcspn(line, "\n")] = 0;
    fclose(file);
    return 1;
  }
  if (file) fclose(file);
  return 0;
}

static void say_status(const char *name) {
  char line[256];
  if (status_line(name, line, sizeof line)) say("%s", line);
}

static void execute(const char *name) {
  char *path = strdup(case_argv[0]);
  execl(path, path, name, (char *)0);
  say("errno %d", errno);
}

CASE(show_process) {
  int death = -1, keep = prctl(PR_GET_KEEPCAPS, 0, 0, 0, 0), subreaper = -1;
  prctl(PR_GET_PDEATHSIG, &death, 0, 0, 0);
  prctl(PR_GET_CHILD_SUBREAPER, &subreaper, 0, 0, 0);
  say("death signal %d, keep capabilities %d, dumpable %d, subreaper %d", death, keep, prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), subreaper);
  say("no_new_privs %d, timer slack %d, THP disabled %d", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), prctl(PR_GET_TIMERSLACK, 0, 0, 0, 0), prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0));
  say("personality %x, umask %o, nice %d", personality(0xffffffff), umask(0), getpriority(PRIO_PROCESS, 0));
  say("securebits %x, machine check %d, tsc %d", prctl(PR_GET_SECUREBITS, 0, 0, 0, 0), prctl(PR_MCE_KILL_GET, 0, 0, 0, 0), ({ int tsc = 0; prctl(PR_GET_TSC, &tsc, 0, 0, 0); tsc; }));
  cpu_set_t set;
  check(sched_getaffinity(0, sizeof set, &set) == 0);
  say("processors %d, policy %d, io priority %lx", CPU_COUNT(&set), sched_getscheduler(0), syscall(SYS_ioprio_get, 1, 0));
  char text[64] = "";
  int file = open("/proc/self/oom_score_adj", O_RDONLY);
  check(read(file, text, sizeof text) > 0);
  close(file);
  say("oom score %d", atoi(text));
  say_status("VmLck:");
  say_status("Threads:");
  // But for the signals that the kernel may never block or ignore under Flicker (docs/limits.md).
  static const char *const masks[] = {"SigPnd:", "ShdPnd:", "SigBlk:", "SigIgn:"};
  for (int i = 0; i < 4; i++) {
    char line[256];
    if (status_line(masks[i], line, sizeof line)) say("%s %llx", masks[i], strtoull(line + 7, 0, 16) & ~0x40000458ull);
  }
  say_status("Groups:");
  say_status("CapEff:");
  say_status("CapAmb:");
  struct itimerval real, virtual, profile;
  getitimer(ITIMER_REAL, &real);
  getitimer(ITIMER_VIRTUAL, &virtual);
  getitimer(ITIMER_PROF, &profile);
  say("timers: real %d, virtual %d, profile %d", real.it_value.tv_sec > 0, virtual.it_value.tv_sec > 0, profile.it_value.tv_sec > 0);
  file = open("/proc/self/timers", O_RDONLY);
  char timers[4096];
  if (file >= 0) say("POSIX timers: %zd bytes", read(file, timers, sizeof timers));
  void *head = (void *)1;
  size_t size = 0;
  syscall(SYS_get_robust_list, 0, &head, &size);
  say("robust list: %d", head != 0);
  stack_t stack;
  sigaltstack(0, &stack);
  say("alternate stack %d", stack.ss_flags);
  say("AT_SECURE %lu", getauxval(AT_SECURE));
  for (int i = 1; i <= RLIMIT_RTTIME; i++) {
    struct rlimit limit;
    getrlimit(i, &limit);
    say("limit %d: %lx %lx", i, (long)limit.rlim_cur, (long)limit.rlim_max);
  }
}

CASE(everything_kept) {
  prctl(PR_SET_PDEATHSIG, SIGUSR1, 0, 0, 0);
  prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0);
  prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  prctl(PR_SET_TIMERSLACK, 12345, 0, 0, 0);
  prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  umask(0123);
  setpriority(PRIO_PROCESS, 0, 5);
  personality(ADDR_COMPAT_LAYOUT | UNAME26);
  cpu_set_t set;
  sched_getaffinity(0, sizeof set, &set);
  int kept = -1;
  for (int i = 0; i < CPU_SETSIZE; i++) {
    if (!CPU_ISSET(i, &set)) continue;
    if (kept < 0) kept = i;
    else CPU_CLR(i, &set);
  }
  check(sched_setaffinity(0, sizeof set, &set) == 0);
  struct sched_param parameters = {0};
  sched_setscheduler(0, SCHED_BATCH, &parameters);
  syscall(SYS_ioprio_set, 1, 0, (2 << 13) | 6);
  int file = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
  check(write(file, "321", 3) == 3);
  check(mlockall(MCL_FUTURE) == 0);
  struct itimerval long_time = {.it_value = {.tv_sec = 1000}};
  setitimer(ITIMER_REAL, &long_time, 0);
  setitimer(ITIMER_VIRTUAL, &long_time, 0);
  setitimer(ITIMER_PROF, &long_time, 0);
  struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR2};
  int timer;
  check(syscall(SYS_timer_create, CLOCK_MONOTONIC, &event, &timer) == 0);
  sigset_t blocked;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGTERM);
  sigaddset(&blocked, SIGRTMIN + 3);
  sigprocmask(SIG_BLOCK, &blocked, 0);
  signal(SIGHUP, SIG_IGN);
  signal(SIGCHLD, SIG_IGN);
  signal(SIGSEGV, SIG_IGN);
  signal(SIGILL, SIG_IGN);
  signal(SIGTRAP, SIG_IGN);
  raise(SIGTERM);
  union sigval value = {.sival_int = 7};
  sigqueue(getpid(), SIGRTMIN + 3, value);
  sigqueue(getpid(), SIGRTMIN + 3, value);
  execute("show_process");
}

CASE(limits_kept) {
  for (int i = 1; i <= RLIMIT_RTTIME; i++) {
    struct rlimit limit;
    getrlimit(i, &limit);
    if (i == RLIMIT_AS || i == RLIMIT_STACK || i == RLIMIT_DATA) limit.rlim_cur = 1ul << 30;
    else if (i != RLIMIT_FSIZE && limit.rlim_cur > 100) limit.rlim_cur = 100;
    check(setrlimit(i, &limit) == 0);
  }
  execute("show_process");
}

CASE(blocked_synchronous) {
  // Blocked or ignored across execve are also the signals that the engine itself needs.
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, 0);
  raise(SIGSEGV);
  raise(SIGILL);
  raise(SIGSYS);
  raise(SIGFPE);
  execute("show_process");
}

CASE(fault_while_blocked) {
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, 0);
  execute("fault");
}

CASE(fault) { *(volatile int *)8 = 1; }

CASE(fault_while_ignored) {
  signal(SIGSEGV, SIG_IGN);
  execute("fault");
}

CASE(show_pending) {
  siginfo_t info;
  sigset_t all;
  sigfillset(&all);
  struct timespec none = {0, 0};
  int signal;
  while ((signal = sigtimedwait(&all, &info, &none)) > 0) say("signal %d code %d value %d from me %d", signal, info.si_code, signal >= SIGRTMIN ? info.si_value.sival_int : 0, info.si_pid == getpid());
}

CASE(pending_kept) {
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, 0);
  for (int i = 0; i < 5; i++) sigqueue(getpid(), SIGRTMIN + 2, (union sigval){.sival_int = i});
  raise(SIGUSR1);
  kill(getpid(), SIGUSR2);
  raise(SIGSEGV);
  syscall(SYS_tgkill, getpid(), gettid(), SIGTRAP);
  execute("show_pending");
}

CASE(show_credentials) {
  uid_t real, effective, saved;
  getresuid(&real, &effective, &saved);
  say("uids %d %d %d, AT_UID %lu AT_EUID %lu AT_SECURE %lu", real, effective, saved, getauxval(AT_UID), getauxval(AT_EUID), getauxval(AT_SECURE));
  say_status("CapPrm:");
  say_status("CapEff:");
  say_status("CapInh:");
  say_status("CapAmb:");
  say_status("CapBnd:");
  say("dumpable %d, death signal %d", prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), ({ int death = 0; prctl(PR_GET_PDEATHSIG, &death, 0, 0, 0); death; }));
  char link[512] = "";
  say("exe %d", readlink("/proc/self/exe", link, sizeof link - 1) > 0 && strcmp(strrchr(link, '/'), strrchr(case_argv[0], '/')) == 0);
  say("environment %d", getenv("LD_PRELOAD_IS_HERE") != 0);
}

CASE(credentials) {
  copy_program(case_argv[0], "program");
  chmod("program", 0755);
  chmod(".", 0755);
  char *arguments[] = {"./program", "show_credentials", 0};
  prctl(PR_SET_PDEATHSIG, SIGUSR1, 0, 0, 0);
  setenv("LD_PRELOAD_IS_HERE", "1", 1);
  try("as we are", execv("./program", arguments));
  if (getuid() != 0) return;
  try("real user", (setresuid(65534, 0, 0), execv("./program", arguments)));
  try("effective user", (setresuid(0, 65534, 65534), execv("./program", arguments)));
  try("effective user, saved root", (setresuid(65534, 65534, 0), execv("./program", arguments)));
  try("all users", (setresuid(65534, 65534, 65534), execv("./program", arguments)));
  try("keep capabilities", (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0), setresuid(65534, 65534, 65534), execv("./program", arguments)));
  try("no-root", (prctl(PR_SET_SECUREBITS, 3, 0, 0, 0), execv("./program", arguments)));
  try("bounding set", (prctl(PR_CAPBSET_DROP, 5, 0, 0, 0), execv("./program", arguments)));
  try("not dumpable", (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0), execv("./program", arguments)));
  chmod("program", 0711);
  try("unreadable", (setresuid(65534, 65534, 65534), execv("./program", arguments)));
  chmod("program", 04755);
  try("set-user-ID", (setresuid(65534, 65534, 65534), execv("./program", arguments)));
  try("set-user-ID, no new privileges", (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), setresuid(65534, 65534, 65534), execv("./program", arguments)));
}

// ---- memory

CASE(vfork_and_exec) {
  // The child's memory is the parent's until the exec: what it writes is seen, what the exec does is not.
  volatile int seen = 0;
  for (int i = 0; i < rounds(30); i++) {
    pid_t pid = vfork();
    if (pid == 0) {
      seen++;
      execl("/bin/true", "true", (char *)0);
      _exit(1);
    }
    int status;
    check(waitpid(pid, &status, 0) == pid && status == 0);
  }
  say("seen %d", seen);
  pid_t pid = vfork();
  if (pid == 0) {
    execl("/no/such/program", "program", (char *)0);
    seen = errno;
    _exit(9);
  }
  wait_and_say(pid, "failed");
  say("errno %d", seen);
}

static void count_memory(long *size, long *lines, long *resident) {
  char line[512];
  *lines = 0;
  FILE *file = fopen("/proc/self/maps", "r");
  while (fgets(line, sizeof line, file)) ++*lines;
  fclose(file);
  file = fopen("/proc/self/statm", "r");
  check(fscanf(file, "%ld %ld", size, resident) == 2);
  fclose(file);
}

CASE(long_chain) {
  // Exec after exec: nothing may grow. The first links' figures and the last's are compared.
  int count = case_argv[2] ? atoi(case_argv[2]) : 0, limit = rounds(100);
  char text[8][24];
  long size, lines, resident;
  count_memory(&size, &lines, &resident);
  static const char *const kept[] = {"PATH", "HOME"};
  if (count >= limit) {
    long first_size = atol(case_argv[3]), first_lines = atol(case_argv[4]), first_resident = atol(case_argv[5]);
    // Randomisation joins and splits mappings, and the heap's place changes with it.
    int grew = size > first_size + 2048 || lines > first_lines + 12 || resident > first_resident + 200;
    say("grew: %d", grew);
    if (grew) say("size %ld then %ld, lines %ld then %ld, resident %ld then %ld pages", first_size, size, first_lines, lines, first_resident, resident);
    int files = 0;
    for (int file = 0; file < 1024; file++) files += fcntl(file, F_GETFD) >= 0;
    int variables = 0;
    for (char **e = environ; *e; e++) variables++;
    say("descriptors %d, variables as at first %d, pid as at first %d", files, variables == atoi(case_argv[6]), getpid() == atoi(case_argv[7]));
    for (int i = 0; i < 2; i++) say("%s kept: %d", kept[i], getenv(kept[i]) != 0);
    return;
  }
  int variables = 0;
  for (char **e = environ; *e; e++) variables++;
  long values[] = {count + 1, size, lines, resident, variables, getpid()};
  char *arguments[9] = {strdup(case_argv[0]), "long_chain"};
  for (int i = 0; i < 6; i++) {
    snprintf(text[i], sizeof text[i], "%ld", values[i]);
    arguments[2 + i] = count >= 2 && i > 0 ? case_argv[2 + i] : text[i];
  }
  execv(arguments[0], arguments);
  say("errno %d", errno);
}

CASE(closed_standard_descriptors) {
  int out = fcntl(1, F_DUPFD, 700);
  close(0);
  close(2);
  close(1);
  char number[16];
  snprintf(number, sizeof number, "%d", out);
  char *path = strdup(case_argv[0]);
  execl(path, path, "show_closed", number, (char *)0);
}

CASE(show_closed) {
  if (!case_argv[2]) return;
  int open_files = 0;
  for (int file = 0; file < 1024; file++) open_files += fcntl(file, F_GETFD) >= 0;
  int next = open("/dev/null", O_RDONLY);
  dup2(atoi(case_argv[2]), 1);
  say("open %d, next %d", open_files, next);
}

CASE(high_descriptors) {
  // The program's own descriptors are where the engine would put one.
  for (int file = 890; file < 920; file++) check(dup2(1, file) == file);
  execute("show_high");
}

CASE(show_high) {
  int open_files = 0;
  for (int file = 800; file < 1024; file++) open_files += fcntl(file, F_GETFD) >= 0;
  say("open %d", open_files);
}

// ---- under fire

static int hops(void) { return case_argv[2] ? atoi(case_argv[2]) : 0; }

static void hop(const char *name, int left) {
  char number[16];
  snprintf(number, sizeof number, "%d", left);
  char *path = strdup(case_argv[0]);
  execl(path, path, name, number, (char *)0);
  say("errno %d", errno);
  _exit(1);
}

enum { SENT = 200 };

CASE(hop_and_count) {
  int left = hops();
  if (!case_argv[2]) return;
  if (left > 0) hop("hop_and_count", left - 1);
  siginfo_t info;
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGRTMIN + 1);
  sigaddset(&set, SIGSEGV);
  sigaddset(&set, SIGTRAP);
  sigset_t pending;
  int in_order = 1, count = 0, engine = 0;
  struct timespec patience = {10, 0};
  while (count < SENT && sigtimedwait(&set, &info, &patience) > 0) {
    if (info.si_signo != SIGRTMIN + 1) engine |= 1 << (info.si_signo == SIGTRAP);
    else in_order &= info.si_value.sival_int == count++;
  }
  sigpending(&pending);
  say("received %d in order %d, of the engine's %d", count, in_order, engine);
}

CASE(signals_while_executing) {
  // A process that is always somewhere in an execve gets signals, all blocked: none may be lost.
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_BLOCK, &all, 0);
  pid_t pid = fork();
  if (pid == 0) hop("hop_and_count", rounds(25));
  struct timespec pause = {0, 400000};
  for (int i = 0; i < SENT; i++) {
    check(sigqueue(pid, SIGRTMIN + 1, (union sigval){.sival_int = i}) == 0);
    kill(pid, i & 1 ? SIGSEGV : SIGTRAP);
    nanosleep(&pause, 0);
  }
  wait_and_say(pid, "hops");
}

static volatile int stop;
static void *be_busy(void *argument) {
  while (!stop) {
    void *place = mmap(0, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    access("/proc/self/exe", X_OK);
    sched_yield();
    munmap(place, 65536);
  }
  return 0;
}
static void *hop_on(void *argument) {
  hop("busy_threads", hops() ? hops() - 1 : rounds(15));
  return 0;
}

CASE(busy_threads) {
  // Threads in the midst of calls are ended by an execve of one that is not the first.
  if (case_argv[2] && hops() == 0) return say("arrived, %d threads", (status_line("Threads:", (char[64]){0}, 64), 1));
  pthread_t thread;
  for (int i = 0; i < 6; i++) pthread_create(&thread, 0, be_busy, 0);
  pthread_create(&thread, 0, hop_on, 0);
  pthread_join(thread, 0);
}

static void *race(void *argument) {
  pthread_barrier_wait(argument);
  execl("/bin/echo", "echo", "one of them", (char *)0);
  return 0;
}

CASE(two_at_once) {
  for (int i = 0; i < rounds(10); i++) {
    pid_t pid = fork();
    if (pid == 0) {
      static pthread_barrier_t barrier;
      pthread_barrier_init(&barrier, 0, 4);
      pthread_t threads[4];
      for (int j = 0; j < 4; j++) pthread_create(&threads[j], 0, race, &barrier);
      for (int j = 0; j < 4; j++) pthread_join(threads[j], 0);
      _exit(9);
    }
    wait_and_say(pid, "race");
  }
}

static void *spawn_many(void *argument) {
  char *arguments[] = {"sh", "-c", "exit 3", 0};
  for (int i = 0; i < rounds(8); i++) {
    pid_t pid;
    int status = 0;
    check(posix_spawn(&pid, "/bin/sh", 0, 0, arguments, environ) == 0);
    check(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 3);
  }
  return 0;
}

CASE(spawn_storm) {
  // posix_spawn is clone(CLONE_VM | CLONE_VFORK): the children's execve happens in this memory, several at once.
  pthread_t threads[8];
  for (int i = 0; i < 8; i++) pthread_create(&threads[i], 0, spawn_many, 0);
  for (int i = 0; i < 8; i++) pthread_join(threads[i], 0);
  int files = 0;
  for (int file = 0; file < 256; file++) files += fcntl(file, F_GETFD) >= 0;
  say("descriptors %d", files);
}

static int execute_by_descriptor(void *argument) {
  syscall(SYS_execveat, (int)(long)argument, "", (char *[]){"echo", "shared", 0}, environ, AT_EMPTY_PATH);
  return 1;
}

CASE(shared_descriptors) {
  // A child that shares the table of descriptors executes one; what the engine opens for that is gone afterwards.
  static char stack[65536];
  int program = open("/bin/echo", O_PATH | O_CLOEXEC);
  pid_t pid = clone(execute_by_descriptor, stack + sizeof stack, CLONE_FILES | CLONE_VM | SIGCHLD, (void *)(long)program);
  wait_and_say(pid, "child");
  int files = 0;
  for (int file = 0; file < 1024; file++) files += fcntl(file, F_GETFD) >= 0;
  say("descriptors %d", files);
}
