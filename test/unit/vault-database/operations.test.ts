import { strict as assert } from "node:assert";
import { connectionDrift, connectionDocument, type VaultEngine } from "../../../components/vault-database/vault-engine";
import { providerOf } from "../../../components/dynamic/converge";
import { AdminInputs, AdminState, vaultAdmin } from "../../../components/vault-database/admin-operations";
import { LeasesInputs, vaultLeases } from "../../../components/vault-database/lease-operations";
import { MountInputs, vaultMountRemoval } from "../../../components/vault-database/mount-removal-operations";
import { vaultUserNames } from "../../../components/vault-database/settings";
import { UNKNOWN } from "../../../components/value-check";
import { VaultError } from "../../../components/vault/errors";
import { FakeKubernetes, Ran } from "../postgres/fake-kubernetes";
import { printedBy } from "../printed-by";

const names = vaultUserNames({}, "app", "app");
const inputs = (more: Partial<AdminInputs> = {}): AdminInputs => ({
  namespace: "db",
  cluster: "orders",
  mount: "database",
  connection: "orders",
  ownsMount: false,
  host: "orders-rw.db.svc",
  port: 5432,
  serverCa: "CA",
  database: "app",
  names,
  grantedRoles: ["app"],
  schemas: ["public"],
  allowedRoles: ["app"],
  ...more,
});
const state = (more: Partial<AdminInputs> = {}): AdminState => ({ ...inputs(more), clusterUid: "uid-1" });

type Body = Record<string, unknown>;

/** A Vault in memory that records its requests, in order. */
class FakeVault implements VaultEngine {
  readonly configs = new Map<string, Body>();
  readonly roles = new Map<string, { db_name?: string }>();
  /** Keys by path, and the accessors of mounts. */
  readonly lists = new Map<string, string[]>();
  readonly accessors = new Map<string, string>();
  readonly requests: { what: string; body?: Body }[] = [];
  /** The error of a request; undefined lets it succeed. */
  fails: (what: string, body?: Body) => string | undefined = () => undefined;

  async read(path: string) {
    const found = this.configs.get(path);
    if (!found) return undefined;
    const { plugin_name, allowed_roles, password: _, ...connection_details } = found;
    return { plugin_name: plugin_name as string, allowed_roles: allowed_roles as string[], connection_details };
  }
  async readRole(path: string) {
    return this.roles.get(path);
  }
  async list(path: string) {
    this.fail(`list ${path}`);
    return this.lists.get(path) ?? [];
  }
  async accessor(mount: string) {
    return this.accessors.get(mount);
  }
  async write(path: string, body: Body) {
    this.record(`write ${path}`, body);
    if (path.includes("/config/")) this.configs.set(path, { ...this.configs.get(path), ...body });
  }
  async remove(path: string) {
    this.record(`remove ${path}`);
    this.configs.delete(path);
  }
  async revoke(path: string) {
    this.record(`revoke ${path}`);
  }
  async forget(path: string) {
    this.record(`forget ${path}`);
  }
  private record(what: string, body?: Body) {
    this.requests.push({ what, body });
    this.fail(what, body);
  }
  private fail(what: string, body?: Body) {
    const reason = this.fails(what, body);
    if (reason !== undefined) throw new VaultError(reason === "denied" ? "access-denied" : "failed", reason);
  }
}

