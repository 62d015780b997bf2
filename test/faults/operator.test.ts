/**
 * A Kubernetes cluster without CloudNativePG, with an older one, or without an answer: reported before anything is
 * created.
 */
import { strict as assert } from "node:assert";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parseAllDocuments } from "yaml";
import { BACKGROUND_DELETION } from "../../components/kubernetes/owner";
import { recordedTools } from "../../lab/build/tools";
import { Stack, StackConfig } from "../../lab/drive/stack";
import { eventually, oneDatabase, teleport } from "../lab/lab";
import { BareKubernetes } from "./bare-kubernetes";
import { TcpProxy } from "./tcp-proxy";

const NAME = "sysop";
/** As the program creates it, in the namespace that it creates. */
const declared = oneDatabase(NAME, { poolers: [{ type: "rw" }], schemas: ["app"] });

interface Schema {
  properties?: Record<string, Schema>;
}
interface Definition {
  kind: string;
  metadata: { name: string };
  spec: { names: { plural: string }; versions: { schema: { openAPIV3Schema: Schema } }[] };
}

/** The definitions of the lab's CloudNativePG. */
function definitions(): Definition[] {
  const manifest = readFileSync(recordedTools().files["operator.yaml"] ?? "", "utf8");
  const documents = parseAllDocuments(manifest).map((document) => document.toJS() as Definition | null);
  const wanted = ["clusters", "poolers", "databases"];
  return documents.flatMap((found) =>
    found?.kind === "CustomResourceDefinition" && wanted.includes(found.spec.names.plural) ? [found] : [],
  );
}

/** Removes fields of later releases: 1.28 added the four of PgBouncer's Secrets, 1.26 schemas. */
function olderThan128(): Definition[] {
  const later: Record<string, string[][]> = {
    poolers: ["clientTLSSecret", "clientCASecret", "serverTLSSecret", "serverCASecret"].map((field) => [
      "spec",
      "pgbouncer",
      field,
    ]),
    databases: [["spec", "schemas"]],
  };
  return definitions().map((definition) => {
    for (const path of later[definition.spec.names.plural] ?? []) {
      const above = path
        .slice(0, -1)
        .reduce<Schema | undefined>(
          (schema, field) => schema?.properties?.[field],
          definition.spec.versions[0]?.schema.openAPIV3Schema,
        );
      const last = path.at(-1) as string;
      assert.ok(above?.properties?.[last], `the lab's release has ${path.join(".")}`);
      delete above.properties[last];
    }
    return definition;
  });
}

describe("Kubernetes without a suitable CloudNativePG", () => {
  let kubernetes: BareKubernetes;
  let stack: Stack;

  before(async () => {
    kubernetes = await BareKubernetes.start();
    stack = new Stack(NAME, { env: { KUBECONFIG: kubernetes.kubeconfig } });
    await stack.init();
  });
  after(async () => {
    await stack.remove();
    await kubernetes.end();
  });

  /** Types of the resources in the state, except for the stack itself and providers. */
  const inState = async (of: Stack): Promise<string[]> => {
    const { deployment } = JSON.parse(await of.state()) as { deployment: { resources?: { type: string }[] } };
    return (deployment.resources ?? [])
      .map(({ type }) => type)
      .filter((type) => type !== "pulumi:pulumi:Stack" && !type.startsWith("pulumi:providers:"));
  };

  async function refusedWith(config: StackConfig, told: RegExp): Promise<void> {
    stack.configure(config);
    for (const command of [["preview"], ["up", "--yes", "--skip-preview"]]) {
      const { code, output } = await stack.pulumi(command);
      assert.notEqual(code, 0, output);
      assert.match(output, told);
      assert.match(output, /Nothing was changed/);
      assert.match(output, /\b1 errored\b/, "one error for one cause");
    }
    // These are entries of the state without real resources.
    const entries = ["cnpg-teleport:postgres:PostgresCluster", "pulumi-nodejs:dynamic/postgres:DeclaredDatabases"];
    assert.deepEqual(
      (await inState(stack)).filter((type) => !entries.includes(type)),
      [],
    );
    const namespaces = await kubernetes.kubectl(["get", "namespaces", "-o", "name"]);
    assert.doesNotMatch(namespaces, new RegExp(NAME));
    assert.equal(await teleport.database(`${NAME}-${NAME}`), undefined);
  }

  it("says in the preview that no operator is installed, where, and how to install it, and creates nothing", async () => {
    await refusedWith(
      declared,
      new RegExp(
        `https://${kubernetes.address} \\(context bare\\) has no CloudNativePG[^]*Install the operator[^]*https://`,
      ),
    );
  });

  it("does not even create the namespace that the configuration declares", async () => {
    await refusedWith(
      oneDatabase(NAME, { namespace: `${NAME}-shared`, createNamespace: true }),
      /has no CloudNativePG/,
    );
  });

  it("names the fields that an older operator does not know, and creates nothing", async () => {
    const manifests = { apiVersion: "v1", kind: "List", items: olderThan128() };
    await kubernetes.kubectl(["create", "-f", "-"], JSON.stringify(manifests));
    const schemas = ["get", "--raw", "/openapi/v3/apis/postgresql.cnpg.io/v1"];
    await eventually("the definitions are served, with their schemas", async () => {
      const published = await kubernetes.kubectl(schemas).catch(() => "");
      return /authQuery/.test(published) && /databaseReclaimPolicy/.test(published);
    });
    await refusedWith(
      declared,
      /does not know what is declared[^]*databases: spec\.schemas; poolers: spec\.pgbouncer\.clientTLSSecret[^]*Upgrade/,
    );
  });

  it("accepts the older operator for a database that needs none of these fields", async () => {
    stack.configure(oneDatabase(NAME));
    assert.ok(((await stack.plannedChanges()).create ?? 0) > 10);
    await stack.must(["destroy", "--yes", "--skip-preview"]);
    await kubernetes.kubectl([
      "delete",
      "crd",
      "clusters.postgresql.cnpg.io",
      "poolers.postgresql.cnpg.io",
      "databases.postgresql.cnpg.io",
    ]);
  });
});

