/**
 * CloudNativePG's operator is upgraded while a Cluster runs. All tests share this operator, so the lab's own is installed
 * again at the end.
 */
import { strict as assert } from "node:assert";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import {
  ensureOperatorImage,
  FORMER_OPERATOR_IMAGE,
  IMAGES,
  imagesFolder,
  importImages,
} from "../../../lab/build/images";
import { findOrBuild, missingTools, recordedTools } from "../../../lab/build/tools";
import { openTunnel, Tunnel } from "../../../lab/drive/login";
import { Stack } from "../../../lab/drive/stack";
import { ensureOperator, installOperator, labOperator } from "../../../lab/kubernetes/cnpg";
import { RUN } from "../../../lab/layout";
import { FORMER_CNPG, FORMER_OPERATOR, VERSIONS } from "../../../lab/versions";
import { eventually, kubectl, loginAs, oneDatabase, PROBES, sqlAsOwner } from "../../lab/lab";
import { serverCaOf, SMALL_POOLER } from "../cluster-witness";
import { lives } from "../lives";
import { logInAsOwner, Owner, ownerOf } from "../owner";
import { printed, RepeatedLogin } from "../repeated-login";

const NAME = "ou-shop";
const HEALTHY = "Cluster in healthy state";
/** In seconds. Two thirds are reserve for a busy machine. */
const LONGEST_GAP = 90;
/** In milliseconds, for the restart of all pods. It only ends a test that hangs. */
const RESTART_LIMIT = 600_000;

interface Pod {
  metadata: { name: string; deletionTimestamp?: string };
  spec: { initContainers?: { name: string; image: string }[] };
  status: { conditions?: { type: string; status: string }[] };
}

