import { strict as assert } from "node:assert";
import { operatorDatabase, OperatorDatabaseSettings } from "../../../components/teleport/kubernetes-operator";

const settings: OperatorDatabaseSettings = {
  name: "orders-prod",
  namespace: "teleport",
  owner: "acme/shop/prod/orders",
  description: "orders",
  labels: { provisioned_by: "cloudnative-pg" },
  uri: "orders-rw.db.svc:5432",
  caCert: "PEM",
  serverName: "orders-rw",
  trustSystemPool: true,
  tlsMode: "verify-ca",
  adminUser: { name: "teleport_admin", defaultDatabase: "orders" },
};

/**
 * The fields of `spec` in the schema of TeleportDatabaseV3 that a self-hosted PostgreSQL can use, with their types:
 * github.com/gravitational/teleport, integrations/operator/config/crd/bases/resources.teleport.dev_databasesv3.yaml.
 * An API server silently drops fields that are not in the schema.
 */
const SCHEMA: Record<string, string> = {
  protocol: "string",
  uri: "string",
  "tls.mode": "number", // int or string
  "tls.ca_cert": "string",
  "tls.server_name": "string",
  "tls.trust_system_cert_pool": "boolean",
  "admin_user.name": "string",
  "admin_user.default_database": "string",
};

function leaves(value: object, path = ""): [string, unknown][] {
  return Object.entries(value).flatMap(([key, item]): [string, unknown][] =>
    item !== null && typeof item === "object" ? leaves(item as object, `${path}${key}.`) : [[`${path}${key}`, item]],
  );
}

describe("the operator's custom resource", () => {
  it("has the kind of the operator's CRD", () => {
    const { apiVersion, kind } = operatorDatabase(settings);
    assert.deepEqual([apiVersion, kind], ["resources.teleport.dev/v1", "TeleportDatabaseV3"]);
  });

  it("has only fields of the schema with the right types, and all of them if everything is set", () => {
    const found = leaves(operatorDatabase(settings).spec).map(([path, value]) => [path, typeof value]);
    assert.deepEqual(Object.fromEntries(found), SCHEMA);
  });

  it("spells the TLS modes as the schema does", () => {
    const mode = (tlsMode?: "verify-full" | "verify-ca") =>
      (operatorDatabase({ ...settings, tlsMode }).spec.tls as { mode: number }).mode;
    assert.deepEqual([mode(), mode("verify-full"), mode("verify-ca")], [0, 0, 1]);
  });

  it("has its owner in labels that the operator copies to Teleport, and its description in the annotation that the operator reads", () => {
    const { metadata } = operatorDatabase(settings);
    assert.deepEqual(metadata, {
      name: "orders-prod",
      namespace: "teleport",
      labels: {
        provisioned_by: "cloudnative-pg",
        "app.kubernetes.io/managed-by": "pulumi",
        "pulumi.com/owner": "acme.shop.prod.orders",
      },
      annotations: { description: "orders" },
    });
  });

  it("keeps owners distinct whose names are not valid labels", () => {
    const long = "organization-with-a-long-name/project/stack/resource-";
    const owners = ["a b/c", "a_b/c d", `${long}1-of-many-of-them`, `${long}2-of-many-of-them`].map(
      (owner) => operatorDatabase({ ...settings, owner }).metadata.labels["pulumi.com/owner"] ?? "",
    );
    assert.equal(new Set(owners).size, owners.length);
    for (const owner of owners) assert.match(owner, /^[A-Za-z0-9][-_.A-Za-z0-9]{0,61}[A-Za-z0-9]$/);
  });

  it("refuses everything that would be lost, all at once", () => {
    const lost = { load: { command: ["date"], period: "1m" } };
    const labels = { path: "a/b", "teleport.dev/origin": "kubernetes" };
    assert.throws(
      () => operatorDatabase({ ...settings, dynamicLabels: lost, labels }),
      /3 settings are wrong:.*origin: is reserved.*labels path = "a\/b".*dynamicLabels: is not supported/s,
    );
  });
});
