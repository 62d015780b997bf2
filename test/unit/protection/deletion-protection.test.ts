import { strict as assert } from "node:assert";
import { ACCEPTED_UID, kubernetesUid, wrongClusterReason } from "../../../components/kubernetes/identity";
import { operatorCheck, OperatorInputs } from "../../../components/cnpg/operator-check-operations";
import { providerOf } from "../../../components/dynamic/converge";
import {
  clusterIdentity,
  ClusterIdentityState,
  kubernetesIdentity,
} from "../../../components/protection/deletion-protection-operations";
import { FakeApi, KUBE_SYSTEM } from "./fake-api";

const CLUSTER = "/apis/postgresql.cnpg.io/v1/namespaces/db/clusters/orders";
const GROUP = "/apis/postgresql.cnpg.io/v1";
const served = { [GROUP]: { resources: [{ name: "clusters", kind: "Cluster" }] } };

describe("the identity of a Kubernetes cluster", () => {
  const seen = { server: "https://k8s", context: "prod", uid: "b" };

  it("is the UID of kube-system, and unknown if it may not be read", async () => {
    assert.equal(await kubernetesUid(new FakeApi()), "this-cluster");
    assert.equal(await kubernetesUid(new FakeApi({ [KUBE_SYSTEM]: "denied" })), undefined);
  });

  it("refuses another cluster, names it, and says how to get back", () => {
    const message = wrongClusterReason("a", seen, {}) ?? "";
    assert.match(message, /https:\/\/k8s \(context prod\).*UID b, but .*deployed to a.*kubernetes\.context/);
  });

  it("accepts the same cluster, an unknown one, and the one that the variable names", () => {
    assert.equal(wrongClusterReason("b", seen, {}), undefined);
    assert.equal(wrongClusterReason(undefined, seen, {}), undefined);
    assert.equal(wrongClusterReason("a", { ...seen, uid: undefined }, {}), undefined);
    assert.equal(wrongClusterReason("a", seen, { [ACCEPTED_UID]: "b" }), undefined);
    assert.ok(wrongClusterReason("a", seen, { [ACCEPTED_UID]: "c" }), "the variable accepts no other cluster");
  });
});

