// The program's own Syscall User Dispatch: what Wine and emulators use to catch the calls of foreign code.
// variants: dynamic static musl-static
// options:
// options: --exhaustive
#include "cases.h"
#include "hidden-sites.h"
#include <pthread.h>
#include <sys/prctl.h>
#include <ucontext.h>

HIDDEN(hidden);

enum { SET = 59, OFF = 0, ON = 1, INCLUSIVE = 2, ALLOW = 0, BLOCK = 1 };
static volatile char selector;
static long request(long mode, long start, long size, const volatile void *byte) {
  long result = raw(SYS_prctl, SET, mode, start, size, (long)byte, 0);
  return result;
}

// What the emulator allows itself: calls from this section.
__asm__(
    ".pushsection allowed,\"ax\",@progbits\n"
    ".type allowed_call, @function\n"
    "allowed_call: mov %rdi, %rax\nmov %rsi, %rdi\nmov %rdx, %rsi\nmov %rcx, %rdx\nmov %r8, %r10\nsyscall\nret\n"
    ".type allowed_restorer, @function\n"
    "allowed_restorer: mov $15, %eax\nsyscall\nud2\n"
    ".popsection\n"
    ".pushsection .text\n.type foreign_call, @function\n"
    "foreign_call: mov %rdi, %rax\nmov %rsi, %rdi\nmov %rdx, %rsi\nmov %rcx, %rdx\nsyscall\nforeign_after: ret\n"
    ".type foreign_interrupt, @function\n"
    "foreign_interrupt: mov %edi, %eax\nint $0x80\nforeign_interrupt_after: ret\n"
    ".type foreign_restorer, @function\n"
    "foreign_restorer: mov $15, %eax\nsyscall\nud2\n"
    ".popsection\n");
extern char __start_allowed[], __stop_allowed[], foreign_after[], foreign_interrupt_after[];
long allowed_call(long number, long a, long b, long c, long d);
long foreign_call(long number, long a, long b, long c);
long foreign_interrupt(long number);
void allowed_restorer(void);
void foreign_restorer(void);
#define ALLOWED (long)__start_allowed, __stop_allowed - __start_allowed

struct kernel_action {
  void (*handler)(int, siginfo_t *, void *);
  unsigned long flags;
  void (*restorer)(void);
  unsigned long mask;
};

static void on(int signal, void (*handler)(int, siginfo_t *, void *), void (*restorer)(void), long flags) {
  struct kernel_action action = {handler, SA_SIGINFO | 0x04000000 | flags, restorer, 0};
  check(syscall(SYS_rt_sigaction, signal, &action, 0, 8) == 0);
}

static struct {
  int signal, code, number;
  unsigned arch;
  char *address;
  greg_t rax, rip, rcx, r11, flags;
  int count;
} seen;

// Answers a call with its number plus 1,000. It makes no call outside of the allowed section while the selector blocks.
static void emulate(int signal, siginfo_t *info, void *context) {
  char was = selector;
  selector = ALLOW;
  greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
  seen.signal = signal;
  seen.code = info->si_code;
  seen.number = info->si_syscall;
  seen.arch = info->si_arch;
  seen.address = info->si_call_addr;
  seen.rax = registers[REG_RAX];
  seen.rip = registers[REG_RIP];
  seen.rcx = registers[REG_RCX];
  seen.r11 = registers[REG_R11];
  seen.flags = registers[REG_EFL];
  seen.count++;
  registers[REG_RAX] += 1000;
  selector = was;
}

CASE(requests) {
  long end = 0x7fffffffe000;
  say("off %ld %ld %ld %ld", request(OFF, 0, 0, 0), request(OFF, 1, 0, 0), request(OFF, 0, 1, 0), request(OFF, 0, 0, (void *)1));
  say("no mode %ld %ld", request(3, 0, 0, 0), request(-1, 0, 0, 0));
  selector = ALLOW;
  say("on %ld %ld %ld", request(ON, 4096, 0, &selector), request(ON, -1, 2, &selector), request(ON, 0, 0, &selector));
  say("selectors %ld %ld %ld", request(ON, 1, 100, (void *)-1), request(ON, 1, 100, (void *)(1l << 62)), request(ON, 1, -1, &selector));
  say("inclusive %ld %ld %ld", request(INCLUSIVE, 0, 0, 0), request(INCLUSIVE, 1, -1, 0), request(INCLUSIVE, 1, 1, (void *)end));
  say("inclusive %ld", request(INCLUSIVE, 1, 1, (void *)-1));
  say("off %ld", request(OFF, 0, 0, 0));
}