function setUp() {
  const kubernetes = new FakeKubernetes();
  kubernetes.cluster!.status = { currentPrimary: "orders-1", readyInstances: 1 };
  const left = { users: "", cameAlong: "", roles: "vault_app\nvault_app_users\n" };
  let stays = false;
  kubernetes.answer = ({ script }: Ran) => {
    if (script.includes("VALID UNTIL %L") || script.includes("WITH PASSWORD NULL;")) stays = false;
    if (script.includes("VALID UNTIL 'infinity'")) stays = true;
    if (script.includes("SELECT rolname FROM pg_authid")) return stays ? "vault_app\n" : "";
    if (script.includes("SELECT datname")) return "app\npostgres\n";
    if (script.includes("::numeric <") && script.includes("SELECT rolname FROM pg_roles u")) return left.cameAlong;
    if (script.includes("SELECT rolname FROM pg_roles u")) return left.users;
    if (script.includes("SELECT rolname FROM pg_roles r WHERE shobj")) return left.roles;
    return undefined;
  };
  const vault = new FakeVault();
  const connect = async () => kubernetes;
  const withEngine = <Result>(_: unknown, use: (engine: VaultEngine) => Promise<Result>) => use(vault);
  const leases = providerOf(vaultLeases(connect, withEngine));
  const removal = providerOf(vaultMountRemoval(withEngine));
  return { kubernetes, vault, left, ...providerOf(vaultAdmin(connect, withEngine)), leases, removal };
}

const passwords = ({ requests }: FakeVault) =>
  requests.flatMap(({ body }) => (body?.password ? [String(body.password)] : []));
const verifiers = ({ ran }: FakeKubernetes) =>
  ran.flatMap(({ script }) => /'(SCRAM-SHA-256\$[^']*)'/.exec(script)?.[1] ?? []);

