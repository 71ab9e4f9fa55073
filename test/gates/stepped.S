# A target for the stepper: system calls between markers, with every register, the flags and the red zone known.
#
# Each round raises a marker (int3), makes the call whose number the tracer put into r12, and compares what it finds
# afterwards. The tracer steps a number of instructions from the marker and then sends a signal; the handler must see a
# state that the program could have natively.
#
# With OWN_GS the program has set gs base, and its handler reads through it.
#
#   r12  number of the call          r13  round
#   rbx, rbp, r14, r15, r8, r9       patterns that nothing may change

        .globl  _start
        .globl  call_site
        .globl  call_after
        .globl  handler
        .globl  restorer
        .text

handler:                                # rdi = signal, rsi = siginfo, rdx = ucontext
        lea     seen(%rip), %rax
        incq    seen_count(%rip)
        mov     168(%rdx), %rcx         # gregs: REG_RIP is 16th, at uc + 40 + 8*16
        mov     %rcx, (%rax)
        mov     160(%rdx), %rcx         # REG_RSP
        mov     %rcx, 8(%rax)
        mov     144(%rdx), %rcx         # REG_RAX
        mov     %rcx, 16(%rax)
        mov     152(%rdx), %rcx         # REG_RCX
        mov     %rcx, 24(%rax)
        mov     64(%rdx), %rcx          # REG_R11
        mov     %rcx, 32(%rax)
        mov     176(%rdx), %rcx         # REG_EFL
        mov     %rcx, 40(%rax)
        mov     128(%rdx), %rcx         # REG_RBX
        mov     %rcx, 48(%rax)
        mov     96(%rdx), %rcx          # REG_R15
        mov     %rcx, 56(%rax)
#ifdef OWN_GS
        mov     %gs:0, %rcx
        mov     %rcx, seen_gs(%rip)
#endif
        # A nested system call from a handler that may have interrupted one.
        mov     $110, %eax              # getppid
        syscall
        mov     $14, %eax               # rt_sigprocmask(SIG_BLOCK, 0, old, 8)
        xor     %edi, %edi
        xor     %esi, %esi
        lea     old_mask(%rip), %rdx
        mov     $8, %r10d
        syscall
        ret

restorer:
        mov     $15, %eax
        syscall

_start:
        # sigaltstack, so that the handler's stack is known
        mov     $131, %eax
        lea     alternate(%rip), %rdi
        lea     alternate_memory(%rip), %rax
        mov     %rax, (%rdi)
        movl    $0, 8(%rdi)
        movq    $16384, 16(%rdi)
        xor     %esi, %esi
        mov     $131, %eax
        syscall
        # rt_sigaction(SIGUSR1, { handler, SA_SIGINFO | SA_ONSTACK | SA_RESTORER })
        lea     action(%rip), %rsi
        lea     handler(%rip), %rax
        mov     %rax, (%rsi)
        movq    $0x0c000004, 8(%rsi)
        lea     restorer(%rip), %rax
        mov     %rax, 16(%rsi)
        movq    $0, 24(%rsi)
        mov     $10, %edi
        xor     %edx, %edx
        mov     $8, %r10d
        mov     $13, %eax
        syscall

#ifdef OWN_GS
        lea     own_gs(%rip), %rsi
        mov     %rsi, (%rsi)
        mov     $0x1001, %edi           # arch_prctl(ARCH_SET_GS, own_gs)
        mov     $158, %eax
        syscall
#endif
round:
        mov     $0x1111222233334444, %rbx
        mov     $0x5555666677778888, %rbp
        mov     $0x1414141414141414, %r14
        mov     $0x1515151515151515, %r15
        mov     $0x0808080808080808, %r8
        mov     $0x0909090909090909, %r9
        xor     %edi, %edi              # arguments that suit every call that is tried
        xor     %esi, %esi
        lea     old_mask(%rip), %rdx
        mov     $8, %r10d
        mov     $0x7a7a7a7a, %ecx
        mov     $0x6a6a6a6a, %r11d
        movq    $0x12345678, -8(%rsp)
        movq    $0x0fedcba9, -128(%rsp)
        std                             # DF, CF and the rest of the flags must survive
        stc
        int3                            # the tracer sets rax to the number here
call_site:
        syscall
call_after:
        mov     %rax, result(%rip)
        mov     %rcx, result_rcx(%rip)
        mov     %r11, result_r11(%rip)
        mov     -8(%rsp), %rcx          # before pushfq writes there
        mov     %rcx, result_red(%rip)
        mov     -128(%rsp), %rcx
        mov     %rcx, result_red_far(%rip)
        pushfq
        popq    result_flags(%rip)
        cld
        mov     %rbx, result_rbx(%rip)
        mov     %r15, result_r15(%rip)
        mov     %r14, result_r14(%rip)
        mov     %rbp, result_rbp(%rip)
        mov     %r8, result_r8(%rip)
        mov     %r9, result_r9(%rip)
        mov     %r10, result_r10(%rip)
        int3                            # the tracer reads everything, and sets r13 to 1 to stop
        test    %r13, %r13
        jz      round
        mov     $231, %eax
        xor     %edi, %edi
        syscall

        .bss
        .globl  seen, seen_count, result, old_mask
        .balign 16
seen:           .skip 64
seen_count:     .skip 8
result:         .skip 8
result_rcx:     .skip 8
result_r11:     .skip 8
result_red:     .skip 8
result_red_far: .skip 8
result_flags:   .skip 8
result_rbx:     .skip 8
result_r15:     .skip 8
result_r14:     .skip 8
result_rbp:     .skip 8
result_r8:      .skip 8
result_r9:      .skip 8
result_r10:     .skip 8
seen_gs:        .skip 8
old_mask:       .skip 64
action:         .skip 64
alternate:      .skip 32
own_gs:         .skip 64
        .balign 16
alternate_memory: .skip 16384
