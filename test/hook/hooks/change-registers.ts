// rax becomes 35, and ZF is cleared when rdi is odd.
import { Context, log } from "flicker/hook";

const ZF: u64 = 0x40;

export function before(context: Context): void {
  log
    .text("rax ")
    .unsigned(context.rax)
    .text(" flags ")
    .hex(context.flags & 0x8d5)
    .end();
  context.rax = 35;
  if (context.rdi & 1) context.flags &= ~ZF;
}
