import { strict as assert } from "node:assert";
import { declaredCluster, operatorNeeds, planCluster } from "../../../components/postgres-cluster/plan";
import { fieldsOf, OperatorNeeds, Schema, unsupportedNeeds } from "../../../components/cnpg/operator-version";
import { providerOf } from "../../../components/dynamic/converge";
import { operatorCheck, OperatorInputs } from "../../../components/cnpg/operator-check-operations";
import { ApiValidator } from "../../../components/kubernetes/client";
import type { PostgresClusterArgs } from "../../../components/postgres-cluster/args";
import { KubernetesError } from "../../../components/kubernetes/errors";
import { UNKNOWN } from "../../../components/value-check";
import { FakeApi } from "../protection/fake-api";

const needsOf = (settings: PostgresClusterArgs) => operatorNeeds(planCluster("orders", settings, "dev"));
const declaredOf = (settings: PostgresClusterArgs) => declaredCluster(planCluster("orders", settings, "dev"));
const object = (properties: Record<string, Schema>): Schema => ({ properties });

describe("the operator needs of a declaration", () => {
  it("are the names of fields, also in lists, without their values", () => {
    const spec = { roles: [{ name: "one" }, { name: "two", comment: undefined, inRoles: ["x"] }], count: 3 };
    assert.deepEqual(fieldsOf(spec), { roles: { name: {}, inRoles: {} }, count: {} });
    class Later {
      secret = 1;
    }
    assert.deepEqual(fieldsOf({ image: new Later() }), { image: {} }, "an output is a value like any other");
  });

  it("follow from the settings: Clusters always; Poolers, Databases and DatabaseRoles if they are declared", () => {
    const settings = { storage: { size: "1Gi" }, issuer: { type: "tls" } } as const;
    const bare = needsOf(settings);
    assert.deepEqual(Object.keys(bare), ["clusters"]);
    assert.ok(bare.clusters?.spec?.certificates?.clientCASecret);
    const more = needsOf({ ...settings, poolers: [{ type: "rw" }], schemas: ["app"] });
    assert.ok(more.poolers?.spec?.pgbouncer?.clientTLSSecret);
    assert.ok(more.databases?.spec?.schemas?.owner);
    const users = { ...settings, users: [{ name: "reader", access: "read" }] } satisfies PostgresClusterArgs;
    assert.deepEqual(Object.keys(needsOf(users)), ["clusters"]);
    const { databaseroles } = needsOf({ ...users, usersAs: "databaseRole" });
    assert.ok(databaseroles?.spec?.databaseRoleReclaimPolicy);
  });

  it("are compared with the served schemas; a schema without fields accepts every field", () => {
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
    assert.deepEqual(unsupportedNeeds({ kinds, schemas: { Cluster: object({ spec }) } }, needs), [
      "clusters: spec.known.neu",
      "clusters: spec.list.no",
      "poolers",
    ]);
    assert.deepEqual(unsupportedNeeds({ kinds }, needs), ["poolers"]);
    assert.deepEqual(unsupportedNeeds({}, needs), ["clusters", "poolers"]);
  });
});

