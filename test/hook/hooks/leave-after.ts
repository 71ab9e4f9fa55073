// Behind the nop of hooked-instructions.c, the program goes on behind the jump that follows.
import { Context } from "flicker/hook";

const NOP_SIZE: u64 = 5;
const JUMP_SIZE: u64 = 2;

export function after(context: Context): void {
  context.rax = context.rdi + 10;
  context.goto(context.site + NOP_SIZE + JUMP_SIZE);
}
