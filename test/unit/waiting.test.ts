import { strict as assert } from "node:assert";
import { KubernetesError, isUnavailable } from "../../components/kubernetes/errors";
import { poll, retried } from "../../components/waiting";

describe("retries", () => {
  const failing = (failure: "unavailable" | "access-denied", times: number) => {
    let calls = 0;
    const call = async () => {
      if (++calls <= times) throw new KubernetesError(failure, failure);
      return calls;
    };
    return { call, calls: () => calls };
  };
  it("continue while a system is unavailable", async () => {
    assert.equal(await retried(failing("unavailable", 2).call, isUnavailable, [1, 1, 1]), 3);
  });
  it("end after the last delay", async () => {
    const { call, calls } = failing("unavailable", 99);
    await assert.rejects(retried(call, isUnavailable, [1, 1]), KubernetesError);
    assert.equal(calls(), 3);
  });
  it("do not start later than a minute after the first attempt", async () => {
    const { call, calls } = failing("unavailable", 99);
    await assert.rejects(retried(call, isUnavailable, [1, 60_001, 1]), KubernetesError);
    assert.equal(calls(), 2);
  });
  it("do not repeat a permanent failure", async () => {
    const { call, calls } = failing("access-denied", 99);
    await assert.rejects(retried(call, isUnavailable, [1, 1]), KubernetesError);
    assert.equal(calls(), 1);
  });

  it("repeat at equal delays within a given time", async () => {
    const { call, calls } = failing("unavailable", 99);
    const begun = Date.now();
    await assert.rejects(retried(call, isUnavailable, { every: 20, within: 90 }), KubernetesError);
    assert.ok(Date.now() - begun <= 90 + 20, "none starts later");
    assert.ok(calls() > 1 && calls() <= 5, `${calls()} calls`);
  });
});

describe("polling", () => {
  it("returns the first result, and counts the looks", async () => {
    assert.equal(await poll(async ({ attempt }) => (attempt < 3 ? undefined : `${attempt} looks`), 1), "3 looks");
    assert.equal(await poll(async () => false, 1), false, "only undefined means that there is no result");
  });
  it("throws what a look throws, and tells each look how long it has waited", async () => {
    const late = async ({ waited }: { waited(): number }) => {
      if (waited() > 10) throw new Error("too late");
      return undefined;
    };
    await assert.rejects(poll(late, 2), /too late/);
  });
  it("computes the delay from the number of the last look", async () => {
    const ended: number[] = [];
    const every = (attempt: number) => ended.push(attempt);
    await poll(async ({ attempt }) => (attempt > 2 ? true : undefined), every);
    assert.deepEqual(ended, [1, 2]);
  });
  it("ends when it is cancelled", async () => {
    const over = new AbortController();
    const polling = poll(async () => undefined, 60_000, over.signal);
    over.abort();
    await assert.rejects(polling, { name: "AbortError" });
  });
});