describe("the check for the operator", () => {
  const served = { resources: [{ name: "clusters", kind: "Cluster" }] };
  const inputs: OperatorInputs = { needs: { clusters: {} }, awaited: false };
  let asked = 0;
  const setUp = (answer: (path: string) => unknown, delays = [1, 1]) => {
    asked = 0;
    const read = async (path: string) => {
      asked++;
      return answer(path);
    };
    const dryRun = async () => ({ code: 201, text: "{}" });
    const api: ApiValidator = { server: "https://k8s", context: "prod", read, dryRun };
    return providerOf(operatorCheck(async () => api, delays));
  };
  const onlyGroup = (path: string) => (path === "/apis/postgresql.cnpg.io/v1" ? served : undefined);
  const fail = (failure: "unavailable" | "access-denied") => () => {
    throw new KubernetesError(failure, `${failure} indeed`);
  };

  it("fails in `check` if it is not installed, and says where and what to do", async () => {
    const { failures } = await setUp(() => undefined).check(inputs, inputs);
    assert.match(failures?.[0]?.reason ?? "", /https:\/\/k8s \(context prod\) has no CloudNativePG.*Install/);
  });

  it("fails in `check` if the operator is too old for the declaration: before 1.30, it has no DatabaseRole", async () => {
    const needs = { needs: { clusters: {}, databaseroles: {} }, awaited: false };
    const { failures } = await setUp(onlyGroup).check(needs, needs);
    const reason = failures?.[0]?.reason ?? "";
    assert.match(reason, /does not know what is declared.*: databaseroles\..*usersAs: databaseRole needs 1\.30/);
  });

  it("passes if schemas are not published, and asks the API server only once for several checks", async () => {
    const { check } = setUp(onlyGroup);
    assert.deepEqual((await check(inputs, inputs)).failures, []);
    assert.deepEqual((await check(inputs, inputs)).failures, []);
    assert.equal(asked, 3, "its group, its schemas, and which Kubernetes cluster it is");
    const denied = setUp((path) => (path.startsWith("/openapi") ? fail("access-denied")() : served));
    assert.deepEqual((await denied.check(inputs, inputs)).failures, []);
  });

  it("lets a preview pass if the API server does not answer, and fails in `up`", async () => {
    const { check, diff, create } = setUp(fail("unavailable"));
    assert.deepEqual((await check(inputs, inputs)).failures, []);
    assert.deepEqual(await diff("id", inputs, inputs), { changes: false });
    await assert.rejects(create(inputs), /unavailable indeed/);
  });

  it("waits for a dependency that installs it: a preview continues, `up` retries and then fails", async () => {
    const awaited = { ...inputs, awaited: true };
    const missing = setUp(() => undefined);
    assert.deepEqual((await missing.check(awaited, awaited)).failures, []);
    assert.deepEqual(await missing.diff("id", awaited, awaited), { changes: true });
    await assert.rejects(missing.create(awaited), /has no CloudNativePG/);
    let looks = 0;
    await setUp((path) => (++looks > 2 ? onlyGroup(path) : undefined)).create(awaited);
  });
});

