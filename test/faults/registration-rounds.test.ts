/** Nothing accumulates in Teleport when a registration is created and destroyed many times. */
import { strict as assert } from "node:assert";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { Stack } from "../../lab/drive/stack";
import { CACHE_LAG, PROXY, teleport } from "../lab/lab";

const NAME = "rounds";
const ROUNDS = 20;

describe("a registration in Teleport, many times", () => {
  const stack = new Stack(NAME, { project: join(__dirname, "..", "lab", "registration-program") });
  const registered = async () => (await teleport.databases()).filter(({ metadata }) => metadata.name === NAME).length;

  after(() => stack.remove());

  it(`leaves nothing in Teleport after ${ROUNDS} rounds of create and destroy`, async () => {
    stack.configure({ proxy: PROXY, name: NAME });
    await stack.init();
    for (let round = 1; round <= ROUNDS; round++) {
      await stack.up();
      assert.equal(await registered(), 1, `round ${round}`);
      await stack.destroy();
      assert.equal(await registered(), 0, `round ${round}`);
    }
    await sleep(CACHE_LAG);
    assert.equal(await registered(), 0);
  });
});
