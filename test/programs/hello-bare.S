# No libc: one write and an exit, with the registers that the kernel leaves checked by the exit status.
# variants: bare bare-pie
        .globl _start
        .text
_start:
        mov     $1, %eax
        mov     $1, %edi
        lea     text(%rip), %rsi
        mov     $size, %edx
        syscall
after:  lea     after(%rip), %rbx
        mov     $1, %edi
        cmp     %rbx, %rcx              # the kernel leaves the return address in rcx
        jne     end
        mov     $2, %edi
        cmp     $size, %rax
        jne     end
        xor     %edi, %edi
end:    mov     $231, %eax
        syscall
        hlt

        .section .rodata
text:   .ascii  "hello, bare world\n"
size    = . - text

        .section .note.GNU-stack, "", @progbits