describe("the operator's verdict on a Cluster", () => {
  const CLUSTERS = "/apis/postgresql.cnpg.io/v1/namespaces/shop/clusters";
  const ELSEWHERE = CLUSTERS.replace("shop", "default");
  const args: PostgresClusterArgs = {
    storage: { size: "1Gi" },
    issuer: { type: "tls" },
    hibernation: false,
    parameters: { shared_buffers: "1GB", work_mem: "4MB" },
    spec: { affinity: { podAntiAffinityType: "always" }, postgresql: { parameters: { work_mem: "8MB" } } },
  };
  const inputs: OperatorInputs = {
    needs: { clusters: {} },
    awaited: false,
    cluster: { namespace: "shop", name: "orders", owner: "acme/shop/dev/orders" },
    declared: JSON.stringify(declaredOf(args)),
  };

  /** An API server with the operator. Dry runs get these answers one after another, and then the last one again. */
  const served = (answers: ReturnType<typeof status>[], objects: Record<string, unknown> = {}) => {
    const api = new FakeApi({
      "/apis/postgresql.cnpg.io/v1": { resources: [{ name: "clusters", kind: "Cluster" }] },
      ...objects,
    });
    api.answer = () => answers[Math.min(api.dryRuns.length, answers.length) - 1] ?? { code: 201, text: "{}" };
    return api;
  };
  /** An answer of the API server: a Status. */
  const status = (code: number, message: string, causes?: [field: string, message: string][]) => ({
    code,
    text: JSON.stringify({
      ...{ kind: "Status", apiVersion: "v1", metadata: {}, status: "Failure", code, message },
      ...(causes && { details: { causes: causes.map(([field, cause]) => ({ reason: "x", field, message: cause })) } }),
    }),
  });
  const webhook = (...causes: [field: string, message: string][]) =>
    status(
      422,
      'admission webhook "vcluster.cnpg.io" denied the request: Cluster.postgresql.cnpg.io "orders" is invalid: ' +
        `[${causes.map((cause) => cause.join(": ")).join(", ")}]`,
      causes,
    );
  const invalid = (...causes: [field: string, message: string][]) =>
    status(422, 'Cluster.postgresql.cnpg.io "orders" is invalid: [...]', causes);
  const accepted = { code: 201, text: "{}" };

  /** The failures and warnings of a preview. */
  const ask = async (api: FakeApi, news: Partial<OperatorInputs> = {}, olds: Partial<OperatorInputs> = {}) => {
    const warnings: string[] = [];
    const { error } = console;
    console.error = (text: string) => void warnings.push(text);
    try {
      const { failures = [] } = await providerOf(operatorCheck(async () => api, [])).check(olds as OperatorInputs, {
        ...inputs,
        ...news,
      });
      return { failures: failures.map(({ reason }) => reason), warnings };
    } finally {
      console.error = error;
    }
  };
  const linesOf = async (...answers: ReturnType<typeof status>[]) => {
    const { failures, warnings } = await ask(served(answers));
    assert.deepEqual(warnings, []);
    assert.equal(failures.length, 1);
    return failures[0]!.split("\n").slice(1);
  };

  it("is about the whole Cluster, with its annotations and spec", async () => {
    const api = served([accepted]);
    assert.deepEqual(await ask(api), { failures: [], warnings: [] });
    const [{ collection, object: sent } = { collection: "", object: {} }, ...others] = api.dryRuns;
    assert.deepEqual([collection, others], [CLUSTERS, []]);
    const { kind, metadata, spec } = sent as Record<"kind" | "metadata" | "spec", Record<string, unknown>>;
    assert.deepEqual([kind, metadata], ["Cluster", { name: "orders", annotations: { "cnpg.io/hibernation": "off" } }]);
    assert.deepEqual(spec.affinity, { podAntiAffinityType: "always" });
    assert.deepEqual(spec.certificates, {
      serverTLSSecret: "orders-server-tls",
      serverCASecret: "orders-server-ca",
      replicationTLSSecret: "orders-replication-tls",
      clientCASecret: "orders-client-ca-bundle",
    });
  });

  it("names every refused field as the user writes it", async () => {
    const api = served([
      webhook(
        [
          "spec.affinity.podAntiAffinityType",
          "Invalid value: \"always\": pod anti-affinity type must be 'preferred' (default if empty) or 'required'",
        ],
        ["spec.affinity.toleration[0].operator", 'Unsupported value: "In": supported values: "Equal", "Exists"'],
        ["spec.postgresql.parameters.shared_buffers", 'Invalid value: "1GB": too much'],
        ["spec.postgresql.parameters.work_mem", 'Invalid value: "8MB": too much'],
        ["spec.storage.size", 'Invalid value: "x": Size value isn\'t valid'],
        ["spec.tablespaces[0].storage.size", 'Invalid value: "x": is wrong'],
        ["spec.postgresql.pg_hba[7]", 'Invalid value: "x": is wrong'],
        ["spec.imageName", "Invalid value: \"pg:latest\": Can't use 'latest' as image tag"],
        ["spec.bootstrap.initdb.owner", 'Invalid value: "": is wrong'],
        ["spec.managed.roles", 'Invalid value: "postgres": This role is reserved for operator use'],
        ["metadata.name", 'Invalid value: "x": is wrong'],
      ),
    ]);
    const { failures } = await ask(api);
    const [title = "", ...lines] = failures[0]?.split("\n") ?? [];
    assert.match(
      title,
      /^CloudNativePG would refuse the Cluster orders\. Nothing was created\. Correct these fields \(https:/,
    );
    assert.deepEqual(lines, [
      "  - spec.affinity.podAntiAffinityType: Invalid value: \"always\": pod anti-affinity type must be 'preferred' (default if empty) or 'required'",
      '  - spec.affinity.tolerations[0].operator: Unsupported value: "In": supported values: "Equal", "Exists"',
      '  - parameters.shared_buffers: Invalid value: "1GB": too much',
      '  - spec.postgresql.parameters.work_mem: Invalid value: "8MB": too much',
      '  - storage.size: Invalid value: "x": Size value isn\'t valid',
      '  - tablespaces[0].size: Invalid value: "x": is wrong',
      '  - pgHba: Invalid value: "x": is wrong',
      "  - image: Invalid value: \"pg:latest\": Can't use 'latest' as image tag",
      '  - initdb.owner: Invalid value: "": is wrong',
      '  - users: Invalid value: "postgres": This role is reserved for operator use',
      '  - clusterName: Invalid value: "x": is wrong',
    ]);
    assert.equal(api.dryRuns.length, 1, "no dry run follows the webhook's answer");
  });

  it("is complete, although the API server stops at each of its steps", async () => {
    const spec = {
      affinty: {},
      startDelay: "soon",
      primaryUpdateMethod: "kill",
      affinity: { podAntiAffinityType: "always" },
    };
    const declared = JSON.stringify(declaredOf({ ...args, spec }));
    const webhookName = 'admission webhook "mcluster.cnpg.io" denied the request: ';
    const api = served([
      status(
        400,
        'Cluster in version "v1" cannot be handled as a Cluster: strict decoding error: unknown field "spec.affinty"',
      ),
      status(
        400,
        `${webhookName}json: cannot unmarshal string into Go struct field ClusterSpec.spec.startDelay of type int32`,
      ),
      invalid(
        ["spec.primaryUpdateMethod", 'Unsupported value: "kill": supported values: "switchover", "restart"'],
        ["<nil>", 'Invalid value: "null": some validation rules were not checked because the object was invalid'],
      ),
      webhook(["spec.affinity.podAntiAffinityType", 'Invalid value: "always": is wrong']),
    ]);
    const { failures } = await ask(api, { declared });
    assert.deepEqual(failures[0]?.split("\n").slice(1), [
      "  - spec.affinty: is not a field of the installed CloudNativePG",
      "  - spec.startDelay: must be a whole number, but is a string",
      '  - spec.primaryUpdateMethod: Unsupported value: "kill": supported values: "switchover", "restart"',
      '  - spec.affinity.podAntiAffinityType: Invalid value: "always": is wrong',
    ]);
    const left = api.dryRuns.map(({ object: sent }) => Object.keys((sent as { spec: object }).spec));
    assert.ok(left[0]?.includes("affinty") && !left[1]?.includes("affinty") && !left[3]?.includes("startDelay"));
  });

  it("does not report a field that is missing only because a dry run removed it, and ends", async () => {
    const required = invalid(
      ["spec.affinity.podAntiAffinityType", "Required value"],
      ["spec.affinity", "Required value"],
    );
    const lines = await linesOf(
      invalid([
        "spec.affinity.podAntiAffinityType",
        "Invalid value: 1: spec.affinity.podAntiAffinityType in body is wrong",
      ]),
      required,
    );
    assert.deepEqual(lines, ["  - spec.affinity.podAntiAffinityType: Invalid value: 1: is wrong"]);
    const api = served([status(400, 'admission webhook "mcluster.cnpg.io" denied the request: quantities must match')]);
    assert.match(
      (await ask(api)).failures[0] ?? "",
      /\n {2}- admission webhook "mcluster\.cnpg\.io" .*: quantities must match$/,
    );
    assert.equal(api.dryRuns.length, 1);
  });

  it("describes a value of a wrong type in YAML's terms", async () => {
    for (const [value, type, message] of [
      ["number", "string", "must be a string (put it in quotes), but is a number"],
      ["number 60.5", "int32", "must be a whole number, but is the number 60.5"],
      ["string", "v1.AffinityConfiguration", "must be a mapping, but is a string"],
      ["bool", "v1.PrimaryUpdateMethod", "must be of the type v1.PrimaryUpdateMethod, but is true or false"],
      ["object", "[]v1.Toleration", "must be a list, but is a mapping"],
    ]) {
      const text = `json: cannot unmarshal ${value} into Go struct field ClusterSpec.spec.affinity of type ${type}`;
      const answer = status(400, `admission webhook "mcluster.cnpg.io" denied the request: ${text}`);
      assert.deepEqual(await linesOf(answer, accepted), [`  - spec.affinity: ${message}`]);
    }
  });

  it("is read from the webhook's text if the answer has no causes", async () => {
    const text =
      'admission webhook "vcluster.cnpg.io" denied the request: Cluster.cluster.cnpg.io "orders" is invalid: ' +
      '[spec.stopDelay: Invalid value: 1: must be more, at least 2, spec.postgresql.ldap: Invalid value: "": is empty]';
    assert.deepEqual(await linesOf(status(422, text)), [
      "  - spec.stopDelay: Invalid value: 1: must be more, at least 2",
      '  - spec.postgresql.ldap: Invalid value: "": is empty',
    ]);
  });

  it("comes from another namespace while the Cluster's own does not exist or is not known", async () => {
    const missing = status(404, 'namespaces "shop" not found');
    const api = served([missing, webhook(["spec.stopDelay", "is wrong"])]);
    assert.match((await ask(api)).failures[0] ?? "", /spec\.stopDelay: is wrong/);
    assert.deepEqual(
      api.dryRuns.map(({ collection }) => collection),
      [CLUSTERS, ELSEWHERE],
    );
    const unknown = served([status(409, 'clusters.postgresql.cnpg.io "orders" already exists')]);
    const cluster = { ...inputs.cluster!, namespace: UNKNOWN };
    assert.deepEqual(await ask(unknown, { cluster }), { failures: [], warnings: [] });
    assert.deepEqual(
      unknown.dryRuns.map(({ collection }) => collection),
      [ELSEWHERE],
    );
    const denied = served([missing, status(403, "clusters.postgresql.cnpg.io is forbidden")]);
    const { failures, warnings } = await ask(denied);
    assert.deepEqual(failures, []);
    assert.deepEqual(warnings, [
      "The preview could not check whether CloudNativePG accepts the Cluster orders in the namespace default, because its own does " +
        "not exist yet (403: clusters.postgresql.cnpg.io is forbidden). `up` will check it.",
    ]);
  });

  it("does not stop a preview if it is not available", async () => {
    for (const answer of [
      status(403, "clusters.postgresql.cnpg.io is forbidden: quota"),
      status(500, 'Internal error occurred: failed calling webhook "vcluster.cnpg.io": connection refused'),
      status(400, 'admission webhook "labels.example.com" denied the request: no label team'),
      status(
        422,
        "clusters.postgresql.cnpg.io \"orders\" is forbidden: ValidatingAdmissionPolicy 'p' denied request: x",
      ),
      { code: 502, text: "<html>Bad gateway" },
    ]) {
      const { failures, warnings } = await ask(served([answer]));
      assert.deepEqual(failures, []);
      assert.match(
        warnings[0] ?? "",
        /^The preview could not check whether CloudNativePG accepts the Cluster orders \(\d+: .*will check it\.$/,
      );
    }
    const silent = served([]);
    silent.dryRun = async () => {
      throw new KubernetesError("unavailable", "does not answer");
    };
    const { failures, warnings } = await ask(silent);
    assert.deepEqual([failures, warnings.length], [[], 1]);
  });

  it("is not requested for a Cluster that exists, without an operator, or for unknown inputs", async () => {
    const exists = served([invalid(["spec.x", "is wrong"])], {
      [`${CLUSTERS}/orders`]: {
        metadata: { name: "orders", annotations: { "pulumi.com/owner": inputs.cluster!.owner } },
      },
    });
    assert.deepEqual(await ask(exists), { failures: [], warnings: [] });
    assert.deepEqual(await ask(exists, {}, inputs), { failures: [], warnings: [] });
    const api = served([invalid(["spec.x", "is wrong"])]);
    assert.deepEqual(await ask(api, { declared: UNKNOWN }), { failures: [], warnings: [] });
    assert.deepEqual(await ask(api, { declared: undefined, cluster: undefined }), { failures: [], warnings: [] });
    const bare = new FakeApi();
    const { failures } = await ask(bare);
    assert.match(failures[0] ?? "", /has no CloudNativePG/);
    assert.deepEqual((await ask(bare, { awaited: true })).failures, []);
    assert.deepEqual([exists, api, bare].map(({ dryRuns }) => dryRuns).flat(), []);
  });

  it("is requested in each preview until the Cluster exists, and in `up` after the dependencies", async () => {
    const api = served([webhook(["spec.stopDelay", "is wrong"])]);
    assert.equal((await ask(api, {}, inputs)).failures.length, 1);
    assert.equal((await ask(api, { awaited: true })).failures.length, 1);
  });

  it("names an unknown field once, next to the other problems", async () => {
    const schema = { properties: { spec: { properties: { stopDelay: {} } } } };
    const api = served(
      [
        status(400, 'Cluster in version "v1" cannot be handled: strict decoding error: unknown field "spec.affinty"'),
        webhook(["spec.stopDelay", "is wrong"]),
      ],
      {
        "/openapi/v3/apis/postgresql.cnpg.io/v1": {
          components: { schemas: { c: { ...schema, "x-kubernetes-group-version-kind": [{ kind: "Cluster" }] } } },
        },
      },
    );
    const { failures } = await ask(api, {
      needs: { clusters: { spec: { affinty: {}, stopDelay: {} } } },
      declared: JSON.stringify(declaredOf({ ...args, spec: { affinty: {}, stopDelay: 60 } })),
    });
    assert.equal(failures.length, 2);
    assert.match(failures[0] ?? "", /clusters: spec\.affinty/);
    assert.deepEqual(failures[1]?.split("\n").slice(1), ["  - spec.stopDelay: is wrong"]);
  });

  it("changes nothing in a state of an earlier release", async () => {
    const { declared: _, cluster: __, ...before } = inputs;
    assert.deepEqual(await providerOf(operatorCheck(async () => served([]), [])).diff("id", before, inputs), {
      changes: false,
    });
  });
});
