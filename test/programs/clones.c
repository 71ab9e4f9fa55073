// clone and clone3 by the bare instruction: what a language runtime does without libc.
// variants: dynamic static
#include "cases.h"
#include <asm/prctl.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/prctl.h>

// raw_clone(flags, stack, parent_tid, child_tid, tls, function, argument, seen): with a stack, the child calls
// function(argument) on it and exits; `seen` receives the registers as the parent and as the child find them.
struct seen { uint64_t rsi, rdx, r8, r9, r10, r12, rcx, after; };
long raw_clone(unsigned long flags, void *stack, int *parent_tid, int *child_tid, unsigned long tls, long (*function)(void *), void *argument, struct seen *seen);

__asm__(
    ".text\n"
    "raw_clone:\n"
    "  push %rbx; push %r12; push %r13; push %r14\n"
    "  mov %rcx,%r10\n"
    "  mov %r9,%r12\n"                 // function
    "  mov 40(%rsp),%r13\n"            // argument
    "  mov 48(%rsp),%r14\n"            // seen: [0] the parent's, [1] the child's
    "  mov $0x5555aaaa,%r9d\n"
    "  mov $56,%eax\n"
    "  syscall\n"
    "after_clone:\n"
    "  test %rax,%rax\n"
    "  jz 1f\n"
    "  mov %rsi,(%r14); mov %rdx,8(%r14); mov %r8,16(%r14); mov %r9,24(%r14); mov %r10,32(%r14); mov %r12,40(%r14); mov %rcx,48(%r14)\n"
    "  lea after_clone(%rip),%rbx; mov %rbx,56(%r14)\n"
    "  pop %r14; pop %r13; pop %r12; pop %rbx\n"
    "  ret\n"
    "1: add $64,%r14\n"
    "  mov %rsi,(%r14); mov %rdx,8(%r14); mov %r8,16(%r14); mov %r9,24(%r14); mov %r10,32(%r14); mov %r12,40(%r14); mov %rcx,48(%r14)\n"
    "  lea after_clone(%rip),%rbx; mov %rbx,56(%r14)\n"
    "  test %r12,%r12\n"
    "  jnz 2f\n"
    "  pop %r14; pop %r13; pop %r12; pop %rbx\n"   // no function: return 0 like fork
    "  ret\n"
    "2: xor %ebp,%ebp\n"
    "  mov %r13,%rdi\n"
    "  call *%r12\n"
    "  mov %eax,%edi\n"
    "  mov $60,%eax\n"
    "  syscall\n"
    "  hlt\n");

static struct seen seen[2];
static char stacks[8][32768] __attribute__((aligned(64)));
#define stack_top(n) (stacks[n] + 32768)

static void check_seen(int which, const void *stack, const void *parent_tid, const void *child_tid) {
  // Go reads clone's stack argument register after the call.
  check_equal(seen[which].rsi, (uint64_t)stack);
  check_equal(seen[which].rdx, (uint64_t)parent_tid);
  check_equal(seen[which].r10, (uint64_t)child_tid);
  check_equal(seen[which].r9, 0x5555aaaa);
  check_equal(seen[which].rcx, seen[which].after);
}

static atomic_int ran;
static long count_run(void *argument) {
  atomic_fetch_add(&ran, 1);
  return (long)argument;
}

CASE(like_fork) {
  for (int i = 0; i < 10; i++) {
    long pid = raw_clone(SIGCHLD, 0, 0, 0, 0, 0, 0, seen);
    if (pid == 0) {
      check_seen(1, 0, 0, 0);
      _exit(failures ? 99 : i);
    }
    check_seen(0, 0, 0, 0);
    int status;
    check(waitpid((pid_t)pid, &status, 0) == pid && WEXITSTATUS(status) == i);
  }
  say("done");
}

CASE(process_with_new_stack) {
  long pid = raw_clone(SIGCHLD, stack_top(0), 0, 0, 0, count_run, (void *)31, seen);
  check_seen(0, stack_top(0), 0, 0);
  wait_and_say((pid_t)pid, "child");
  say("memory is its own: %d", ran);
}

CASE(shared_memory_not_a_thread) {
  for (int i = 0; i < 20; i++) {
    long pid = raw_clone(CLONE_VM | SIGCHLD, stack_top(1), 0, 0, 0, count_run, (void *)(long)i, seen);
    check_seen(0, stack_top(1), 0, 0);
    int status;
    check(waitpid((pid_t)pid, &status, 0) == pid && WEXITSTATUS(status) == i);
    check_seen(1, stack_top(1), 0, 0);
  }
  say("ran %d", ran);
}

