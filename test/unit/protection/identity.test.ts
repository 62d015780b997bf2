import { strict as assert } from "node:assert";
import { ACCEPTED_UID, kubernetesUid, otherCluster } from "../../../components/kubernetes/identity";
import { operatorCheck, OperatorInputs } from "../../../components/cnpg/operator-check-operations";
import { providerOf } from "../../../components/dynamic/converge";
import {
  clusterIdentity,
  ClusterIdentityState,
  kubernetesIdentity,
} from "../../../components/protection/identity-operations";
import { FakeApi, KUBE_SYSTEM } from "./fake-api";

const CLUSTER = "/apis/postgresql.cnpg.io/v1/namespaces/db/clusters/orders";
const GROUP = "/apis/postgresql.cnpg.io/v1";
const served = { [GROUP]: { resources: [{ name: "clusters", kind: "Cluster" }] } };

describe("the identity of a Kubernetes cluster", () => {
  const seen = { server: "https://k8s", context: "prod", uid: "b" };

  it("is the UID of kube-system, and unknown where it may not be read", async () => {
    assert.equal(await kubernetesUid(new FakeApi()), "this-cluster");
    assert.equal(await kubernetesUid(new FakeApi({ [KUBE_SYSTEM]: "denied" })), undefined);
  });

  it("refuses another cluster by name, and says how to get back", () => {
    const told = otherCluster("a", seen, {}) ?? "";
    assert.match(told, /https:\/\/k8s \(context prod\).*UID b.*deployed to a.*kubernetes\.context/);
  });

  it("accepts the same cluster, an unknown one, and the one that the variable names", () => {
    assert.equal(otherCluster("b", seen, {}), undefined);
    assert.equal(otherCluster(undefined, seen, {}), undefined);
    assert.equal(otherCluster("a", { ...seen, uid: undefined }, {}), undefined);
    assert.equal(otherCluster("a", seen, { [ACCEPTED_UID]: "b" }), undefined);
    assert.ok(otherCluster("a", seen, { [ACCEPTED_UID]: "c" }), "a name accepts no other cluster");
  });
});

describe("the check of the operator, which knows the Kubernetes cluster", () => {
  const inputs: OperatorInputs = { needs: { clusters: {} }, awaited: false };
  const check = (api: FakeApi) => providerOf(operatorCheck(async () => api, []));

  it("remembers the cluster at first, and plans one update of a state that does not know it", async () => {
    const { check: look, diff } = check(new FakeApi(served));
    const { inputs: checked } = await look(inputs, inputs);
    assert.equal(checked?.kubernetesUid, "this-cluster");
    assert.deepEqual(await diff("id", inputs, checked as OperatorInputs), { changes: true });
    assert.deepEqual(await diff("id", checked as OperatorInputs, checked as OperatorInputs), { changes: false });
  });

  it("changes with the context of the kubeconfig, and so do the guards, which will be deleted by it", async () => {
    const known = { ...inputs, kubernetesUid: "this-cluster", context: "prod" };
    const { diff } = check(new FakeApi(served));
    const guard = providerOf(kubernetesIdentity(async () => new FakeApi()));
    for (const [context, changes] of [
      ["prod", false],
      ["renamed", true],
    ] as const) {
      assert.deepEqual(await diff("id", known, { ...known, context }), { changes });
      assert.deepEqual(await guard.diff("id", { context: "prod" }, { context }), { changes });
    }
  });

  it("refuses another cluster in preview and in refresh", async () => {
    const { check: look, read } = check(new FakeApi(served));
    const elsewhere = { ...inputs, kubernetesUid: "another" };
    assert.match((await look(elsewhere, inputs)).failures?.[0]?.reason ?? "", /is not the cluster of this stack/);
    await assert.rejects(read("id", elsewhere), /is not the cluster of this stack/);
  });

  it("keeps what it knew where it may not look any more", async () => {
    const { check: look, read } = check(new FakeApi({ ...served, [KUBE_SYSTEM]: "denied" }));
    const known = { ...inputs, kubernetesUid: "this-cluster" };
    assert.equal((await look(known, inputs)).inputs?.kubernetesUid, "this-cluster");
    assert.equal((await read("id", known)).props?.kubernetesUid, "this-cluster");
  });

  it("refuses a new Cluster under the name of somebody else's, naming the owner", async () => {
    const cluster = { namespace: "db", name: "orders", owner: "acme/p/dev/orders" };
    const ofOther = { metadata: { annotations: { "pulumi.com/owner": "acme/p/prod/orders" } } };
    const look = async (found: unknown, olds?: OperatorInputs) => {
      const api = new FakeApi({ ...served, [CLUSTER]: found });
      const { failures } = await check(api).check(olds as OperatorInputs, { ...inputs, cluster });
      return failures?.[0]?.reason ?? "";
    };
    assert.match(await look(ofOther), /db\/orders exists already and belongs to acme\/p\/prod\/orders/);
    assert.equal(await look({ metadata: {} }), "", "of a state before Clusters said whose they are");
    assert.equal(await look({ metadata: { annotations: { "pulumi.com/owner": cluster.owner } } }), "", "retained");
    assert.equal(await look(undefined), "");
    assert.equal(await look(ofOther, inputs), "", "of a stack that was renamed");
  });
});

