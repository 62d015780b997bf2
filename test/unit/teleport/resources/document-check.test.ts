import { strict as assert } from "node:assert";
import { accessRole } from "../../../../components/teleport/resources/access-role";
import { databaseDocument } from "../../../../components/teleport/resources/database";
import { UNKNOWN } from "../../../../components/value-check";
import { OWNER_LABEL } from "../../../../components/owner-label";
import { checkDocument } from "../../../../components/teleport/resources/document-check";
import { joinToken } from "../../../../components/teleport/resources/join-token";
import { TeleportDocument } from "../../../../components/teleport/client/tctl";

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