CASE(what_the_handler_sees) {
  on(SIGSYS, emulate, allowed_restorer, 0);
  check_equal(request(ON, ALLOWED, &selector), 0);
  for (int i = 0; i < 3; i++) {
    selector = BLOCK;
    long result = foreign_call(0x100000000 + SYS_getpid, 1, 2, 3);
    selector = ALLOW;
    check_equal(result, 0x100000000 + SYS_getpid + 1000);
    say("signal %d, code %d, number %d, arch %#x, at %ld", seen.signal, seen.code, seen.number, seen.arch, seen.address - foreign_after);
    check_equal(seen.rax, 0x100000000 + SYS_getpid);
    check_equal(seen.rip, foreign_after);
    check_equal(seen.rcx, foreign_after);
    check_equal(seen.r11, seen.flags);
    check_equal(foreign_call(SYS_getpid, 0, 0, 0), getpid());
  }
  check_equal(seen.count, 3);
  selector = BLOCK;
  long result = hidden(SYS_getppid, 0, 0, 0, 0, 0, 0);
  selector = ALLOW;
  check_equal(result, SYS_getppid + 1000);
  check_equal(seen.address, hidden_after);
  selector = BLOCK;
  result = foreign_interrupt(20);
  selector = ALLOW;
  check_equal(result, 1020);
  check_equal(seen.address, foreign_interrupt_after);
  say("number %d, arch %#x", seen.number, seen.arch);
  check_equal(foreign_interrupt(20), getpid());
  check_equal(request(OFF, 0, 0, 0), 0);
  selector = BLOCK;
  check_equal(foreign_call(SYS_getpid, 0, 0, 0), getpid());
  check_equal(hidden(SYS_getpid, 0, 0, 0, 0, 0, 0), getpid());
}

CASE(without_a_selector) {
  on(SIGSYS, emulate, allowed_restorer, 0);
  long pid = getpid();
  check_equal(request(ON, ALLOWED, 0), 0);
  for (int i = 0; i < 5; i++) {
    if (foreign_call(SYS_getpid, 0, 0, 0) != SYS_getpid + 1000) _Exit(1);
    if (allowed_call(SYS_getpid, 0, 0, 0, 0) != pid) allowed_call(SYS_exit_group, 9, 0, 0, 0);
  }
  if (allowed_call(SYS_prctl, SET, OFF, 0, 0) != 0) allowed_call(SYS_exit_group, 10, 0, 0, 0);
  check_equal(seen.count, 5);
}

// Only calls from a range are caught: the rest of the program knows nothing of it.
CASE(inclusive) {
  if (request(INCLUSIVE, 1, 1, 0) != 0) return say("not in this kernel");
  on(SIGSYS, emulate, foreign_restorer, 0);
  long page = (long)foreign_after & -16;
  check_equal(request(INCLUSIVE, page, foreign_after + 1 - (char *)page, 0), 0);
  for (int i = 0; i < 5; i++) check_equal(foreign_call(SYS_getpid, 0, 0, 0), SYS_getpid + 1000);
  check_equal(hidden(SYS_getpid, 0, 0, 0, 0, 0, 0), getpid());
  check_equal(seen.count, 5);
  check_equal(request(OFF, 0, 0, 0), 0);
  check_equal(foreign_call(SYS_getpid, 0, 0, 0), getpid());
}

static void in_child(const char *what, void (*run)(void)) {
  pid_t pid = fork();
  if (pid == 0) {
    run();
    selector = ALLOW;
    _exit(77);
  }
  wait_and_say(pid, what);
}

static void blocked_call(void) {
  request(ON, ALLOWED, &selector);
  selector = BLOCK;
  foreign_call(SYS_getpid, 0, 0, 0);
}
static void hidden_blocked_call(void) {
  request(ON, ALLOWED, &selector);
  selector = BLOCK;
  hidden(SYS_getpid, 0, 0, 0, 0, 0, 0);
}
static void bad_value(void) {
  on(SIGSYS, emulate, allowed_restorer, 0);
  request(ON, ALLOWED, &selector);
  selector = 7;
  foreign_call(SYS_getpid, 0, 0, 0);
}
static void unreadable(void) {
  on(SIGSEGV, emulate, allowed_restorer, 0);
  on(SIGSYS, emulate, allowed_restorer, 0);
  char *page = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  request(ON, ALLOWED, page);
  allowed_call(SYS_munmap, (long)page, 4096, 0, 0);
  foreign_call(SYS_getpid, 0, 0, 0);
}
static void signal_is_blocked(void) {
  on(SIGSYS, emulate, allowed_restorer, 0);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGSYS);
  sigprocmask(SIG_BLOCK, &set, 0);
  blocked_call();
}
static void signal_is_ignored(void) {
  signal(SIGSYS, SIG_IGN);
  blocked_call();
}
static void restorer_is_dispatched(void) {
  on(SIGSYS, emulate, foreign_restorer, 0);
  blocked_call();
}
static void hidden_bad_value(void) {
  on(SIGSYS, emulate, allowed_restorer, 0);
  request(ON, ALLOWED, &selector);
  selector = 7;
  hidden(SYS_getpid, 0, 0, 0, 0, 0, 0);
}

