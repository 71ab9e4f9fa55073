// cpuid is not executed; what it would have given is the hook's.
import { Context, EndEvent, FixedMap, Histogram, log } from "flicker/hook";

const leaves = new FixedMap(3);
const sites = new FixedMap(100);
const sizes = new Histogram("leaves");

export function replace(context: Context): void {
  if (!leaves.add(context.rax, 1)) log.text("no room").end();
  sizes.add(context.rax);
  sites.add(context.site, 1);
  context.rax = context.rax + 1000;
}
export function onEnd(event: EndEvent): void {
  leaves.logLargest(4, "leaf");
  sites.logLargest(4, "site", true);
  sizes.log();
  log
    .text("in all ")
    .unsigned(sizes.total)
    .text(", of leaf 7 ")
    .unsigned(leaves.get(7))
    .text(", of none ")
    .unsigned(leaves.get(8))
    .end();
}