CASE(vfork_by_hand) {
  long pid = raw_clone(CLONE_VM | CLONE_VFORK | SIGCHLD, 0, 0, 0, 0, 0, 0, seen);
  if (pid == 0) raw(SYS_exit_group, 14, 0, 0, 0, 0, 0);
  wait_and_say((pid_t)pid, "on the same stack");
  pid = raw_clone(CLONE_VM | CLONE_VFORK | SIGCHLD, stack_top(0), 0, 0, 0, count_run, (void *)15, seen);
  check_equal(ran, 1);
  wait_and_say((pid_t)pid, "on a new stack");
}

// The tls argument reads back as fs base in the child.
static long report_fs(void *argument) {
  unsigned long base = 0;
  raw(SYS_arch_prctl, ARCH_GET_FS, (long)&base, 0, 0, 0, 0);
  *(unsigned long *)argument = base;
  atomic_fetch_add(&ran, 1);
  return 0;
}

static const unsigned long thread_flags = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM;

static void wait_for_zero(atomic_int *word) {
  int value;
  while ((value = *word) != 0) raw(SYS_futex, (long)word, FUTEX_WAIT, value, 0, 0, 0);
}

CASE(thread_with_settls) {
  static char tls[4096] __attribute__((aligned(64)));
  static atomic_int child_tid;
  static int parent_tid;
  static unsigned long base;
  for (int i = 0; i < 50; i++) {
    child_tid = 1;
    parent_tid = 0;
    base = 0;
    char *here = tls + 64 * (i % 8) + 1024;
    *(void **)here = here;
    long tid = raw_clone(thread_flags | CLONE_SETTLS | CLONE_PARENT_SETTID | CLONE_CHILD_CLEARTID, stack_top(2), &parent_tid, (int *)&child_tid, (unsigned long)here, report_fs, &base, seen);
    check(tid > 0);
    check_seen(0, stack_top(2), &parent_tid, &child_tid);
    check_equal(seen[0].r8, (uint64_t)here);
    check_equal(parent_tid, tid);
    wait_for_zero(&child_tid);
    check_equal(base, (unsigned long)here);
  }
  say("ran %d", ran);
}

static long many_calls(void *argument) {
  long bad = 0, pid = raw(SYS_getpid, 0, 0, 0, 0, 0, 0);
  for (int i = 0; i < 1000; i++) bad += raw(SYS_getpid, 0, 0, 0, 0, 0, 0) != pid;
  atomic_fetch_add((atomic_long *)argument, bad);
  return 0;
}

CASE(threads_without_tls) {
  // The fs base is shared with the creator: such a thread cannot call libc, but it can make system calls.
  static atomic_int child_tids[4];
  static atomic_long bad;
  for (int round = 0; round < 25; round++) {
    for (int i = 0; i < 4; i++) {
      child_tids[i] = 1;
      check(raw_clone(thread_flags | CLONE_CHILD_CLEARTID, stack_top(i), 0, (int *)&child_tids[i], 0, many_calls, (void *)&bad, seen) > 0);
    }
    for (int i = 0; i < 4; i++) wait_for_zero(&child_tids[i]);
  }
  say("bad %ld", (long)bad);
}

CASE(child_settid) {
  static int tid_in_child;
  long pid = raw_clone(CLONE_CHILD_SETTID | SIGCHLD, 0, 0, &tid_in_child, 0, 0, 0, seen);
  if (pid == 0) _exit(tid_in_child == raw(SYS_gettid, 0, 0, 0, 0, 0, 0) ? 0 : 1);
  wait_and_say((pid_t)pid, "child");
  say("parent's copy %d", tid_in_child);
}

CASE(pidfd) {
  int pidfd = -1;
  long pid = raw_clone(CLONE_PIDFD | SIGCHLD, 0, &pidfd, 0, 0, 0, 0, seen);
  if (pid == 0) _exit(6);
  check(pidfd >= 0);
  siginfo_t info;
  memset(&info, 0, sizeof info);
  check(waitid(3, (id_t)pidfd, &info, WEXITED) == 0);
  say("status %d", info.si_status);
}

CASE(other_exit_signal) {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR2);
  sigprocmask(SIG_BLOCK, &set, 0);
  long pid = raw_clone(SIGUSR2, 0, 0, 0, 0, 0, 0, seen);
  if (pid == 0) _exit(2);
  siginfo_t info;
  check(sigwaitinfo(&set, &info) == SIGUSR2);
  int status = 0;
  check(waitpid((pid_t)pid, &status, 0) == -1);
  check(waitpid((pid_t)pid, &status, __WALL) == pid);
  say("code %d, status %d", info.si_code, info.si_status);
}

