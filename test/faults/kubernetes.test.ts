/**
 * A Kubernetes cluster that is down, refuses requests, or does not have what a Cluster needs: `up` reports it, and
 * continues after the correction.
 */
import { strict as assert } from "node:assert";
import { setTimeout as sleep } from "node:timers/promises";
import { attempt, run } from "../../lab/host/command";
import { Stack } from "../../lab/drive/stack";
import { eventually, kubectl, oneDatabase, teleport } from "../lab/lab";
import { apiServer, ownKubeconfig, OwnKubeconfig } from "./lab-kubeconfig";
import { TcpProxy } from "./tcp-proxy";

/** Long enough to report what is wrong. The limit is a setting (`readyMinutes`). */
const SOON = 0.25;

const apply = (...objects: object[]) =>
  run("kubectl", ["apply", "--filename=-"], {
    input: JSON.stringify({ apiVersion: "v1", kind: "List", items: objects }),
  });
const namespace = (name: string) => ({
  apiVersion: "v1",
  kind: "Namespace",
  metadata: { name, labels: { fault: name } },
});
const up = (stack: Stack) => stack.pulumi(["up", "--yes", "--skip-preview"]);

async function refused(stack: Stack, told: RegExp): Promise<void> {
  const { code, output } = await up(stack);
  assert.notEqual(code, 0, output);
  assert.match(output, told);
}

/** Objects of all kinds that remain of a destroyed Cluster. */
async function leftOf(name: string): Promise<string> {
  const kinds = "clusters.postgresql.cnpg.io,pods,jobs,persistentvolumeclaims,services";
  const secrets = await kubectl("-n", name, "get", "secrets", "-o", "name");
  const others = await kubectl("-n", name, "get", kinds, "-o", "name");
  const registered = (await teleport.database(`${name}-${name}`))?.metadata.name ?? "";
  return `${secrets}${others}${registered}`.trim();
}

