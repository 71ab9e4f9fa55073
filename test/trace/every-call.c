// Makes each call that its input names - `NUMBER ARGUMENT*6` on a line - under a seccomp filter that lets none of them happen, so
// that a tracer shows what it makes of any arguments at all. Memory at 0x10000000 holds what the first argument says:
// zeros, ones or a pattern.

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define MARK 77

static void refuse_all_but_exit(void) {
  struct sock_filter filter[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_exit_group, 0, 3),
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[0])),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MARK, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 38),
  };
  struct sock_fprog program = {sizeof filter / sizeof *filter, filter};
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static long calls[1000][7];

int main(int argc, char **argv) {
  int count = 0;
  long *c;
  while (c = calls[count], count < 1000 && scanf("%li %li %li %li %li %li %li", c, c + 1, c + 2, c + 3, c + 4, c + 5, c + 6) == 7)
    count++;
  char *memory = mmap((void *)0x10000000, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  for (int i = 0; i < 32768; i++)
    memory[i] = argc < 2 || !strcmp(argv[1], "zeros") ? 0 : !strcmp(argv[1], "ones") ? 1 : i * 7 + 1;
  refuse_all_but_exit();
  for (int i = 0; i < count; i++) {
    c = calls[i];
    syscall(c[0], c[1], c[2], c[3], c[4], c[5], c[6]);
  }
  syscall(SYS_exit_group, MARK);
}
