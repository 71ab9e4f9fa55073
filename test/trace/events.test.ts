// Events survive their encoding; what is no event is told from what is not whole yet.

import assert from "node:assert/strict";
import { test } from "node:test";
import { EVENT_HEADER_SIZE, RANGE_SIZE, RANGE_WHEN } from "../../src/abi/trace-event.js";
import {
  BadRecord,
  type CapturedRange,
  type EventKind,
  type TraceEvent,
  decodeEvent,
  encodeEvent,
} from "../../src/trace/event.js";

const kinds: EventKind[] = ["call", "enter", "leave", "signal", "exited", "killed", "lost"];
const times: CapturedRange["when"][] = ["entry", "exit", "path"];

/** Numbers that a seed gives (xorshift, Marsaglia 2003). */
function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

function randomEvent(next: (below: number) => number): TraceEvent {
  const word = (): bigint => (BigInt(next(2 ** 32)) << 32n) | BigInt(next(2 ** 32));
  const range = (): CapturedRange => ({
    address: word(),
    bytes: Uint8Array.from({ length: next(40) }, () => next(256)),
    when: times[next(times.length)]!,
  });
  return {
    kind: kinds[next(kinds.length)]!,
    pid: next(2 ** 32),
    tid: next(2 ** 32),
    number: next(2 ** 32),
    start: word(),
    end: word(),
    result: BigInt.asIntN(64, word()),
    arguments: Array.from({ length: 6 }, word),
    ranges: Array.from({ length: next(5) }, range),
    note: BigInt(next(1 << 30)),
  };
}

test("a thousand random events in a row, as they were", () => {
  const seed = 0x5eed1e55;
  const next = generator(seed);
  const events = Array.from({ length: 1000 }, () => randomEvent(next));
  const bytes = Uint8Array.from(events.flatMap((event) => [...encodeEvent(event)]));
  let at = 0;
  for (const event of events) {
    const decoded = decodeEvent(bytes, at);
    assert.ok(decoded !== null);
    assert.deepEqual(
      {
        ...decoded.event,
        ranges: decoded.event.ranges.map((range) => ({ ...range, bytes: Uint8Array.from(range.bytes) })),
      },
      event,
      `seed ${seed}`,
    );
    assert.equal(decoded.next % 8, 0);
    at = decoded.next;
  }
  assert.equal(at, bytes.length);
});

test("an event that is not there in full is none yet", () => {
  const next = generator(7);
  const bytes = encodeEvent({
    ...randomEvent(next),
    ranges: [{ address: 1n, bytes: new Uint8Array(13), when: "exit" }],
  });
  for (let size = 0; size < bytes.length; size++) assert.equal(decodeEvent(bytes.subarray(0, size)), null);
  assert.ok(decodeEvent(bytes) !== null);
});

test("what is no event is refused", () => {
  const next = generator(9);
  const good = encodeEvent({ ...randomEvent(next), ranges: [{ address: 1n, bytes: new Uint8Array(8), when: "exit" }] });
  const damaged = (offset: number, byte: number): Uint8Array => {
    const bytes = good.slice();
    bytes[offset] = byte;
    return bytes;
  };
  assert.throws(() => decodeEvent(damaged(0, 3)), BadRecord); // a size that is no multiple of 8
  assert.throws(() => decodeEvent(damaged(4, 99)), BadRecord); // no such kind
  assert.throws(() => decodeEvent(damaged(6, 9)), BadRecord); // more ranges than fit
  assert.throws(() => decodeEvent(damaged(EVENT_HEADER_SIZE + RANGE_SIZE, 200)), BadRecord); // a range that is too long
  assert.throws(() => decodeEvent(damaged(EVENT_HEADER_SIZE + RANGE_WHEN, 7)), BadRecord); // no such time
});