describe("a Kubernetes cluster that refuses a Cluster, or what it needs", () => {
  const NAME = "sys-refused";
  const stack = new Stack(NAME);
  const settings = { namespace: NAME, readyMinutes: SOON };

  before(async () => {
    await apply(namespace(NAME));
    await stack.init();
  });
  after(async () => {
    await stack.pulumi(["destroy", "--yes", "--skip-preview"]);
    await stack.remove();
    await kubectl("delete", "validatingadmissionpolicybinding,validatingadmissionpolicy", NAME, "--ignore-not-found");
    await kubectl("delete", "storageclass", NAME, "--ignore-not-found");
    await kubectl("delete", "namespace", NAME, "--ignore-not-found", "--wait=false");
  });

  /** Creates an admission policy that denies what a rule matches in the test's namespaces. */
  const forbid = (rule: object, message: string) =>
    apply(
      {
        apiVersion: "admissionregistration.k8s.io/v1",
        kind: "ValidatingAdmissionPolicy",
        metadata: { name: NAME },
        spec: {
          failurePolicy: "Fail",
          matchConstraints: { resourceRules: [rule] },
          validations: [{ expression: "false", message }],
        },
      },
      {
        apiVersion: "admissionregistration.k8s.io/v1",
        kind: "ValidatingAdmissionPolicyBinding",
        metadata: { name: NAME },
        spec: {
          policyName: NAME,
          validationActions: ["Deny"],
          matchResources: { namespaceSelector: { matchLabels: { fault: NAME } } },
        },
      },
    );

  it("fails with the message of an admission policy that refuses the Cluster", async () => {
    const rule = {
      apiGroups: ["postgresql.cnpg.io"],
      apiVersions: ["*"],
      operations: ["CREATE"],
      resources: ["clusters"],
    };
    await forbid(rule, "databases need the approval of the platform team");
    stack.configure(oneDatabase(NAME, settings));
    await eventually("the policy is in force", async () => {
      const cluster = {
        apiVersion: "postgresql.cnpg.io/v1",
        kind: "Cluster",
        metadata: { name: "probe", namespace: NAME },
      };
      const input = JSON.stringify({ ...cluster, spec: { instances: 1, storage: { size: "1Gi" } } });
      const { output } = await attempt("kubectl", ["create", "--dry-run=server", "--filename=-"], { input });
      return /approval of the platform team/.test(output);
    });
    await refused(stack, /databases need the approval of the platform team/);
    assert.equal(await teleport.database(`${NAME}-${NAME}`), undefined);
    await kubectl("delete", "validatingadmissionpolicybinding,validatingadmissionpolicy", NAME);
  });

  it("names the quota that forbids the pods: while it waits, and long before the end of readyMinutes", async () => {
    const quota = { apiVersion: "v1", kind: "ResourceQuota", metadata: { name: "no-pods", namespace: NAME } };
    await apply({ ...quota, spec: { hard: { pods: "0" } } });
    stack.configure(oneDatabase(NAME, { namespace: NAME, readyMinutes: 5 }));
    const { code, output } = await up(stack);
    await kubectl("-n", NAME, "delete", "resourcequota", "no-pods");
    assert.notEqual(code, 0, output);
    assert.match(output, /Waiting for the Cluster [^]*exceeded quota: no-pods/);
    assert.match(output, /is not ready after [0-9]{2} s[^]*exceeded quota: no-pods[^]*`pulumi up` again/);
    assert.equal(await teleport.database(`${NAME}-${NAME}`), undefined);
  });

  it("reports the policy's message that no command may run in pods, once there are pods", async () => {
    const rule = { apiGroups: [""], apiVersions: ["*"], operations: ["CONNECT"], resources: ["pods/exec"] };
    await forbid(rule, "nobody runs commands in this namespace");
    stack.configure(oneDatabase(NAME, { namespace: NAME }));
    await refused(
      stack,
      /Running \w+ in pod \S+ was refused by an admission policy[^]*nobody runs commands in this namespace[^]*"Kubernetes rights"/,
    );
    await kubectl("delete", "validatingadmissionpolicybinding,validatingadmissionpolicy", NAME);
  });

  it("continues with the same Cluster after quota and policy are gone", async () => {
    stack.configure(oneDatabase(NAME, { namespace: NAME }));
    await eventually("commands may be run again", async () => {
      const command = ["-n", NAME, "exec", `${NAME}-1`, "-c", "postgres", "--", "true"];
      return (await attempt("kubectl", command)).code === 0;
    });
    await stack.up();
    assert.equal(await kubectl("-n", NAME, "get", "cluster", NAME, "-o", "jsonpath={.status.readyInstances}"), "1");
    assert.ok(await teleport.database(`${NAME}-${NAME}`));
  });

  it("reports a manually deleted Cluster at once, and destroy leaves nothing behind", async () => {
    await kubectl("-n", NAME, "delete", "cluster", NAME, "--timeout=60s");
    await refused(stack, /is not ready after [^]*it does not exist[^]*`pulumi refresh`[^]*EMPTY[^]*from a backup/);
    await stack.destroy();
    await eventually("nothing is left", async () => (await leftOf(NAME)) === "", 60_000);
  });

  it("reports PostgreSQL's reason if initdb fails, and continues with a corrected setting", async () => {
    const locale = (name: string) => ({ initdb: { localeCollate: name, localeCType: name } });
    stack.configure(oneDatabase(NAME, { namespace: NAME, readyMinutes: 5, ...locale("xx_YY.UTF-8") }));
    await refused(stack, /initdb failed [0-9] times: [^]*invalid locale[^]*no data yet. Correct initdb/);
    stack.configure(oneDatabase(NAME, { namespace: NAME, readyMinutes: 5, ...locale("C.UTF-8") }));
    const output = await stack.up();
    assert.match(output, /failed in an earlier run, and is started again/);
    assert.equal(await kubectl("-n", NAME, "get", "cluster", NAME, "-o", "jsonpath={.status.readyInstances}"), "1");
    await stack.destroy();
    await eventually("nothing is left", async () => (await leftOf(NAME)) === "", 60_000);
  });

  it("names a storage class that does not exist, and continues when it exists", async () => {
    const storage = { size: "1Gi", storageClass: NAME };
    stack.configure(oneDatabase(NAME, { ...settings, storage }));
    await refused(stack, new RegExp(`storageclass\\.storage\\.k8s\\.io "${NAME}" not found`));
    await apply({
      apiVersion: "storage.k8s.io/v1",
      kind: "StorageClass",
      metadata: { name: NAME },
      provisioner: "kubernetes.io/host-path",
      reclaimPolicy: "Delete",
    });
    stack.configure(oneDatabase(NAME, { namespace: NAME, storage }));
    await stack.up();
    await stack.destroy();
    await eventually("nothing is left", async () => (await leftOf(NAME)) === "", 60_000);
  });
});

