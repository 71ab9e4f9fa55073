// Only counts, so that trampolines do it themselves: instructions that `--match` names, and twice three more.
import { Context, Counter } from "flicker/hook";

const sites = new Counter("sites");
const threes = new Counter("threes");

export function before(context: Context): void {
  sites.add(1);
  threes.add(3);
  threes.add(3);
}
