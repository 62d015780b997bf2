import { strict as assert } from "node:assert";
import {
  adoptingContextsOf,
  checkFormerNames,
  contextsOf,
  declaredDatabases as declared,
  namespacesToCreate,
} from "../../../config/contexts-and-namespaces";
import { contextResourceName } from "../../../components/kubernetes/names";
import { parseConfig } from "../../../config/config";
import type { DeclaredDatabase } from "../../../components/protection/declared-databases";
import { providerOf } from "../../../components/dynamic/converge";
import { declaredDatabases, lostDatabases } from "../../../components/protection/declared-databases-operations";
import { deletionProtection } from "../../../components/protection/deletion-protection-operations";
import { FakeApi } from "./fake-api";

const orders: DeclaredDatabase = {
  namespace: "orders",
  makesNamespace: true,
  cluster: "orders",
  protected: true,
  owner: "acme/p/dev/orders",
  formerNames: [],
};
const owner = "acme/p/dev/";

describe("the databases of a configuration", () => {
  it("must not lose a protected database: the message names it and the next commands", () => {
    const [[name, message] = ["", ""]] = lostDatabases({ orders }, {});
    assert.equal(name, "orders");
    assert.match(message, /^The database orders is protected .*formerNames: \[orders\]/);
    assert.match(message, /pulumi config set --path 'cnpg-teleport:databases\.orders\.deletionProtection' false/);
    assert.match(message, /`pulumi up`.*`pulumi destroy`/);
    assert.deepEqual(lostDatabases({ orders: { ...orders, protected: false } }, {}), []);
  });

  it("may rename a database if formerNames has its old name and it keeps its Cluster", () => {
    const renamed = { ...orders, formerNames: ["orders"] };
    assert.deepEqual(lostDatabases({ orders }, { shop: renamed }), []);
    assert.match(
      lostDatabases({ orders }, { shop: { ...renamed, cluster: "shop" } })[0]?.[1] ?? "",
      /from orders to shop/,
    );
  });

  it("must not move a protected database, even in the run that turns protection off", () => {
    const moved = { ...orders, namespace: "db", protected: false };
    assert.match(
      lostDatabases({ orders }, { orders: moved })[0]?.[1] ?? "",
      /its namespace was changed from orders to db/,
    );
    assert.deepEqual(lostDatabases({ orders }, { orders: { ...orders, context: "prod" } }), [], "a context may change");
  });

  it("may lose a database if a failed `up` created no Cluster for it", async () => {
    const cluster = "/apis/postgresql.cnpg.io/v1/namespaces/orders/clusters/orders";
    const failures = async (found: unknown) => {
      const { check } = providerOf(declaredDatabases(async () => new FakeApi({ [cluster]: found })));
      return (await check({ databases: { orders }, owner }, { databases: {}, owner })).failures?.length;
    };
    assert.equal(await failures(undefined), 0);
    assert.equal(await failures({ metadata: {} }), 1);
    assert.equal(await failures("denied"), 1, "a Cluster that cannot be read may exist");
  });

  it("must not declare a Namespace of this stack as somebody else's", async () => {
    const check = async (whose: string | undefined, makesNamespace: boolean) => {
      const metadata = whose === undefined ? {} : { annotations: { "pulumi.com/owner": whose } };
      const api = new FakeApi({ "/api/v1/namespaces/orders": { metadata } });
      const news = { databases: { orders: { ...orders, makesNamespace } }, owner };
      const { failures } = await providerOf(declaredDatabases(async () => api)).check(news, news);
      return failures?.[0]?.reason ?? "";
    };
    assert.match(await check("acme/p/dev/orders", false), /orders\.namespace = "orders".*createNamespace: true/);
    assert.equal(await check("acme/p/dev/orders", true), "");
    assert.equal(await check("acme/p/prod/orders", false), "");
    assert.equal(await check(undefined, false), "");
  });

  it("may declare a Namespace of this stack as existing next to the database that creates it", async () => {
    const namespace = { metadata: { annotations: { "pulumi.com/owner": "acme/p/dev/orders" } } };
    const { check } = providerOf(
      declaredDatabases(async () => new FakeApi({ "/api/v1/namespaces/orders": namespace })),
    );
    const audit = { ...orders, makesNamespace: false, cluster: "audit", owner: "acme/p/dev/audit" };
    const news = { databases: { orders, audit }, owner };
    assert.deepEqual((await check(news, news)).failures, []);
  });

  it("must not leave its Namespace to another database, unless that one has createNamespace", async () => {
    const namespace = { metadata: { annotations: { "pulumi.com/owner": "acme/p/dev/orders" } } };
    const { check } = providerOf(
      declaredDatabases(async () => new FakeApi({ "/api/v1/namespaces/orders": namespace })),
    );
    const unprotected = { ...orders, protected: false };
    const audit = { ...orders, cluster: "audit", owner: "acme/p/dev/audit" };
    const before = { databases: { orders: unprotected, audit }, owner };
    const left = async (makesNamespace: boolean) =>
      (await check(before, { databases: { audit: { ...audit, makesNamespace } }, owner })).failures ?? [];
    assert.match((await left(false))[0]?.reason ?? "", /databases\.audit\.namespace = "orders": this stack created/);
    assert.deepEqual(await left(true), []);
  });

  it("must not create a Namespace that belongs to another stack", async () => {
    const shared = { ...orders, namespace: "shared", protected: false };
    const audit = { ...shared, cluster: "audit", owner: "acme/p/dev/audit" };
    const look = async (whose: string, before: Record<string, DeclaredDatabase> | undefined, makesNamespace = true) => {
      const metadata = { annotations: whose === "" ? {} : { "pulumi.com/owner": whose } };
      const api = new FakeApi({ "/api/v1/namespaces/shared": { metadata } });
      const news = { databases: { orders: { ...shared, makesNamespace }, audit: { ...audit, makesNamespace } }, owner };
      const olds = before === undefined ? undefined : { databases: before, owner };
      const { check } = providerOf(declaredDatabases(async () => api));
      return ((await check(olds as typeof news, news)).failures ?? []).map(({ reason }) => reason);
    };
    const theirs = "acme/p/prod/shared";
    const refusal =
      "The Namespace shared exists already and belongs to acme/p/prod/shared. Nothing was changed. To put databases into it, " +
      "set namespace: shared and leave out createNamespace. Otherwise, set namespace or clusterName to another name.";
    assert.deepEqual(await look(theirs, undefined), [refusal], "once for all databases");
    assert.deepEqual(await look(theirs, {}), [refusal]);
    assert.deepEqual(await look(theirs, { orders: { ...orders, protected: false } }), [refusal], "moved from another");
    assert.deepEqual(await look(theirs, { orders: shared }), [], "created before the stack was renamed");
    assert.deepEqual(await look(theirs, undefined, false), []);
    assert.deepEqual(await look(`${owner}shared`, undefined), []);
    assert.deepEqual(await look("", undefined), [], "from a state of 0.1.0");
  });

  it("must not use the name of somebody else's Cluster", async () => {
    const annotations: Record<string, string> = { "pulumi.com/owner": "acme/p/prod/orders" };
    const cluster = { metadata: { annotations } };
    const api = new FakeApi({ "/apis/postgresql.cnpg.io/v1/namespaces/orders/clusters/orders": cluster });
    const { check } = providerOf(declaredDatabases(async () => api));
    const news = { databases: { orders }, owner };
    const none = { databases: {}, owner };
    assert.match((await check(none, news)).failures?.[0]?.reason ?? "", /belongs to acme\/p\/prod\/orders/);
    assert.deepEqual((await check(news, news)).failures, []);
    delete cluster.metadata.annotations["pulumi.com/owner"];
    assert.match((await check(none, news)).failures?.[0]?.reason ?? "", /names no owner/);
    assert.match((await check(none, news)).failures?.[0]?.reason ?? "", /take the Cluster over with adopt: true/);
    assert.deepEqual((await check(undefined as never, news)).failures, [], "a state of 0.1.0 may have it");
    const writtenBy = (manager: string) => [{ manager, fieldsV1: { "f:spec": { "f:instances": {} } } }];
    const metadata = cluster.metadata as { managedFields?: object[] };
    metadata.managedFields = writtenBy("pulumi-kubernetes-1f2e3d4c");
    assert.deepEqual((await check(undefined as never, news)).failures, []);
    metadata.managedFields = writtenBy("kubectl-client-side-apply");
    assert.match((await check(undefined as never, news)).failures?.[0]?.reason ?? "", /names no owner/, "not Pulumi's");
    const adopting = { databases: { orders: { ...orders, adopt: true as const } }, owner };
    assert.deepEqual((await check(none, adopting)).failures, [], "it has no owner");
    cluster.metadata.annotations["pulumi.com/owner"] = "acme/p/prod/orders";
    const told = /belongs to acme\/p\/prod\/orders.*docs\/take-over\.md, "A Cluster that a stack kept"/;
    assert.match((await check(none, adopting)).failures?.[0]?.reason ?? "", told);
  });

  it("may lose a database whose Cluster was to be adopted, and is not this stack's", async () => {
    const lost = async (annotations: Record<string, string>, more: Partial<DeclaredDatabase> = { adopt: true }) => {
      const cluster = { metadata: { annotations } };
      const api = new FakeApi({ "/apis/postgresql.cnpg.io/v1/namespaces/orders/clusters/orders": cluster });
      const { check } = providerOf(declaredDatabases(async () => api));
      const before = { databases: { orders: { ...orders, ...more } }, owner };
      return (await check(before, { databases: {}, owner })).failures?.length;
    };
    assert.equal(await lost({}), 0);
    assert.equal(await lost({ "pulumi.com/owner": "acme/p/dev/orders" }), 1);
    assert.equal(await lost({}, {}), 1, "Clusters of early versions have no owner");
  });

  it("must include every Cluster of this stack if the state is from 0.1.0", async () => {
    const cluster = (annotations: object) => ({ metadata: { name: "orders", namespace: "orders", annotations } });
    const refused = async (annotations: object, databases: Record<string, DeclaredDatabase>) => {
      const api = new FakeApi({ "/apis/postgresql.cnpg.io/v1/clusters": { items: [cluster(annotations)] } });
      const { failures } = await providerOf(declaredDatabases(async () => api)).check(undefined as never, {
        databases,
        owner,
      });
      return failures?.length;
    };
    const ours = { "pulumi.com/owner": "acme/p/dev/orders" };
    assert.equal(await refused(ours, {}), 1);
    assert.equal(await refused(ours, { orders }), 0);
    assert.equal(await refused({ ...ours, "cnpg-teleport/deletion-protection": "false" }, {}), 0);
    assert.equal(await refused({ "pulumi.com/owner": "acme/p/prod/orders" }, {}), 0);
  });

  it("do not depend on their order", async () => {
    const { diff } = providerOf(declaredDatabases(async () => new FakeApi()));
    const [one, other] = [
      { a: orders, b: orders },
      { b: orders, a: orders },
    ];
    assert.deepEqual(await diff("id", { databases: one, owner }, { databases: other, owner }), { changes: false });
    const changed = { ...one, a: { ...orders, protected: false } };
    assert.deepEqual(await diff("id", { databases: one, owner }, { databases: changed, owner }), { changes: true });
  });
});

