// SIGSEGV, SIGILL, SIGBUS, SIGTRAP and SIGSYS sent by kill(2): signals like any other, though the engine lives on them and
// never blocks them.
// variants: dynamic musl
#include "cases.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/resource.h>

static const int signals[] = {SIGSEGV, SIGILL, SIGBUS, SIGTRAP, SIGSYS};
#define COUNT (int)(sizeof signals / sizeof *signals)

static sigset_t all_of_them(void) {
  sigset_t set;
  sigemptyset(&set);
  for (int i = 0; i < COUNT; i++) sigaddset(&set, signals[i]);
  return set;
}

static void block(void) {
  sigset_t set = all_of_them();
  sigprocmask(SIG_BLOCK, &set, 0);
}

static volatile int runs, last_code, last_value;
static void note(int signal, siginfo_t *info, void *context) {
  runs++;
  last_code = info->si_code;
  last_value = info->si_value.sival_int;
}

static void say_pending(const char *what) {
  sigset_t set;
  char text[128] = "";
  sigpending(&set);
  for (int i = 0; i < COUNT; i++)
    if (sigismember(&set, signals[i])) sprintf(text + strlen(text), " %d", signals[i]);
  say("%s: pending%s", what, text);
}

CASE(waited_for) {
  block();
  sigset_t set = all_of_them();
  for (int round = 0; round < 2; round++) {
    for (int i = 0; i < COUNT; i++)
      if (round) kill(getpid(), signals[i]);
      else sigqueue(getpid(), signals[i], (union sigval){.sival_int = i + 100});
    say_pending("sent");
    for (int i = 0; i < COUNT + 1; i++) {
      siginfo_t info;
      memset(&info, 0, sizeof info);
      struct timespec zero = {0, 0};
      int got = sigtimedwait(&set, &info, &zero);
      say("got %d, code %d, value %d, errno %d", got, got < 0 ? 0 : info.si_code, got > 0 && info.si_code == SI_QUEUE ? info.si_value.sival_int : 0, got < 0 ? errno : 0);
    }
    say_pending("taken");
  }
}

static pid_t send_when_waiting(int signal, pid_t to, long number) {
  pid_t pid = fork();
  if (pid == 0) {
    wait_until_in(to, number);
    kill(to, signal);
    _exit(0);
  }
  return pid;
}

CASE(waited_for_asleep) {
  block();
  sigset_t set = all_of_them();
  for (int i = 0; i < COUNT; i++) {
    pid_t pid = send_when_waiting(signals[i], getpid(), SYS_rt_sigtimedwait);
    siginfo_t info;
    int got = sigwaitinfo(&set, &info);
    say("got %d, code %d, sender %d", got, info.si_code, info.si_pid == pid);
    waitpid(pid, 0, 0);
  }
}

// At any instant: the sender does not wait for the receiver.
CASE(waited_for_at_any_instant) {
  block();
  sigset_t set = all_of_them();
  pid_t parent = getpid();
  int lines[2], each = rounds(300);
  check(pipe(lines) == 0);
  pid_t pid = fork();
  if (pid == 0) {
    char byte;
    for (int i = 0; i < each; i++) {
      for (volatile int spin = 0; spin < i * 7 % 1000; spin++);
      kill(parent, signals[i % COUNT]);
      if (read(lines[0], &byte, 1) != 1) _exit(1);
    }
    _exit(0);
  }
  int bad = 0;
  for (int i = 0; i < each; i++) {
    siginfo_t info;
    int got = sigwaitinfo(&set, &info);
    bad += got != signals[i % COUNT] || info.si_pid != pid;
    check(write(lines[1], "x", 1) == 1);
  }
  say("bad %d", bad);
  wait_and_say(pid, "sender");
}

CASE(ignored_while_pending) {
  for (int i = 0; i < COUNT; i++) install(signals[i], note, 0);
  block();
  for (int i = 0; i < COUNT; i++) kill(getpid(), signals[i]);
  for (int i = 0; i < COUNT; i++) signal(signals[i], SIG_IGN);
  say_pending("ignored");
  for (int i = 0; i < COUNT; i++) install(signals[i], note, 0);
  sigset_t set = all_of_them();
  sigprocmask(SIG_UNBLOCK, &set, 0);
  say("runs %d", runs);
}

CASE(kept_across_exec) {
  if (getenv("FLICKER_PENDING_EXEC")) {
    say_pending("after exec");
    return;
  }
  block();
  for (int i = 0; i < COUNT; i++) kill(getpid(), signals[i]);
  raw(SYS_getppid, 0, 0, 0, 0, 0, 0);
  setenv("FLICKER_PENDING_EXEC", "1", 1);
  execl("/proc/self/exe", case_argv[0], "kept_across_exec", (char *)0);
}

CASE(default_action_when_unblocked) {
  struct rlimit no_core = {0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  for (int i = 0; i < COUNT; i++) {
    pid_t pid = fork();
    if (pid == 0) {
      block();
      kill(getpid(), signals[i]);
      sigset_t set = all_of_them();
      sigprocmask(SIG_UNBLOCK, &set, 0);
      say("not reached");
      _exit(1);
    }
    wait_and_say(pid, "unblocked");
  }
}

// ---- seccomp's SIGSYS without a handler

CASE(trap_of_a_filter_kills) {
  struct sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x1234, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP | 77),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = {4, filter};
  struct rlimit no_core = {0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  for (int way = 0; way < 3; way++) {
    pid_t pid = fork();
    if (pid == 0) {
      if (way == 1) signal(SIGSYS, SIG_IGN);
      if (way == 2) {
        install(SIGSYS, note, 0);
        block();
      }
      check(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0);
      check(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
      raw(0x1234, 1, 2, 3, 0, 0, 0);
      say("not reached");
      _exit(1);
    }
    wait_and_say(pid, way == 0 ? "default" : way == 1 ? "ignored" : "blocked");
  }
}
