// The hook of `flicker trace`: a record when a call is entered, and one when it returns. Which calls it sees is the ring's mask, so
// one compiled hook serves every trace.

import { SystemCall } from "flicker/hook";
import { recordEntry, recordExit } from "./capture";

export function beforeCall(call: SystemCall): void {
  recordEntry(call);
}

export function afterCall(call: SystemCall): void {
  recordExit(call);
}
