import { strict as assert } from "node:assert";
import * as fc from "fast-check";
import {
  differences,
  normalForm,
  ownership,
  sameDocument,
  withOwner,
  checkDocument,
} from "../../../../components/teleport/resources/document";
import { TeleportDocument } from "../../../../components/teleport/client/tctl";
import { withServerFields } from "../fake-teleport";
import { accessRole } from "../../../../components/teleport/resources/access-role";
import { databaseDocument } from "../../../../components/teleport/resources/database";
import { UNKNOWN } from "../../../../components/value-check";
import { OWNER_LABEL } from "../../../../components/owner-label";
import { joinToken } from "../../../../components/teleport/resources/join-token";

const ours: TeleportDocument = {
  kind: "db",
  version: "v3",
  metadata: { name: "orders", labels: { provisioned_by: "cloudnative-pg" } },
  spec: { protocol: "postgres", uri: "orders:5432", tls: { mode: "verify-full", ca_cert: "PEM" } },
};

describe("normal form of a document", () => {
  it("ignores what the server adds", () => assert.ok(sameDocument(ours, withServerFields(ours))));

  it("ignores the order of keys", () => {
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
    it(`shows a changed ${what}`, () => assert.ok(!sameDocument(ours, withServerFields(changed))));
  }

  it("is its own normal form", () => assert.deepEqual(normalForm(normalForm(ours)), normalForm(ours)));
});

describe("ownership", () => {
  it("is read from the label as it was written", () => {
    fc.assert(
      fc.property(fc.string(), fc.stringMatching(/^[0-9a-f]{8}$/), (owner, registration) => {
        assert.deepEqual(ownership(withOwner(ours, { owner, registration })), { owner, registration });
      }),
    );
  });
  it("is unknown without the label", () => assert.equal(ownership(ours), undefined));
});

/** Written documents, and what Teleport 13.3.8 printed for them, where the two differ (recorded from a real one). */
const PRINTED: Record<string, { written: TeleportDocument; spec: Record<string, unknown> }> = {
  "a database with every field that it keeps": {
    written: {
      ...ours,
      spec: {
        protocol: "postgres",
        uri: "orders:5432",
        dynamic_labels: {
          load: { command: ["cat", "/proc/loadavg"], period: "1m" },
          "example.com/date": { command: ["date"], period: "90s" },
        },
        tls: { mode: "verify-ca", ca_cert: "", server_name: "sn" },
        admin_user: { name: "teleport_admin" },
      },
    },
    spec: {
      protocol: "postgres",
      uri: "orders:5432",
      dynamic_labels: {
        load: { period: "1m0s", command: ["cat", "/proc/loadavg"], result: "" },
        "example.com/date": { period: "1m30s", command: ["date"], result: "" },
      },
      tls: { mode: 1, server_name: "sn" },
      admin_user: { name: "teleport_admin" },
      mysql: {},
      mongo_atlas: {},
      gcp: {},
    },
  },
  "a role": {
    written: {
      ...ours,
      kind: "role",
      version: "v6",
      spec: {
        options: { max_session_ttl: "8h", create_db_user: false, record_session: { default: "strict" } },
        allow: { db_labels: { provisioned_by: ["cloudnative-pg"], env: "prod" }, db_users: ["reader"] },
      },
    },
    spec: {
      options: {
        forward_agent: false,
        max_session_ttl: "8h0m0s",
        port_forwarding: true,
        cert_format: "standard",
        enhanced_recording: ["command", "network"],
        record_session: { desktop: true, default: "strict" },
        idp: { saml: { enabled: true } },
        create_db_user: false,
      },
      allow: { db_labels: { env: "prod", provisioned_by: "cloudnative-pg" }, db_users: ["reader"] },
      deny: {},
    },
  },
};

describe("normal form of what Teleport prints", () => {
  for (const [what, { written, spec }] of Object.entries(PRINTED)) {
    const found = { ...written, metadata: { ...written.metadata, id: 1795256552713517018 }, spec };
    it(`is that of what was written: ${what}`, () => {
      assert.ok(sameDocument(found, written));
      assert.deepEqual(differences(found, written), []);
    });
    it(`stays the same after more refreshes: ${what}`, () => {
      const refreshed = normalForm(found, written);
      assert.deepEqual(normalForm(found, refreshed), refreshed);
      assert.deepEqual(refreshed, normalForm(written));
    });
  }

  const { written, spec } = PRINTED["a role"]!;
  const byHand = (part: Record<string, unknown>) => normalForm({ ...written, spec: { ...spec, ...part } }, written);
  it("shows a manual addition to what a role allows", () => {
    const allow = { ...(spec.allow as object), logins: ["root"] };
    assert.notDeepEqual(byHand({ allow }), normalForm(written));
  });
  it("shows a manual denial", () =>
    assert.notDeepEqual(byHand({ deny: { db_users: ["reader"] } }), normalForm(written)));
  it("shows an option that was written as off and manually switched on, also after a refresh", () => {
    const options = { ...(spec.options as object), create_db_user: true };
    const refreshed = byHand({ options });
    assert.notDeepEqual(refreshed, normalForm(written));
    assert.deepEqual(normalForm({ ...written, spec: { ...spec, options } }, refreshed), refreshed);
  });
  it("ignores options that were not written: each version adds some", () => {
    assert.deepEqual(byHand({ options: { ...(spec.options as object), new_in_19: true } }), normalForm(written));
  });
  it("treats a missing option as off", () => {
    const { create_db_user: _off, ...options } = spec.options as Record<string, unknown>;
    assert.deepEqual(byHand({ options }), normalForm(written));
  });
  it("shows a manual expiry date", () => {
    const expiring = { ...written, spec, metadata: { ...written.metadata, expires: "2030-01-01T00:00:00Z" } };
    assert.ok(!sameDocument(expiring, written));
  });
});

describe("differences of documents", () => {
  it("are named by their path, with both values", () => {
    const written = { ...ours, spec: { ...ours.spec, tls: { mode: "verify-ca", trust_system_cert_pool: true } } };
    const found = { ...ours, spec: { ...ours.spec, tls: { mode: 1 } } };
    assert.deepEqual(differences(found, written), [
      { path: "spec.tls.trust_system_cert_pool", found: undefined, written: true },
    ]);
  });
});

const database = databaseDocument({ name: "orders", uri: "orders:5432", labels: { provisioned_by: "cloudnative-pg" } });
const role = accessRole({
  name: "orders-readers",
  databaseLabels: { provisioned_by: "cloudnative-pg" },
  databaseNames: ["*"],
  databaseUsers: ["teleport_user_read"],
});
const token = joinToken({ name: "agents", join: { method: "kubernetes", serviceAccounts: ["teleport:agent"] } });
const reasons = (document: TeleportDocument) => checkDocument(document).map(({ reason }) => reason);

describe("check of a document", () => {
  for (const document of [database, role, token]) {
    it(`accepts a valid one: ${document.kind}`, () => assert.deepEqual(reasons(document), []));
    it(`accepts what is not known yet in a preview: ${document.kind}`, () => {
      const unknown = UNKNOWN as unknown as Record<string, string>;
      assert.deepEqual(reasons(unknown as unknown as TeleportDocument), []);
      assert.deepEqual(reasons({ ...document, spec: unknown }), []);
      assert.deepEqual(reasons({ ...document, metadata: { name: UNKNOWN, labels: { namespace: UNKNOWN } } }), []);
      assert.deepEqual(reasons({ ...document, metadata: { name: document.metadata.name, labels: unknown } }), []);
    });
    it(`names all problems: ${document.kind}`, () => {
      const wrong = { ...document, metadata: { name: "a/b", labels: { "a b": "c", [OWNER_LABEL]: "me" } } };
      assert.equal(reasons(wrong).length, 3);
      assert.ok(reasons(wrong).every((reason) => reason.startsWith(`${document.kind}/a/b: `)));
    });
  }

  const labelled = (labels: Record<string, unknown>) =>
    reasons({ ...database, metadata: { name: "orders", labels: labels as Record<string, string> } });
  it("refuses labels that Teleport refuses", () => assert.match(labelled({ "a b": "c" })[0]!, /label a b/));
  it("refuses labels that are reserved", () => {
    assert.equal(labelled({ [OWNER_LABEL]: "me", "teleport.dev/origin": "x" }).length, 2);
  });
  it("refuses values that are not strings", () =>
    assert.match(labelled({ port: 5432 })[0]!, /label port = 5432: must be a string\. Write the value in quotes/));

  it("refuses names of databases that Teleport refuses", () => {
    for (const name of ["", "-a", "a-", "Ä", "a.b", "a".repeat(64)]) {
      assert.equal(reasons({ ...database, metadata: { name } }).length, 1, name);
    }
  });
  it("refuses names of roles that tctl would misread", () => {
    for (const name of ["", "a,b", "a/b", "a b", "-a"]) {
      assert.equal(reasons({ ...role, metadata: { name } }).length, 1, name);
    }
    assert.deepEqual(reasons({ ...role, metadata: { name: "Orders.readers_1" } }), []);
  });

  it("refuses TLS that verifies nothing", () => {
    const insecure = { ...database, spec: { ...database.spec, tls: { mode: "insecure" } } };
    assert.match(reasons(insecure)[0]!, /spec\.tls\.mode = "insecure": does not verify the server/);
  });

  for (const [what, label] of Object.entries({
    "no command": { command: [], period: "1m" },
    "a command line": { command: "date", period: "1m" },
    "no unit": { command: ["date"], period: "60" },
    "less than a second": { command: ["date"], period: "10ms" },
  })) {
    it(`refuses a dynamic label with ${what}`, () => {
      assert.equal(reasons({ ...database, spec: { ...database.spec, dynamic_labels: { load: label } } }).length, 1);
    });
  }
});