describe("an operator that does not watch the namespace", () => {
  let kubernetes: BareKubernetes;
  let stack: Stack;

  before(async () => {
    kubernetes = await BareKubernetes.start();
    for (const definition of definitions()) await kubernetes.define(JSON.stringify(definition));
    stack = new Stack(`${NAME}-unwatched`, { env: { KUBECONFIG: kubernetes.kubeconfig } });
    await stack.init();
  });
  after(async () => {
    // Nothing can be deleted there: it has no controllers.
    await stack.remove();
    await kubernetes.end();
  });

  it("is reported after a minute, long before `up` would give up, and nothing is registered", async () => {
    stack.configure(oneDatabase(NAME, { namespace: "default", readyMinutes: 30 }));
    const { code, output } = await stack.pulumi(["up", "--yes", "--skip-preview"]);
    assert.notEqual(code, 0, output);
    assert.match(
      output,
      /after [0-9]{2} s: CloudNativePG has not begun to process it[^]*does not watch default[^]*WATCH_NAMESPACE/,
    );
    assert.equal(await teleport.database(`${NAME}-${NAME}-unwatched`), undefined);
  });
});

describe("the operator check in your own program", () => {
  let kubernetes: BareKubernetes;
  let proxy: TcpProxy;
  let stack: Stack;
  const clusters = definitions().find(({ spec }) => spec.names.plural === "clusters") as Definition;
  const create = () => kubernetes.define(JSON.stringify(clusters));
  const whatFollows = async () =>
    (await kubernetes.kubectl(["get", "configmap", "after", "--ignore-not-found", "-o", "name"])).trim();

  before(async () => {
    kubernetes = await BareKubernetes.start();
    proxy = await TcpProxy.open(kubernetes.address);
    stack = new Stack(`${NAME}-own`, {
      project: join(__dirname, "operator-program"),
      env: { KUBECONFIG: kubernetes.kubeconfigFor(proxy.address) },
    });
    stack.configure({});
    await stack.init();
  });
  after(async () => {
    await stack.remove();
    await proxy.close();
    await kubernetes.end();
  });

  it("fails before later resources, and `up` continues when the operator is installed", async () => {
    const { code, output } = await stack.pulumi(["up", "--yes", "--skip-preview"]);
    assert.notEqual(code, 0);
    assert.match(output, /has no CloudNativePG/);
    assert.equal(await whatFollows(), "");
    await create();
    await stack.up();
    assert.equal(await whatFollows(), "configmap/after");
    assert.deepEqual(Object.keys(await stack.plannedChanges()), ["same"]);
  });

  it("does not stop refresh and destroy when the operator is gone", async () => {
    await kubernetes.kubectl(["delete", "crd", "clusters.postgresql.cnpg.io"]);
    const preview = await stack.pulumi(["preview"]);
    assert.notEqual(preview.code, 0);
    assert.match(preview.output, /has no CloudNativePG/);
    await stack.must(["refresh", "--yes", "--skip-preview"]);
    await stack.destroy();
    assert.equal(await whatFollows(), "");
  });

  it("previews while the API does not answer, and `up` fails before anything is created", async () => {
    proxy.line = "refuse";
    try {
      const preview = await stack.pulumi(["preview"]);
      assert.match(preview.output, /could not check whether CloudNativePG is installed: The Kubernetes API at/);
      const up = await stack.pulumi(["up", "--yes", "--skip-preview"]);
      assert.notEqual(up.code, 0);
      assert.match(
        up.output,
        /The Kubernetes API at https:\/\/127\.0\.0\.1:\d+ does not answer[^]*Run the command again/,
      );
    } finally {
      proxy.line = "pass";
    }
    assert.equal(await whatFollows(), "");
  });

  it("lets a program install the operator itself: the preview says that it is not installed yet, `up` checks after the installation", async () => {
    // Only the kind's name: a program gets its configuration in an environment variable, whose length is limited.
    const { names, versions, ...spec } = clusters.spec;
    const openAPIV3Schema = { type: "object", "x-kubernetes-preserve-unknown-fields": true };
    const definition = {
      metadata: { name: clusters.metadata.name, annotations: BACKGROUND_DELETION },
      spec: { ...spec, names, versions: versions.map((version) => ({ ...version, schema: { openAPIV3Schema } })) },
    };
    stack.configure({ definition });
    const preview = await stack.pulumi(["preview"]);
    assert.equal(preview.code, 0, preview.output);
    await stack.up();
    assert.equal(await whatFollows(), "configmap/after");
    assert.deepEqual(Object.keys(await stack.plannedChanges()), ["same"]);
    await stack.destroy();
  });
});
