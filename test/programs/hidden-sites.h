// System calls that look like data: invalid bytes on both sides, no unwind table over them. Flicker leaves such sites alone
// unless it is told to catch what really runs (--exhaustive).
#pragma once

#define HIDDEN_AMONG ".fill 160, 1, 0x06\n"
// Behind a `ret`: as the end of a rel32 they lead 350 MiB down, where a position-independent program has free space.
#define HIDDEN_END ".byte 0x06, 0xea\n" HIDDEN_AMONG

// long NAME(number, a, b, c, d, e, f): as syscall(2), but for errno. NAME_after is the instruction behind the `syscall`.
#define HIDDEN(name)                                                                           \
  __asm__(".pushsection .text\n" HIDDEN_AMONG ".type " #name ", @function\n.global " #name "\n" #name ":\n" \
          "mov %rdi, %rax\nmov %rsi, %rdi\nmov %rdx, %rsi\nmov %rcx, %rdx\nmov %r8, %r10\n"    \
          "mov %r9, %r8\nmov 8(%rsp), %r9\nsyscall\n.global " #name "_after\n" #name "_after: ret\n" HIDDEN_END \
          ".popsection\n");                                                                    \
  long name(long number, long a, long b, long c, long d, long e, long f);                       \
  extern char name##_after[]
