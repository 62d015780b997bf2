/** Two stacks with the same Cluster, the same names in Vault, or different Clusters in the same namespace. */
import { strict as assert } from "node:assert";
import { vaultDatabasePolicy } from "../../components/vault-database/policies";
import { Stack } from "../../lab/drive/stack";
import { attempt } from "../../lab/host/command";
import { asRoot, forwardTo, makeProgram, removeProgram } from "../lab/app-vault";
import { kubectl, oneDatabase, sqlAsSuperuser } from "../lab/lab";

const SHARED = "eng-both";
const NAMESPACE = "eng-both-place";
const MOUNT = "eng-both-postgres";
const PROGRAM = "eng-both-program";
const CONNECTIONS = ["eng-both-0-eng-both-one", "eng-both-1-eng-both-two"];
const uidOf = (...object: string[]) =>
  kubectl("get", ...object, "--ignore-not-found", "-o", "jsonpath={.metadata.uid}");

describe("two stacks with Clusters", () => {
  const stacks: Stack[] = [];
  const forwarders: { port: number; close: () => void }[] = [];
  let env: NodeJS.ProcessEnv = {};
  let pair: Stack[] = [];
  const stackOf = async (name: string) => {
    const stack = new Stack(name, { env });
    stacks.push(stack);
    await stack.init();
    return stack;
  };

  before(async () => {
    const scopes = CONNECTIONS.map((connection) => ({ mount: MOUNT, connection, roles: ["app", "other"] }));
    env = await makeProgram(PROGRAM, scopes[0]!);
    await asRoot("POST", `sys/policies/acl/${PROGRAM}`, { policy: scopes.map(vaultDatabasePolicy).join("\n") });
    for (const index of [0, 1]) forwarders.push(await forwardTo(`eng-both-${index}-rw.${NAMESPACE}.svc.cluster.local`));
  });
  after(async () => {
    for (const stack of stacks) {
      await stack.pulumi(["destroy", "--yes", "--skip-preview"]);
      await stack.remove();
    }
    forwarders.forEach(({ close }) => close());
    await asRoot("POST", `sys/leases/revoke-force/${MOUNT}/`).catch(() => {});
    await asRoot("DELETE", `sys/mounts/${MOUNT}`);
    await removeProgram(PROGRAM);
    await kubectl("delete", "namespace", SHARED, NAMESPACE, "--ignore-not-found", "--wait=false");
  });

  it("with the same Cluster name: the second is refused, and its destroy takes nothing from the first", async () => {
    const [winner, loser] = [await stackOf("eng-both-first"), await stackOf("eng-both-second")];
    const teleport = undefined;
    winner.configure(oneDatabase(SHARED, { teleport }));
    loser.configure(oneDatabase(SHARED, { teleport, parameters: { shared_buffers: "64MB", max_connections: "60" } }));
    await winner.up();
    await sqlAsSuperuser(SHARED, "app", "CREATE TABLE precious (note text)");
    const objects = [
      ["namespace", SHARED],
      ["-n", SHARED, "cluster", SHARED],
      ["-n", SHARED, "secret", `${SHARED}-server-tls`],
    ];
    const uids = () => Promise.all(objects.map((object) => uidOf(...object)));
    const before = await uids();
    assert.ok(before.every(Boolean), `${before}`);

    const refused = await loser.pulumi(["up", "--yes", "--skip-preview"]);
    assert.notEqual(refused.code, 0, refused.output);
    assert.match(refused.output, /exists already and belongs to \S+\/eng-both-first\//, refused.output);
    await loser.destroy();
    assert.deepEqual(await uids(), before);
    assert.equal(await sqlAsSuperuser(SHARED, "app", "SELECT count(*) FROM precious"), "0\n");
    assert.deepEqual(Object.keys(await winner.plannedChanges()), ["same"]);
    await winner.destroy();
    assert.deepEqual(await uids(), ["", "", ""]);
  });

  /** Makes it the configuration of one of the pair. */
  const configure = (index: number, vaultDatabase?: Record<string, unknown>) => {
    const inVault = vaultDatabase && {
      host: "localhost",
      port: forwarders[index]?.port,
      mount: { path: MOUNT, exists: true },
      ...vaultDatabase,
    };
    const settings = {
      teleport: undefined,
      namespace: NAMESPACE,
      serverAltNames: ["localhost"],
      vaultDatabase: inVault,
    };
    pair[index]?.configure(oneDatabase(`eng-both-${index}`, settings));
  };
  const clusters = () => kubectl("-n", NAMESPACE, "get", "clusters.postgresql.cnpg.io,secrets", "-o", "name");

  it("with different Clusters in one namespace: both can be created at once", async () => {
    await kubectl("create", "namespace", NAMESPACE);
    pair = await Promise.all(["one", "two"].map((name) => stackOf(`eng-both-${name}`)));
    pair.forEach((_, index) => configure(index));
    await Promise.all(pair.map((stack) => stack.up()));
    for (const index of [0, 1]) assert.match(await clusters(), new RegExp(`cluster\\S*/eng-both-${index}$`, "m"));
  });

  it("with one mount in Vault: names belong to the first, and nothing of the second revokes its credentials", async () => {
    const [first, second] = pair as [Stack, Stack];
    await asRoot("POST", `sys/mounts/${MOUNT}`, { type: "database" });
    configure(0, { roles: { app: {} } });
    await first.up();
    const credentials = await asRoot<{ lease_id: string; data: { username: string; password: string } }>(
      "GET",
      `${MOUNT}/creds/app`,
    );
    const { username, password } = credentials!.data;

    configure(1, { roles: { app: {} } });
    const sameRole = await second.pulumi(["up", "--yes", "--skip-preview"]);
    assert.notEqual(sameRole.code, 0, sameRole.output);
    assert.match(sameRole.output, new RegExp(`role app in .* belongs to the connection ${CONNECTIONS[0]}`));
    configure(1);
    await second.up();
    configure(1, { roles: { other: {} }, connection: CONNECTIONS[0] });
    const sameConnection = await second.pulumi(["up", "--yes", "--skip-preview"]);
    assert.notEqual(sameConnection.code, 0, sameConnection.output);
    assert.match(sameConnection.output, /Vault already has a connection \S+, to another database/);
    configure(1);
    await second.up();

    assert.ok(await asRoot("POST", "sys/leases/lookup", { lease_id: credentials?.lease_id }), "its lease is known");
    const env = { PGPASSWORD: password, PGSSLMODE: "require" };
    const address = ["-h", "localhost", "-p", String(forwarders[0]?.port), "-U", username, "-d", "app"];
    const login = await attempt("psql", [...address, "-Atc", "SELECT current_user"], { env });
    assert.equal(login.stdout.trim(), username, login.output);
    assert.deepEqual(Object.keys(await first.plannedChanges()), ["same"]);
    assert.equal(await asRoot("GET", `${MOUNT}/config/${CONNECTIONS[1]}`), undefined);
  });

  it("and both can be destroyed at once", async () => {
    await Promise.all(pair.map((stack) => stack.destroy()));
    assert.equal(await clusters(), "");
  });
});