describe("Vault's own user", () => {
  it("gets a password that PostgreSQL never sees and that Vault replaces at once", async () => {
    const { kubernetes, vault, create } = setUp();
    const { outs } = await create(inputs());
    assert.deepEqual(
      vault.requests.map(({ what }) => what),
      ["write database/config/orders", "write database/rotate-root/orders"],
    );
    const [password = ""] = passwords(vault);
    assert.equal(verifiers(kubernetes).length, 1);
    assert.ok(!kubernetes.ran.some(({ script }) => script.includes(password)));
    assert.ok(!JSON.stringify(outs).includes(password));
  });

  it("is refused in the preview if the stack's own mount is declared as somebody else's: Pulumi would delete the mount", async () => {
    const { check } = setUp();
    const failuresOf = async (olds: AdminState | undefined, news: AdminInputs) =>
      (await check(olds as never, news)).failures ?? [];
    const [failure, ...others] = await failuresOf(state({ ownsMount: true }), inputs());
    assert.match(
      failure?.reason ?? "",
      /^mount\.exists is true, but this stack created the mount database in Vault\..*Remove mount\.exists/,
    );
    assert.deepEqual(others, []);
    for (const [olds, news] of [
      [undefined, inputs()],
      [state(), inputs({ ownsMount: true })],
      [state({ ownsMount: true }), inputs({ ownsMount: true })],
      [state({ ownsMount: true }), inputs({ mount: "shared" })],
      [state({ ownsMount: true }), inputs({ mount: UNKNOWN })],
    ] as const)
      assert.deepEqual(await failuresOf(olds, news), []);
  });

  it("gets a different password each time", async () => {
    const [one, two] = [setUp(), setUp()];
    await one.create(inputs());
    await two.create(inputs());
    assert.notEqual(passwords(one.vault)[0], passwords(two.vault)[0]);
  });

  it("has no password after Vault failed to replace it, so that the next run starts again", async () => {
    const { kubernetes, vault, create } = setUp();
    vault.fails = (what) => (what.includes("rotate") ? "no" : undefined);
    await assert.rejects(async () => create(inputs()), /no/);
    assert.equal(vault.configs.size, 0);
    assert.match(kubernetes.ran.at(-1)?.script ?? "", /WITH PASSWORD NULL/);
  });

  it("keeps its password when the declaration changes", async () => {
    const { kubernetes, vault, create, update } = setUp();
    await create(inputs());
    await update("id", state(), inputs({ allowedRoles: ["app", "report"] }));
    assert.equal(passwords(vault).length, 1);
    assert.equal(verifiers(kubernetes).length, 1);
    assert.deepEqual(vault.configs.get("database/config/orders")?.allowed_roles, ["app", "report"]);
  });

  it("gets a new password if Vault's is wrong, if the connection is gone, and in another Cluster", async () => {
    for (const change of [
      ({ vault }: ReturnType<typeof setUp>) => {
        vault.fails = (_, body) =>
          body && !body.password && body.username ? "password authentication failed" : undefined;
      },
      ({ vault }: ReturnType<typeof setUp>) => vault.configs.clear(),
      ({ kubernetes }: ReturnType<typeof setUp>) => {
        kubernetes.cluster!.metadata.uid = "uid-2";
      },
    ]) {
      const made = setUp();
      await made.create(inputs());
      change(made);
      const { outs } = await made.update("id", state(), inputs());
      assert.equal(passwords(made.vault).length, 2);
      assert.equal(outs?.clusterUid, made.kubernetes.cluster!.metadata.uid);
    }
  });

  it("gets a new password after a run was killed before Vault had replaced the first, which expires by itself", async () => {
    const made = setUp();
    await made.create(inputs());
    const { answer } = made.kubernetes;
    made.kubernetes.answer = (ran) =>
      ran.script.includes("VALID UNTIL 'infinity'") ? { code: 2, stderr: "killed" } : answer(ran);
    made.vault.configs.clear();
    await assert.rejects(async () => made.update("id", state(), inputs()), /killed/);
    made.kubernetes.answer = answer;
    await made.update("id", state(), inputs());
    assert.equal(passwords(made.vault).length, 3);
    const given = made.kubernetes.ran.filter(({ script }) => script.includes("'SCRAM-SHA-256$"));
    assert.equal(given.length, 3);
    for (const { script } of given) assert.match(script, /VALID UNTIL %L', .*now\(\) \+ interval '5 minutes'/);
  });

  it("gets its password only after the users that came along in recovered data were dropped, which is printed", async () => {
    for (const begin of ["create", "update"] as const) {
      const made = setUp();
      made.left.cameAlong = "v-app-1\nv-app-2\n";
      made.kubernetes.cluster!.metadata.creationTimestamp = "2026-11-30T12:00:00Z";
      const printed = await printedBy(async () =>
        begin === "create" ? made.create(inputs()) : made.update("id", { ...state(), clusterUid: "uid-0" }, inputs()),
      );
      const scripts = made.kubernetes.ran.map(({ script }) => script);
      const asked = scripts.find((script) => script.includes("::numeric <"));
      assert.match(asked ?? "", /::numeric < 1796040000 /);
      const dropped = scripts.findIndex((script) => script.includes('DROP ROLE "v-app-2"'));
      const given = scripts.findIndex((script) => script.includes("'SCRAM-SHA-256$"));
      assert.ok(dropped >= 0 && dropped < given, `${dropped} ${given}`);
      assert.match(
        printed.join("\n"),
        /^2 users that Vault created before the Cluster db\/orders came along in its data, and were dropped: their .*restart/,
      );
    }
  });

  it("leaves all users alone if the time of the Cluster's creation is unknown", async () => {
    const made = setUp();
    made.left.cameAlong = "v-app-1\n";
    await made.create(inputs());
    assert.ok(!made.kubernetes.ran.some(({ script }) => script.includes("::numeric <")));
  });

  it("is not changed while its Cluster is hibernated, and shows as missing afterwards", async () => {
    const made = setUp();
    await made.create(inputs());
    made.kubernetes.ran.length = 0;
    made.kubernetes.cluster!.metadata.annotations = { "cnpg.io/hibernation": "on" };
    const { outs } = await made.update("id", state(), inputs({ allowedRoles: ["app", "report"] }));
    assert.deepEqual(outs?.allowedRoles, ["app", "report"]);
    assert.deepEqual(made.kubernetes.ran, []);
    made.kubernetes.cluster!.metadata.annotations = {};
    assert.deepEqual(await made.diff("id", outs!, inputs({ allowedRoles: ["app", "report"] })), { changes: true });
  });

  it("is created by the first run after hibernation if it was declared meanwhile", async () => {
    const made = setUp();
    made.kubernetes.cluster!.metadata.annotations = { "cnpg.io/fencedInstances": '["*"]' };
    const { outs } = await made.create(inputs());
    assert.deepEqual([made.kubernetes.ran, made.vault.requests], [[], []]);
    made.kubernetes.cluster!.metadata.annotations = {};
    assert.deepEqual(await made.diff("id", outs!, inputs()), { changes: true });
    await made.update("id", outs!, inputs());
    assert.ok(made.vault.configs.has("database/config/orders"));
    assert.equal(passwords(made.vault).length, 1);
  });

  it("is not changed in a replica cluster, and is created by the first run after the promotion, in the copied data", async () => {
    const { kubernetes, vault, create, update, diff } = setUp();
    const promoted = kubernetes.cluster!.spec;
    kubernetes.cluster!.spec = { replica: { primary: "south", source: "south" } };
    const declared = inputs({ replicated: true });
    const { outs } = await create(declared);
    assert.deepEqual([vault.requests, kubernetes.ran], [[], []]);
    assert.deepEqual(await diff("id", outs as AdminState, declared), { changes: false });
    const ofFormer = { ...(outs as AdminState), clusterUid: "uid-of-a-lost-cluster" };
    assert.deepEqual(await diff("id", ofFormer, declared), { changes: false }, "`up` could not change it");
    kubernetes.cluster!.spec = promoted;
    assert.deepEqual(await diff("id", ofFormer, declared), { changes: true });
    assert.deepEqual(await diff("id", outs as AdminState, declared), { changes: true });
    kubernetes.ran.splice(0);
    await update("id", outs as AdminState, declared);
    const [first, second] = kubernetes.ran.map(({ script }) => script);
    assert.match(first ?? "", /COMMENT ON ROLE %I IS %L.*for Vault''s database\/config\/orders/);
    assert.match(second ?? "", /CREATE ROLE/);
    assert.ok(vault.configs.has("database/config/orders"));
  });

  it("takes no roles of another connection over outside of a topology", async () => {
    const { kubernetes, create } = setUp();
    await create(inputs());
    assert.ok(!kubernetes.ran.some(({ script }) => script.includes("COMMENT ON ROLE %I IS %L")));
  });

  it("does not overwrite a connection to another database in a shared mount", async () => {
    const { vault, create } = setUp();
    vault.configs.set("database/config/orders", { connection_url: "postgresql://elsewhere", username: "root" });
    await assert.rejects(async () => create(inputs()), /to another database/);
    assert.deepEqual(vault.requests, []);
  });

  it("shows drift in PostgreSQL and in Vault, although the declaration is the same", async () => {
    const { kubernetes, vault, create, diff } = setUp();
    await create(inputs());
    assert.deepEqual(await diff("id", state(), inputs()), { changes: false });
    vault.configs.get("database/config/orders")!.allowed_roles = ["*"];
    assert.deepEqual(await diff("id", state(), inputs()), { changes: true });
    vault.configs.get("database/config/orders")!.allowed_roles = ["app"];
    kubernetes.answer = () => "vault_app has rights that it must not have\n";
    assert.deepEqual(await diff("id", state(), inputs()), { changes: true });
  });

  it("is deleted before it is replaced if the connection changes", async () => {
    const { diff } = setUp();
    const found = await diff("id", state(), inputs({ connection: "other" }));
    assert.deepEqual(found, { changes: true, replaces: ["connection"], deleteBeforeReplace: true });
    const renamed = await diff("id", state(), inputs({ names: vaultUserNames({ admin: "other" }, "app", "app") }));
    assert.deepEqual(renamed.replaces, ["names"]);
    const regrouped = await diff("id", state(), inputs({ names: vaultUserNames({ group: "owners" }, "app", "app") }));
    assert.deepEqual(regrouped, { changes: true }, "the users go on");
  });

  it("is not shown as replaced if a preview does not know its connection yet", async () => {
    const { diff, leases: operations } = setUp();
    const news = inputs({ namespace: UNKNOWN, cluster: UNKNOWN, database: UNKNOWN });
    assert.deepEqual(await diff("id", state(), { ...news, names: UNKNOWN as never }), { changes: true });
    const role = { ...inputs(), uid: "uid-1", role: "app", revokeWithin: 1 };
    assert.deepEqual((await operations.diff("id", role, { ...role, mount: UNKNOWN })).replaces, undefined);
    assert.deepEqual((await operations.diff("id", role, { ...role, mount: "other" })).replaces, ["mount"]);
  });

  it("is not looked up in a mount that a preview does not know yet", async () => {
    const { create, diff, vault, kubernetes } = setUp();
    const { outs } = await create(inputs());
    const ran = kubernetes.ran.length;
    const said = await printedBy(async () => {
      assert.deepEqual(await diff("id", outs as AdminState, inputs({ mount: UNKNOWN })), { changes: false });
    });
    assert.deepEqual(said, []);
    assert.equal(kubernetes.ran.length, ran);
    assert.deepEqual(await diff("id", outs as AdminState, inputs()), { changes: false });
    vault.configs.clear();
    assert.deepEqual(await diff("id", outs as AdminState, inputs()), { changes: true });
  });

  it("is dropped with the remaining users; without its Cluster only removed from Vault; never dropped from its replacement", async () => {
    const { kubernetes, vault, left, delete: remove } = setUp();
    left.users = "v-app-x\n";
    await remove("id", state());
    assert.ok(kubernetes.ran.some(({ script }) => script.includes(`DROP ROLE "v-app-x"`)));
    const ends = ["remove database/config/orders", "forget database/creds/app"];
    assert.deepEqual(
      vault.requests.map(({ what }) => what),
      ends,
    );
    const replaced = setUp();
    [replaced.left.users, replaced.left.roles] = ["v-app-of-its-successor\n", ""];
    await replaced.delete("id", state());
    assert.ok(!replaced.kubernetes.ran.some(({ script }) => script.includes("DROP ROLE")));
    const other = setUp();
    other.kubernetes.cluster = undefined;
    await other.delete("id", state());
    assert.deepEqual(other.kubernetes.ran, []);
    assert.deepEqual(
      other.vault.requests.map(({ what }) => what),
      ends,
    );
  });
});

describe("the credentials of another connection's role", () => {
  it("stay when the user of a connection is deleted whose role was refused", async () => {
    const { vault, delete: remove } = setUp();
    vault.roles.set("database/roles/app", { db_name: "sales" });
    await remove("id", state());
    assert.deepEqual(
      vault.requests.map(({ what }) => what),
      ["remove database/config/orders"],
    );
  });

  it("stay when a role is deleted whose name another connection has taken", async () => {
    const { vault, leases: operations } = setUp();
    vault.roles.set("database/roles/app", { db_name: "sales" });
    await operations.delete("id", { ...inputs(), uid: "uid-1", role: "app", revokeWithin: 1 });
    assert.deepEqual(vault.requests, []);
  });
});

describe("the credentials of a role", () => {
  const role: LeasesInputs = {
    namespace: "db",
    cluster: "orders",
    uid: "uid-1",
    mount: "database",
    connection: "orders",
    role: "app",
    database: "app",
    names,
    revokeWithin: 1,
  };

  it("are refused if the mount has a role of that name for another connection, which is not changed", async () => {
    const { vault, leases: operations } = setUp();
    await operations.create(role);
    vault.roles.set("database/roles/app", { db_name: "orders" });
    assert.equal((await operations.create(role)).id, "database/creds/app", "ours, of a run that was killed");
    vault.roles.set("database/roles/app", { db_name: "sales" });
    await assert.rejects(
      async () => operations.create(role),
      (error) =>
        error instanceof VaultError &&
        /role app in .* mount database belongs to the connection sales\. Choose another name/.test(error.message),
    );
    vault.roles.set("database/roles/app", {});
    await assert.rejects(async () => operations.create(role), /belongs to the connection of another database/);
    assert.deepEqual(vault.requests, []);
  });

  it("do not differ from a state without a connection, but from a state with another one", async () => {
    const { leases: operations } = setUp();
    const { connection: _, ...older } = role;
    assert.deepEqual(await operations.diff("id", older as LeasesInputs, role), { changes: false });
    assert.deepEqual(await operations.diff("id", { ...role, connection: "sales" }, role), {
      changes: true,
    });
  });

  it("are revoked by Vault", async () => {
    const { vault, leases: operations, kubernetes } = setUp();
    await operations.delete("id", role);
    assert.equal(vault.requests[0]?.what, "revoke database/creds/app");
    assert.deepEqual(kubernetes.ran, []);
  });

  it("are not searched in a database that is hibernated by now", async () => {
    const { kubernetes, delete: remove, vault } = setUp();
    kubernetes.cluster!.metadata.annotations = { "cnpg.io/hibernation": "on" };
    await remove("id", state());
    assert.deepEqual(kubernetes.ran, []);
    assert.equal(vault.requests[0]?.what, "remove database/config/orders");
  });

  it("are dropped without Vault if Vault cannot revoke them, users first", async () => {
    const { vault, left, leases: operations, kubernetes } = setUp();
    left.users = "v-app-x\n";
    vault.fails = (what) => (what.startsWith("revoke") ? "no connection" : undefined);
    await operations.delete("id", role);
    assert.match(kubernetes.ran.find(({ script }) => script.includes("rolname ~"))?.script ?? "", /'\^v-app-\[/);
    assert.ok(kubernetes.ran.some(({ script }) => script.includes(`DROP ROLE "v-app-x"`)));
    assert.equal(vault.requests.at(-1)?.what, "forget database/creds/app");
  });

  it("are removed from Vault if the database does not answer, without waiting for it", async () => {
    const { vault, leases: operations, kubernetes } = setUp();
    kubernetes.cluster!.status = { currentPrimary: "orders-1", readyInstances: 0 };
    kubernetes.answer = () => ({ code: 2, stderr: "no such file" });
    vault.fails = (what) => (what.startsWith("revoke") ? "no connection" : undefined);
    await operations.delete("id", role);
    assert.equal(vault.requests.at(-1)?.what, "forget database/creds/app");
    kubernetes.cluster!.status.readyInstances = 1;
    await assert.rejects(async () => operations.delete("id", role), /no such file/, "one that runs must tell why");
  });

  it("are removed from Vault at once if the Cluster is gone, replaced or hibernated", async () => {
    for (const change of [
      (kubernetes: FakeKubernetes) => (kubernetes.cluster = undefined),
      (kubernetes: FakeKubernetes) => (kubernetes.cluster!.metadata.uid = "uid-2"),
      (kubernetes: FakeKubernetes) => (kubernetes.cluster!.metadata.annotations = { "cnpg.io/hibernation": "on" }),
    ]) {
      const { vault, kubernetes, leases: operations } = setUp();
      change(kubernetes);
      await operations.delete("id", role);
      assert.deepEqual(
        vault.requests.map(({ what }) => what),
        ["forget database/creds/app"],
      );
    }
  });
});

describe("a mount that the program created", () => {
  const engine: MountInputs = { kind: "engine", path: "postgres/orders", accessor: "database_1" };
  const auth: MountInputs = { kind: "auth", path: "kubernetes", accessor: "auth_kubernetes_1" };
  /** Removes a mount, and returns what was printed. */
  const removed = async (state: MountInputs, prepare: (vault: FakeVault) => unknown = () => {}) => {
    const { vault, removal } = setUp();
    vault.accessors.set("postgres/orders", "database_1").set("auth/kubernetes", "auth_kubernetes_1");
    prepare(vault);
    const printed = await printedBy(async () => removal.delete("id", state));
    return { printed, requests: vault.requests.map(({ what }) => what) };
  };

  it("is deleted if nothing is in it", async () => {
    assert.deepEqual(await removed(engine), { printed: [], requests: ["remove sys/mounts/postgres/orders"] });
    assert.deepEqual(await removed(auth), { printed: [], requests: ["remove sys/auth/kubernetes"] });
  });

  it("stays with what others made in it, and the message names that", async () => {
    const others = await removed(engine, ({ lists }) =>
      lists
        .set("postgres/orders/config", ["billing"])
        .set("postgres/orders/roles", ["reader"])
        .set("postgres/orders/static-roles", ["legacy"]),
    );
    assert.deepEqual(others, {
      printed: [
        "The mount postgres/orders in Vault is not deleted, because it is not empty: config/billing, roles/reader, " +
          "static-roles/legacy. The stack no longer manages it. If nobody needs it, run: vault secrets disable postgres/orders",
      ],
      requests: [],
    });
    const logins = await removed(auth, ({ lists }) => lists.set("auth/kubernetes/role", ["billing"]));
    assert.match(
      logins.printed[0] ?? "",
      /^The mount auth\/kubernetes in Vault is not deleted.*role\/billing.*vault auth disable kubernetes$/,
    );
    assert.deepEqual(logins.requests, []);
  });

  it("stays if its content may not be listed, and is kept in the state if Vault fails", async () => {
    const denied = await removed(
      auth,
      (vault) => (vault.fails = (what) => (what.startsWith("list") ? "denied" : undefined)),
    );
    assert.match(
      denied.printed[0] ?? "",
      /because the program has no right to list what is in it \(denied\)\. .*vault auth disable kubernetes$/,
    );
    assert.deepEqual(denied.requests, []);
    await assert.rejects(
      removed(engine, (vault) => (vault.fails = (what) => (what.startsWith("list") ? "sealed" : undefined))),
      /sealed/,
    );
  });

  it("is not confused with another mount at the same path", async () => {
    const replaced = await removed(engine, ({ accessors }) => accessors.set("postgres/orders", "kv_2"));
    assert.deepEqual(replaced, { printed: [], requests: [] });
    assert.deepEqual(await removed(auth, ({ accessors }) => accessors.clear()), { printed: [], requests: [] });
  });

  it("is another one at another path, and is followed if it was mounted again", async () => {
    const { removal } = setUp();
    const diff = (news: Partial<MountInputs>) => removal.diff("id", engine, { ...engine, ...news });
    assert.deepEqual((await diff({ path: "postgres/shop" })).replaces, ["path"]);
    assert.equal((await diff({ accessor: "database_2" })).changes, true);
    assert.equal((await diff({ accessor: UNKNOWN })).changes, false);
    assert.equal((await diff({})).changes, false);
  });

  it("may have a connection of the same name, which is not overwritten", async () => {
    const { vault, create } = setUp();
    vault.configs.set("database/config/orders", { plugin_name: "x", connection_url: "elsewhere", username: "root" });
    await assert.rejects(
      async () => create(inputs({ ownsMount: true })),
      /already has a connection database\/config\/orders/,
    );
    assert.deepEqual(vault.requests, []);
  });
});

describe("a connection in Vault", () => {
  const settings = {
    host: "h",
    port: 5432,
    database: "a/b",
    serverCa: "CA",
    admin: "vault_app",
    allowedRoles: ["app"],
  };

  it("verifies the server by name and CA, and has a password only if one is given", () => {
    const document = connectionDocument(settings);
    assert.match(String(document.connection_url), /@h:5432\/a%2Fb\?sslmode=verify-full&/);
    assert.equal(document.tls_ca, "CA");
    assert.ok(!("password" in document));
    assert.equal(document.password_authentication, "scram-sha-256");
  });

  it("shows drift after a manual change that weakens it", () => {
    const { plugin_name, allowed_roles, ...details } = connectionDocument(settings) as {
      plugin_name: string;
      allowed_roles: string[];
    };
    const found = { plugin_name, allowed_roles, connection_details: details as Record<string, unknown> };
    assert.deepEqual(connectionDrift(settings, found), []);
    const weak = { ...found, connection_details: { ...details, connection_url: "sslmode=disable" } };
    assert.equal(connectionDrift(settings, weak).length, 1);
    assert.equal(connectionDrift(settings, { ...found, allowed_roles: ["*"] }).length, 1);
  });
});
