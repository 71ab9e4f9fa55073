// Says what happens to processes.
import { EndEvent, Event, LibraryEvent, log, path } from "flicker/hook";

export function onStart(event: Event): void {
  log
    .text("start ")
    .unsigned(event.thread == event.process ? 1 : 0)
    .end();
}
export function onEnd(event: EndEvent): void {
  if (event.executes) log.text("executes").end();
  else log.text("end ").unsigned(event.status).end();
}
export function onFork(event: Event): void {
  log
    .text("fork ")
    .unsigned(event.thread == event.process ? 1 : 0)
    .end();
}
export function onThread(event: Event): void {
  log
    .text("thread ")
    .unsigned(event.thread != event.process ? 1 : 0)
    .end();
}
export function onThreadEnd(event: Event): void {
  log.text("thread end").end();
}
export function onLibrary(event: LibraryEvent): void {
  path.of(event.descriptor);
  const isWhole = event.address % 4096 == 0 && event.size > 0 && event.offset > 0;
  log
    .text(isWhole ? "library " : "odd library ")
    .path()
    .end();
}
