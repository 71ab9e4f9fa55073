// An instruction that is done cannot be skipped.
import { Context } from "flicker/hook";

export function after(context: Context): void {
  context.skip();
}
