/**
 * Two Clusters in two namespaces, and two stacks: a replica cluster follows the primary cluster, a planned switchover, and a
 * disaster in which the primary cluster and its volumes are lost. The name in Teleport always leads to the primary cluster.
 */
import { strict as assert } from "node:assert";
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { PostgresClusterOutputs } from "../../components";
import { TOPOLOGY_LABEL } from "../../components/teleport/names";
import { ownership } from "../../components/teleport/resources/document";
import { sqlThroughTeleport } from "../../lab/drive/login";
import { Stack } from "../../lab/drive/stack";
import { attempt, run } from "../../lab/host/command";
import { asRoot, forwardTo, makeProgram, removeProgram } from "./app-vault";
import {
  apply,
  eventually,
  identities,
  kubectl,
  loginAs,
  oneDatabase,
  PROXY,
  sqlAsOwner,
  sqlAsSuperuser,
  teleport,
  vaultIssuer,
} from "./lab";
import { eventuallyArchived, loseCluster, objectStoreIn, objectStoreOnDisk, objectStoreSecret } from "./object-store";

const [SOUTH, NORTH, EAST] = ["rep-south", "rep-north", "rep-east"];
const TELEPORT_NAME = "rep-prod";
/** Folder in the bucket, used only by this run. */
const FOLDER = `replica-${Date.now()}`;
const onDisk = (archive: string) => join(objectStoreOnDisk(FOLDER), archive);
/** Each file that a replica cluster restores is a process of the plugin's container. */
const objectStore = { ...objectStoreIn(FOLDER), sidecar: { resources: { requests: { cpu: "300m" } } } };

type Outputs = { databases: Record<string, PostgresClusterOutputs> };

/** A Cluster of the topology, with the stack that declares it. The stack, the namespace and the Cluster have the same name. */
class Member {
  readonly stack: Stack;
  /** The setting `replica`. */
  replica: Record<string, unknown> | undefined;
  /** The roles of `accessRoles` need more rights than the registrar has. */
  private readonly environment: NodeJS.ProcessEnv = { TELEPORT_IDENTITY_FILE: identities.admin };
  private forwarder: Awaited<ReturnType<typeof forwardTo>> | undefined;

  constructor(
    readonly name: string,
    private readonly settings: Record<string, unknown> = { backup: { objectStore } },
  ) {
    this.stack = new Stack(name, { env: this.environment });
  }

  /** The database secrets engine in Vault. Each Cluster of the topology has its own. */
  private get mount(): string {
    return `${this.name}-pg`;
  }

  /** Lets Vault create users. */
  async useVault(): Promise<void> {
    const scope = { mount: this.mount, makesMount: true, connection: this.name, roles: ["app"] };
    Object.assign(this.environment, await makeProgram(this.name, scope));
    // The lab's own policy is for certificates.
    const policies = { token_policies: [this.name, "cnpg-teleport"], token_ttl: "30m" };
    await asRoot("POST", `auth/approle/role/${this.name}`, policies);
    this.forwarder = await forwardTo(`${this.name}-rw.${this.name}.svc.cluster.local`);
    this.settings.serverAltNames = ["localhost"];
    this.settings.vaultDatabase = {
      ...{ mount: { path: this.mount }, connection: this.name, roles: { app: {} } },
      // Vault is outside of Kubernetes here.
      ...{ host: "localhost", port: this.forwarder.port },
    };
  }

  /** Runs SQL as a user that Vault creates for it. */
  async sqlAsVaultUser(sql: string): Promise<string> {
    const made = await asRoot<{ data: Record<string, string> }>("GET", `${this.mount}/creds/app`);
    const { username = "", password } = made?.data ?? {};
    const target = `host=localhost port=${this.forwarder?.port} user=${username} dbname=app sslmode=require`;
    const args = ["--no-psqlrc", "-qtA", "--set=ON_ERROR_STOP=1", "--no-password", target];
    const { code, stdout, output } = await attempt("psql", args, { input: sql, env: { PGPASSWORD: password } });
    assert.equal(code, 0, output);
    return stdout.trim();
  }

  async create(): Promise<void> {
    // A killed run may have left it.
    await kubectl("delete", "namespace", this.name, "--ignore-not-found");
    await run("kubectl", ["create", "namespace", this.name]);
    await apply(objectStoreSecret(this.name));
    await this.stack.init();
  }

  up(replica?: Record<string, unknown>): Promise<string> {
    this.configure(replica);
    return this.stack.up();
  }

  configure(replica = this.replica): void {
    this.replica = replica;
    this.stack.configure(
      oneDatabase(this.name, {
        namespace: this.name,
        issuer: vaultIssuer,
        schemas: ["sales"],
        readyMinutes: 30,
        teleport: { proxy: PROXY, name: TELEPORT_NAME, accessRoles: true },
        ...this.settings,
        ...(replica ? { replica } : {}),
      }),
    );
  }

