// Counts how often the program comes to instructions that `--match` names.
import { Context, Counter } from "flicker/hook";

const sites = new Counter("sites");
let last: u64 = 0;

export function before(context: Context): void {
  sites.add(1);
  last = context.site;
}
