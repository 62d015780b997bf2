/**
 * Settings of a Cluster with the real API server and the operator's webhook. What this program's checks accept is
 * accepted. What they refuse, or leave to the operator, is refused there with a message that names the field, or
 * would be accepted and do harm, as test/unit/cnpg/settings-table.ts says.
 */
import { strict as assert } from "node:assert";
import { CLUSTER_SPEC_FIELDS, isWithin } from "../../components/cnpg/cluster-fields";
import { ClusterSettings, clusterSpec, checkClusterSettings } from "../../components/cnpg/cluster";
import { appliedProblems, databaseManifests } from "../../components/cnpg/databases";
import { DryRunResult, dryRunCluster } from "../../components/cnpg/dry-run";
import { clusterAnnotations, StopSettings } from "../../components/cnpg/stopped";
import { networkPolicies, NetworkPolicySettings } from "../../components/cnpg/network-policy";
import { apiValidator, KubernetesObject } from "../../components/kubernetes/client";
import { attempt, CommandResult, run } from "../../lab/host/command";
import { RIGHT, USERS, WRONG } from "../unit/cnpg/settings-table";
import { eventually, kubectl, PROBES } from "./lab";

const secrets = { server: "s", serverCa: "sca", replication: "r", clientCaBundle: "cca" };

/** The preview's answer for the Cluster of these settings. */
async function verdict({ spec, ...settings }: Partial<ClusterSettings>): Promise<DryRunResult> {
  const api = await apiValidator({});
  const declared = {
    annotations: clusterAnnotations(settings),
    settings: clusterSpec({ storage: { size: "1Gi" }, users: USERS, secrets, ...settings }),
    spec,
  };
  return dryRunCluster("orders", declared, (manifest) =>
    api.dryRun("/apis/postgresql.cnpg.io/v1/namespaces/default/clusters", manifest),
  );
}

/** Sends a dry run to the API server, which creates nothing. */
function dryRun(object: object): Promise<CommandResult> {
  return attempt("kubectl", ["create", "--dry-run=server", "--filename=-"], { input: JSON.stringify(object) });
}

describe("a Cluster's settings, for the operator's webhook", () => {
  for (const [title, settings] of Object.entries(RIGHT)) {
    it(`are accepted: ${title}`, async () => assert.deepEqual(await verdict(settings), { is: "accepted" }));
  }
  for (const { setting, settings, server, told = setting } of WRONG) {
    it(`with a wrong ${setting}: it ${server} ${JSON.stringify(settings)}`, async () => {
      const answer = await verdict(settings);
      if (server === "accepts") return assert.deepEqual(answer, { is: "accepted" });
      assert.ok(answer.is === "refused", JSON.stringify(answer));
      const named = answer.fields.map((field) => field.setting);
      assert.ok(
        named.some((name) => isWithin(name, told) && (told !== "" || name === "")),
        JSON.stringify(answer),
      );
    });
  }
  it("are all reported if they are wrong, at each step of the API server, and so are unknown fields", async () => {
    const answer = await verdict({
      parameters: { ssl: "off" },
      spec: {
        affinty: {},
        startDelay: "soon",
        primaryUpdateMethod: "kill",
        affinity: { podAntiAffinityType: "always" },
        managed: { services: { disabledDefaultServices: ["rw"] } },
      },
    });
    assert.ok(answer.is === "refused", JSON.stringify(answer));
    assert.deepEqual(answer.fields.map(({ setting }) => setting).sort(), [
      "parameters.ssl",
      "spec.affinity.podAntiAffinityType",
      "spec.affinty",
      "spec.managed.services.disabledDefaultServices",
      "spec.primaryUpdateMethod",
      "spec.startDelay",
    ]);
  });
});

describe("the fields of CloudNativePG's Cluster", () => {
  it("are all known, so that none of them is reported as a misspelt setting", async () => {
    const path = "jsonpath={.spec.versions[0].schema.openAPIV3Schema.properties.spec.properties}";
    const fields = await kubectl("get", "crd", "clusters.postgresql.cnpg.io", "-o", path);
    const unknown = Object.keys(JSON.parse(fields) as object).filter((field) => !CLUSTER_SPEC_FIELDS.includes(field));
    assert.deepEqual(unknown, []);
  });
});