describe("deletion protection of one database", () => {
  const before = { database: "orders", namespace: "orders", cluster: "orders", uid: "one", protected: true };

  it("fails if the database would become another Cluster", async () => {
    const there = { "/apis/postgresql.cnpg.io/v1/namespaces/orders/clusters/orders": { metadata: {} } };
    const { check } = providerOf(deletionProtection(async () => new FakeApi(there)));
    const reason = async (now: Partial<typeof before>, then = before) =>
      (await check(then, { ...before, ...now })).failures?.[0]?.reason ?? "";
    assert.match(await reason({ cluster: "shop" }), /clusterName was changed from orders to shop/);
    assert.match(await reason({ cluster: "shop", protected: false }), /clusterName was changed/);
    assert.equal(await reason({ cluster: "shop" }, { ...before, protected: false }), "");
    assert.equal(await reason({ protected: false }), "");
  });

  it("changes with the context of the kubeconfig, which a later delete uses", async () => {
    const { diff } = providerOf(deletionProtection(async () => new FakeApi()));
    const named = { ...before, kubernetesUid: "this-cluster", context: "prod" };
    assert.deepEqual(await diff("id", named, { ...before, context: "prod" }), { changes: false });
    assert.deepEqual(await diff("id", named, { ...before, context: "renamed" }), { changes: true });
  });

  it("is deleted only in the stack's Kubernetes cluster, and removed from the state if its Cluster is gone", async () => {
    const state = { ...before, kubernetesUid: "this-cluster" };
    const { delete: remove, read } = providerOf(deletionProtection(async () => new FakeApi()));
    await remove("id", state);
    await assert.rejects(remove("id", { ...state, kubernetesUid: "another" }), /not the cluster of this stack/);
    assert.deepEqual(await read("id", state), {});
  });
});

