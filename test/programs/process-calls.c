// Calls on processes and threads that pass through: descriptors of processes, memory of others, comparison, scheduling,
// robust lists, barriers, restartable sequences. What they say of a process under Flicker is what they say natively.
// variants: dynamic static musl
#include "cases.h"
#include <linux/rseq.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>

static void sleep_for_ever(void) {
  for (;;) pause();
}

// ---- descriptors of processes

enum { PIDFD_SEND_SIGNAL = 424, PIDFD_OPEN = 434, PIDFD_GETFD = 438 };
enum { PIDFD_TYPE = 3 };  // P_PIDFD

static long open_process(pid_t pid) { return raw(PIDFD_OPEN, pid, 0, 0, 0, 0, 0); }

CASE(process_descriptors) {
  int ends[2];
  check(pipe(ends) == 0);
  pid_t pid = fork();
  if (pid == 0) {
    if (write(ends[1], "x", 1) != 1) _exit(1);
    sleep_for_ever();
  }
  int process = (int)open_process(pid);
  check(process >= 0);
  say("close on exec: %d", fcntl(process, F_GETFD) == FD_CLOEXEC);
  char byte;
  check(read(ends[0], &byte, 1) == 1);
  int copy = (int)raw(PIDFD_GETFD, process, ends[1], 0, 0, 0, 0);
  say("its descriptor: %d", copy >= 0 && write(copy, "y", 1) == 1 && read(ends[0], &byte, 1) == 1 && byte == 'y');
  check_equal(raw(PIDFD_GETFD, process, 899, 0, 0, 0, 0), -EBADF);
  siginfo_t info;
  memset(&info, 0, sizeof info);
  check(waitid((idtype_t)PIDFD_TYPE, (id_t)process, &info, WEXITED | WNOHANG) == 0 && info.si_pid == 0);
  check_equal(raw(PIDFD_SEND_SIGNAL, process, 0, 0, 0, 0, 0), 0);
  check_equal(raw(PIDFD_SEND_SIGNAL, process, SIGKILL, 0, 0, 0, 0), 0);
  check(waitid((idtype_t)PIDFD_TYPE, (id_t)process, &info, WEXITED) == 0);
  say("code %d, status %d, right one %d", info.si_code, info.si_status, info.si_pid == pid);
  check_equal(raw(PIDFD_SEND_SIGNAL, process, SIGKILL, 0, 0, 0, 0), -ESRCH);
  check_equal(open_process(-1), -EINVAL);
  check_equal(open_process(pid), -ESRCH);
}

static atomic_int handled;
static volatile pid_t sender;
static volatile int code;
static void note(int signal, siginfo_t *info, void *context) {
  sender = info->si_pid;
  code = info->si_code;
  handled++;
}

static void *send_to_process(void *argument) {
  int process = (int)open_process(getpid());
  siginfo_t info = {.si_signo = SIGUSR1, .si_code = SI_QUEUE};
  info.si_pid = 4711;
  check_equal(raw(PIDFD_SEND_SIGNAL, process, SIGUSR1, (long)&info, 0, 0, 0), 0);
  close(process);
  return 0;
}

CASE(signal_by_descriptor) {
  install(SIGUSR1, note, 0);
  pthread_t thread;
  pthread_create(&thread, 0, send_to_process, 0);
  pthread_join(thread, 0);
  while (!handled) sched_yield();
  say("code %d, sender %d", code, (int)sender);
}

// ---- memory of others