describe("a namespace that is being deleted", () => {
  const NAME = "sys-terminating";
  const stack = new Stack(NAME);
  const held = [
    "-n",
    NAME,
    "patch",
    "configmap",
    "held",
    "--type=merge",
    "--patch",
    '{"metadata":{"finalizers":null}}',
  ];

  before(async () => {
    await apply(namespace(NAME), {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { name: "held", namespace: NAME, finalizers: ["example.com/held"] },
    });
    await kubectl("delete", "namespace", NAME, "--wait=false");
    stack.configure(oneDatabase(NAME, { namespace: NAME, instances: 1 }));
    await stack.init();
  });
  after(async () => {
    await attempt("kubectl", held);
    await stack.pulumi(["destroy", "--yes", "--skip-preview"]);
    await stack.remove();
    await kubectl("delete", "namespace", NAME, "--ignore-not-found", "--wait=false");
  });

  it("is named, nothing is created in it, and destroy removes the rest", async () => {
    await refused(stack, new RegExp(`because it is being terminated|namespace ${NAME}.*terminat`));
    assert.equal(await teleport.database(`${NAME}-${NAME}`), undefined);
    await stack.destroy();
    assert.equal(await leftOf(NAME), "");
  });
});

describe("a kubeconfig without a right", () => {
  const NAME = "sys-rights";
  /** Not with the Cluster's name: the operator creates a Role, its binding and a service account of that name. */
  const PROGRAM = `${NAME}-program`;
  const WRITE = ["get", "list", "watch", "create", "update", "patch", "delete"];
  const rule = (apiGroup: string, resources: string[], verbs = WRITE) => ({ apiGroups: [apiGroup], resources, verbs });
  /** The rights in docs/permissions.md, except for the Namespace, which exists, and for commands in pods. */
  const ALL = [
    rule("", ["secrets"]),
    rule("postgresql.cnpg.io", ["clusters", "poolers", "databases", "databaseroles"]),
    rule("networking.k8s.io", ["networkpolicies"]),
    rule("apps", ["deployments"], ["get"]),
    rule("", ["pods", "events", "persistentvolumeclaims"], ["list"]),
  ];
  const EXEC = rule("", ["pods/exec"], ["get", "create"]);
  let kubeconfig: OwnKubeconfig;
  let stack: Stack;
  const allow = (rules: object[]) =>
    apply({
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "Role",
      metadata: { name: PROGRAM, namespace: NAME },
      rules,
    });

  before(async () => {
    const subject = { kind: "ServiceAccount", name: PROGRAM, namespace: NAME };
    await apply(
      namespace(NAME),
      { apiVersion: "v1", kind: "ServiceAccount", metadata: { name: PROGRAM, namespace: NAME } },
      {
        apiVersion: "rbac.authorization.k8s.io/v1",
        kind: "RoleBinding",
        metadata: { name: PROGRAM, namespace: NAME },
        roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "Role", name: PROGRAM },
        subjects: [subject],
      },
    );
    const token = (await kubectl("-n", NAME, "create", "token", PROGRAM, "--duration=1h")).trim();
    kubeconfig = ownKubeconfig({ token });
    stack = new Stack(NAME, { env: { KUBECONFIG: kubeconfig.path } });
    stack.configure(oneDatabase(NAME, { namespace: NAME }));
    await stack.init();
  });
  after(async () => {
    await stack.pulumi(["destroy", "--yes", "--skip-preview"], { env: { KUBECONFIG: process.env.KUBECONFIG } });
    await stack.remove();
    kubeconfig.remove();
    await kubectl("delete", "namespace", NAME, "--ignore-not-found", "--wait=false");
  });

  it("to write Secrets: names the user and the missing right, and creates no Cluster", async () => {
    await allow(ALL.slice(1));
    const who = `User "system:serviceaccount:${NAME}:${PROGRAM}"`;
    await refused(
      stack,
      new RegExp(`secrets (?:"\\S+" )?is forbidden: ${who} cannot (create|patch) resource "secrets"`),
    );
    assert.equal(await kubectl("-n", NAME, "get", "clusters.postgresql.cnpg.io", "-o", "name"), "");
  });

  it("to run commands in pods: reports it at once, names the list of rights, and registers nothing", async () => {
    // A GET opens the web socket; until Kubernetes 1.35 nothing else of it is authorized.
    await allow([...ALL, rule("", ["pods/exec"], ["create"])]);
    await refused(stack, /Running \w+ in pod \S+ was denied \(403\)[^]*"Kubernetes rights"/);
    assert.equal(await teleport.database(`${NAME}-${NAME}`), undefined);
  });

  it("continues with the rights that docs/permissions.md lists, and destroys with them", async () => {
    await allow([...ALL, EXEC]);
    await stack.up();
    assert.ok(await teleport.database(`${NAME}-${NAME}`));
    await stack.destroy();
    await eventually("nothing is left", async () => /^secret\/?\S*$|^$/.test(await leftOf(NAME)), 60_000);
  });
});

