import { strict as assert } from "node:assert";
import { clusterAnnotations, expectedReadyInstances } from "../../../components/cnpg/stopped";

describe("the annotations for hibernation and fencing", () => {
  it("are not written without settings", () => assert.deepEqual(clusterAnnotations({}), {}));
  it("follow from the settings", () => {
    assert.deepEqual(clusterAnnotations({ hibernation: true, fencedInstances: ["orders-1", "orders-2"] }), {
      "cnpg.io/hibernation": "on",
      "cnpg.io/fencedInstances": '["orders-1","orders-2"]',
    });
    assert.deepEqual(clusterAnnotations({ hibernation: false, fencedInstances: [] }), {
      "cnpg.io/hibernation": "off",
      "cnpg.io/fencedInstances": "[]",
    });
  });
  it("reduce the number of instances that `up` waits for", () => {
    assert.equal(expectedReadyInstances(3, {}), 3);
    assert.equal(expectedReadyInstances(3, { fencedInstances: ["orders-2"] }), 2);
    assert.equal(expectedReadyInstances(3, { fencedInstances: ["*"] }), 0);
    assert.equal(expectedReadyInstances(3, { hibernation: true }), 0);
  });
});