CASE(memory_of_a_child) {
  static char text[] = "parent's text", other[32];
  static volatile int *ready;
  ready = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  pid_t pid = fork();
  if (pid == 0) {
    memcpy(text, "child's  text", sizeof text);
    *ready = 1;
    while (strcmp(text, "given by other") != 0 && text[0] != 'g') sched_yield();
    _exit(memcmp(text, "given", 5) == 0 ? 2 : 3);
  }
  while (!*ready) sched_yield();
  struct iovec local = {other, sizeof text}, remote = {text, sizeof text};
  check_equal(process_vm_readv(pid, &local, 1, &remote, 1, 0), sizeof text);
  say("read: %s; own: %s", other, text);
  memcpy(other, "given", 5);
  local.iov_len = remote.iov_len = 5;
  check_equal(process_vm_writev(pid, &local, 1, &remote, 1, 0), 5);
  wait_and_say(pid, "child");
  remote.iov_base = (void *)8;
  check(process_vm_readv(getpid(), &local, 1, &remote, 1, 0) == -1 && errno == EFAULT);
  char path[64];
  snprintf(path, sizeof path, "/proc/%d/mem", getpid());
  int file = open(path, O_RDWR);
  check(pwrite(file, "through", 7, (off_t)(uintptr_t)text) == 7);
  say("%s", text);
}

CASE(code_of_others) {
  // The code of another process reads as it is there; data around it as in the file.
  pid_t pid = fork();
  if (pid == 0) sleep_for_ever();
  char own[64], other[64];
  struct iovec local = {other, sizeof other}, remote = {(void *)(uintptr_t)open_process, sizeof other};
  memcpy(own, (void *)(uintptr_t)open_process, sizeof own);
  check(process_vm_readv(pid, &local, 1, &remote, 1, 0) == sizeof other);
  say("same: %d", memcmp(own, other, sizeof own) == 0);
  kill(pid, SIGKILL);
  wait_and_say(pid, "child");
}

enum { KCMP_FILE, KCMP_VM, KCMP_FILES, KCMP_FS, KCMP_SIGHAND, KCMP_IO, KCMP_SYSVSEM };
static char child_stack[65536] __attribute__((aligned(64)));
static int wait_shared(void *argument) {
  for (;;) raw(SYS_pause, 0, 0, 0, 0, 0, 0);
  return 0;
}

CASE(comparison) {
  static const int flags[] = {0, CLONE_VM, CLONE_FILES, CLONE_FS, CLONE_VM | CLONE_SIGHAND, CLONE_SYSVSEM};
  for (int i = 0; i < 6; i++) {
    pid_t pid = clone(wait_shared, child_stack + sizeof child_stack, flags[i] | SIGCHLD, 0);
    char line[64] = "";
    for (int what = KCMP_VM; what <= KCMP_SIGHAND; what++)
      strcat(line, raw(SYS_kcmp, getpid(), pid, what, 0, 0, 0) == 0 ? " same" : " other");
    say("%#x:%s", flags[i], line);
    kill(pid, SIGKILL);
    waitpid(pid, 0, 0);
  }
}

// ---- scheduling

static void *schedule(void *argument) {
  struct sched_param parameters = {.sched_priority = 0};
  say("policy %ld, batch %d, now %ld", raw(SYS_sched_getscheduler, 0, 0, 0, 0, 0, 0), sched_setscheduler(0, SCHED_BATCH, &parameters),
      raw(SYS_sched_getscheduler, 0, 0, 0, 0, 0, 0));
  setpriority(PRIO_PROCESS, 0, 3);
  return 0;
}

CASE(scheduling) {
  pthread_t thread;
  pthread_create(&thread, 0, schedule, 0);
  pthread_join(thread, 0);
  say("process: policy %ld, nice %d", raw(SYS_sched_getscheduler, 0, 0, 0, 0, 0, 0), getpriority(PRIO_PROCESS, 0));
  cpu_set_t all, one;
  check(sched_getaffinity(0, sizeof all, &all) == 0);
  CPU_ZERO(&one);
  CPU_SET(0, &one);
  check(sched_setaffinity(0, sizeof one, &one) == 0);
  unsigned cpu = 77;
  raw(SYS_getcpu, (long)&cpu, 0, 0, 0, 0, 0);
  say("on %u", cpu);
  check(sched_setaffinity(0, sizeof all, &all) == 0);
}

