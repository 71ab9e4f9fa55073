// A function of instructions that have no room for any jump, called often.
// variants: dynamic
#include <stdio.h>

long add_by_stack(long a, long b);

// clang-format off
asm(".globl add_by_stack\n.type add_by_stack, @function\nadd_by_stack:\n.cfi_startproc\n"
    "push %rbx\npush %rbp\npush %rdi\npush %rsi\npop %rbx\npop %rbp\npush %rbp\npush %rbx\n"
    "pop %rcx\npop %rax\npush %rax\npush %rcx\npop %rdx\npop %rax\nadd %rdx, %rax\nnop\npop %rbp\npop %rbx\nnop\nret\n"
    ".cfi_endproc\n.size add_by_stack, .-add_by_stack\n");
// clang-format on

int main(void) {
  long sum = 0;
  for (int i = 0; i < 10000; i++) sum = add_by_stack(sum, i);
  printf("%ld\n", sum);
}
