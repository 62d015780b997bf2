import { strict as assert } from "node:assert";
import { clusterAnnotations, servingInstances } from "../../../components/cnpg/metadata";
import { additionalDnsNames, hasService } from "../../../components/cnpg/services";

describe("what pauses a Cluster", () => {
  it("is left to people where nothing is said", () => assert.deepEqual(clusterAnnotations({}), {}));
  it("becomes CNPG's annotations", () => {
    assert.deepEqual(clusterAnnotations({ hibernation: true, fencedInstances: ["orders-1", "orders-2"] }), {
      "cnpg.io/hibernation": "on",
      "cnpg.io/fencedInstances": '["orders-1","orders-2"]',
    });
    assert.deepEqual(clusterAnnotations({ hibernation: false, fencedInstances: [] }), {
      "cnpg.io/hibernation": "off",
      "cnpg.io/fencedInstances": "[]",
    });
  });
  it("takes instances away from those that are waited for", () => {
    assert.equal(servingInstances(3, {}), 3);
    assert.equal(servingInstances(3, { fencedInstances: ["orders-2"] }), 2);
    assert.equal(servingInstances(3, { fencedInstances: ["*"] }), 0);
    assert.equal(servingInstances(3, { hibernation: true }), 0);
  });
});

describe("Services", () => {
  it("are there unless disabled", () => {
    assert.ok(hasService(undefined, "ro") && hasService({ disabledDefaultServices: ["r"] }, "ro"));
    assert.ok(!hasService({ disabledDefaultServices: ["ro"] }, "ro"));
  });
  it("have names for the server certificate", () => {
    const services = { additional: [{ name: "public", selectorType: "rw" as const }] };
    assert.deepEqual(additionalDnsNames(services, "shop", "cluster.local"), [
      "public",
      "public.shop",
      "public.shop.svc",
      "public.shop.svc.cluster.local",
    ]);
    assert.deepEqual(additionalDnsNames(undefined, "shop", "cluster.local"), []);
  });
});