describe(`an upgrade of the operator from ${FORMER_CNPG} to ${VERSIONS.cnpg}`, () => {
  const stack = new Stack("operator-upgrade");
  const folder = mkdtempSync(join(tmpdir(), "operator-upgrade-"));
  const cluster = (path: string) => kubectl("-n", NAME, "get", "cluster", NAME, "-o", `jsonpath={${path}}`);
  let pooled: Owner;
  let tunnel: Tunnel;

  before(async () => {
    await kubectl("delete", "namespace", NAME, "--ignore-not-found"); // a killed run may have left it
    await eventually(
      "no Cluster is in the lab (kubectl get clusters --all-namespaces): the former operator would change it",
      async () => (await kubectl("get", "clusters.postgresql.cnpg.io", "--all-namespaces", "-o", "name")) === "",
    );
    await installFormerOperator();
    stack.configure(
      oneDatabase(NAME, {
        ...{ instances: 2, poolers: [SMALL_POOLER] },
        // A pooler keeps its connections, and a primary that stops waits so long for them.
        spec: { probes: PROBES, smartShutdownTimeout: 2 },
      }),
    );
    await stack.init();
    await stack.up();
    const caFile = join(folder, "ca.crt");
    writeFileSync(caFile, await serverCaOf(stack, NAME));
    pooled = await ownerOf(NAME, `pooler-${NAME}-rw`, caFile);
    tunnel = await openTunnel(loginAs("reader", `${NAME}-operator-upgrade`, "app"));
    await sqlAsOwner(NAME, "app", "CREATE TABLE written (id serial)");
    await eventually("Teleport serves it", async () => (await read()).code === 0);
  });
  after(async () => {
    try {
      await ensureOperator();
    } finally {
      await tunnel?.close();
      await stack.pulumi(["destroy", "--yes", "--skip-preview"]);
      await stack.remove();
      await kubectl("delete", "namespace", NAME, "--ignore-not-found", "--wait=false");
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it("starts with the former operator, which manages what `up` has created", async () => {
    assert.deepEqual([...new Set((await pods()).map(({ manager }) => manager))], [FORMER_OPERATOR_IMAGE]);
    assert.match(await managerOf(`${NAME}-1`), new RegExp(`\\b${FORMER_CNPG.replaceAll(".", "\\.")}\\b`));
    assert.deepEqual(Object.keys(await stack.plannedChanges()), ["same"]);
  });

  it("restarts the instances and the Pooler: no confirmed row is lost, and logins come back", async () => {
    const confirmed: string[] = [];
    let during = "before";
    const step = () => during;
    const clients = [
      new RepeatedLogin("Teleport", step, read),
      new RepeatedLogin("PgBouncer", step, async () => {
        const login = await logInAsOwner(pooled, "INSERT INTO written DEFAULT VALUES RETURNING id");
        if (login.code === 0) confirmed.push(login.stdout.trim());
        return login;
      }),
    ];
    await sleep(5_000);
    const primary = await cluster(".status.currentPrimary");
    during = "upgrade";
    const began = Date.now();
    const since = () => `${((Date.now() - began) / 1000).toFixed(1)} s`;
    await installOperator({ ...labOperator(), electsLeader: true });
    const replaced = since();
    await eventually(
      `all pods have the manager of ${VERSIONS.cnpg}`,
      async () =>
        (await pods()).every(({ manager, ready }) => manager === IMAGES.operator && ready) &&
        (await cluster(".status.phase")) === HEALTHY &&
        (await cluster(".status.readyInstances")) === "2",
      RESTART_LIMIT,
    );
    const restarted = since();
    during = "after";
    await sleep(10_000);
    const reports = await Promise.all(clients.map((each) => each.end()));
    console.log(
      `    the operator was replaced after ${replaced}, all pods after ${restarted}; the primary was ${primary}, and is ` +
        `${await cluster(".status.currentPrimary")}; ${confirmed.length} rows confirmed`,
    );
    for (const report of reports) console.log(printed(report));

    assert.equal((await pods()).length, 3);
    for (const instance of [1, 2])
      assert.match(await managerOf(`${NAME}-${instance}`), new RegExp(`\\b${VERSIONS.cnpg.replaceAll(".", "\\.")}\\b`));
    for (const { name, gap, lastFailed } of reports) {
      assert.ok(gap < LONGEST_GAP, `${name}: nobody could log in for ${gap} s`);
      assert.notEqual(lastFailed, "after", `${name}: logins fail after the upgrade has ended`);
    }
    assert.ok(confirmed.length > 10, `only ${confirmed.length} rows`);
    const lost = `SELECT count(*) FROM unnest('{${confirmed.join()}}'::int[]) id WHERE id NOT IN (SELECT id FROM written)`;
    assert.equal((await sqlAsOwner(NAME, "app", lost)).trim(), "0", "confirmed rows are lost");
  });

  it("leaves nothing to do for `pulumi up`, also after a refresh", async () => {
    const now = async () => [...(await lives(NAME)), await cluster(".metadata.generation")];
    const before = await now();
    assert.deepEqual(Object.keys(await stack.plannedChanges()), ["same"]);
    assert.match(await stack.up(), /Resources:\n +\d+ unchanged\n/);
    await stack.must(["refresh", "--yes", "--skip-preview"]);
    assert.deepEqual(Object.keys(await stack.plannedChanges()), ["same"], "after a refresh");
    assert.deepEqual(await now(), before);
    const { code, output } = await read();
    assert.equal(code, 0, output);
  });

  function read() {
    return tunnel.ask("SELECT count(*) FROM written");
  }

  /** The pods of instances and Poolers, and the image from which each has its manager. */
  async function pods() {
    const { items } = JSON.parse(await kubectl("-n", NAME, "get", "pods", "-l", "cnpg.io/podRole", "-o", "json")) as {
      items: Pod[];
    };
    return items.map(({ metadata, spec: { initContainers = [] }, status: { conditions = [] } }) => ({
      manager: initContainers.find(({ name }) => name === "bootstrap-controller")?.image,
      ready:
        metadata.deletionTimestamp === undefined &&
        conditions.some(({ type, status }) => type === "Ready" && status === "True"),
    }));
  }

  /** What the manager that runs in an instance says of its version. */
  function managerOf(instance: string): Promise<string> {
    return kubectl("-n", NAME, "exec", instance, "-c", "postgres", "--", "/controller/manager", "version");
  }
});

async function installFormerOperator(): Promise<void> {
  // The lab's network has no way out, so it cannot be built here.
  if ((await missingTools([FORMER_OPERATOR])).length > 0)
    throw new Error(
      `CloudNativePG ${FORMER_CNPG} is not built. \`npm run test:faults\` builds it, or outside of the lab: ` +
        "npx ts-node --transpile-only test/faults/alone/prepare.ts",
    );
  const { binaries, files } = await findOrBuild([FORMER_OPERATOR]);
  const [manager = "", manifest = ""] = [binaries.manager, files["operator.yaml"]];
  const archive = await ensureOperatorImage(imagesFolder(recordedTools()), manager, FORMER_OPERATOR_IMAGE);
  await importImages(archive, RUN.containerdSocket);
  await installOperator({ version: FORMER_CNPG, image: FORMER_OPERATOR_IMAGE, manifest, electsLeader: true });
  const served = await kubectl("get", "crd", "clusters.postgresql.cnpg.io", "-o", "json");
  assert.doesNotMatch(served, /"primaryLease"/, `the definitions are of ${VERSIONS.cnpg}`);
}