describe("the identity of a Cluster", () => {
  const state: ClusterIdentityState = {
    database: "orders",
    namespace: "db",
    cluster: "orders",
    uid: "one",
    kubernetesUid: "this-cluster",
  };
  const cluster = (uid: string, isProtected = "false") => ({
    metadata: { name: "orders", uid, annotations: { "cnpg-teleport/deletion-protection": isProtected } },
  });
  const setUp = (objects: Record<string, unknown>) => providerOf(clusterIdentity(async () => new FakeApi(objects)));

  it("lets the stack's own Cluster be deleted, and one that is gone", async () => {
    await setUp({ [CLUSTER]: cluster("one") }).delete("id", state);
    await setUp({}).delete("id", state);
  });

  it("refuses to delete in another Kubernetes cluster", async () => {
    const elsewhere = { ...state, kubernetesUid: "another" };
    await assert.rejects(setUp({ [CLUSTER]: cluster("one") }).delete("id", elsewhere), /not the cluster of this stack/);
    await assert.rejects(setUp({}).delete("id", elsewhere), /not the cluster of this stack/);
    await assert.rejects(setUp({}).read("id", elsewhere), /not the cluster of this stack/);
  });

  it("refuses to delete another Cluster of the same name, and a protected one", async () => {
    await assert.rejects(setUp({ [CLUSTER]: cluster("two") }).delete("id", state), /UID two, the stack's has one/);
    const refused = setUp({ [CLUSTER]: cluster("one", "true") }).delete("id", state);
    await assert.rejects(refused, /orders is protected.*deletionProtection' false.*pulumi up.*pulumi destroy/);
  });

  it("takes nothing for deleted where it cannot tell which cluster it is", async () => {
    const unseen = setUp({ [KUBE_SYSTEM]: "denied" });
    await assert.rejects(unseen.delete("id", state), /does not exist at https:\/\/k8s .*cannot be checked/);
    const { kubernetesUid: _, ...unrecorded } = state;
    await assert.rejects(setUp({}).delete("id", unrecorded), /cannot be checked/);
  });

  it("fails in a preview where the Cluster was made anew, until a refresh takes it up", async () => {
    const { check, read } = setUp({ [CLUSTER]: cluster("two") });
    const told = /UID two, the stack's has one.*pulumi refresh/;
    assert.match((await check(state, state)).failures?.[0]?.reason ?? "", told);
    const updated = { ...state, uid: "two" };
    assert.match((await check(state, updated)).failures?.[0]?.reason ?? "", told, "the provider saw it in an update");
    assert.deepEqual((await check({ ...state, namespace: "former" }, updated)).failures, [], "it was replaced");
    assert.equal((await read("id", state)).props?.uid, "two");
    assert.deepEqual(await setUp({}).read("id", state), {});
  });
});

describe("what guards the rest of a database", () => {
  const operations = (objects = {}) => providerOf(kubernetesIdentity(async () => new FakeApi(objects)));

  it("remembers the Kubernetes cluster, and is deleted in no other one", async () => {
    const { outs } = await operations().create({});
    assert.deepEqual(outs, { kubernetesUid: "this-cluster" });
    await operations().delete("id", outs!);
    const elsewhere = { kubernetesUid: "another" };
    await assert.rejects(operations().delete("id", elsewhere), /is not the cluster of this stack/);
    await assert.rejects(operations().read("id", elsewhere), /is not the cluster of this stack/);
  });

  it("is in nobody's way where the cluster cannot be told", async () => {
    const { outs } = await operations({ [KUBE_SYSTEM]: "denied" }).create({});
    assert.equal(outs?.kubernetesUid, undefined);
    await operations().delete("id", outs!);
    assert.equal((await operations().read("id", outs!)).props?.kubernetesUid, "this-cluster");
  });
});
