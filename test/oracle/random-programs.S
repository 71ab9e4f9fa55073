# Runs each function of a table on a state of its own, and writes what it leaves: a record of all registers, flags, vector
# registers, the memory that it works on and its stack, with what is below its stack pointer. The functions are made by
# random-programs.ts. Nothing here depends on where the kernel puts things: two runs write the same bytes.
#
#   natively and under `flicker run`: random-programs > records
#
# STEPPED: for test/gates/instruction-stepper.c. There is a marker in front of each function and one behind it, and SIGUSR1
# has a handler, which is a marker: rdx is the ucontext.
#
# CHECKED_VECTORS: 16 (SSE), 32 (AVX), 64 (AVX-512): bytes of a vector register.

#if CHECKED_VECTORS == 64
#define VECTOR(n) %zmm##n
#define MOVE_VECTOR vmovdqu64
#elif CHECKED_VECTORS == 32
#define VECTOR(n) %ymm##n
#define MOVE_VECTOR vmovdqu
#else
#define VECTOR(n) %xmm##n
#define MOVE_VECTOR movdqu
#endif

        .macro  vectors operation
        .irp    n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
        \operation \n
        .endr
        .endm
        .macro  load_vector n
        MOVE_VECTOR 24*\n(%rsi), VECTOR(\n)
        .endm
        .macro  store_vector n
        MOVE_VECTOR VECTOR(\n), record_vectors + CHECKED_VECTORS*\n(%rip)
        .endm

        .text
        .globl  _start
        .type   _start, @function
_start: .cfi_startproc
        .cfi_undefined rip
#ifdef STEPPED
        lea     alternate_stack(%rip), %rdi
        xor     %esi, %esi
        mov     $131, %eax                      # sigaltstack
        syscall
        mov     $10, %edi                       # rt_sigaction(SIGUSR1, action)
        lea     action(%rip), %rsi
        xor     %edx, %edx
        mov     $8, %r10d
        mov     $13, %eax
        syscall
#endif
next:   mov     index(%rip), %rax
        cmp     $function_count, %rax
        jae     done
        lea     own_stack(%rip), %rsp
        # Memory and stack get random bytes, from another place for each function.
        and     $0xff, %eax
        lea     seed(%rip), %rsi
        lea     (%rsi,%rax,8), %rsi
        mov     %rsi, %rbx
        lea     arena(%rip), %rdi
        mov     $(record_end - arena) / 8, %ecx
        cld
        rep movsq
        mov     %rbx, %rsi
        ldmxcsr control(%rip)
        vectors load_vector
        pushq   $0x202
        mov     16*8(%rsi), %rax
        and     $0x8d5, %eax                    # CF PF AF ZF SF OF
        or      %rax, (%rsp)
        mov     index(%rip), %rax
        mov     function_table(,%rax,8), %rax
        mov     %rax, function(%rip)
        lea     arena + 1024(%rip), %r15        # not changed by functions, nor is r14
        mov     $5, %r14d
        mov     0*8(%rsi), %rax
        mov     1*8(%rsi), %rbx
        mov     2*8(%rsi), %rcx
        mov     3*8(%rsi), %rdx
        mov     4*8(%rsi), %rdi
        mov     5*8(%rsi), %rbp
        mov     6*8(%rsi), %r8
        mov     7*8(%rsi), %r9
        mov     8*8(%rsi), %r10
        mov     9*8(%rsi), %r11
        mov     10*8(%rsi), %r12
        mov     11*8(%rsi), %r13
        mov     12*8(%rsi), %rsi
        popfq
        lea     stack + 1024(%rip), %rsp
#ifdef STEPPED
        int3
#endif
        call    *function(%rip)
#ifdef STEPPED
        int3
#endif
        mov     %rsp, record_rsp(%rip)
        lea     own_stack(%rip), %rsp
        pushfq
        popq    record_flags(%rip)
        cld
        mov     %rax, record + 0*8(%rip)
        mov     %rbx, record + 1*8(%rip)
        mov     %rcx, record + 2*8(%rip)
        mov     %rdx, record + 3*8(%rip)
        mov     %rsi, record + 4*8(%rip)
        mov     %rdi, record + 5*8(%rip)
        mov     %rbp, record + 6*8(%rip)
        mov     %r8, record + 7*8(%rip)
        mov     %r9, record + 8*8(%rip)
        mov     %r10, record + 9*8(%rip)
        mov     %r11, record + 10*8(%rip)
        mov     %r12, record + 11*8(%rip)
        mov     %r13, record + 12*8(%rip)
        mov     %r14, record + 13*8(%rip)
        mov     %r15, record + 14*8(%rip)
        stmxcsr record_control(%rip)
        vectors store_vector
#ifdef STEPPED
        incq    index(%rip)
        jmp     next
#endif
        lea     record(%rip), %rsi
        mov     $record_end - record, %edx
write:  mov     $1, %edi
        mov     $1, %eax
        syscall                                 # a pipe may take it in parts
        test    %rax, %rax
        js      failed
        add     %rax, %rsi
        sub     %rax, %rdx
        jnz     write
        incq    index(%rip)
        jmp     next
done:   xor     %edi, %edi
        mov     $231, %eax
        syscall
failed: mov     $1, %edi
        mov     $231, %eax
        syscall
        .cfi_endproc

#ifdef STEPPED
handler:
        int3
        ud2                                     # the tracer leads away from here
        .data
action: .quad   handler, 0x4c000004, handler, 0 # SA_SIGINFO, SA_RESTORER, SA_ONSTACK, SA_NODEFER
alternate_stack:
        .quad   alternate_memory, 0, 32768
        .bss
        .balign 64
alternate_memory:
        .skip   32768
#endif
        .data
        .balign 64
index:          .quad 0
function:       .quad 0
control:        .long 0x1f80
        .bss
        .balign 64
        .skip   1024
own_stack:
        .skip   64
        .globl  arena
record:         .skip 15 * 8
record_rsp:     .skip 8
record_flags:   .skip 8
record_control: .skip 8
        .balign 64
record_vectors: .skip 16 * 64
arena:          .skip 2048
stack:          .skip 2048
record_end:
