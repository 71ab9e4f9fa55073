// A program that sets the trap flag itself: SIGTRAP behind each of its instructions, and none in between.
// variants: dynamic static musl
// options:
// options: --match=all
#include "cases.h"
#include <ucontext.h>

extern char step_start[], step_end[];
long step_over(long number, long a, long b, long c, long d);
__asm__(
    ".text\n"
    ".type step_over,@function\n"
    "step_over:\n"
    ".cfi_startproc\n"
    "  push %rbx; mov %rdi,%rax; mov %rsi,%rdi; mov %rdx,%rsi; mov %rcx,%rdx; mov %r8,%r10\n"
    "  pushfq; orl $0x100,(%rsp); popfq\n"
    "step_start:\n"
    "  nop\n"
    "  nop\n"
    "  syscall\n"
    "  mov %rax,%rbx\n"
    "  mov $39,%eax\n"
    "  syscall\n"
    "  mov $0x1000e,%eax\n"
    "  syscall\n"
    "  syscall\n"
    "  push %r11\n"
    "  pop %r9\n"
    "  call 1f\n"
    "  jmp 2f\n"
    "1:ret\n"
    "2:pushfq; andl $~0x100,(%rsp); popfq\n"
    "step_end:\n"
    "  nop; mov %rbx,%rax; pop %rbx; ret\n"
    ".cfi_endproc\n"
    ".size step_over,.-step_over\n");

static long offsets[200], codes[200], flags[200];
static volatile int steps;

static void note_step(int signal, siginfo_t *info, void *context) {
  ucontext_t *uc = context;
  if (steps < 200) {
    offsets[steps] = (char *)uc->uc_mcontext.gregs[REG_RIP] - step_start;
    codes[steps] = info->si_code;
    flags[steps] = uc->uc_mcontext.gregs[REG_EFL] & 0x500;
  }
  if (++steps > 1000) uc->uc_mcontext.gregs[REG_EFL] &= ~0x100;
}

static void say_steps(const char *what, long result) {
  say("%s: %ld, %d steps", what, result, steps);
  for (int i = 0; i < steps && i < 200; i++) say("  +%ld code %ld flags %#lx", offsets[i], codes[i], flags[i]);
  steps = 0;
}

CASE(over_calls) {
  install(SIGTRAP, note_step, 0);
  unsigned long mask = 0;
  say_steps("rt_sigprocmask", step_over(SYS_rt_sigprocmask, SIG_BLOCK, 0, (long)&mask, 8));
  say_steps("close", step_over(SYS_close, -1, 0, 0, 0));
  say_steps("ppoll", step_over(SYS_ppoll, 0, 0, (long)&(struct timespec){0, 0}, 0));
  say_steps("mmap", step_over(SYS_munmap, 0x1000, 0, 0, 0));
  say_steps("readlink", step_over(SYS_readlink, (long)"nothing", 0, 0, 0));
}

static void also_calls(int signal, siginfo_t *info, void *context) {
  raw(SYS_getppid, 0, 0, 0, 0, 0, 0);
  sigset_t set;
  sigprocmask(SIG_BLOCK, 0, &set);
  note_step(signal, info, context);
}

CASE(handler_makes_calls) {
  install(SIGTRAP, also_calls, SA_NODEFER);
  say_steps("close", step_over(SYS_close, -1, 0, 0, 0));
}

static void lost(int signal, siginfo_t *info, void *context) { steps++; }

CASE(over_fork) {
  install(SIGTRAP, lost, 0);
  long pid = step_over(SYS_fork, 0, 0, 0, 0);
  if (pid == 0) {
    say("child: %d steps", steps);
    _exit(7);
  }
  wait_and_say((pid_t)pid, "child");
  say("parent: %d steps", steps);
}

CASE(signal_to_itself) {
  install(SIGTRAP, note_step, 0);
  install(SIGUSR1, lost, 0);
  say_steps("tgkill", step_over(SYS_tgkill, getpid(), raw(SYS_gettid, 0, 0, 0, 0, 0, 0), SIGUSR1, 0));
}

CASE(ignored_or_blocked_kills) {
  for (int blocked = 0; blocked < 2; blocked++) {
    pid_t pid = fork();
    if (pid == 0) {
      signal(SIGTRAP, blocked ? SIG_DFL : SIG_IGN);
      sigset_t set;
      sigemptyset(&set);
      sigaddset(&set, SIGTRAP);
      if (blocked) {
        install(SIGTRAP, note_step, 0);
        sigprocmask(SIG_BLOCK, &set, 0);
      }
      step_over(SYS_close, -1, 0, 0, 0);
      _exit(1);
    }
    wait_and_say(pid, blocked ? "blocked" : "ignored");
  }
}