  async outputs(): Promise<PostgresClusterOutputs> {
    const { databases } = await this.stack.outputs<Outputs>();
    return databases[this.name]!;
  }

  async archive(): Promise<string> {
    return (await this.outputs()).backup?.archiveName ?? "";
  }

  async plansNothing(): Promise<void> {
    const { same, ...others } = await this.stack.plannedChanges();
    assert.ok(same);
    if (Object.keys(others).length > 0) assert.fail((await this.stack.pulumi(["preview", "--diff"])).output);
  }

  sql(sql: string): Promise<string> {
    return sqlAsOwner(this.name, "app", sql);
  }

  async items(): Promise<string> {
    return (
      await sqlAsSuperuser(this.name, "app", "SELECT coalesce(string_agg(item, ',' ORDER BY item), '') FROM items")
    ).trim();
  }

  async isReplica(): Promise<boolean> {
    return (await sqlAsSuperuser(this.name, "app", "SELECT pg_is_in_recovery()")).trim() === "t";
  }

  async remove(): Promise<void> {
    await this.stack.destroy().catch(() => {});
    await this.stack.remove();
    this.forwarder?.close();
    await removeProgram(this.name);
    await kubectl("delete", "namespace", this.name, "--wait=false", "--ignore-not-found");
  }
}

