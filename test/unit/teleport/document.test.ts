import { strict as assert } from "node:assert";
import * as fc from "fast-check";
import { checkDocument } from "../../../components/teleport/document-check";
import { normalForm, OWNER_LABEL, ownership, sameDocument, withOwner } from "../../../components/teleport/document";
import { TeleportDocument } from "../../../components/teleport/tctl";
import { withServerFields } from "./fake-teleport";

const ours: TeleportDocument = {
  kind: "db",
  version: "v3",
  metadata: { name: "orders", labels: { provisioned_by: "cloudnative-pg" } },
  spec: { protocol: "postgres", uri: "orders:5432", tls: { mode: "verify-full", ca_cert: "PEM" } },
};

describe("normal form of a document", () => {
  it("is blind to what the server adds", () => assert.ok(sameDocument(ours, withServerFields(ours))));

  it("is blind to the order of keys", () => {
    const spec = Object.fromEntries(Object.entries(ours.spec).reverse());
    assert.ok(sameDocument(ours, { ...ours, spec }));
  });

  for (const [what, changed] of Object.entries<TeleportDocument>({
    uri: { ...ours, spec: { ...ours.spec, uri: "elsewhere:5432" } },
    "CA certificate": { ...ours, spec: { ...ours.spec, tls: { ca_cert: "OTHER" } } },
    "TLS mode": { ...ours, spec: { ...ours.spec, tls: { mode: "insecure", ca_cert: "PEM" } } },
    label: { ...ours, metadata: { ...ours.metadata, labels: { provisioned_by: "hand" } } },
    "added label": { ...ours, metadata: { ...ours.metadata, labels: { ...ours.metadata.labels, team: "x" } } },
    description: { ...ours, metadata: { ...ours.metadata, description: "by hand" } },
  })) {
    it(`sees a changed ${what}`, () => assert.ok(!sameDocument(ours, withServerFields(changed))));
  }

  it("is its own normal form", () => assert.deepEqual(normalForm(normalForm(ours)), normalForm(ours)));
});

describe("ownership", () => {
  it("comes back from the label as it was put on", () => {
    fc.assert(
      fc.property(fc.string(), fc.stringMatching(/^[0-9a-f]{8}$/), (owner, registration) => {
        assert.deepEqual(ownership(withOwner(ours, { owner, registration })), { owner, registration });
      }),
    );
  });
  it("is unknown without the label", () => assert.equal(ownership(ours), undefined));
});

describe("check of a document", () => {
  const withLabels = (labels: Record<string, unknown>) =>
    checkDocument({ ...ours, metadata: { name: "orders", labels: labels as Record<string, string> } });

  it("passes a good one", () => assert.deepEqual(checkDocument(ours), []));
  it("refuses labels that Teleport refuses", () => assert.match(withLabels({ "a b": "c" })[0]!.reason, /label a b/));
  it("refuses labels that are reserved", () => {
    assert.equal(withLabels({ [OWNER_LABEL]: "me", "teleport.dev/origin": "x" }).length, 2);
  });
  it("refuses values that are no text", () => assert.match(withLabels({ port: 5432 })[0]!.reason, /quote it/));
  it("refuses names that Teleport refuses", () => {
    const named = (name: string) => checkDocument({ ...ours, metadata: { name } });
    for (const name of ["", "-a", "a-", "Ä", "a.b", "a".repeat(64)]) assert.equal(named(name).length, 1, name);
  });
  it("passes what is not known yet in a preview", () => {
    const unknown = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";
    assert.deepEqual(checkDocument({ ...ours, metadata: { name: unknown, labels: { namespace: unknown } } }), []);
  });
});
