import { strict as assert } from "node:assert";
import { operatorNeeds } from "../../../components/postgres-cluster/operator-needs";
import { fieldsOf, OperatorNeeds, Schema, unserved } from "../../../components/cnpg/operator-version";
import { providerOf } from "../../../components/dynamic/converge";
import { operatorCheck, OperatorInputs } from "../../../components/cnpg/operator-check-operations";
import { ApiReader } from "../../../components/kubernetes/client";
import type { PostgresClusterArgs } from "../../../components/postgres-cluster/args";
import { KubernetesError } from "../../../components/kubernetes/errors";

const object = (properties: Record<string, Schema>): Schema => ({ properties });

describe("what a declaration needs of the operator", () => {
  it("is the names of fields, through lists, and nothing of what is in them", () => {
    const spec = { roles: [{ name: "one" }, { name: "two", comment: undefined, inRoles: ["x"] }], count: 3 };
    assert.deepEqual(fieldsOf(spec), { roles: { name: {}, inRoles: {} }, count: {} });
    class Later {
      secret = 1;
    }
    assert.deepEqual(fieldsOf({ image: new Later() }), { image: {} }, "an output is a value like any other");
  });

  it("follows from the settings: Clusters always; Poolers, Databases and DatabaseRoles if they are declared", () => {
    const settings = { storage: { size: "1Gi" }, issuer: { type: "tls" } } as const;
    const bare = operatorNeeds("orders", settings);
    assert.deepEqual(Object.keys(bare), ["clusters"]);
    assert.ok(bare.clusters?.spec?.certificates?.clientCASecret);
    const more = operatorNeeds("orders", { ...settings, poolers: [{ type: "rw" }], schemas: ["app"] });
    assert.ok(more.poolers?.spec?.pgbouncer?.clientTLSSecret);
    assert.ok(more.databases?.spec?.schemas?.owner);
    const users = { ...settings, users: [{ name: "reader", access: "read" }] } satisfies PostgresClusterArgs;
    assert.deepEqual(Object.keys(operatorNeeds("orders", users)), ["clusters"]);
    const { databaseroles } = operatorNeeds("orders", { ...users, usersAs: "databaseRole" });
    assert.ok(databaseroles?.spec?.databaseRoleReclaimPolicy);
  });

  it("is compared with what is served; where a schema says nothing, all is taken", () => {
    const kinds = { clusters: "Cluster" };
    const needs: OperatorNeeds = {
      clusters: {
        spec: fieldsOf({ known: { deep: 1, neu: 2 }, labels: { "a.b/c": "x" }, free: { any: 1 }, list: [{ no: 1 }] }),
      },
      poolers: {},
    };
    const spec = object({
      known: object({ deep: {} }),
      labels: { additionalProperties: {} },
      free: { properties: {}, "x-kubernetes-preserve-unknown-fields": true },
      list: { items: object({ yes: {} }) },
    });
    assert.deepEqual(unserved({ kinds, schemas: { Cluster: object({ spec }) } }, needs), [
      "clusters: spec.known.neu",
      "clusters: spec.list.no",
      "poolers",
    ]);
    assert.deepEqual(unserved({ kinds }, needs), ["poolers"]);
    assert.deepEqual(unserved({}, needs), ["clusters", "poolers"]);
  });
});

describe("the look for the operator", () => {
  const served = { resources: [{ name: "clusters", kind: "Cluster" }] };
  const inputs: OperatorInputs = { needs: { clusters: {} }, awaited: false };
  let asked = 0;
  const setUp = (answer: (path: string) => unknown, delays = [1, 1]) => {
    asked = 0;
    const read = async (path: string) => {
      asked++;
      return answer(path);
    };
    return providerOf(
      operatorCheck(async (): Promise<ApiReader> => ({ server: "https://k8s", context: "prod", read }), delays),
    );
  };
  const onlyGroup = (path: string) => (path === "/apis/postgresql.cnpg.io/v1" ? served : undefined);
  const fail = (failure: "unavailable" | "access-denied") => () => {
    throw new KubernetesError(failure, `${failure} indeed`);
  };

  it("refuses by `check` where it is not installed, and says where and what to do", async () => {
    const { failures } = await setUp(() => undefined).check(inputs, inputs);
    assert.match(failures?.[0]?.reason ?? "", /https:\/\/k8s \(context prod\) has no CloudNativePG.*Install/);
  });

  it("refuses by `check` an operator that is too old for what is declared: before 1.30, it has no DatabaseRole", async () => {
    const needs = { needs: { clusters: {}, databaseroles: {} }, awaited: false };
    const { failures } = await setUp(onlyGroup).check(needs, needs);
    const reason = failures?.[0]?.reason ?? "";
    assert.match(reason, /does not know what is declared.*: databaseroles\..*usersAs: databaseRole needs 1\.30/);
  });

  it("is content where schemas are not published, and asks once for many", async () => {
    const { check } = setUp(onlyGroup);
    assert.deepEqual((await check(inputs, inputs)).failures, []);
    assert.deepEqual((await check(inputs, inputs)).failures, []);
    assert.equal(asked, 3, "its group, its schemas, and which Kubernetes cluster it is");
    const denied = setUp((path) => (path.startsWith("/openapi") ? fail("access-denied")() : served));
    assert.deepEqual((await denied.check(inputs, inputs)).failures, []);
  });

  it("leaves a preview alone where nobody answers, once, and makes `up` fail", async () => {
    const { check, diff, create } = setUp(fail("unavailable"));
    assert.deepEqual((await check(inputs, inputs)).failures, []);
    assert.deepEqual(await diff("id", inputs, inputs), { changes: false });
    await assert.rejects(create(inputs), /unavailable indeed/);
  });

  it("waits for what comes before it to install it: a preview goes on, `up` looks again and again, then fails", async () => {
    const awaited = { ...inputs, awaited: true };
    const missing = setUp(() => undefined);
    assert.deepEqual((await missing.check(awaited, awaited)).failures, []);
    assert.deepEqual(await missing.diff("id", awaited, awaited), { changes: true });
    await assert.rejects(missing.create(awaited), /has no CloudNativePG/);
    let looks = 0;
    await setUp((path) => (++looks > 2 ? onlyGroup(path) : undefined)).create(awaited);
  });
});
