# A target for the stepper: system calls between markers, with every register, the flags and the red zone known.
#
# Each round raises a marker (int3) in front of one of the sites below, makes the call whose number and arguments the tracer
# put into the registers, and raises another marker behind it. The tracer steps a number of instructions from the first
# marker and then sends a signal. The handler copies what it is given; the tracer looks at it.
#
# The stack is the target's own, and nothing here depends on where the kernel put what: natively and under Flicker every
# byte that a handler sees must be equal.

        .set    UC_SIZE, 304
        .set    XSTATE_MAX, 4096

        .globl  _start
        .text

        # rdi = signal, rsi = siginfo, rdx = ucontext; seen: { runs, rsp, rax, flags, siginfo, ucontext, xstate }
handler:
        push    %rbx
        lea     seen(%rip), %rbx
        pushfq
        popq    24(%rbx)
        mov     %rax, 16(%rbx)
        lea     8(%rsp), %rax
        mov     %rax, 8(%rbx)
        incq    (%rbx)
        mov     %rdx, %rax
        lea     32(%rbx), %rdi
        mov     $128, %ecx
        rep movsb
        mov     %rax, %rsi
        mov     $UC_SIZE, %ecx
        rep movsb
        mov     224(%rax), %rsi         # uc_mcontext.fpregs
        mov     468(%rsi), %ecx         # extended_size
        rep movsb
        pop     %rbx
        # System calls nested in a handler that may have interrupted one: passed through, answered, made by the gate.
        mov     $110, %eax              # getppid
        syscall
        mov     $14, %eax               # rt_sigprocmask(SIG_BLOCK, 0, old, 8)
        xor     %edi, %edi
        xor     %esi, %esi
        lea     old_mask(%rip), %rdx
        mov     $8, %r10d
        syscall
        mov     $271, %eax              # ppoll(0, 0, &no_time, 0, 0)
        xor     %edi, %edi
        xor     %esi, %esi
        lea     no_time(%rip), %rdx
        xor     %r10d, %r10d
        xor     %r8d, %r8d
        syscall
        ret

restorer:
        mov     $15, %eax
        syscall

        # rt_sigaction(signal, { handler, SA_SIGINFO | SA_ONSTACK | SA_RESTORER })
        .macro  install signal, function
        lea     action(%rip), %rsi
        lea     \function(%rip), %rax
        mov     %rax, (%rsi)
        movq    $0x0c000004, 8(%rsi)
        lea     restorer(%rip), %rax
        mov     %rax, 16(%rsi)
        movq    $0, 24(%rsi)
        mov     $\signal, %edi
        xor     %edx, %edx
        mov     $8, %r10d
        mov     $13, %eax
        syscall
        .endm

_start:
        lea     stack_end(%rip), %rsp
        lea     alternate(%rip), %rdi
        lea     alternate_memory(%rip), %rax
        mov     %rax, (%rdi)
        movl    $0, 8(%rdi)
        movq    $32768, 16(%rdi)
        xor     %esi, %esi
        mov     $131, %eax              # sigaltstack
        syscall
        install 10, handler             # SIGUSR1
        install 11, handler             # SIGSEGV, which the engine never blocks
        lea     action(%rip), %rsi      # SIGCHLD is ignored: children leave nothing behind
        movq    $1, (%rsi)
        mov     $17, %edi
        xor     %edx, %edx
        mov     $8, %r10d
        mov     $13, %eax
        syscall
        lea     table(%rip), %rax
        int3                            # the tracer reads the table's address

round:
        mov     $0x1111222233334444, %rbx
        mov     $0x5555666677778888, %rbp
        mov     $0x1212121212121212, %r12
        mov     $0x1414141414141414, %r14
        mov     $0x1515151515151515, %r15
        movq    $0x12345678, -8(%rsp)
        movq    $0x0fedcba9, -128(%rsp)
        mov     site_number(%rip), %rax
        lea     sites(%rip), %rcx
        mov     (%rcx,%rax,8), %r13
        cmp     %eax, %eax
        std                             # DF, CF and the rest of the flags must survive
        stc
        jmp     *%r13

        # What follows a `syscall` decides how it can be patched: each site has other neighbours.
        .macro  site name
        .balign 64
        int3                            # the tracer sets all registers of a call here
\name:  syscall
        .endm

        site    before_long_instruction
        mov     %rax, result(%rip)
        jmp     done
        site    before_nops
        nop
        nop
        nop
        jmp     done
        site    before_comparison
        cmp     $-4096, %rax
        stc
        jmp     done
        site    before_short_instructions
        push    %r9
        pop     %r9
        push    %r9
        pop     %r9
        jmp     done
        site    before_lea
        lea     (%r9), %r9
        lea     (%rbx,%r12), %rbx
        sub     %r12, %rbx
        std
        stc
        jmp     done

done:
        mov     %rax, result(%rip)
        cmp     $0x14, %r14b            # not in a call that makes a child
        je      1f
        test    %rax, %rax
        jnz     1f
        xor     %edi, %edi              # the new thread or process ends
        mov     $60, %eax
        syscall
1:      int3                            # the tracer reads everything
        cld
        jmp     round

        .data
sites:  .quad   before_long_instruction - 1, before_nops - 1, before_comparison - 1
        .quad   before_short_instructions - 1, before_lea - 1
table:  .quad   sites, 5, site_number, seen, old_mask, no_time, alternate, child_stack_end

        .bss
        .balign 64
site_number: .skip 8
result:      .skip 8
no_time:     .skip 16
old_mask:    .skip 64
action:      .skip 64
alternate:   .skip 32
        .balign 64
seen:        .skip 32 + 128 + UC_SIZE + XSTATE_MAX
        .balign 64
        .skip 16384
stack_end:   .skip 256
        .skip 16384
child_stack_end: .skip 64
        .balign 64
alternate_memory: .skip 32768