CASE(errors) {
  check_equal(raw(SYS_clone, CLONE_THREAD, 0, 0, 0, 0, 0), -EINVAL);
  check_equal(raw(SYS_clone, CLONE_SIGHAND, 0, 0, 0, 0, 0), -EINVAL);
  check_equal(raw(SYS_clone, CLONE_NEWNS | CLONE_FS, 0, 0, 0, 0, 0), -EINVAL);
  check_equal(raw(435, 0, 0, 0, 0, 0, 0), -EINVAL);
  check_equal(raw(435, 8, 64, 0, 0, 0, 0), -EFAULT);
  struct clone_args arguments = {.flags = CLONE_VM, .exit_signal = SIGCHLD, .stack = (uint64_t)stacks[0]};
  check_equal(raw(435, (long)&arguments, sizeof arguments, 0, 0, 0, 0), -EINVAL);
  arguments = (struct clone_args){.exit_signal = SIGCHLD, .stack_size = 4096};
  check_equal(raw(435, (long)&arguments, sizeof arguments, 0, 0, 0, 0), -EINVAL);
  arguments = (struct clone_args){.exit_signal = 65};
  check_equal(raw(435, (long)&arguments, sizeof arguments, 0, 0, 0, 0), -EINVAL);
  arguments = (struct clone_args){.flags = 0xff};
  check_equal(raw(435, (long)&arguments, sizeof arguments, 0, 0, 0, 0), -EINVAL);
  check_equal(raw(435, (long)&arguments, 8, 0, 0, 0, 0), -EINVAL);
  check_equal(raw(435, (long)&arguments, 1 << 20, 0, 0, 0, 0), -E2BIG);
  say("done");
}

// ---- clone3

long raw_clone3(struct clone_args *arguments, size_t size, long (*function)(void *), void *argument);
__asm__(
    ".text\n"
    "raw_clone3:\n"
    "  push %r12; push %r13\n"
    "  mov %rdx,%r12; mov %rcx,%r13\n"
    "  mov $435,%eax\n"
    "  syscall\n"
    "  test %rax,%rax\n"
    "  jz 1f\n"
    "2: pop %r13; pop %r12; ret\n"
    "1: test %r12,%r12; jz 2b\n"
    "  xor %ebp,%ebp\n"
    "  mov %r13,%rdi\n"
    "  call *%r12\n"
    "  mov %eax,%edi\n"
    "  mov $60,%eax\n"
    "  syscall\n"
    "  hlt\n");

CASE(clone3_process) {
  struct clone_args arguments = {.exit_signal = SIGCHLD};
  for (size_t size = 64; size <= 88; size += 8) {
    struct clone_args before = arguments;
    long pid = raw_clone3(&arguments, size, 0, 0);
    if (pid == 0) _exit((int)size);
    check(memcmp(&before, &arguments, sizeof before) == 0);
    wait_and_say((pid_t)pid, "child");
  }
  arguments.stack = (uint64_t)stacks[0];
  arguments.stack_size = sizeof stacks[0];
  long pid = raw_clone3(&arguments, sizeof arguments, count_run, (void *)22);
  wait_and_say((pid_t)pid, "on a new stack");
}

CASE(clone3_thread) {
  static char tls[4096] __attribute__((aligned(64)));
  static atomic_int child_tid;
  static unsigned long base;
  static int parent_tid;
  for (int i = 0; i < 50; i++) {
    child_tid = 1;
    *(void **)(tls + 1024) = tls + 1024;
    struct clone_args arguments = {.flags = thread_flags | CLONE_SETTLS | CLONE_CHILD_CLEARTID | CLONE_PARENT_SETTID,
                                   .stack = (uint64_t)stacks[3], .stack_size = sizeof stacks[3], .tls = (uint64_t)(tls + 1024),
                                   .child_tid = (uint64_t)&child_tid, .parent_tid = (uint64_t)&parent_tid};
    long tid = raw_clone3(&arguments, sizeof arguments, report_fs, &base);
    check(tid > 0 && parent_tid == tid);
    check_equal(arguments.stack, (uint64_t)stacks[3]);
    wait_for_zero(&child_tid);
    check_equal(base, (unsigned long)(tls + 1024));
  }
  say("ran %d", ran);
}

