import { strict as assert } from "node:assert";
import { KubernetesError, isPassing } from "../../components/kubernetes/errors";
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
  it("go on while a system is unavailable", async () => {
    assert.equal(await retried(failing("unavailable", 2).call, isPassing, [1, 1, 1]), 3);
  });
  it("are bounded", async () => {
    const { call, calls } = failing("unavailable", 99);
    await assert.rejects(retried(call, isPassing, [1, 1]), KubernetesError);
    assert.equal(calls(), 3);
  });
  it("do not begin later than a minute after the first attempt", async () => {
    const { call, calls } = failing("unavailable", 99);
    await assert.rejects(retried(call, isPassing, [1, 60_001, 1]), KubernetesError);
    assert.equal(calls(), 2);
  });
  it("are not made for what will not change", async () => {
    const { call, calls } = failing("access-denied", 99);
    await assert.rejects(retried(call, isPassing, [1, 1]), KubernetesError);
    assert.equal(calls(), 1);
  });

  it("go on at equal delays for as long as they are given, where that is asked for", async () => {
    const { call, calls } = failing("unavailable", 99);
    const begun = Date.now();
    await assert.rejects(retried(call, isPassing, { every: 20, within: 90 }), KubernetesError);
    assert.ok(Date.now() - begun <= 90 + 20, "none begins later");
    assert.ok(calls() > 1 && calls() <= 5, `${calls()} calls`);
  });
});

describe("polling", () => {
  it("ends with the first result, and counts the looks", async () => {
    assert.equal(await poll(async ({ attempt }) => (attempt < 3 ? undefined : `${attempt} looks`), 1), "3 looks");
    assert.equal(await poll(async () => false, 1), false, "what is no result is undefined alone");
  });
  it("ends with what a look throws, which knows how long it has waited", async () => {
    const late = async ({ waited }: { waited(): number }) => {
      if (waited() > 10) throw new Error("too late");
      return undefined;
    };
    await assert.rejects(poll(late, 2), /too late/);
  });
  it("waits between looks for as long as the look that ended asks for", async () => {
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