describe("the check of the operator, which stores the Kubernetes cluster", () => {
  const inputs: OperatorInputs = { needs: { clusters: {} }, awaited: false };
  const check = (api: FakeApi) => providerOf(operatorCheck(async () => api, []));

  it("stores the cluster at first, and plans one update of a state that does not have it", async () => {
    const { check: look, diff } = check(new FakeApi(served));
    const { inputs: checked } = await look(inputs, inputs);
    assert.equal(checked?.kubernetesUid, "this-cluster");
    assert.deepEqual(await diff("id", inputs, checked as OperatorInputs), { changes: true });
    assert.deepEqual(await diff("id", checked as OperatorInputs, checked as OperatorInputs), { changes: false });
  });

  it("changes with the context of the kubeconfig, and so do the guards, because a later delete uses it", async () => {
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

  it("keeps the stored cluster if it may no longer be read", async () => {
    const { check: look, read } = check(new FakeApi({ ...served, [KUBE_SYSTEM]: "denied" }));
    const known = { ...inputs, kubernetesUid: "this-cluster" };
    assert.equal((await look(known, inputs)).inputs?.kubernetesUid, "this-cluster");
    assert.equal((await read("id", known)).props?.kubernetesUid, "this-cluster");
  });

  it("refuses a new Cluster with the name of somebody else's, and names the owner", async () => {
    const cluster = { namespace: "db", name: "orders", owner: "acme/p/dev/orders" };
    const ofOther = { metadata: { annotations: { "pulumi.com/owner": "acme/p/prod/orders" } } };
    const look = async (found: unknown, olds?: OperatorInputs) => {
      const api = new FakeApi({ ...served, [CLUSTER]: found });
      const { failures } = await check(api).check(olds as OperatorInputs, { ...inputs, cluster });
      return failures?.[0]?.reason ?? "";
    };
    assert.match(await look(ofOther), /db\/orders exists already and belongs to acme\/p\/prod\/orders/);
    assert.equal(await look({ metadata: {} }), "", "from a state before Clusters had owners");
    assert.equal(await look({ metadata: { annotations: { "pulumi.com/owner": cluster.owner } } }), "", "retained");
    assert.equal(await look(undefined), "");
    assert.equal(await look(ofOther, inputs), "", "from a renamed stack");
  });

  describe("looks up the names of a new stack's other objects", () => {
    const [SECRETS, POLICIES] = ["api/v1/secrets", "apis/networking.k8s.io/v1/networkpolicies"];
    const objects = { [SECRETS]: ["orders-server-tls", "orders-server-ca"], [POLICIES]: ["orders"] };
    const cluster = { namespace: "db", name: "orders", owner: "acme/p/dev/orders", objects };
    const of = (name: string, owner?: string) => ({
      metadata: { name, annotations: owner === undefined ? {} : { "pulumi.com/owner": owner } },
    });
    const look = async (found: Record<string, unknown>, olds?: OperatorInputs, settings: { adopt?: true } = {}) => {
      const warnings: string[] = [];
      const { error } = console;
      console.error = (text: string) => void warnings.push(text);
      try {
        const api = new FakeApi({ ...served, ...found });
        const { failures } = await check(api).check(olds as OperatorInputs, {
          ...inputs,
          cluster: { ...cluster, ...settings },
        });
        return { refusal: failures?.[0]?.reason ?? "", warning: warnings.join("\n") };
      } finally {
        console.error = error;
      }
    };
    const secrets = (...items: unknown[]) => ({ "/api/v1/namespaces/db/secrets": { items } });
    const policies = (found: unknown) => ({ "/apis/networking.k8s.io/v1/namespaces/db/networkpolicies": found });

    it("and refuses those of another stack, with their owner", async () => {
      const theirs = of("orders-server-tls", "acme/p/prod/orders");
      const { refusal, warning } = await look({ ...secrets(theirs, of("orders-server-ca")), ...policies("denied") });
      assert.equal(
        refusal,
        "In the namespace db, objects with names of acme/p/dev/orders exist already and belong to acme/p/prod/orders: " +
          "secrets/orders-server-tls. Nothing was changed. To use other names, set clusterName, the name of the pooler, " +
          'or namespace to another name. To move the objects into this stack, see docs/take-over.md, "A Cluster that a stack kept".',
      );
      assert.equal(warning, "");
    });

    it("and warns of its own, with the page about interrupted runs, and of those of nobody", async () => {
      const own = of("orders-server-tls", "acme/p/dev/orders");
      const { refusal, warning } = await look({ ...secrets(own, of("a")), ...policies({ items: [of("orders")] }) });
      assert.equal(refusal, "");
      assert.equal(
        warning,
        "Warning: the namespace db already has objects of this stack: secrets/orders-server-tls. If `up` says that one " +
          'exists already, see docs/operations.md, "Interrupted runs".\n' +
          "Warning: the namespace db already has objects that name no owner: networkpolicies/orders. `up` fails or " +
          "overwrites them. If they are somebody else's, set clusterName, the name of the pooler, or namespace to another " +
          "name.",
      );
    });

    it("and is silent without such objects, without access, and in a state that has the objects", async () => {
      const silent = { refusal: "", warning: "" };
      assert.deepEqual(await look({}), silent);
      assert.deepEqual(await look({ ...secrets(of("a")), ...policies("denied") }), silent);
      assert.deepEqual(await look(secrets(of("orders-server-tls", "acme/p/prod/orders")), inputs), silent);
      const old = { [CLUSTER]: { metadata: { name: "orders" } } };
      assert.deepEqual(await look({ ...old, ...secrets(of("orders-server-tls")) }), silent, "a state of 0.1.0");
      const own = { [CLUSTER]: of("orders", cluster.owner), ...secrets(of("orders-server-tls", "acme/p/prod/orders")) };
      assert.deepEqual(await look(own, undefined, { adopt: true }), silent, "adoption checks and lists them itself");
    });
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

  it("allows the delete of the stack's own Cluster, and of one that is gone", async () => {
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

  it("does not treat a missing Cluster as deleted in an unknown Kubernetes cluster", async () => {
    const unseen = setUp({ [KUBE_SYSTEM]: "denied" });
    await assert.rejects(unseen.delete("id", state), /does not exist at https:\/\/k8s .*cannot be checked/);
    const { kubernetesUid: _, ...unrecorded } = state;
    await assert.rejects(setUp({}).delete("id", unrecorded), /cannot be checked/);
  });

  it("fails in a preview if the Cluster was recreated, until a refresh accepts it", async () => {
    const { check, read } = setUp({ [CLUSTER]: cluster("two") });
    const message = /UID two, the stack's has one.*pulumi refresh/;
    assert.match((await check(state, state)).failures?.[0]?.reason ?? "", message);
    const updated = { ...state, uid: "two" };
    assert.match(
      (await check(state, updated)).failures?.[0]?.reason ?? "",
      message,
      "the provider saw it in an update",
    );
    assert.deepEqual((await check({ ...state, namespace: "former" }, updated)).failures, [], "it was replaced");
    assert.equal((await read("id", state)).props?.uid, "two");
    assert.deepEqual(await setUp({}).read("id", state), {});
  });
});

describe("the guard of the rest of a database", () => {
  const operations = (objects = {}) => providerOf(kubernetesIdentity(async () => new FakeApi(objects)));

  it("stores the Kubernetes cluster, and is deleted in no other one", async () => {
    const { outs } = await operations().create({});
    assert.deepEqual(outs, { kubernetesUid: "this-cluster" });
    await operations().delete("id", outs!);
    const elsewhere = { kubernetesUid: "another" };
    await assert.rejects(operations().delete("id", elsewhere), /is not the cluster of this stack/);
    await assert.rejects(operations().read("id", elsewhere), /is not the cluster of this stack/);
  });

  it("does not refuse anything if the cluster is unknown", async () => {
    const { outs } = await operations({ [KUBE_SYSTEM]: "denied" }).create({});
    assert.equal(outs?.kubernetesUid, undefined);
    await operations().delete("id", outs!);
    assert.equal((await operations().read("id", outs!)).props?.kubernetesUid, "this-cluster");
  });
});