CASE(fatal) {
  in_child("no handler", blocked_call);
  in_child("no handler, at a hidden site", hidden_blocked_call);
  in_child("bad selector", bad_value);
  in_child("bad selector, at a hidden site", hidden_bad_value);
  in_child("unreadable selector", unreadable);
  in_child("blocked", signal_is_blocked);
  in_child("ignored", signal_is_ignored);
  in_child("restorer", restorer_is_dispatched);
}

static void *in_thread(void *argument) {
  // The kernel gives it to nobody: a thread has to ask for itself.
  *(long *)argument = hidden(SYS_getpid, 0, 0, 0, 0, 0, 0) == getpid() && foreign_call(SYS_getpid, 0, 0, 0) == getpid();
  return 0;
}

CASE(nobody_inherits_it) {
  if (case_argv[1] && case_argv[2]) {
    check_equal(foreign_call(SYS_getpid, 0, 0, 0), getpid());
    return say("executed");
  }
  on(SIGSYS, emulate, allowed_restorer, 0);
  request(ON, ALLOWED, &selector);
  selector = BLOCK;
  check_equal(foreign_call(SYS_getpid, 0, 0, 0), SYS_getpid + 1000);
  selector = ALLOW;
  pid_t pid = fork();
  if (pid == 0) {
    selector = BLOCK;
    check_equal(foreign_call(SYS_getpid, 0, 0, 0), getpid());
    check_equal(hidden(SYS_getpid, 0, 0, 0, 0, 0, 0), getpid());
    _exit(failures != 0);
  }
  wait_and_say(pid, "fork");
  pthread_t thread;
  long result = 0;
  // The selector blocks for this thread alone, and the other makes its calls while this one makes none.
  pthread_create(&thread, 0, in_thread, &result);
  pthread_join(thread, 0);
  check_equal(result, 1);
  pid = vfork();
  if (pid == 0) {
    char *argv[] = {case_argv[0], "nobody_inherits_it", "argument", 0};
    execv(argv[0], argv);
    _exit(1);
  }
  wait_and_say(pid, "vfork and exec");
  selector = BLOCK;
  check_equal(foreign_call(SYS_getpid, 0, 0, 0), SYS_getpid + 1000);
  selector = ALLOW;
  check_equal(seen.count, 2);
}

// Foreign code as an emulator loads it: made at run time, a thread each, with other signals on top.
static __thread volatile char own_selector;
static void emulate_in_thread(int signal, siginfo_t *info, void *context) {
  char was = own_selector;
  own_selector = ALLOW;
  greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
  // The call is made for the foreign code, by libc.
  registers[REG_RAX] = info->si_syscall == 20000 ? 1 : syscall(info->si_syscall, registers[REG_RDI]);
  own_selector = was;
}
static volatile int alarms;
static void on_alarm(int signal, siginfo_t *info, void *context) { alarms++; }

static void *emulator(void *code) {
  long (*foreign)(long, long) = (long (*)(long, long))code;
  long other = 0, pid = getpid();
  request(ON, ALLOWED, &own_selector);
  for (int i = 0; i < rounds(300); i++) {
    own_selector = BLOCK;
    long result = foreign(20000, 0);
    long got = foreign(SYS_getpgid, 0);
    own_selector = ALLOW;
    if (result != 1 || got != getpgid(0) || getpid() != pid) other++;
  }
  check_equal(other, 0);
  check_equal(request(OFF, 0, 0, 0), 0);
  return 0;
}

CASE(emulators) {
  unsigned char *page = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  // mov %rdi,%rax ; mov %rsi,%rdi ; syscall ; ret
  memcpy(page, "\x48\x89\xf8\x48\x89\xf7\x0f\x05\xc3", 9);
  check(mprotect(page, 4096, PROT_READ | PROT_EXEC) == 0);
  on(SIGSYS, emulate_in_thread, allowed_restorer, 0);
  // Its calls and its return have to be allowed as well, wherever it comes: a handler without calls, and a restorer that is.
  on(SIGALRM, on_alarm, allowed_restorer, SA_RESTART);
  pthread_t threads[4];
  for (int i = 0; i < 4; i++) check(pthread_create(&threads[i], 0, emulator, page) == 0);
  for (int i = 0; i < 100; i++) {
    for (int j = 0; j < 4; j++) pthread_kill(threads[j], SIGALRM);
    usleep(100);
  }
  for (int i = 0; i < 4; i++) pthread_join(threads[i], 0);
  check_equal(((long (*)(long, long))page)(SYS_getpid, 0), getpid());
}
