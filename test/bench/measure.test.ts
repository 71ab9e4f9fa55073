import assert from "node:assert/strict";
import { test } from "node:test";
import { interleave, median, summarize } from "../../bench/measure.js";

test("median of odd, even and unsorted numbers", () => {
  assert.equal(median([3]), 3);
  assert.equal(median([10, 9, 100]), 10);
  assert.equal(median([4, 1, 3, 2]), 2.5);
  assert.throws(() => median([]));
});

test("a ratio is taken inside its round: a slow round does not change it", () => {
  const [base, other] = summarize(
    ["base", "other"],
    [
      [10, 20],
      [1000, 2000],
      [12, 24],
    ],
  );
  assert.deepEqual(base, { name: "base", median: 12, min: 10, ratio: 1 });
  assert.deepEqual(other, { name: "other", median: 24, min: 20, ratio: 2 });
});

test("rounds are interleaved, and the first is not counted", () => {
  const order: string[] = [];
  const variant = (name: string) => ({ name, measure: () => (order.push(name), order.length) });
  const results = interleave([variant("a"), variant("b")], 2);
  assert.deepEqual(order, ["a", "b", "a", "b", "a", "b"]);
  assert.deepEqual(
    results.map(({ min }) => min),
    [3, 4],
  );
});
