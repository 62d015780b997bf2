import { strict as assert } from "node:assert";
import { additionalDnsNames, disabledServices } from "../../../components/cnpg/services";
import { isSupervised, keysTo } from "../../../components/cnpg/spec";

describe("Services", () => {
  it("exist unless they are disabled", () => {
    assert.deepEqual(disabledServices(undefined), []);
    assert.deepEqual(disabledServices({ managed: { services: { disabledDefaultServices: ["r", 1, null] } } }), ["r"]);
    for (const managed of [null, [], "x", { services: [] }, { services: { disabledDefaultServices: { r: true } } }])
      assert.deepEqual(disabledServices({ managed }), []);
  });
  it("have DNS names for the server certificate", () => {
    const named = (name: unknown) => ({ selectorType: "rw", serviceTemplate: { metadata: { name } } });
    const spec = { managed: { services: { additional: [named("public"), null, {}, named(7)] } } };
    assert.deepEqual(additionalDnsNames(spec, "shop", "cluster.local"), [
      "public",
      "public.shop",
      "public.shop.svc",
      "public.shop.svc.cluster.local",
    ]);
    assert.deepEqual(additionalDnsNames(undefined, "shop", "cluster.local"), []);
  });
});

describe("fields of spec", () => {
  it("show whether updates are supervised", () => {
    assert.ok(isSupervised({ primaryUpdateStrategy: "supervised" }));
    assert.ok(!isSupervised({ primaryUpdateStrategy: ["supervised"] }) && !isSupervised(undefined));
  });
  it("are found by the API server's paths, also if keys contain dots", () => {
    const spec = { a: { "b.c": [{ d: 1 }], b: null } };
    assert.deepEqual(keysTo(spec, "a.b.c[0].d"), ["a", "b.c", "0", "d"]);
    assert.deepEqual(keysTo(spec, "a.b"), ["a", "b"]);
    for (const none of ["a.b.c[1]", "a.b.c.d", "a.x", "b", "a.b.c[0].d.e"]) assert.equal(keysTo(spec, none), undefined);
  });
});