// A thread of high priority and one of low priority meet in the engine, on one processor.
static atomic_int stop;
static void *map_code(void *argument) {
  int file = open(case_argv[0], O_RDONLY | O_CLOEXEC);
  long times = 0;
  while (!stop && times < (long)argument) {
    void *code = mmap(0, 8192, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 4096);
    munmap(code, 8192);
    times++;
  }
  close(file);
  return 0;
}

CASE(real_time_priorities) {
  cpu_set_t one;
  CPU_ZERO(&one);
  CPU_SET(0, &one);
  sched_setaffinity(0, sizeof one, &one);
  pthread_t low, high;
  pthread_create(&low, 0, map_code, (void *)1000000);
  pthread_attr_t attributes;
  struct sched_param parameters = {.sched_priority = 50};
  pthread_attr_init(&attributes);
  pthread_attr_setinheritsched(&attributes, PTHREAD_EXPLICIT_SCHED);
  pthread_attr_setschedpolicy(&attributes, SCHED_FIFO);
  pthread_attr_setschedparam(&attributes, &parameters);
  for (int i = 0; i < 10; i++) {
    if (pthread_create(&high, &attributes, map_code, (void *)20) != 0) {
      say("not allowed");
      break;
    }
    pthread_join(high, 0);
  }
  stop = 1;
  pthread_join(low, 0);
  say("done");
}

// ---- robust lists, barriers

static void *robust_list(void *argument) {
  void *head = 0, *own[3] = {own, 0, 0};
  size_t size = 0;
  check_equal(raw(SYS_get_robust_list, 0, (long)&head, (long)&size, 0, 0, 0), 0);
  say("libc registers one: %d, size %zu", head != 0, size);
  check_equal(raw(SYS_set_robust_list, (long)own, 24, 0, 0, 0, 0), 0);
  void *now = 0;
  check_equal(raw(SYS_get_robust_list, 0, (long)&now, (long)&size, 0, 0, 0), 0);
  say("own: %d", now == own);
  check_equal(raw(SYS_set_robust_list, (long)own, 23, 0, 0, 0, 0), -EINVAL);
  raw(SYS_set_robust_list, (long)head, 24, 0, 0, 0, 0);
  return 0;
}

CASE(robust_lists) {
  pthread_t thread;
  robust_list(0);
  pthread_create(&thread, 0, robust_list, 0);
  pthread_join(thread, 0);
}

CASE(barriers) {
  long known = raw(SYS_membarrier, 0, 0, 0, 0, 0, 0);
  say("known %#lx", known);
  for (int command = 1; command <= 1 << 9; command <<= 1) say("%#x: %ld", command, raw(SYS_membarrier, command, 0, 0, 0, 0, 0));
  for (int command = 1; command <= 1 << 9; command <<= 1) say("again %#x: %ld", command, raw(SYS_membarrier, command, 0, 0, 0, 0, 0));
}

// ---- restartable sequences

#define SIGNATURE 0x53053053
enum { SYS_RSEQ = 334 };

// A sequence that adds one to a counter of the processor it runs on, and starts again when it was interrupted. The long way
// round makes sure that it is. Raises `aborted` each time.
long count_restartably(struct rseq *area, long *counters, long turns, long *aborted);
__asm__(
    ".text\n"
    ".balign 32\n"
    "count_restartably:\n"
    "0: lea sequence(%rip),%rax\n"
    "  mov %rax,8(%rdi)\n"               // rseq_cs
    "1: mov 4(%rdi),%eax\n"              // cpu_id
    "  mov %rdx,%r8\n"
    "5: dec %r8; jnz 5b\n"
    "  mov (%rsi,%rax,8),%r9\n"
    "  inc %r9\n"
    "  mov %r9,(%rsi,%rax,8)\n"          // the commit
    "2: mov $39,%eax\n"
    "  syscall\n"                        // right behind the sequence
    "  ret\n"
    "  .long 0x53053053\n"
    "4: incq (%rcx)\n"
    "  jmp 0b\n"
    ".pushsection .data.rel.ro,\"aw\"\n"
    ".balign 32\n"
    "sequence: .long 0, 0; .quad 1b, 2b-1b, 4b\n"
    ".popsection\n");

