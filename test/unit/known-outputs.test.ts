/** Components that are used alone check arguments that become known only in `up`, before they create anything. */
import { strict as assert } from "node:assert";
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { ClusterCertificates, PostgresCluster, VaultDatabase } from "../../components";
import type { ClusterCertificatesArgs, VaultDatabaseArgs } from "../../components";
import { unhandled } from "./unhandled";

/** Types of what was registered. */
const made: string[] = [];
let count = 0;

const later = <Value>(value: Value) => pulumi.output(Promise.resolve(value));
const database = {
  ...{ namespace: "db", cluster: "orders", hostReadWrite: "orders-rw.db.svc", port: 5432 },
  ...{ database: "app", owner: "app", serverCa: "CA" },
};
const roles = { app: {} };

const certificates = (args: Partial<ClusterCertificatesArgs>) => {
  const provider = new k8s.Provider(`provider-${++count}`, { enableSecretMutable: true });
  const given = { cluster: "orders", namespace: "db", clusterDomain: "cluster.local", clientCas: [], poolers: [] };
  const all = { ...given, issuer: { type: "tls" } as const, explicitPoolers: false, ...args };
  new ClusterCertificates(`orders-${count}`, all, { provider });
};
const vaultDatabase = (args: Partial<VaultDatabaseArgs>) =>
  new VaultDatabase(`orders-${++count}`, { database, roles, ...args });
const issuerOf = (mount: pulumi.Input<string>) => ({
  type: "vault" as const,
  server: { mount, role: "server" },
  client: { mount: "pki_client", role: "client" },
});
const missing = later(undefined as unknown as string);

describe("arguments that are known only in `up`", () => {
  before(async () => {
    await pulumi.runtime.setMocks(
      {
        newResource: ({ type, name, inputs }) => {
          made.push(type);
          return { id: `${name}-id`, state: inputs as object };
        },
        call: () => ({}),
      },
      "cnpg-teleport",
      "dev",
      false,
      "acme",
    );
  });
  beforeEach(() => made.splice(0));

  for (const [what, program, expected] of [
    [
      "a mount of the database engine",
      () => vaultDatabase({ mount: { path: later("A/b") } }),
      /mount\.path = "A\/b": is not a/,
    ],
    ["a mount that is missing", () => vaultDatabase({ mount: { path: missing } }), /mount\.path = "": is not a/],
    [
      "an auth method",
      () => vaultDatabase({ kubernetesAuth: { path: later("auth/") } }),
      /kubernetesAuth\.path = "auth\/": is not a valid path/,
    ],
    [
      "a mount of an issuer",
      () => certificates({ issuer: issuerOf(later("")) }),
      /issuer\.server\.mount = "": must not be empty/,
    ],
    [
      "such a mount that is missing",
      () => certificates({ issuer: issuerOf(missing) }),
      /issuer\.server\.mount: must not be empty/,
    ],
    [
      "a database that is missing in another stack",
      () => vaultDatabase({ database: missing as never }),
      /database: is missing/,
    ],
    [
      "a database without its owner",
      () => vaultDatabase({ database: later({ ...database, owner: undefined as unknown as string }) }),
      /database\.owner: is missing/,
    ],
    [
      "an address with a port",
      () => certificates({ serverAltNames: later(["a.example.com:5432"]) }),
      /serverAltNames\[0\] = /,
    ],
    [
      "a namespace",
      () => certificates({ namespace: later("Db") }),
      /namespace = "Db": is not a valid name of a namespace/,
    ],
  ] as [string, () => void, RegExp][])
    it(`are refused: ${what}`, async () => {
      const failures = await unhandled(program);
      const messages = [...new Set(failures)].map((error) => (error as Error).message);
      assert.equal(messages.length, 1, messages.join("\n"));
      assert.match(messages[0] ?? "", expected);
      assert.deepEqual(
        made.filter((type) => !type.startsWith("pulumi:")),
        [],
      );
    });

  it("are refused at once if they are known when the program runs", () => {
    assert.throws(() => certificates({ issuer: { type: "tls", validity: "90" } }), /issuer\.validity = "90"/);
    assert.throws(() => certificates({ cluster: "Orders" }), /cluster = "Orders"/);
  });

  it("are used if they are right", async () => {
    const failures = await unhandled(() => {
      vaultDatabase({ mount: { path: later("postgres/orders") }, kubernetesAuth: { path: later("kubernetes") } });
      vaultDatabase({ database: later(database) });
    });
    assert.deepEqual(failures, []);
    assert.equal(made.filter((type) => type === "vault:index/mount:Mount").length, 2);
  });

  it("are reported once by a PostgresCluster", async () => {
    const provider = new k8s.Provider(`provider-${++count}`, { enableSecretMutable: true });
    const failures = await unhandled(() => {
      const settings = { storage: { size: "1Gi" }, issuer: issuerOf(later("")), namespace: "db" };
      new PostgresCluster(
        "orders",
        { ...settings, vaultDatabase: { roles, mount: { path: later("A") } } },
        { provider },
      );
    });
    const messages = [...new Set(failures)].map((error) => (error as Error).message);
    assert.equal(messages.length, 1, messages.join("\n"));
  });
});
