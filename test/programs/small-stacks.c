// System calls need no stack: they work on 4 KiB, on a few words above a guard page, with rsp pointing nowhere.
// variants: dynamic static
#include "cases.h"
#include <pthread.h>
#include <sys/time.h>
#include <ucontext.h>

// on_stack(top, function, argument): calls function on another stack.
long on_stack(void *top, long (*function)(void *), void *argument);
// getpid_with_rsp(rsp, number): one system call with rsp at any value; the registers do the rest.
long call_with_rsp(unsigned long rsp, long number, long a, long b);
__asm__(
    ".text\n"
    "on_stack: push %rbp; mov %rsp,%rbp; mov %rdi,%rsp; mov %rdx,%rdi; call *%rsi; mov %rbp,%rsp; pop %rbp; ret\n"
    "call_with_rsp:\n"
    "  push %rbp; mov %rsp,%rbp; mov %rdi,%rsp; mov %rsi,%rax; mov %rdx,%rdi; mov %rcx,%rsi; xor %edx,%edx; xor %r10d,%r10d\n"
    "  syscall\n"
    "  mov %rbp,%rsp; pop %rbp; ret\n");

// `size` usable bytes at the start of a page that follows a page without access.
static char *guarded(size_t pages) {
  char *low = mmap(0, (pages + 1) * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  check(mprotect(low, 4096, PROT_NONE) == 0);
  return low + 4096;
}

static long raw_calls(void *argument) {
  long bad = 0, pid = *(long *)argument;
  for (int i = 0; i < 1000; i++) {
    bad += raw(SYS_getpid, 0, 0, 0, 0, 0, 0) != pid;
    bad += raw(0x1234, 0, 0, 0, 0, 0, 0) != -ENOSYS;
  }
  unsigned long mask = 0;
  bad += raw(SYS_rt_sigprocmask, SIG_BLOCK, 0, (long)&mask, 8, 0, 0) != 0;
  bad += raw(SYS_mprotect, 0, 0, 0, 0, 0, 0) != 0;
  bad += raw(SYS_close, -1, 0, 0, 0, 0, 0) != -EBADF;
  return bad;
}

CASE(four_kib) {
  long pid = getpid();
  char *page = guarded(1);
  say("bad %ld", on_stack(page + 4096, raw_calls, &pid));
}

CASE(above_a_guard_page) {
  // 256 bytes for the function's own frame, then less and less.
  long pid = getpid();
  char *page = guarded(1);
  say("bad %ld", on_stack(page + 256, raw_calls, &pid));
}

static const long quiet_calls[] = {SYS_getpid, 0x1234, SYS_close, SYS_rt_sigprocmask, SYS_mprotect, SYS_munmap, SYS_rt_sigaction, SYS_sigaltstack, SYS_readlink, SYS_getppid, SYS_lseek, SYS_execve, SYS_clock_gettime};

CASE(rsp_anywhere) {
  // The values are those of a broken or switched stack pointer; the kernel does not care.
  char *page = guarded(1);
  unsigned long stacks[] = {(unsigned long)page + 128, (unsigned long)page + 8, (unsigned long)page, (unsigned long)page + 3, 0, 8, 0x123456789abcdef0, ~0ul, 0xffffffff81000000};
  long bad = 0;
  for (unsigned s = 0; s < sizeof stacks / sizeof *stacks; s++)
    for (unsigned c = 0; c < sizeof quiet_calls / sizeof *quiet_calls; c++) {
      long result = call_with_rsp(stacks[s], quiet_calls[c], -1, 0), expected = call_with_rsp((unsigned long)page + 2048, quiet_calls[c], -1, 0);
      bad += result != expected;
    }
  say("bad %ld", bad);
}

static volatile int runs;
static void count(int signal, siginfo_t *info, void *context) { runs++; }

static long spin_until_signals(void *argument) {
  while (runs < *(int *)argument) raw(SYS_getpid, 0, 0, 0, 0, 0, 0);
  return 0;
}

CASE(signals_on_alternate_stack_while_stack_is_tiny) {
  static char memory[65536];
  stack_t stack = {.ss_sp = memory, .ss_size = sizeof memory};
  sigaltstack(&stack, 0);
  install(SIGALRM, count, SA_ONSTACK);
  char *page = guarded(1);
  memset(page, 0x5a, 4096);
  struct itimerval often = {{0, 200}, {0, 200}}, off = {{0, 0}, {0, 0}};
  int wanted = rounds(200);
  setitimer(ITIMER_REAL, &often, 0);
  on_stack(page + 256, spin_until_signals, &wanted);
  setitimer(ITIMER_REAL, &off, 0);
  // Nothing wrote under the function's frame.
  int touched = 0;
  for (int i = 0; i < 64; i++) touched += page[i] != 0x5a;
  say("enough signals %d, touched %d", runs >= wanted, touched);
}

static long signal_self(void *argument) {
  raw(SYS_kill, *(long *)argument, SIGALRM, 0, 0, 0, 0);
  return 0;
}

CASE(signal_without_room_kills) {
  // No alternate stack and no room for a frame: SIGSEGV.
  install(SIGALRM, count, 0);
  long pid = getpid();
  char *page = guarded(1);
  on_stack(page + 256, signal_self, &pid);
  say("not reached");
}

static void *thread_calls(void *argument) {
  long pid = getpid();
  return (void *)raw_calls(&pid);
}

CASE(smallest_threads) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  check(pthread_attr_setstacksize(&attributes, 16384) == 0);
  for (int i = 0; i < 20; i++) {
    pthread_t thread;
    void *bad = (void *)1;
    check(pthread_create(&thread, &attributes, thread_calls, 0) == 0);
    pthread_join(thread, &bad);
    check(bad == 0);
  }
  say("done");
}

static int fork_status;
static long fork_there(void *argument) {
  long pid = raw(SYS_fork, 0, 0, 0, 0, 0, 0);
  if (pid == 0) raw(SYS_exit_group, 19, 0, 0, 0, 0, 0);
  return raw(SYS_wait4, pid, (long)&fork_status, 0, 0, 0, 0) == pid;
}

CASE(fork_on_a_tiny_stack) {
  char *page = guarded(1);
  long ok = on_stack(page + 192, fork_there, 0);
  say("ok %ld, %s", ok, status_text(fork_status));
}