describe("network policies, for the API server", () => {
  const settings: Record<string, NetworkPolicySettings> = {
    "nobody but the Cluster itself": { applications: [] },
    "everything at once": {
      applications: [{ namespace: "shop", podLabels: { app: "shop" } }, { namespaceLabels: { a: "b" } }],
      teleportAgents: [{ podLabels: { app: "teleport-agent" } }],
      monitoring: [{ namespace: "monitoring" }, { cidr: "2001:db8::/64" }],
      operator: { namespace: "operators" },
      egress: { to: [{ cidr: "192.0.2.0/24", ports: [443] }, { namespace: "storage" }], apiServer: ["10.96.0.1/32"] },
    },
  };
  for (const [title, networkPolicy] of Object.entries(settings)) {
    it(`are accepted: ${title}`, async () => {
      for (const { metadata, spec } of networkPolicies("orders", networkPolicy)) {
        const { code, output } = await dryRun({
          apiVersion: "networking.k8s.io/v1",
          kind: "NetworkPolicy",
          metadata: { ...metadata, namespace: "default" },
          spec,
        });
        assert.equal(code, 0, output);
      }
    });
  }
});

const NAMESPACE = "cs-settings";
const NAME = "cs-db";

/** A small Cluster with most settings, and without this program's certificates. */
const small: ClusterSettings = {
  instances: 1,
  image: "lab.local/postgresql:17",
  storage: { size: "1Gi", pvcTemplate: { accessModes: ["ReadWriteOnce"] } },
  tablespaces: [{ name: "cs_fast", size: "1Gi" }],
  resources: { requests: { cpu: "50m", memory: "128Mi" } },
  parameters: { shared_buffers: "32MB", max_connections: "50" },
  sharedPreloadLibraries: ["pg_stat_statements", "auto_explain"],
  pgHba: ["hostssl cs_extra reporter 10.0.0.0/8 cert map=reports", "hostnossl all all all reject"],
  pgIdent: ["reports reports.shop.example reporter"],
  spec: {
    smartShutdownTimeout: 2,
    stopDelay: 60,
    probes: PROBES,
    managed: {
      services: {
        disabledDefaultServices: ["r"],
        additional: [{ selectorType: "rw", serviceTemplate: { metadata: { name: "cs-public" } } }],
      },
    },
    inheritedMetadata: { labels: { team: "cs" } },
    serviceAccountTemplate: { metadata: { annotations: { "example.com/role": "cs" } } },
    priorityClassName: "system-cluster-critical",
    affinity: { nodeSelector: { "kubernetes.io/os": "linux" }, podAntiAffinityType: "preferred" },
  },
  initdb: { database: "cs_app", owner: "cs_owner" },
  schemas: ["sales"],
  extensions: ["pg_stat_statements", { name: "pgcrypto", schema: "sales" }],
  databases: [
    {
      name: "cs_extra",
      tablespace: "cs_fast",
      locale: "C",
      encoding: "LATIN1",
      connectionLimit: 7,
      schemas: ["reports"],
      reclaimPolicy: "delete",
    },
  ],
};

