import { Event } from "flicker/hook";

const table = new StaticArray<u32>(4);

export function onStart(event: Event): void {
  table[event.process] = 1;
}
