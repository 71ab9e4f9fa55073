// How often the thread that came by most did so: a number of each thread's own.
import { Context, Counter, Event, ThreadValue } from "flicker/hook";

const unused = new ThreadValue();
const seen = new ThreadValue();
const most = new Counter("most in one thread");
const all = new Counter("in all");
const dirty = new Counter("dirty at start");

export function before(context: Context): void {
  seen.value += 1;
  all.add(1);
  if (seen.value > most.value) most.add(seen.value - most.value);
}
export function onThread(event: Event): void {
  if (seen.value != 0 || unused.value != 0) dirty.add(1);
}
