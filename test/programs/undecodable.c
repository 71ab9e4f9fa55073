// A function that the unwind table calls code, and a byte in it that begins no instruction in 64-bit mode: 06 was `push %es`.
// Nobody calls it, so natively nobody notices. As a library, its constructor would say that its code could run.
// variants: dynamic
#include <unistd.h>

__asm__(".pushsection .text\n.type broken, @function\nbroken:\n.cfi_startproc\nnop\n.byte 0x06\nmov $39, %eax\nsyscall\nret\n"
        ".cfi_endproc\n.size broken, .-broken\n.popsection\n");

__attribute__((constructor)) static void announce(void) {
  if (write(1, "code of this file ran\n", 22) != 22) _exit(1);
}

int main(void) { return 0; }
