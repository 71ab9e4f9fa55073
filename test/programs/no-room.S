# A program around which all addresses within 1 GiB are taken, by memory that is never touched: no trampoline can be in reach
# of its `syscall`s, which are traps. It is the lowest program there can be: below it is mmap_min_addr.
# variants: bare-low
  .section .gap, "a", @nobits
  .skip 0x50000000

  .text
  .global _start
_start:
  mov $1, %eax
  mov $1, %edi
  lea message(%rip), %rsi
  mov $5, %edx
  .global first_site
first_site:
  syscall
  mov $60, %eax
  xor %edi, %edi
  syscall
message:
  .ascii "runs\n"
