// A trap instruction in the place of `syscall`, whose handler makes the call: trapped-call COUNT.
//
// int3 or ud2 cost the same: a fault, a signal, and rt_sigreturn. ud2 has the length of `syscall` and is what Flicker uses
// where no jump fits.
#include "timed-calls.h"
#include <signal.h>
#include <ucontext.h>

enum { TRAP_SIZE = 2 };

static void handle(int signal, siginfo_t *info, void *context) {
  (void)signal;
  (void)info;
  greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
  long result = registers[REG_RAX];
  __asm__ volatile("syscall" : "+a"(result) : : "rcx", "r11", "memory");
  registers[REG_RAX] = result;
  registers[REG_RIP] += TRAP_SIZE;
}

static long trapped_call(void) {
  long result = NO_SUCH_CALL;
  __asm__ volatile("ud2" : "+a"(result) : : "rcx", "r11", "memory");
  return result;
}

int main(int argc, char **argv) {
  struct sigaction action = {.sa_sigaction = handle, .sa_flags = SA_SIGINFO | SA_NODEFER};
  if (sigaction(SIGILL, &action, NULL) != 0) return 1;
  printf("%.3f\n", time_calls(count_of(argc, argv), trapped_call));
  return 0;
}
