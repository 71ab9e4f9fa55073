// A system call trapped by a seccomp filter (SECCOMP_RET_TRAP), whose handler makes another: filtered-call COUNT.
//
// The filter knows the call by its number, so the handler's has one more: it does not exist either.
#include "timed-calls.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <ucontext.h>
#include <unistd.h>

static void handle(int signal, siginfo_t *info, void *context) {
  (void)signal;
  (void)info;
  long result = NO_SUCH_CALL + 1;
  __asm__ volatile("syscall" : "+a"(result) : : "rcx", "r11", "memory");
  ((ucontext_t *)context)->uc_mcontext.gregs[REG_RAX] = result;
}

int main(int argc, char **argv) {
  struct sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, NO_SUCH_CALL, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
  struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_NODEFER};
  long count = count_of(argc, argv);
  if (sigaction(SIGSYS, &action, NULL) != 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return 1;
  if (prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
    perror("PR_SET_SECCOMP");
    return NOT_PERMITTED;
  }
  printf("%.3f\n", time_calls(count, native_call));
  return 0;
}