describe("a Cluster with many settings", () => {
  const apply = (object: object) => run("kubectl", ["apply", "--filename=-"], { input: JSON.stringify(object) });
  const pause = (settings: StopSettings) => apply(manifest({ ...small, ...settings }));
  const get = async (kind: string, name: string) =>
    JSON.parse(await kubectl("-n", NAMESPACE, "get", kind, name, "-o", "json")) as KubernetesObject;
  const sql = async (database: string, query: string) => {
    const psql = ["psql", "--no-psqlrc", "--tuples-only", "--no-align", `--dbname=${database}`, `--command=${query}`];
    return (await kubectl("-n", NAMESPACE, "exec", `${NAME}-1`, "-c", "postgres", "--", ...psql)).trim();
  };
  /** Waits like a user. Other tests cover what `up` waits for. */
  const wait = async (settings: StopSettings = {}) => {
    const awake = settings.fencedInstances?.length ? [] : ["jsonpath={.status.readyInstances}=1"];
    for (const condition of settings.hibernation ? ["condition=cnpg.io/hibernation"] : ["condition=Ready", ...awake]) {
      await kubectl("-n", NAMESPACE, "wait", `cluster/${NAME}`, `--for=${condition}`, "--timeout=55s");
    }
  };
  const databases = databaseManifests(NAME, small).map(({ metadata, ...rest }) => ({
    ...rest,
    metadata: { ...metadata, namespace: NAMESPACE },
  }));
  const applied = (name: string, object: string) =>
    eventually(`Database ${name} is applied`, async () => {
      const problems = appliedProblems("Database", name, await get("databases.postgresql.cnpg.io", object));
      return problems.length === 0;
    });

  function manifest(settings: ClusterSettings): object {
    const { certificates: _ours, ...spec } = clusterSpec({ users: [], secrets, ...settings });
    const metadata = { name: NAME, namespace: NAMESPACE, annotations: clusterAnnotations(settings) };
    return { apiVersion: "postgresql.cnpg.io/v1", kind: "Cluster", metadata, spec };
  }

  before(async () => {
    assert.deepEqual(checkClusterSettings("", small, { cluster: NAME }), []);
    await apply({ apiVersion: "v1", kind: "Namespace", metadata: { name: NAMESPACE } });
    await apply(manifest(small));
    await eventually("the instance serves", async () => (await attemptWait()).code === 0, 120_000);
    for (const database of databases) await apply(database);
  });
  const attemptWait = () =>
    attempt("kubectl", [
      "-n",
      NAMESPACE,
      "wait",
      `cluster/${NAME}`,
      "--for=jsonpath={.status.readyInstances}=1",
      "--timeout=50s",
    ]);
  after(async () => {
    await attempt("kubectl", ["-n", NAMESPACE, "annotate", "cluster", NAME, "cnpg.io/hibernation-"]);
    await kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--timeout=55s");
  });

  it("creates schemas and extensions in the application's database", async () => {
    const [own] = databases;
    await applied("cs_app", own?.metadata.name ?? "");
    const owner = "SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = 'sales'";
    assert.equal(await sql("cs_app", owner), "cs_owner");
    const extensions =
      "SELECT string_agg(extname || ' in ' || extnamespace::regnamespace, ', ' ORDER BY 1) FROM pg_extension";
    assert.match(await sql("cs_app", extensions), /pg_stat_statements in public.*pgcrypto in sales/);
    assert.match(await sql("cs_app", "SELECT count(*) FROM pg_stat_statements"), /^[0-9]+$/);
  });
  it("creates another database as declared", async () => {
    await applied("cs_extra", databases[1]?.metadata.name ?? "");
    const query = `SELECT pg_get_userbyid(datdba), pg_encoding_to_char(encoding), spcname, datconnlimit
      FROM pg_database JOIN pg_tablespace t ON t.oid = dattablespace WHERE datname = 'cs_extra'`;
    assert.equal(await sql("cs_extra", query), "cs_owner|LATIN1|cs_fast|7");
    assert.equal(await sql("cs_extra", "SELECT to_regnamespace('reports')"), "reports");
  });
  it("loads libraries, rules and maps, without errors", async () => {
    assert.match(await sql("cs_app", "SHOW shared_preload_libraries"), /pg_stat_statements,\s*auto_explain/);
    const rules = await sql(
      "cs_app",
      "SELECT auth_method, user_name, error FROM pg_hba_file_rules ORDER BY rule_number",
    );
    assert.match(rules, /^cert\|\{reporter\}\|$/m);
    const errors =
      "SELECT error FROM pg_hba_file_rules WHERE error IS NOT NULL UNION ALL SELECT error FROM pg_ident_file_mappings WHERE error IS NOT NULL";
    assert.equal(await sql("cs_app", errors), "");
    assert.match(
      await sql("cs_app", "SELECT map_name, pg_username FROM pg_ident_file_mappings"),
      /^reports\|reporter$/m,
    );
  });
  it("has the declared Services", async () => {
    const services = (await kubectl("-n", NAMESPACE, "get", "services", "-o", "name")).trim().split("\n").sort();
    assert.deepEqual(services, ["service/cs-db-ro", "service/cs-db-rw", "service/cs-public"]);
  });
  it("sets the labels that the network policies select, and the program's own", async () => {
    const { metadata, spec } = await get("pod", `${NAME}-1`);
    const labels = metadata.labels as Record<string, string>;
    const [instances] = networkPolicies(NAME, { applications: [] });
    for (const [key, value] of Object.entries(instances?.spec.podSelector.matchLabels ?? {})) {
      assert.equal(labels[key], value);
    }
    assert.equal(labels.team, "cs");
    assert.equal(spec?.priorityClassName, "system-cluster-critical");
    const account = (await get("serviceaccount", NAME)).metadata.annotations as Record<string, string>;
    assert.equal(account["example.com/role"], "cs");
  });
  it("reports why a Database cannot be as declared, and reverts it", async () => {
    const [, extra] = databases;
    const name = extra?.metadata.name ?? "";
    const patch = (owner: string) =>
      kubectl(
        "-n",
        NAMESPACE,
        "patch",
        "databases.postgresql.cnpg.io",
        name,
        "--type=merge",
        `--patch={"spec":{"owner":"${owner}"}}`,
      );
    await patch("nobody_there");
    await eventually("the reason is told", async () =>
      /role "nobody_there" does not exist/.test(
        appliedProblems("Database", "cs_extra", await get("databases.postgresql.cnpg.io", name)).join(),
      ),
    );
    await patch("cs_owner");
    await applied("cs_extra", name);
  });
  it("keeps PostgreSQL stopped while it is fenced", async () => {
    await pause({ fencedInstances: [`${NAME}-1`] });
    const readyInstances = async () => (await get("cluster", NAME)).status?.readyInstances ?? 0;
    await eventually("nothing is ready", async () => (await readyInstances()) === 0, 60_000);
    await wait({ fencedInstances: [`${NAME}-1`] });
    await pause({ fencedInstances: [] });
    await wait();
    assert.equal(await sql("cs_app", "SELECT 1"), "1");
  });
  it("has no pods while it hibernates, and all data afterwards", async () => {
    await pause({ hibernation: true });
    await wait({ hibernation: true });
    const pods = await kubectl("-n", NAMESPACE, "get", "pods", "-o", "name");
    assert.equal(pods.trim(), "");
    await pause({ hibernation: false });
    await wait();
    assert.equal(await sql("cs_extra", "SELECT current_database()"), "cs_extra");
  });
  it("drops a database if that is declared, and never the application's", async () => {
    const remove = (index: number) =>
      kubectl(
        "-n",
        NAMESPACE,
        "delete",
        "databases.postgresql.cnpg.io",
        databases[index]?.metadata.name ?? "",
        "--timeout=40s",
      );
    await remove(0);
    await remove(1);
    const left = "SELECT string_agg(datname, ' ' ORDER BY datname) FROM pg_database WHERE datname LIKE 'cs%'";
    assert.equal(await sql("postgres", left), "cs_app");
    for (const database of databases) await apply(database);
    await applied("cs_extra", databases[1]?.metadata.name ?? "");
  });
  it("releases its Databases when it is deleted before them", async () => {
    await kubectl("-n", NAMESPACE, "delete", "cluster", NAME, "--timeout=50s");
    await kubectl("-n", NAMESPACE, "delete", "databases.postgresql.cnpg.io", "--all", "--timeout=40s");
    const left = await kubectl("-n", NAMESPACE, "get", "databases.postgresql.cnpg.io", "-o", "name");
    assert.equal(left.trim(), "");
  });
});
