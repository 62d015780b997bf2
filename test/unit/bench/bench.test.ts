/** The order of measurements, and what is left out. */
import { strict as assert } from "node:assert";
import { Bench, Sides } from "../../../bench/bench";
import { parseOptions } from "../../../bench/options";

const value = (number: number) => async () => number;

describe("the bench", () => {
  it("measures both sides in turn, and every other round begins with the baseline", async () => {
    const bench = new Bench(parseOptions(["--only=start"]));
    const order: string[] = [];
    const side = (name: string) => async () => order.push(name);
    await bench.rounds(() => bench.measure("start", { ours: side("ours"), baseline: side("baseline") }));
    assert.deepEqual(order, ["ours", "baseline", "baseline", "ours", "ours", "baseline"]);
    assert.deepEqual(bench.figures(), [{ name: "start", unit: "s", ours: [1, 4, 5], baseline: [2, 3, 6] }]);
  });

  it("gives no figures for a row that was not wanted, although it was measured on the way", async () => {
    const bench = new Bench(parseOptions(["--only=noop-100", "--times=1"]));
    assert.equal(bench.wants("up"), false);
    assert.equal(bench.wants("up", "noop"), true);
    await bench.rounds(async () => {
      await bench.measure("up", { ours: value(1), baseline: value(1) });
      await bench.measure("noop", { ours: value(2), baseline: value(1) });
    });
    assert.deepEqual(
      bench.figures().map(({ name }) => name),
      ["noop-100"],
    );
  });

  const broken = async () => {
    throw new Error("broken");
  };
  const failures: Record<string, Sides> = {
    "ours fails": { ours: broken, baseline: value(1) },
    "the baseline fails": { ours: value(1), baseline: broken },
    "a side gives no number": { ours: value(1), baseline: value(NaN) },
  };
  for (const [what, sides] of Object.entries(failures))
    it(`fails and gives no figures if ${what}, also in one round of several`, async () => {
      for (const times of [1, 2]) {
        const bench = new Bench(parseOptions(["--only=start", `--times=${times}`]));
        let round = 0;
        const measured = bench.rounds(() =>
          bench.measure("start", ++round === times ? sides : { ours: value(1), baseline: value(1) }),
        );
        await assert.rejects(measured, /broken|gave no number: NaN/);
        assert.deepEqual(bench.figures(), []);
      }
    });
});