describe("a replica cluster", () => {
  const [south, north] = [new Member(SOUTH), new Member(NORTH)];
  const east = new Member(EAST, {});
  const streaming = (name: string) => ({ host: `${name}-rw.${name}.svc` });
  const ownerNow = async () => {
    const found = await teleport.database(TELEPORT_NAME);
    return found && ownership(found)?.owner.split("/")[2];
  };
  const read = async (name = TELEPORT_NAME) => {
    const { stdout, output } = await sqlThroughTeleport(loginAs("reader", name, "app"), "SELECT count(*) FROM items");
    return stdout.trim() || output;
  };
  const write = async (item: string) => {
    const insert = `INSERT INTO items VALUES ('${item}')`;
    const { code, output } = await sqlThroughTeleport(loginAs("writer", TELEPORT_NAME, "app"), insert);
    assert.equal(code, 0, output);
  };
  /** The replica cluster has everything that was written to the primary cluster. */
  const follows = (replica: Member, items: string) =>
    eventually(`${replica.name} has ${items}`, async () => (await replica.items().catch(() => "")) === items);

  before(async () => {
    for (const member of [south, north, east]) await member.create();
    for (const member of [south, north]) await member.useVault();
    await south.up();
    await south.sql("CREATE TABLE items (item text); INSERT INTO items VALUES ('1')");
    await eventuallyArchived(SOUTH, onDisk(await south.archive()));
  });
  after(async () => {
    for (const member of [east, north, south]) await member.remove();
    rmSync(objectStoreOnDisk(FOLDER), { recursive: true, force: true });
  });

  it("starts with the data of the primary cluster, and follows it", async () => {
    const source = { archiveName: await south.archive(), streaming: streaming(SOUTH) };
    await north.up({ primary: SOUTH, clusters: { [SOUTH]: source } });
    assert.ok(await north.isReplica());
    await follows(north, "1");
    await south.sql("INSERT INTO items VALUES ('2')");
    await follows(north, "1,2");
    await north.plansNothing();
  });

  it("lets Vault create no users, and the primary cluster's Vault does", async () => {
    assert.equal(await south.sqlAsVaultUser("SELECT count(*) FROM items"), "2");
    await assert.rejects(north.sqlAsVaultUser("SELECT 1"));
  });

  it("has no name in Teleport, and leaves the primary cluster's roles alone", async () => {
    assert.deepEqual((await north.outputs()).teleportDatabases, []);
    assert.equal(await ownerNow(), SOUTH);
    const names = (await teleport.databases()).map(({ metadata }) => metadata.name);
    assert.deepEqual(
      names.filter((name) => name.startsWith("rep-")),
      [TELEPORT_NAME],
    );
    const role = await teleport.tctl(["get", `role/${TELEPORT_NAME}-teleport_user_read`, "--format=json"]);
    assert.match(role, new RegExp(`/${SOUTH}/`));
  });

  it("can be declared in the primary cluster's stack afterwards, which labels the name in Teleport", async () => {
    await south.up({ primary: SOUTH, clusters: { [NORTH]: { archiveName: await north.archive() } } });
    const { status } = JSON.parse(await kubectl("-n", SOUTH, "get", "cluster", SOUTH, "-o", "json")) as {
      status: { systemID: string };
    };
    assert.equal((await teleport.database(TELEPORT_NAME))?.metadata.labels?.[TOPOLOGY_LABEL], status.systemID);
    await south.plansNothing();
  });

  it("gives up its name in Teleport when it is demoted, and has a token for the other Cluster", async () => {
    await south.sql("INSERT INTO items VALUES ('3')");
    await south.up({ ...south.replica, primary: NORTH });
    assert.ok(await south.isReplica());
    assert.equal(await ownerNow(), undefined);
    const { demotionToken } = (await south.outputs()).replica ?? {};
    assert.ok(demotionToken);
    north.configure({ ...north.replica, primary: NORTH, promotionToken: demotionToken });
  });

  it("takes over in a planned switchover without loss, and the former primary cluster follows it", async () => {
    await north.stack.up();
    assert.equal(await north.items(), "1,2,3");
    assert.equal(await ownerNow(), NORTH);
    const backups = readdirSync(join(onDisk(await north.archive()), "base"));
    assert.equal(backups.length, 1, "`up` waited for a first base backup");
    await write("4");
    assert.equal(await read(), "4");
    await eventuallyArchived(NORTH, onDisk(await north.archive()));
    await follows(south, "1,2,3,4");
  });

  it("lets Vault create users after its promotion, with the roles that came with the data", async () => {
    assert.equal(await north.sqlAsVaultUser("SELECT count(*) FROM items"), "4");
  });

  it("plans no changes after the switchover, in neither stack", async () => {
    for (const member of [south, north]) await member.plansNothing();
  });

  it("can start by streaming alone, and people can read it under a name of its own", async () => {
    await east.up({ primary: NORTH, clusters: { [NORTH]: { streaming: streaming(NORTH) } }, teleportName: EAST });
    assert.deepEqual((await east.outputs()).teleportDatabases, [EAST]);
    await follows(east, "1,2,3,4");
    assert.equal(await read(EAST), "4");
    const refused = await sqlThroughTeleport(loginAs("writer", EAST, "app"), "INSERT INTO items VALUES ('no')");
    assert.match(refused.output, /read-only transaction/);
    await east.plansNothing();
    await east.stack.destroy();
    assert.equal(await teleport.database(EAST), undefined);
    assert.equal(await ownerNow(), NORTH);
  });

  it("takes over after a disaster, with the same name in Teleport and everything that was archived", async () => {
    await write("5");
    await eventuallyArchived(NORTH, onDisk(await north.archive()));
    await follows(south, "1,2,3,4,5");
    await loseCluster(NORTH);
    await south.up({ ...south.replica, primary: SOUTH });
    assert.equal(await south.isReplica(), false);
    assert.equal(await ownerNow(), SOUTH);
    assert.equal(await read(), "5");
    await write("6");
    assert.equal(await south.items(), "1,2,3,4,5,6");
    await south.plansNothing();
  });

  it("keeps the name, whatever the lost Cluster's stack does, and that stack says what to do", async () => {
    const message = new RegExp(
      `db/${TELEPORT_NAME} in Teleport .* belongs to .*/${SOUTH}/.*, for the Cluster ${SOUTH}/${SOUTH}, which was promoted.*set replica\\.primary`,
      "s",
    );
    const lost = await north.stack.pulumi(["up", "--yes", "--skip-preview"]);
    assert.notEqual(lost.code, 0);
    assert.match(lost.output, message);
    const refreshed = await north.stack.must(["refresh", "--yes", "--skip-preview"]);
    assert.match(refreshed, message);
    const again = await north.stack.pulumi(["up", "--yes", "--skip-preview"]);
    assert.notEqual(again.code, 0);
    assert.match(again.output, message);
    assert.equal(await kubectl("-n", NORTH, "get", "clusters", "-o", "name"), "", "no empty Cluster was created");
    assert.equal(await ownerNow(), SOUTH);
    assert.equal(await read(), "6");
  });

  it("can be made of the lost Cluster, which starts again with the data of the new primary cluster", async () => {
    const former = await north.archive();
    const source = { archiveName: await south.archive() };
    await eventuallyArchived(SOUTH, onDisk(source.archiveName));
    await north.up({ primary: SOUTH, clusters: { [SOUTH]: source } });
    assert.ok(await north.isReplica());
    await follows(north, "1,2,3,4,5,6");
    assert.notEqual(await north.archive(), former);
    await south.up({ ...south.replica, clusters: { [NORTH]: { archiveName: await north.archive() } } });
    for (const member of [south, north]) await member.plansNothing();
  });

  it("can be deleted without effect on the primary cluster", async () => {
    await north.stack.destroy();
    assert.equal(await ownerNow(), SOUTH);
    assert.equal(await read(), "6");
    await south.stack.destroy();
    assert.equal(await teleport.database(TELEPORT_NAME), undefined);
  });
});