describe("the places of a configuration", () => {
  const minimal = { storage: { size: "1Gi" }, issuer: { type: "tls" } };
  const parse = (databases: Record<string, object>) => parseConfig({ databases }, "dev", {}).plan;

  it("create each namespace once, however it is declared", () => {
    const plan = parse({
      a: { ...minimal, namespace: "db", createNamespace: true },
      b: { ...minimal, namespace: "db", createNamespace: true },
      c: { ...minimal, namespace: "other" },
      d: minimal,
      e: { ...minimal, namespace: "d" },
      f: { ...minimal, namespace: "f", createNamespace: true },
    });
    assert.deepEqual(namespacesToCreate(plan.databases), [
      { context: undefined, namespace: "db", databases: [] },
      { context: undefined, namespace: "d", databases: ["d"] },
      { context: undefined, namespace: "f", databases: ["f"] },
    ]);
    assert.deepEqual(plan.namespaces, namespacesToCreate(plan.databases));
    const made = declared(plan, (name) => name);
    assert.equal(made.e?.makesNamespace, true, "another database creates it");
    assert.equal(made.c?.makesNamespace, false);
    assert.equal(made.a?.protected, true, "protected by default");
  });

  it("know every database that may have created a namespace in 0.1.0, in any order: without an alias, it would be deleted", () => {
    const creator = { ...minimal, namespace: "orders", createNamespace: true };
    const orders = { ...minimal, namespace: "orders" };
    for (const databases of [
      { orders, extra: creator },
      { extra: creator, orders },
    ])
      assert.deepEqual(parse(databases).namespaces, [
        { context: undefined, namespace: "orders", databases: ["orders"] },
      ]);
  });

  it("know the former names of a context", () => {
    const at = (context?: string, formerContexts?: string[]) => ({
      ...minimal,
      kubernetes: { context, formerContexts },
    });
    assert.deepEqual(contextsOf(parse({ a: at("new", ["old"]) })), [{ context: "new", former: ["old", undefined] }]);
    assert.deepEqual(contextsOf(parse({ a: at("new", ["old"]), b: at() })), [
      { context: "new", former: ["old"] },
      { context: undefined, former: [] },
    ]);
    assert.equal(contextResourceName(undefined, "kubernetes", "after"), "kubernetes");
    assert.equal(contextResourceName("prod", "kubernetes", "after"), "kubernetes-prod");
    assert.equal(contextResourceName("prod", "db", "before"), "prod-db");
  });

  it("take over what exists where a Cluster is adopted: in its context, and in a Namespace that was created", () => {
    const adopted = { ...minimal, namespace: "db", adopt: true };
    const plan = parse({
      a: { ...adopted, createNamespace: true, kubernetes: { context: "prod" } },
      b: { ...minimal, kubernetes: { context: "dev" } },
    });
    assert.deepEqual(adoptingContextsOf(plan), [{ context: "prod", former: [] }]);
    const created = namespacesToCreate(plan.databases).map(({ namespace, adopts = false }) => [namespace, adopts]);
    assert.deepEqual(created, [
      ["db", true],
      ["b", false],
    ]);
    const made = declared(plan, (name) => name);
    assert.deepEqual([made.a?.adopt, made.b && "adopt" in made.b], [true, false]);
  });

  it("refuse a former name that another database has", () => {
    const [problem] = checkFormerNames({
      databases: { ...parse({ a: minimal }).databases, b: formerly("a") },
    });
    assert.equal(problem?.setting, "databases.b.formerNames[0]");
    assert.throws(() => parse({ a: minimal, b: { ...minimal, formerNames: ["a"] } }), /formerNames\[0\] = "a"/);
  });

  function formerly(name: string) {
    const { b } = parse({ b: { ...minimal, formerNames: [name] } }).databases;
    assert.ok(b);
    return b;
  }
});
