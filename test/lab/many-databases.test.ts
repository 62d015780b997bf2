/** Several databases with different settings in one environment, and what is registered in Teleport. */
import { strict as assert } from "node:assert";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parse } from "yaml";
import { PostgresClusterOutputs } from "../../components";
import { parseDocuments } from "../../components/teleport/client/tctl";
import { sqlThroughTeleport } from "../../lab/drive/login";
import { Stack, StackConfig } from "../../lab/drive/stack";
import { eventually, identities, kubectl, oneDatabase, PROXY, sqlAsOwner, teleport } from "./lab";

type Settings = Record<string, unknown>;
const settingsOf = (name: string, more: Settings): Settings =>
  (oneDatabase(name, more).databases as Record<string, Settings>)[name] ?? {};

const first = settingsOf("first", {
  // Two Teleport clusters, as the program sees it: each with its own identity and names.
  teleport: [
    { proxy: PROXY, accessRoles: true, labels: { team: "first" } },
    { proxy: PROXY, credentials: "emea", name: "first-emea", clientCas: [{ from: "proxy" }] },
  ],
  users: [
    { name: "analyst", access: "read", scope: [{ database: "billing", schemas: ["invoices"] }] },
    { name: "operator", access: "write" },
  ],
  extensions: ["pg_trgm"],
  databases: [{ name: "billing", schemas: ["invoices"] }],
  networkPolicy: { applications: [{ namespace: "apps" }], teleportAgents: [{ namespace: "teleport-agent" }] },
});
const second = settingsOf("second", {
  namespace: "first",
  kubernetes: { context: "lab" }, // its own provider
  teleport: {
    proxy: PROXY,
    registration: { by: "agent", join: { method: "kubernetes", tokenName: "agents" }, namespace: "teleport-agent" },
  },
});