CASE(clone3_clear_sighand) {
  struct sigaction action = {.sa_handler = SIG_IGN};
  sigaction(SIGUSR1, &action, 0);
  install(SIGUSR2, (void (*)(int, siginfo_t *, void *))(void *)count_run, 0);
  struct clone_args arguments = {.flags = CLONE_CLEAR_SIGHAND, .exit_signal = SIGCHLD};
  long pid = raw_clone3(&arguments, sizeof arguments, 0, 0);
  if (pid == 0) {
    struct sigaction ignored, handled;
    sigaction(SIGUSR1, 0, &ignored);
    sigaction(SIGUSR2, 0, &handled);
    say("ignored stays %d, handler is default %d", ignored.sa_handler == SIG_IGN, handled.sa_handler == SIG_DFL);
    raise(SIGUSR2);
    _exit(0);
  }
  wait_and_say((pid_t)pid, "child");
}

CASE(clone3_vfork) {
  // How glibc's posix_spawn makes its child.
  struct clone_args arguments = {.flags = CLONE_VM | CLONE_VFORK, .exit_signal = SIGCHLD, .stack = (uint64_t)stacks[4], .stack_size = sizeof stacks[4]};
  for (int i = 0; i < 20; i++) {
    long pid = raw_clone3(&arguments, sizeof arguments, count_run, (void *)3);
    int status;
    check(ran == i + 1);
    check(waitpid((pid_t)pid, &status, 0) == pid && WEXITSTATUS(status) == 3);
  }
  say("ran %d", ran);
}

// ---- signals of such children

static volatile int handled;
static void note(int signal, siginfo_t *info, void *context) { handled++; }

static long signal_self(void *argument) {
  raw(SYS_tgkill, raw(SYS_getpid, 0, 0, 0, 0, 0, 0), raw(SYS_gettid, 0, 0, 0, 0, 0, 0), SIGUSR1, 0, 0, 0);
  return handled;
}

CASE(signal_in_shared_memory_process) {
  install(SIGUSR1, note, 0);
  long pid = raw_clone(CLONE_VM | SIGCHLD, stack_top(1), 0, 0, 0, signal_self, 0, seen);
  wait_and_say((pid_t)pid, "own handlers, shared memory");
  pid = raw_clone(CLONE_VM | CLONE_SIGHAND | SIGCHLD, stack_top(1), 0, 0, 0, signal_self, 0, seen);
  wait_and_say((pid_t)pid, "shared handlers");
  say("handled %d", handled);
}

static long change_action(void *argument) {
  struct { void *handler; unsigned long flags; void *restorer; unsigned long mask; } ignore = {(void *)1, 0, 0, 0};
  return raw(SYS_rt_sigaction, SIGUSR2, (long)&ignore, 0, 8, 0, 0);
}

CASE(actions_shared_or_not) {
  struct sigaction action;
  for (int shared = 0; shared < 2; shared++) {
    signal(SIGUSR2, SIG_DFL);
    long pid = raw_clone(CLONE_VM | (shared ? CLONE_SIGHAND : 0) | SIGCHLD, stack_top(1), 0, 0, 0, change_action, 0, seen);
    wait_and_say((pid_t)pid, "child");
    sigaction(SIGUSR2, 0, &action);
    say("shared %d: %s", shared, action.sa_handler == SIG_IGN ? "ignored" : "default");
  }
}

static long own_alternate_stack(void *argument) {
  stack_t stack;
  raw(SYS_sigaltstack, 0, (long)&stack, 0, 0, 0, 0);
  return stack.ss_flags;
}

CASE(alternate_stack_of_child) {
  // A child that shares memory starts without an alternate stack, unless it is a vfork's.
  stack_t stack = {.ss_sp = stacks[7], .ss_size = sizeof stacks[7]};
  sigaltstack(&stack, 0);
  long pid = raw_clone(CLONE_VM | SIGCHLD, stack_top(1), 0, 0, 0, own_alternate_stack, 0, seen);
  wait_and_say((pid_t)pid, "CLONE_VM");
  pid = raw_clone(CLONE_VM | CLONE_VFORK | SIGCHLD, stack_top(1), 0, 0, 0, own_alternate_stack, 0, seen);
  wait_and_say((pid_t)pid, "CLONE_VM | CLONE_VFORK");
  pid = raw_clone(SIGCHLD, stack_top(1), 0, 0, 0, own_alternate_stack, 0, seen);
  wait_and_say((pid_t)pid, "neither");
}
