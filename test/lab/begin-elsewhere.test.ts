/**
 * A new database starts from the data of another PostgreSQL server: by import (pg_dump, from an older version) of one database
 * or of several with their roles, and by physical copy (pg_basebackup). Uses CloudNativePG's own fields under `spec`.
 */
import { strict as assert } from "node:assert";
import { IMAGES } from "../../lab/build/images";
import { sqlThroughTeleport } from "../../lab/drive/login";
import { Stack } from "../../lab/drive/stack";
import { forwardTo, makeProgram, removeProgram } from "./app-vault";
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

function legacy(name: string, imageName: string, more: object = {}): object[] {
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
        ...more,
      },
    },
  ];
}

function eventuallyReady(name: string): Promise<void> {
  return eventually(`${name} is ready`, async () => {
    const ready = ["-n", name, "get", "cluster", name, "-o", "jsonpath={.status.readyInstances}"];
    return (await kubectl(...ready)) === "1";
  });
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
      await eventuallyReady(name);
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

describe("a Cluster that starts with several databases and the roles of an older server", () => {
  const [SERVER, NEW, ENVIRONMENT] = ["legacy-shop", "be-monolith", "be"];
  const [PROGRAM, MOUNT] = ["be-program", "be-postgres"];
  const environment: NodeJS.ProcessEnv = {};
  const stack = new Stack("begin-monolith", { env: environment });
  let forwarder: Awaited<ReturnType<typeof forwardTo>>;
  const sql = (database: string, statement: string) => sqlAsSuperuser(NEW, database, statement);
  const configure = (adminUser: string | undefined, vault: object | undefined) =>
    stack.configure(
      oneDatabase(NEW, {
        namespace: NEW,
        environment: ENVIRONMENT,
        poolers: [{ type: "rw", authentication: "explicit" }],
        serverAltNames: ["localhost"],
        autoUsers: { roles: ["teleport_user_read"], adminUser },
        vaultDatabase: vault && {
          mount: { path: MOUNT },
          host: "localhost",
          port: forwarder.port,
          roles: { app: {} },
          ...vault,
        },
        spec: {
          probes: PROBES,
          bootstrap: {
            initdb: {
              import: { type: "monolith", databases: ["*"], roles: ["*"], source: { externalCluster: SERVER } },
            },
          },
          externalClusters: [
            {
              name: SERVER,
              connectionParameters: {
                ...{ host: `${SERVER}-rw.${SERVER}.svc`, user: "postgres", dbname: "postgres", sslmode: "verify-full" },
              },
              password: { name: `${SERVER}-superuser`, key: "password" },
              sslRootCert: { name: `${SERVER}-ca`, key: "ca.crt" },
            },
          ],
        },
      }),
    );
  const refused = async () => {
    const { code, output } = await stack.pulumi(["up", "--yes", "--skip-preview"]);
    assert.notEqual(code, 0);
    return output;
  };

  before(async () => {
    // A killed run may have left them.
    await kubectl("delete", "namespace", SERVER, NEW, "--ignore-not-found");
    await apply(...legacy(SERVER, IMAGES.olderPostgresql, { enableSuperuserAccess: true }), {
      apiVersion: "v1",
      kind: "Namespace",
      metadata: { name: NEW },
    });
    await eventuallyReady(SERVER);
    for (const statement of [
      "CREATE ROLE shop LOGIN PASSWORD 'old'",
      "CREATE DATABASE shop OWNER shop",
      "CREATE ROLE reporting LOGIN PASSWORD 'old' CREATEDB IN ROLE shop",
      // Names that the program manages, with more rights than it gives.
      "CREATE ROLE teleport_user_read LOGIN PASSWORD 'old' CREATEDB CREATEROLE BYPASSRLS IN ROLE shop",
      "CREATE ROLE pooler_authentication LOGIN SUPERUSER PASSWORD 'old'",
      "CREATE ROLE teleport_admin LOGIN CREATEROLE; COMMENT ON ROLE teleport_admin IS 'cnpg-teleport: makes users for Teleport'",
      "CREATE ROLE vault_app LOGIN CREATEROLE PASSWORD 'old'",
    ])
      await sqlAsSuperuser(SERVER, "postgres", statement);
    await sqlAsOwner(SERVER, "app", "CREATE TABLE items AS SELECT generate_series(1, 10) AS item");
    await sqlAsOwner(SERVER, "shop", "CREATE TABLE stock AS SELECT generate_series(1, 100) AS item");
    await sqlAsOwner(SERVER, "shop", "GRANT ALL ON stock TO teleport_user_read, reporting");
    for (const name of ["superuser", "ca"]) await copySecret(`${SERVER}-${name}`, SERVER, NEW);
    const scope = { mount: MOUNT, makesMount: true, connection: `${NEW}-${ENVIRONMENT}`, roles: ["app"] };
    Object.assign(environment, await makeProgram(PROGRAM, scope));
    forwarder = await forwardTo(`${NEW}-rw.${NEW}.svc.cluster.local`);
    configure(undefined, undefined);
    await stack.init();
  });

  after(async () => {
    await stack.destroy().catch(() => {});
    await stack.remove();
    forwarder?.close();
    await removeProgram(PROGRAM);
    await kubectl("delete", "namespace", SERVER, NEW, "--wait=false", "--ignore-not-found");
  });

  it("refuses the role with which Teleport created users there by its name, after the import", async () => {
    assert.match(
      await refused(),
      /the role teleport_admin already exists and does not belong to Teleport; set autoUsers\.adminUser to another name/,
    );
    assert.equal((await sql("shop", "SELECT count(*), max(item) FROM stock")).trim(), "100|100");
    assert.equal((await sql("app", "SELECT count(*) FROM items")).trim(), "10");
  });

  it("refuses the role with which Vault created users there by its name", async () => {
    configure("teleport_admin_new", {});
    assert.match(
      await refused(),
      /the role vault_app already exists and does not belong to Vault's be-postgres\/config\/be-monolith-be; set admin to another name, or drop the role/,
    );
  });

  it("continues with other names for these two, and leaves the imported roles as they are", async () => {
    configure("teleport_admin_new", { admin: "vault_new" });
    await stack.up();
    const admins =
      "SELECT string_agg(rolname, ',' ORDER BY rolname) FROM pg_roles WHERE rolcreaterole AND NOT rolsuper";
    assert.equal((await sql("postgres", admins)).trim(), "teleport_admin,teleport_admin_new,vault_app,vault_new");
    const { same, ...others } = await stack.plannedChanges();
    assert.ok(same);
    assert.deepEqual(others, {});
  });

  it("takes over the users and PgBouncer's role as declared: without passwords and without their former rights", async () => {
    for (const role of ["teleport_user_read", "pooler_authentication"]) {
      const attributes = `SELECT rolcanlogin, rolsuper OR rolcreatedb OR rolcreaterole OR rolbypassrls, rolpassword IS NULL,
        EXISTS (SELECT FROM pg_auth_members WHERE member = a.oid) FROM pg_authid a WHERE rolname = '${role}'`;
      assert.equal((await sql("postgres", attributes)).trim(), "t|f|t|f", role);
    }
    const rights =
      "SELECT has_table_privilege('teleport_user_read', 'stock', 'SELECT'), has_table_privilege('teleport_user_read', 'stock', 'INSERT')";
    assert.equal((await sql("shop", rights)).trim(), "t|f");
    const login = loginAs("reader", `${NEW}-${ENVIRONMENT}`, "shop");
    const read = await sqlThroughTeleport(login, "SELECT count(*) FROM stock");
    assert.equal(read.stdout.trim(), "100", read.output);
  });

  it("keeps the databases' owners, and other roles with their passwords and rights", async () => {
    const owners =
      "SELECT string_agg(datname || '=' || pg_get_userbyid(datdba), ',' ORDER BY datname) FROM pg_database WHERE NOT datistemplate";
    assert.equal((await sql("postgres", owners)).trim(), "app=app,postgres=postgres,shop=shop");
    const password = "SELECT rolpassword FROM pg_authid WHERE rolname = 'reporting'";
    assert.equal(await sql("postgres", password), await sqlAsSuperuser(SERVER, "postgres", password));
    const rights =
      "SELECT rolcreatedb, has_table_privilege(oid, 'stock', 'INSERT'), pg_has_role(oid, 'shop', 'MEMBER') FROM pg_roles WHERE rolname = 'reporting'";
    assert.equal((await sql("shop", rights)).trim(), "t|t|t");
  });
});
