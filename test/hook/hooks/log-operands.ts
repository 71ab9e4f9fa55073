// Says where stores go, and what was there.
import { Context, log, peek64 } from "flicker/hook";

export function before(context: Context): void {
  const place = context.operandAddress;
  log.text("store to ").hex(place).text(" over ").unsigned(peek64(place)).end();
}