static long *counters;
static atomic_int finished;
static void *count_many(void *argument) {
  struct rseq *area = 0;
  static struct rseq areas[8] __attribute__((aligned(64)));
  long aborted = 0;
  areas[(long)argument].cpu_id = (unsigned)-1;
  // glibc has registered an area of its own already; the sequence can use either.
  long result = raw(SYS_RSEQ, (long)&areas[(long)argument], 32, 0, SIGNATURE, 0, 0);
#ifdef __GLIBC__
  extern const ptrdiff_t __rseq_offset __attribute__((weak));
  if (result != 0 && &__rseq_offset) area = (struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset);
#endif
  if (result == 0) area = &areas[(long)argument];
  if (!area) return (void *)-1;
  for (int i = 0; i < rounds(3000); i++)
    if (count_restartably(area, counters, i % 50 == 0 ? 300000 : 1000, &aborted) != getpid()) return (void *)-2;
  if (result == 0) check_equal(raw(SYS_RSEQ, (long)area, 32, 1, SIGNATURE, 0, 0), 0);
  finished++;
  return (void *)aborted;
}

static void *send_signals(void *argument) {
  pthread_t *threads = argument;
  while (!stop) {
    for (int i = 0; i < 4; i++) pthread_kill(threads[i], SIGUSR1);
    struct timespec time = {0, 100000};
    nanosleep(&time, 0);
  }
  return 0;
}

CASE(restartable_sequences) {
  // Four threads on two processors and signals all the time: whatever happens, no count is lost.
  counters = calloc(4096, sizeof *counters);
  install(SIGUSR1, note, SA_RESTART);
  static pthread_t threads[4], sender_thread;
  long aborted = 0, sum = 0;
  for (long i = 0; i < 4; i++) check(pthread_create(&threads[i], 0, count_many, (void *)i) == 0);
  pthread_create(&sender_thread, 0, send_signals, threads);
  while (finished < 4) sched_yield();
  stop = 1;
  pthread_join(sender_thread, 0);
  for (int i = 0; i < 4; i++) {
    void *result;
    pthread_join(threads[i], &result);
    check((long)result >= 0);
    aborted += (long)result;
  }
  for (int i = 0; i < 4096; i++) sum += counters[i];
  say("counted %ld, was interrupted %d", sum, aborted > 0);
}

CASE(registration) {
  static struct rseq area __attribute__((aligned(64)));
  long first = raw(SYS_RSEQ, (long)&area, 32, 0, SIGNATURE, 0, 0);
  say("registered by libc: %d", first == -EBUSY || first == -EINVAL);
  say("misaligned: %ld", raw(SYS_RSEQ, (long)&area + 1, 32, 0, SIGNATURE, 0, 0));
  say("unknown flag: %ld", raw(SYS_RSEQ, (long)&area, 32, 2, SIGNATURE, 0, 0));
  pid_t pid = fork();
  if (pid == 0) _exit(raw(SYS_RSEQ, (long)&area, 32, 1, SIGNATURE, 0, 0) == (first == 0 ? 0 : -EINVAL) ? 0 : 1);
  wait_and_say(pid, "inherited");
  pid = fork();
  if (pid == 0) {
    // An area that cannot be written kills with SIGSEGV.
    struct rseq *page = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (first == 0) raw(SYS_RSEQ, (long)&area, 32, 1, SIGNATURE, 0, 0);
    if (raw(SYS_RSEQ, (long)page, 32, 0, SIGNATURE, 0, 0) != 0) _exit(77);
    munmap(page, 4096);
    for (;;) sched_yield();
  }
  wait_and_say(pid, "area that is gone");
}