describe("an API server that stops during `up`", () => {
  const NAME = "sys-away";
  let proxy: TcpProxy;
  let kubeconfig: OwnKubeconfig;
  let stack: Stack;

  before(async () => {
    proxy = await TcpProxy.open(apiServer());
    kubeconfig = ownKubeconfig({ address: proxy.address });
    stack = new Stack(NAME, { env: { KUBECONFIG: kubeconfig.path } });
    await stack.init();
  });
  after(async () => {
    proxy.line = "pass";
    await stack.pulumi(["destroy", "--yes", "--skip-preview"]);
    await stack.remove();
    await proxy.close();
    kubeconfig.remove();
    await kubectl("delete", "namespace", NAME, "--ignore-not-found", "--wait=false");
  });

  const clusterExists = async () =>
    (await kubectl("-n", NAME, "get", "clusters.postgresql.cnpg.io", "--ignore-not-found", "-o", "name").catch(
      () => "",
    )) !== "";
  /** Breaks the connection as soon as the Cluster is created, long before it is ready. */
  async function upWith(line: "refuse" | "silent", restore?: number) {
    const running = up(stack);
    await eventually("the Cluster is made", clusterExists, 300_000);
    proxy.line = line;
    if (restore !== undefined) {
      await sleep(restore);
      proxy.line = "pass";
    }
    const result = await running;
    proxy.line = "pass";
    return result;
  }

  it("and does not return: `up` reports it, nothing is registered, and destroy works when it is back", async () => {
    stack.configure(oneDatabase(NAME, { readyMinutes: SOON }));
    const { code, output } = await upWith("refuse");
    assert.notEqual(code, 0, output);
    assert.match(output, /The Kubernetes API at https:\/\/127[^]*does not answer|connection refused|connection reset/);
    assert.equal(await teleport.database(`${NAME}-${NAME}`), undefined);
    await stack.destroy();
    await eventually(
      "the namespace is gone",
      async () => (await kubectl("get", "ns", NAME, "--ignore-not-found")) === "",
      90_000,
    );
  });

  it("and no longer answers: the wait ends at its limit, and the next `up` continues", async () => {
    stack.configure(oneDatabase(NAME, { readyMinutes: SOON }));
    const { code, output } = await upWith("silent");
    assert.notEqual(code, 0, output);
    assert.match(output, /is not ready after 15 s[^]*The Kubernetes API at .* does not answer/);
    stack.configure(oneDatabase(NAME));
    await stack.up();
    assert.ok(await teleport.database(`${NAME}-${NAME}`));
  });

  it("and returns: `up` succeeds", async () => {
    await stack.destroy();
    await eventually(
      "the namespace is gone",
      async () => (await kubectl("get", "ns", NAME, "--ignore-not-found")) === "",
      90_000,
    );
    const { code, output } = await upWith("refuse", 5_000);
    assert.equal(code, 0, output);
    assert.ok(await teleport.database(`${NAME}-${NAME}`));
    await stack.destroy();
  });
});
