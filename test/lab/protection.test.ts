/**
 * Protection of a database against deletion: one Cluster through changes of its declaration, refused deletions,
 * renames, another Kubernetes cluster, and `onDelete: retain` and back. Its data and its UID stay.
 */
import { strict as assert } from "node:assert";
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { OWNER_LABEL } from "../../components/owner-label";
import { ACCEPTED_UID } from "../../components/kubernetes/identity";
import { UPSERT_EXISTING_OBJECTS } from "../../components/protection/upsert-existing-objects";
import { sqlThroughTeleport } from "../../lab/drive/login";
import { Stack, StackConfig } from "../../lab/drive/stack";
import { attempt } from "../../lab/host/command";
import { BareKubernetes } from "../faults/bare-kubernetes";
import { eventually, kubectl, loginAs, oneDatabase, sqlAsOwner, sqlAsSuperuser, teleport } from "./lab";

const NAME = "guarded";
const IN_TELEPORT = "guarded-protection";
/** The default of the setting. */
const PROTECTED = { deletionProtection: undefined };

interface RecordedResource {
  urn: string;
  type: string;
  dependencies?: string[];
}

/** A state without the resources that are created after the Databases, and their dependents. */
function halfWay(whole: string): string {
  const state = JSON.parse(whole) as { deployment: { resources: RecordedResource[] } };
  const gone = new Set<string>();
  state.deployment.resources = state.deployment.resources.filter(({ urn, type, dependencies = [] }) => {
    const stays =
      !/:(ClusterIdentity|DeletionProtection|DatabasesServing)$/.test(type) &&
      !dependencies.some((dependency) => gone.has(dependency));
    if (!stays) gone.add(urn);
    return stays;
  });
  assert.ok(gone.size > 3);
  return JSON.stringify(state);
}

