/**
 * The kubelet of a node stops during `up`: the program reports it, and recovers later. All tests share this kubelet.
 */
import { strict as assert } from "node:assert";
import { setTimeout as sleep } from "node:timers/promises";
import { Stack } from "../../../lab/drive/stack";
import { nodeReady } from "../../../lab/kubernetes/kubernetes";
import { CLUSTER } from "../../../lab/layout";
import { eventually, kubectl, oneDatabase, sqlAsSuperuser, teleport } from "../../lab/lab";
import { killKubelet, startKubelet } from "../kubelet";
import { disturbedUp } from "../watched-up";

const NAME = "sys-kubelet";

describe("an `up` during which the kubelet of a node stops", () => {
  const stack = new Stack(NAME);
  const configure = (settings: object = {}) =>
    stack.configure(oneDatabase(NAME, { instances: 2, readyMinutes: 2, ...settings }));
  const readyInstances = () =>
    kubectl("-n", NAME, "get", "cluster", NAME, "--ignore-not-found", "-o", "jsonpath={.status.readyInstances}");

  before(async () => {
    configure({ instances: 1 });
    await stack.init();
    await stack.up();
    await sqlAsSuperuser(NAME, "app", "SET ROLE app; CREATE TABLE public.t ()");
  });
  after(async () => {
    await startKubelet();
    await eventually("the node is ready", nodeReady, 120_000);
    await stack.pulumi(["destroy", "--yes", "--skip-preview"]);
    await stack.remove();
    await kubectl("delete", "namespace", NAME, "--ignore-not-found", "--wait=false");
  });

  it("says which pod waits for which node, and the next `up` creates what is missing", async () => {
    configure();
    const atCluster = (printed: string) => /v1:Cluster \S+ updating/.test(printed);
    const { code, output } = await disturbedUp(stack, atCluster, async () => killKubelet());
    assert.notEqual(code, 0, output);
    assert.match(output, /of 2 instances are ready/);
    assert.match(output, new RegExp(`${NAME}-2\\S*: the kubelet of ${CLUSTER.node} has not taken it up`));
    await startKubelet();
    await stack.up();
    await isRight();
  });

  it("continues by itself if the kubelet is back in time", async () => {
    const users = ["teleport_user_read", "late_reader"].map((name) => ({ name, access: "read" }));
    configure({ users, readyMinutes: 10 });
    const atWait = (printed: string) => /ClusterServing \S+ updating/.test(printed);
    let back: Promise<void> = Promise.resolve();
    const { code, output } = await disturbedUp(stack, atWait, async () => {
      killKubelet();
      back = sleep(30_000).then(startKubelet);
      await assert.rejects(sqlAsSuperuser(NAME, "app", "SELECT 1"), "nobody reaches an instance's shell");
    });
    await back;
    assert.equal(code, 0, output);
    const reads = "SELECT has_table_privilege('late_reader', 'public.t', 'SELECT')";
    assert.equal(await sqlAsSuperuser(NAME, "app", reads), "t\n");
    await isRight();
  });

  async function isRight(): Promise<void> {
    assert.equal(await readyInstances(), "2");
    assert.deepEqual(Object.keys(await stack.plannedChanges()), ["same"]);
    assert.equal((await teleport.database(`${NAME}-${NAME}`))?.spec.uri, `${NAME}-rw.${NAME}.svc:5432`);
    assert.equal((await teleport.database(`${NAME}-${NAME}-ro`))?.spec.uri, `${NAME}-ro.${NAME}.svc:5432`);
  }
});
