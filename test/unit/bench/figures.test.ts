import { strict as assert } from "node:assert";
import { Figures, median, results, table } from "../../../bench/figures";

const FIGURES: Figures[] = [
  { name: "register-100", unit: "s", ours: [30, 28, 100], baseline: [0.5, 0.4, 0.41] },
  { name: "state-size-registration", unit: "kB", ours: [8.6123], baseline: [] },
];

describe("the figures of the bench", () => {
  it("have the median of an odd and of an even number of values, in any order", () => {
    assert.equal(median([3, 1, 100]), 3);
    assert.equal(median([10, 1, 2, 3]), 2.5);
    assert.equal(median([7]), 7);
  });

  it("have no median of no values", () => {
    assert.throws(() => median([]), /no values/);
  });

  it("leave the measured values as they are", () => {
    const values = Object.freeze([3, 1, 2]);
    assert.equal(median(values), 2);
  });

  it("are printed as a table with medians, spread and ratio", () => {
    assert.equal(
      table(FIGURES),
      [
        "row                      ours                  baseline               ratio  n",
        "register-100             30.0 s (28.0 to 100)  0.41 s (0.40 to 0.50)  73.2   3",
        "state-size-registration  8.61 kB               -                      -      1",
      ].join("\n"),
    );
  });

  it("become one JSON object: medians, ratio, unit and number of measurements", () => {
    assert.deepEqual(JSON.parse(JSON.stringify(results(FIGURES))), {
      "register-100": { ours: 30, baseline: 0.41, ratio: 73.171, unit: "s", n: 3 },
      "state-size-registration": { ours: 8.612, baseline: null, ratio: null, unit: "kB", n: 1 },
    });
  });
});
