/**
 * A new database starts from the data of another PostgreSQL server: by import (pg_dump, from an older version), and by physical
 * copy (pg_basebackup). Uses CloudNativePG's own fields under `spec`.
 */
import { strict as assert } from "node:assert";
import { IMAGES } from "../../lab/build/images";
import { sqlThroughTeleport } from "../../lab/drive/login";
import { Stack } from "../../lab/drive/stack";
import { apply, eventually, kubectl, loginAs, oneDatabase, PROBES, sqlAsOwner, sqlAsSuperuser } from "./lab";

/** Clusters that somebody else created, with the operator's own certificates and passwords. */
const [OLD, PRESENT] = ["legacy-old", "legacy-present"];
const [IMPORTED, COPIED] = ["be-imported", "be-copied"];

/** Copies a Secret into another namespace. */
async function copySecret(name: string, from: string, to: string): Promise<void> {
  const { type, data } = JSON.parse(await kubectl("-n", from, "get", "secret", name, "-o", "json")) as {
    type: string;
    data: Record<string, string>;
  };
  await apply({ apiVersion: "v1", kind: "Secret", type, data, metadata: { name, namespace: to } });
}

function legacy(name: string, imageName: string): object[] {
  return [
    { apiVersion: "v1", kind: "Namespace", metadata: { name } },
    {
      apiVersion: "postgresql.cnpg.io/v1",
      kind: "Cluster",
      metadata: { name, namespace: name },
      spec: {
        ...{ imageName, instances: 1, storage: { size: "1Gi" }, probes: PROBES },
        resources: { requests: { cpu: "50m", memory: "128Mi" } },
        postgresql: { parameters: { shared_buffers: "32MB" } },
      },
    },
  ];
}

describe("a database that starts from the data of another PostgreSQL server", () => {
  const stack = new Stack("begin-elsewhere");
  const created = [OLD, PRESENT, IMPORTED, COPIED];

  before(async () => {
    await apply(
      ...legacy(OLD, IMAGES.olderPostgresql),
      ...legacy(PRESENT, "lab.local/postgresql:17"),
      ...[IMPORTED, COPIED].map((name) => ({ apiVersion: "v1", kind: "Namespace", metadata: { name } })),
    );
    for (const name of [OLD, PRESENT]) {
      await eventually(`${name} is ready`, async () => {
        const ready = ["-n", name, "get", "cluster", name, "-o", "jsonpath={.status.readyInstances}"];
        return (await kubectl(...ready)) === "1";
      });
      await sqlAsOwner(name, "app", "CREATE TABLE items AS SELECT generate_series(1, 100) AS item");
    }
    await copySecret(`${OLD}-app`, OLD, IMPORTED);
    await copySecret(`${OLD}-ca`, OLD, IMPORTED);
    for (const name of ["ca", "replication"]) await copySecret(`${PRESENT}-${name}`, PRESENT, COPIED);
    const host = (name: string) => `${name}-rw.${name}.svc`;
    const ofStack = (name: string, spec: object) => {
      const { databases, vault } = oneDatabase(name, { namespace: name, spec: { probes: PROBES, ...spec } });
      return { databases: databases as object, vault };
    };
    const imported = ofStack(IMPORTED, {
      bootstrap: { initdb: { import: { type: "microservice", databases: ["app"], source: { externalCluster: OLD } } } },
      externalClusters: [
        {
          name: OLD,
          connectionParameters: { host: host(OLD), user: "app", dbname: "app", sslmode: "verify-full" },
          password: { name: `${OLD}-app`, key: "password" },
          sslRootCert: { name: `${OLD}-ca`, key: "ca.crt" },
        },
      ],
    });
    const copied = ofStack(COPIED, {
      bootstrap: { initdb: null, pg_basebackup: { source: PRESENT, database: "app", owner: "app" } },
      externalClusters: [
        {
          name: PRESENT,
          connectionParameters: { host: host(PRESENT), user: "streaming_replica", sslmode: "verify-full" },
          sslKey: { name: `${PRESENT}-replication`, key: "tls.key" },
          sslCert: { name: `${PRESENT}-replication`, key: "tls.crt" },
          sslRootCert: { name: `${PRESENT}-ca`, key: "ca.crt" },
        },
      ],
    });
    stack.configure({ vault: imported.vault, databases: { ...imported.databases, ...copied.databases } });
    await stack.init();
    await stack.up();
  });

  after(async () => {
    await stack.destroy().catch(() => {});
    await stack.remove();
    await kubectl("delete", "namespace", ...created, "--wait=false", "--ignore-not-found");
  });

  for (const [name, way] of [
    [IMPORTED, "an import from an older version"],
    [COPIED, "a physical copy"],
  ] as const) {
    it(`has all rows after ${way}, and they belong to its owner`, async () => {
      assert.equal((await sqlAsOwner(name, "app", "SELECT count(*), max(item) FROM items")).trim(), "100|100");
      const owner = "SELECT tableowner FROM pg_tables WHERE tablename = 'items'";
      assert.equal((await sqlAsSuperuser(name, "app", owner)).trim(), "app");
    });

    it(`lets users log in with their rights after ${way}`, async () => {
      const login = (who: "reader" | "writer") => loginAs(who, `${name}-begin-elsewhere`, "app");
      const read = await sqlThroughTeleport(login("reader"), "SELECT count(*) FROM items");
      assert.equal(read.stdout.trim(), "100", read.output);
      const written = await sqlThroughTeleport(login("writer"), "INSERT INTO items VALUES (101)");
      assert.equal(written.code, 0, written.output);
    });
  }

  it("plans no changes afterwards, and does not depend on the other server", async () => {
    const { same, ...others } = await stack.plannedChanges();
    assert.ok(same);
    assert.deepEqual(others, {});
    await kubectl("delete", "namespace", OLD, PRESENT, "--wait=true");
    assert.equal((await sqlAsOwner(IMPORTED, "app", "SELECT count(*) FROM items")).trim(), "101");
    assert.equal((await sqlAsOwner(COPIED, "app", "SELECT count(*) FROM items")).trim(), "101");
  });
});
