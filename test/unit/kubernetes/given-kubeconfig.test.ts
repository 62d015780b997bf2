/** A kubeconfig that a program gives as a value: what resources do with it when it changes, and before it is known. */
import { strict as assert } from "node:assert";
import { archiveName } from "../../../components/backup/archive-name-operations";
import { lastBackup } from "../../../components/backup/last-backup-operations";
import { takenBackup } from "../../../components/backup/taken-backup-operations";
import { operatorCheck, OperatorInputs } from "../../../components/cnpg/operator-check-operations";
import { adoption } from "../../../components/protection/adoption-operations";
import { replicaStatus } from "../../../components/replica/status-operations";
import { updateCheck } from "../../../components/protection/update-check-operations";
import { providerOf, ResourceKind } from "../../../components/dynamic/converge";
import type { KubernetesConnection } from "../../../components/kubernetes/client";
import { operations } from "../../../components/operations";
import { access } from "../../../components/postgres/grants-operations";
import {
  deletionProtection,
  ProtectionState,
  clusterIdentity,
  kubernetesIdentity,
} from "../../../components/protection/deletion-protection-operations";
import { namespaceRemoval } from "../../../components/protection/namespace-removal-operations";
import { databaseRolesServing, databasesServing } from "../../../components/readiness/applied";
import { clusterServing } from "../../../components/readiness/cluster";
import { poolerServing } from "../../../components/readiness/pooler";
import { autoUsers } from "../../../components/teleport/auto-users/admin-operations";
import { UNKNOWN } from "../../../components/value-check";
import { vaultAdmin } from "../../../components/vault-database/admin-operations";
import { vaultLeases } from "../../../components/vault-database/lease-operations";
import { FakeApi, KUBE_SYSTEM } from "../protection/fake-api";
import { printedBy } from "../printed-by";

/** A state that any kind can read. */
const state = {
  ...{ context: "prod", namespace: "db", cluster: "orders", uid: "u", database: "app", kubernetesUid: "k" },
  ...{ needs: { clusters: {} }, awaited: false, protected: true, settings: { roles: [] }, users: [], suspended: false },
  ...{ plural: "clusters", object: "orders", owner: "o", prepared: true, within: 1, databases: {}, roles: {} },
  ...{ retained: false, pooler: "orders-pooler", written: "w", instances: 1, fenced: [], parameters: {} },
  ...{ serverCertificate: "s", clientCaBundle: "c", certificateUsers: [], names: { admin: "a", group: "g" } },
  ...{ mount: "postgres", connection: "orders", role: "app", vault: {}, host: "h", port: 5432, serverCa: "ca" },
  ...{ ownsMount: true, grantedRoles: [], schemas: [], allowedRoles: [], revokeWithin: 1, clusterUid: "u" },
  ...{
    archiveName: "orders-1",
    occasion: "first",
    reason: "orders-1",
    method: { method: "plugin" },
    taken: "b",
    enabled: true,
  },
};
type AnyKind = ResourceKind<typeof state & KubernetesConnection>;

/** Every kind that reaches Kubernetes, by its name among the operations. */
const kinds = {
  access,
  autoUsers,
  clusterServing,
  databasesServing,
  databaseRolesServing,
  poolerServing,
  operatorCheck,
  vaultAdmin,
  vaultLeases,
  deletionProtection,
  clusterIdentity,
  kubernetesIdentity,
  updateCheck,
  namespaceRemoval,
  archiveName,
  takenBackup,
  lastBackup,
  adoption,
  replicaStatus,
};
const OTHERS = ["registration", "certAuthority", "declaredDatabases", "replicaRole", "vaultMountRemoval"];

describe("a kubeconfig that is given as a value", () => {
  it("is a concern of every kind of resource, but for those that are named", () => {
    assert.deepEqual([...Object.keys(kinds), ...OTHERS].sort(), Object.keys(operations).sort());
  });

  for (const [name, kind] of Object.entries(kinds))
    it(`changes nothing of what is declared, and replaces nothing: ${name}`, () => {
      const { declared, replaces } = kind() as unknown as AnyKind;
      const [former, news] = [
        { ...state, kubeconfig: "old" },
        { ...state, kubeconfig: "new" },
      ];
      assert.equal(JSON.stringify(declared?.(former)), JSON.stringify(declared?.(news)));
      assert.equal(JSON.stringify(declared?.(state)), JSON.stringify(declared?.(news)));
      assert.deepEqual(replaces?.(former, news) ?? [], []);
      if (declared && name !== "updateCheck")
        assert.notEqual(JSON.stringify(declared({ ...news, context: "x" })), JSON.stringify(declared(news)));
    });

  it("is looked at in a preview: one of another Kubernetes cluster is refused at once", async () => {
    const apis = new Map(["one", "other"].map((uid) => [uid, new FakeApi({ [KUBE_SYSTEM]: { metadata: { uid } } })]));
    const connect = async ({ kubeconfig = "" }: KubernetesConnection) => apis.get(kubeconfig) as FakeApi;
    const { check } = providerOf(operatorCheck(connect, []));
    const inputs: OperatorInputs = { needs: {}, awaited: true, kubeconfig: "one" };
    const { inputs: known } = await check({} as OperatorInputs, inputs);
    assert.equal(known?.kubernetesUid, "one");
    const { failures = [] } = await check(known, { ...inputs, kubeconfig: "other" });
    assert.match(failures[0]?.reason ?? "", /is not the cluster of this stack/);
  });

  it("is the new one where a preview looks, and the stored one where something is deleted or read", async () => {
    const used: (string | undefined)[] = [];
    const api = new FakeApi({ [KUBE_SYSTEM]: { metadata: { uid: "k" } } });
    const connect = async ({ kubeconfig }: KubernetesConnection) => (used.push(kubeconfig), api);
    const stored: ProtectionState = { ...state, kubeconfig: "stored" };
    await providerOf(deletionProtection(connect)).check(stored, { ...stored, namespace: "x", kubeconfig: "new" });
    assert.deepEqual(used.splice(0), ["new"]);
    for (const provider of [providerOf(clusterIdentity(connect)), providerOf(kubernetesIdentity(connect))]) {
      await provider.read("id", stored);
      await provider.delete("id", stored);
    }
    assert.deepEqual(used, ["stored", "stored", "stored", "stored"]);
  });

  it("that is not known yet keeps a preview from looking at Kubernetes, which is said once, and fails nothing", async () => {
    const said = await printedBy(async () => {
      for (const [name, kind] of Object.entries(kinds)) {
        const { check, diff } = providerOf(kind() as unknown as AnyKind);
        const news = { ...state, kubeconfig: UNKNOWN };
        assert.deepEqual((await check({} as typeof state, news)).failures, [], name);
        const { inputs, failures } = await check(state, news);
        assert.deepEqual(failures, [], name);
        const { changes } = await diff("id", state, inputs as typeof news);
        // Its Cluster or Pooler is not tried out by the provider, as while Kubernetes does not answer.
        assert.equal(changes, name === "updateCheck", name);
      }
    });
    assert.equal(said.length, 1, said.join("\n"));
    assert.match(said[0] ?? "", /^Warning: the kubeconfig is not known yet, so this preview does not check anything/);
  });
});
