/** Names of Pulumi resources that two databases of a configuration would share. The URNs are those of the real components. */
import { strict as assert } from "node:assert";
import * as pulumi from "@pulumi/pulumi";
import type { PostgresClusterArgs } from "../../../components";
import { parseConfig } from "../../../config/config";

const minimal = { storage: { size: "1Gi" }, issuer: { type: "tls" as const } };
const teleport = { proxy: "teleport.example.com:443", registration: { by: "program" as const } };
const objectStore = { destinationPath: "s3://backups", s3Credentials: { inheritFromIAMRole: true } };
const inSecret = (namespace: string, name: string) => ({ from: "secret" as const, namespace, name });

type Settings = Partial<PostgresClusterArgs>;

/** Two databases, what their resources have in common, and the message about it. */
const PAIRS: [what: string, databases: Record<string, Settings>, urn: RegExp, message: RegExp][] = [
  [
    "a CA from a proxy, and one from Teleport",
    { a: { teleport: { ...teleport, clientCas: [{ from: "proxy" }] } }, "a-public": { teleport } },
    /CertAuthority::a-public$/,
    /databases\.a-public: uses the Pulumi resource name a-public for a CertAuthority of clientCas, which databases\.a also uses/,
  ],
  [
    "a CA from another proxy, and one from Teleport",
    {
      a: { teleport: { ...teleport, clientCas: [{ from: "proxy", proxy: "eu.example.com:443" }] } },
      "a-public-eu-example-com-443": { teleport },
    },
    /CertAuthority::a-public-eu-example-com-443$/,
    /the Pulumi resource name a-public-eu-example-com-443 for a CertAuthority of clientCas/,
  ],
  [
    "CAs from Secrets",
    {
      a: { teleport: { ...teleport, clientCas: [inSecret("b-client-ca-secret-x", "y")] } },
      "a-client-ca-secret-b": { teleport: { ...teleport, clientCas: [inSecret("x", "y")] } },
    },
    /Secret::a-client-ca-secret-b-client-ca-secret-x-y$/,
    /the Pulumi resource name a-client-ca-secret-b-client-ca-secret-x-y for a Secret of clientCas/,
  ],
  [
    "a Pooler, and a Cluster",
    { a: { poolers: [{ type: "rw", name: "eu" }] }, "a-eu": {} },
    /UpdateCheck::a-eu$/,
    /databases\.a-eu: uses the Pulumi resource name a-eu for an UpdateCheck, which databases\.a also uses/,
  ],
  [
    "a Pooler whose name begins like the Cluster's",
    { a: { clusterName: "pg", poolers: [{ type: "rw", name: "pg-eu-server" }] }, "a-eu": {} },
    /Secret::a-eu-server-tls$/,
    /the Pulumi resource name a-eu-server-tls for a Secret/,
  ],
  [
    "a role for users that Teleport creates",
    {
      a: { teleport: { ...teleport, accessRoles: true }, autoUsers: { roles: ["reader"] }, users: [] },
      "a-auto": { teleport: { ...teleport, accessRoles: true }, users: [{ name: "reader", access: "read" }] },
    },
    /AccessRole::a-auto-reader$/,
    /the Pulumi resource name a-auto-reader for an AccessRole/,
  ],
  [
    "a further CA",
    { a: { issuer: { type: "tls", server: ["first", "x-server"] } }, "a-server-ca-x": {} },
    /PrivateKey::a-server-ca-x-server$/,
    /the Pulumi resource name a-server-ca-x-server for a certificate/,
  ],
  [
    "an ObjectStore",
    {
      a: { clusterName: "x-store-y", backup: { objectStore } },
      "a-store-x": { clusterName: "y", backup: { objectStore } },
    },
    /ObjectStore::a-store-x-store-y$/,
    /the Pulumi resource name a-store-x-store-y for an ObjectStore/,
  ],
];

describe("the resources of two databases", () => {
  let PostgresCluster: typeof import("../../../components").PostgresCluster;

  before(async () => {
    pulumi.runtime.setConfig("kubernetes:enableSecretMutable", "true");
    const mocks = { newResource: ({ name }: { name: string }) => ({ id: name, state: {} }), call: () => ({}) };
    await pulumi.runtime.setMocks(mocks, "cnpg-teleport", "dev", true, "acme"); // in a preview, outputs may stay unknown
    ({ PostgresCluster } = await import("../../../components"));
  });

  /** The URNs of all resources of a database. */
  const urnsOf = (name: string, settings: Settings): Promise<string[]> => {
    const made: Promise<string>[] = [];
    const note: pulumi.ResourceTransformation = ({ resource }) => {
      queueMicrotask(() => made.push(new Promise((resolve) => resource.urn.apply(resolve))));
      return undefined;
    };
    new PostgresCluster(name, { ...minimal, namespace: "db", ...settings }, { transformations: [note] });
    return new Promise((resolve) => setImmediate(resolve)).then(() => Promise.all(made));
  };
  const sharedUrns = async (databases: Record<string, Settings>): Promise<string[]> => {
    const [one = [], other = []] = await Promise.all(
      Object.entries(databases).map(([name, each]) => urnsOf(name, each)),
    );
    assert.ok(one.length > 20 && other.length > 20);
    return one.filter((urn) => other.includes(urn));
  };
  const problems = (databases: Record<string, Settings>): string => {
    const written = Object.fromEntries(
      Object.entries(databases).map(([name, each]) => [name, { ...minimal, ...each }]),
    );
    try {
      parseConfig({ databases: written }, "dev", {});
      return "";
    } catch (error) {
      return (error as Error).message;
    }
  };

  for (const [what, databases, urn, message] of PAIRS)
    it(`would have one URN for ${what}, so the databases are refused`, async () => {
      const shared = await sharedUrns(databases);
      assert.ok(
        shared.some((each) => urn.test(each)),
        shared.join("\n"),
      );
      assert.match(problems(databases), message);
    });

  it("have different URNs if the databases are accepted", async () => {
    const everything: Settings = {
      teleport: { ...teleport, accessRoles: true, clientCas: [{ from: "proxy" }, { from: "teleport" }] },
      autoUsers: { roles: ["teleport_user_read"] },
      poolers: [{ type: "rw" }, { type: "ro", authentication: "explicit" }],
      databases: [{ name: "billing" }],
      networkPolicy: { applications: [], teleportAgents: [{ namespace: "teleport" }] },
      backup: { objectStore },
    };
    const databases = { a: everything, "a-b": everything };
    assert.equal(problems(databases), "");
    assert.deepEqual(await sharedUrns(databases), []);
  });
});