describe("several databases in one environment", () => {
  // The stack also writes roles, which the program's identity in the lab may not.
  const stack = new Stack("many", {
    env: { TELEPORT_IDENTITY_FILE: identities.admin, TELEPORT_EMEA_IDENTITY_FILE: identities.registrar },
  });
  const folder = mkdtempSync(join(tmpdir(), "many-"));
  const people: string[] = [];
  const configure = (databases: Record<string, Settings>) => stack.configure({ databases } satisfies StackConfig);
  const outputs = async () => (await stack.outputs<{ databases: Record<string, PostgresClusterOutputs> }>()).databases;
  const named = async (kind: "roles" | "tokens", beginning: string) =>
    parseDocuments(await teleport.tctl(["get", kind, "--format=json"]))
      .map(({ metadata }) => metadata.name)
      .filter((name) => name.startsWith(beginning));
  const roles = () => named("roles", "first-many");

  before(async () => {
    configure({ first });
    await stack.init();
    await stack.up();
  });
  after(async () => {
    for (const person of people) await teleport.tctl(["rm", `user/${person}`]);
    await stack.destroy();
    await stack.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  it("create databases, schemas and extensions in addition to the application's own", async () => {
    const made = await sqlAsOwner("first", "app", "SELECT extname FROM pg_extension WHERE extname = 'pg_trgm'");
    assert.equal(made.trim(), "pg_trgm");
    const { stdout } = await asPerson("analyst", "SELECT current_database(), current_user", "billing");
    assert.equal(stdout.trim(), "billing|analyst");
  });

  it("give people a role in Teleport that opens one database as one user", async () => {
    assert.deepEqual((await roles()).sort(), ["first-many-analyst", "first-many-operator"]);
    const elsewhere = await asPerson("analyst", "SELECT 1", "app");
    assert.match(elsewhere.output, /access to db denied/);
  });

  it("are registered in each Teleport cluster, with the identity for it", async () => {
    assert.deepEqual((await outputs()).first?.teleportDatabases, ["first-many", "first-emea"]);
    assert.ok(await teleport.database("first-emea"));
  });

  it("keep their network policies, which the API server accepted", async () => {
    const policies = await kubectl("-n", "first", "get", "networkpolicies", "-o", "name");
    assert.equal(policies.trim().split("\n").length, 2);
  });

  it("are not touched when another one is added, by an agent's configuration", async () => {
    configure({ first, second });
    const { create = 0, same = 0, ...rest } = await stack.plannedChanges();
    assert.ok(create > 0 && same > 0);
    assert.deepEqual(rest, { update: 1 }, "of DeclaredDatabases, which remembers what is declared");
    await stack.up();
    assert.equal(await teleport.database("second-many"), undefined, "an agent serves it, nobody registers it");
    const { second: added } = await outputs();
    assert.deepEqual(added?.teleportDatabases, ["second-many"]);
    const values = parse(added?.teleportAgents[0]?.chartValues ?? "") as { databases: { uri: string }[] };
    assert.deepEqual(
      values.databases.map(({ uri }) => uri),
      ["second-rw.first.svc:5432"],
    );
    const ca = "jsonpath={.data.ca\\.crt}";
    const mounted = await kubectl("-n", "teleport-agent", "get", "configmap", "second-many-server-ca", "-o", ca);
    assert.equal(mounted.trim(), added?.serverCa.trim());
  });

  it("are as declared when nothing changed", async () => {
    assert.deepEqual(Object.keys(await stack.plannedChanges()), ["same"]);
  });

  it("can be deleted alone, without changing the others", async () => {
    configure({ first });
    await stack.up();
    assert.equal(await kubectl("-n", "first", "get", "clusters", "-o", "name"), "cluster.postgresql.cnpg.io/first\n");
  });

  it("keep their applications' access if their own deletion is refused", async () => {
    const application = { join: { method: "kubernetes", namespace: "apps", serviceAccount: "reports" } };
    const databases = { main: { database: "first", user: "operator" } };
    stack.configure({ databases: { first }, applications: { reports: { ...application, databases } } });
    await stack.up();
    const access = async () => [...(await named("roles", "reports-many")), ...(await named("tokens", "reports-many"))];
    assert.deepEqual(await access(), ["reports-many-main", "reports-many"]);
    // The annotation that `deletionProtection` sets, here set manually: only a read of the Cluster finds it.
    const protect = (text: string) =>
      kubectl(
        "-n",
        "first",
        "annotate",
        "--overwrite",
        "cluster",
        "first",
        `cnpg-teleport/deletion-protection=${text}`,
      );
    await protect("true");
    const refused = await stack.pulumi(["destroy", "--yes", "--skip-preview"]);
    assert.notEqual(refused.code, 0, refused.output);
    assert.match(refused.output, /The database first is protected from deletion/);
    assert.deepEqual(await access(), ["reports-many-main", "reports-many"]);
    await protect("false");
    configure({ first });
    await stack.up();
    await eventually("their access is gone", async () => (await access()).length === 0);
  });

  it("are not destroyed while people have their roles, and the message says so; afterwards they are destroyed completely", async () => {
    const refused = await stack.pulumi(["destroy", "--yes", "--skip-preview"]);
    assert.match(refused.output, /role that is still in use by a user.*Remove the role from everyone who has it/s);
    for (const person of people.splice(0)) await teleport.tctl(["rm", `user/${person}`]);
    await stack.destroy();
    await eventually("the roles are gone", async () => (await roles()).length === 0);
    assert.equal(await teleport.database("first-many"), undefined);
    assert.equal(await teleport.database("first-emea"), undefined);
  });

  /** Logs in as a person with only the role that was created for one user. */
  async function asPerson(user: string, sql: string, database: string) {
    const identity = join(folder, user);
    if (!existsSync(identity)) {
      const spec = { roles: [`first-many-${user}`] };
      await teleport.put({ kind: "user", version: "v2", metadata: { name: `many-${user}` }, spec });
      people.push(`many-${user}`);
      await teleport.sign(`many-${user}`, identity, "10m");
    }
    return sqlThroughTeleport({ identity, proxy: PROXY, teleportDatabase: "first-many", user, database }, sql);
  }
});