describe("a protected database", () => {
  const folder = mkdtempSync(join(tmpdir(), "protection-"));
  const otherKubeconfig = join(folder, "renamed-context");
  let stack = new Stack("protection", { folder: join(folder, "stack") });
  let uid = "";
  let other: BareKubernetes | undefined;

  const settings = {
    // Defined once for all steps, so that each step shows only its change.
    environment: "protection",
    initdb: { database: NAME, owner: NAME },
    databases: [{ name: "extra", reclaimPolicy: "delete" }],
    tablespaces: [{ name: "fast", size: "1Gi" }],
  };
  const declared = (more: Record<string, unknown> = {}, key = NAME): StackConfig =>
    oneDatabase(key, { ...settings, ...PROTECTED, ...more });
  const configure = (more?: Record<string, unknown>, key?: string) => stack.configure(declared(more, key));
  const clusterUid = () => kubectl("-n", NAME, "get", "cluster", NAME, "-o", "jsonpath={.metadata.uid}");
  const refused = async (args: string[], env: NodeJS.ProcessEnv = {}): Promise<string> => {
    const { code, output } = await stack.pulumi(args, { env });
    assert.notEqual(code, 0, `${args.join(" ")} ended with 0:\n${output}`);
    return output;
  };
  /** Neither data nor access has changed. */
  const isWhole = async () => {
    assert.equal(await clusterUid(), uid);
    assert.equal((await sqlAsOwner(NAME, NAME, "SELECT count(*) FROM kept")).trim(), "1");
    assert.equal((await sqlAsSuperuser(NAME, "extra", "SELECT count(*) FROM kept")).trim(), "1");
    assert.ok(await teleport.database(IN_TELEPORT));
  };
  const UP = ["up", "--yes", "--skip-preview"];
  /** Checks that the step creates, deletes and replaces nothing. */
  const changesNothing = async (env: NodeJS.ProcessEnv = {}) => {
    const output = await stack.up({ env });
    assert.match(output, /[0-9]+ unchanged/);
    assert.doesNotMatch(output, /[0-9]+ (created|deleted|replaced)/);
  };
  const renameStack = async (name: string) => {
    await stack.must(["stack", "rename", name]);
    copyFileSync(join(folder, "stack", `Pulumi.${stack.name}.yaml`), join(folder, "stack", `Pulumi.${name}.yaml`));
    stack = new Stack(name, { folder: join(folder, "stack") });
  };

  before(async () => {
    mkdirSync(join(folder, "stack"));
    configure();
    await stack.init();
    await stack.up();
    uid = await clusterUid();
    await sqlAsOwner(NAME, NAME, "CREATE TABLE kept (id int); INSERT INTO kept VALUES (1)");
    await sqlAsSuperuser(NAME, "extra", "CREATE TABLE kept (id int); INSERT INTO kept VALUES (1)");
  });
  after(async () => {
    await other?.end();
    if ((await attempt("kubectl", ["-n", NAME, "get", "cluster", NAME])).code === 0) {
      configure({ deletionProtection: false });
      await stack.pulumi(UP);
    }
    await stack.pulumi(["destroy", "--yes", "--skip-preview"]);
    await stack.remove();
    await attempt("kubectl", ["delete", "namespace", NAME, "--ignore-not-found", "--wait=false"]);
    await teleport.remove(IN_TELEPORT);
    rmSync(folder, { recursive: true, force: true });
  });

  it("is not destroyed: the preview names it and what to do", async () => {
    const told = await refused(["destroy", "--yes"]);
    assert.match(told, /guarded: set deletionProtection: false, run pulumi up, then pulumi destroy/);
    assert.match(told, /Database::guarded-extra" cannot be deleted\s+because it is protected/);
    const unseen = await refused(["destroy", "--yes", "--skip-preview"]);
    assert.match(unseen, /database guarded is protected.*\n?.*deletionProtection' false.*pulumi up.*pulumi destroy/s);
    await isWhole();
  });

  it("is not deleted when it leaves the configuration, alone or with all others", async () => {
    const bystander = { ...(declared().databases as Record<string, object>)[NAME] };
    for (const [databases, args] of [
      [{}, ["preview"]],
      [{}, UP],
      [{ bystander }, UP],
    ] as const) {
      stack.configure({ ...declared(), databases });
      const told = await refused([...args]);
      assert.match(told, /database guarded is protected from deletion, but is no longer in the configuration/);
      assert.match(told, /deletionProtection' false.*pulumi up/s);
    }
    assert.equal((await attempt("kubectl", ["get", "namespace", "bystander"])).code, 1, "nothing else was begun");
    await isWhole();
  });

  it("is not replaced by a Cluster of another name or in another namespace, nor as protection is turned off", async () => {
    const [renamed, moved] = [{ clusterName: "guarded2" }, { namespace: "elsewhere", createNamespace: true }];
    for (const [change, args] of [
      [renamed, ["preview"]],
      [{ ...renamed, deletionProtection: false }, UP],
      [moved, UP],
      [{ ...moved, deletionProtection: false }, ["preview"]],
    ] as const) {
      configure(change);
      assert.match(await refused([...args]), /would create an empty Cluster and delete the one with the data/);
    }
    await isWhole();
  });

  it("keeps a database that would be dropped, and its tablespaces", async () => {
    configure({ databases: [] });
    assert.match(await refused(["preview"]), /Database::guarded-extra" cannot be deleted\s+because it is protected/);
    assert.notEqual((await stack.pulumi(UP)).code, 0);
    configure({ tablespaces: [] });
    assert.match(await refused(UP), /tablespace/);
    await isWhole();
    configure();
    await stack.up();
  });

  it("keeps its Namespace when the namespace is declared later, with and without createNamespace", async () => {
    for (const [change, args] of [
      [{ namespace: NAME }, ["preview"]],
      [{ namespace: NAME, createNamespace: false }, UP],
    ] as const) {
      configure(change);
      assert.match(await refused([...args]), /this stack created the Namespace guarded/);
    }
    configure({ namespace: NAME, createNamespace: true });
    assert.deepEqual(Object.keys(await stack.plannedChanges()), ["same"]);
    await changesNothing();
    stack.configure({ ...declared(), defaults: { namespace: NAME, createNamespace: true } });
    await changesNothing();
    configure();
    await changesNothing();
    await isWhole();
  });

  it("is renamed in the configuration, and keeps its Cluster", async () => {
    configure({}, "renamed");
    assert.match(await refused(["preview"]), /formerNames: \[guarded\] and clusterName: guarded/);
    configure({ formerNames: [NAME], clusterName: NAME }, "renamed");
    await changesNothing();
    assert.deepEqual(Object.keys(await stack.plannedChanges()), ["same"]);
    configure({ formerNames: ["renamed"], clusterName: NAME });
    await changesNothing();
    await isWhole();
  });

  it("stays where it is when its context is named, renamed, and left out again", async () => {
    const kubeconfig = readFileSync(process.env.KUBECONFIG ?? "", "utf8");
    const current = (JSON.parse(kubeconfig) as { "current-context": string })["current-context"];
    const renamed = JSON.parse(kubeconfig) as { "current-context": string; contexts: { name: string }[] };
    for (const context of renamed.contexts) context.name = "renamed";
    writeFileSync(otherKubeconfig, JSON.stringify({ ...renamed, "current-context": "renamed" }), { mode: 0o600 });
    const steps: [object, NodeJS.ProcessEnv][] = [
      [{ context: current }, {}],
      [{ context: "renamed", formerContexts: [current] }, { KUBECONFIG: otherKubeconfig }],
      [{ formerContexts: ["renamed"] }, { KUBECONFIG: otherKubeconfig }],
      [{}, {}],
    ];
    for (const [kubernetes, env] of steps) {
      configure({ kubernetes });
      await changesNothing(env);
    }
    await isWhole();
  });

  it("keeps its Cluster when the stack is renamed", async () => {
    await renameStack("renamed");
    configure();
    await changesNothing();
    await renameStack("protection");
    configure();
    await changesNothing();
    await isWhole();
  });

  it("is not changed by runs against another Kubernetes cluster, which has a database of that name", async () => {
    configure();
    other = await BareKubernetes.start();
    await other.kubectl(["create", "namespace", NAME]);
    for (const kind of ["clusters.postgresql.cnpg.io", "databases.postgresql.cnpg.io"]) {
      await other.define(await kubectl("get", "customresourcedefinition", "-o", "json", kind));
    }
    const cluster = { apiVersion: "postgresql.cnpg.io/v1", kind: "Cluster", metadata: { name: NAME, namespace: NAME } };
    const spec = { instances: 1, storage: { size: "1Gi" } };
    await other.kubectl(["create", "-f", "-"], JSON.stringify({ ...cluster, spec }));
    const env = { KUBECONFIG: other.kubeconfig };
    const resources = async () =>
      (JSON.parse(await stack.state()) as { deployment: { resources: object[] } }).deployment.resources.length;
    const before = await resources();
    const told = /is not the cluster of this stack: its kube-system has the UID/;
    for (const command of [["preview"], UP, ["refresh", "--yes"], ["preview", "--refresh"]])
      assert.match(await refused(command, env), told, command.join(" "));
    // Turned off, so that only the cluster's identity prevents the deletion.
    configure({ deletionProtection: false });
    await stack.up();
    assert.match(await refused(["destroy", "--yes"], env), told);
    assert.equal(await resources(), before, "nothing was forgotten");
    const there = await other.kubectl(["get", "cluster", NAME, "-n", NAME, "-o", "name"]);
    assert.equal(there.trim(), "cluster.postgresql.cnpg.io/guarded");
    await isNotTouchedBy(other, env);
    const kubeSystem = await other.kubectl(["get", "namespace", "kube-system", "-o", "jsonpath={.metadata.uid}"]);
    const accepted = await stack.pulumi(["preview"], { env: { ...env, [ACCEPTED_UID]: kubeSystem } });
    assert.doesNotMatch(accepted.output, told, "who names the new cluster may go on");
    await isWhole();
  });

  /** Also with the state of an `up` that failed half-way: it does not contain what a complete run deletes first. */
  async function isNotTouchedBy(elsewhere: BareKubernetes, env: NodeJS.ProcessEnv): Promise<void> {
    const whole = await stack.state();
    const database = await kubectl("-n", NAME, "get", "database", "-o", "jsonpath={.items[*].metadata.name}");
    assert.match(database, /^guarded\S+$/);
    const named = (kind: string, name: string, more: object) =>
      JSON.stringify({ kind, metadata: { name, namespace: NAME }, ...more });
    const spec = { name: "extra", owner: NAME, cluster: { name: NAME } };
    const objects = [
      named("Database", database, { apiVersion: "postgresql.cnpg.io/v1", spec }),
      named("Secret", `${NAME}-client-ca-bundle`, { apiVersion: "v1" }),
    ];
    for (const object of objects) await elsewhere.kubectl(["create", "-f", "-"], object);
    await stack.must(["stack", "import", "--force"], { input: halfWay(whole) });
    assert.match(await refused(["destroy", "--yes", "--skip-preview"], env), /is not the cluster of this stack/);
    await stack.must(["stack", "import", "--force"], { input: whole });
    await elsewhere.kubectl(["-n", NAME, "get", `database/${database}`, `secret/${NAME}-client-ca-bundle`]);
  }

  it("stays with `onDelete: retain` when everything is destroyed, without access, and is adopted again", async () => {
    configure({ onDelete: "retain", deletionProtection: false });
    await stack.up();
    await stack.destroy();
    assert.equal(await clusterUid(), uid);
    assert.equal((await sqlAsOwner(NAME, NAME, "SELECT count(*) FROM kept")).trim(), "1");
    const secrets = await kubectl("-n", NAME, "get", "secrets", "-o", "name");
    for (const secret of ["app", "server-tls", "server-ca", "replication-tls", "client-ca-bundle", "pooler"])
      assert.ok(secrets.includes(`secret/guarded-${secret}\n`), secret);
    await eventually("it is gone from Teleport", async () => !(await teleport.database(IN_TELEPORT)));
    const granted = "SELECT has_table_privilege('teleport_user_read', 'kept', 'SELECT')";
    assert.equal((await sqlAsSuperuser(NAME, NAME, granted)).trim(), "f", "the reader's rights are gone");

    configure();
    await stack.up({ env: { [UPSERT_EXISTING_OBJECTS]: "true" } });
    await isWhole();
    assert.equal((await sqlAsSuperuser(NAME, NAME, granted)).trim(), "t");
    const { output } = await sqlThroughTeleport(loginAs("reader", IN_TELEPORT, NAME), "SELECT id FROM kept");
    assert.match(output, /^1$/m);
  });

  it("is deleted in two steps, and its Namespace stays while something else is in it", async () => {
    await kubectl("-n", NAME, "create", "configmap", "somebody-elses");
    configure({ deletionProtection: false });
    await stack.up();
    const told = await stack.destroy();
    assert.match(told, /The Namespace guarded is not deleted, because it is not empty: configmaps\/somebody-elses/);
    assert.equal((await attempt("kubectl", ["-n", NAME, "get", "cluster", NAME])).code, 1);
    await kubectl("-n", NAME, "get", "configmap", "somebody-elses");
    await kubectl("-n", NAME, "delete", "configmap", "somebody-elses");
    const owner = `jsonpath={.metadata.annotations.${OWNER_LABEL.replaceAll(".", "\\.")}}`;
    assert.match(await kubectl("get", "namespace", NAME, "-o", owner), /protection\/guarded$/);
  });
});
