import { strict as assert } from "node:assert";
import { KubernetesError, isPassing } from "../../components/kubernetes/errors";
import { retried } from "../../components/retry";

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
});
