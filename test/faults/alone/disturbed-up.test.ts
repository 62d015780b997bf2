/** The operator is killed during `up`: that `up` succeeds, or the next one does. All tests share this operator. */
import { strict as assert } from "node:assert";
import { Stack } from "../../../lab/drive/stack";
import { kubectl, oneDatabase, teleport } from "../../lab/lab";
import { disturbedUp } from "../watched-up";

const NAME = "sys-disturbed";
const OPERATOR = ["-n", "cnpg-system", "-l", "app.kubernetes.io/name=cloudnative-pg"];

describe("an `up` during which the operator is killed", () => {
  const stack = new Stack(NAME);

  before(async () => {
    stack.configure(oneDatabase(NAME, { instances: 2 }));
    await stack.init();
  });
  after(async () => {
    await operatorReady();
    await stack.pulumi(["destroy", "--yes", "--skip-preview"]);
    await stack.remove();
    await kubectl("delete", "namespace", NAME, "--ignore-not-found", "--wait=false");
  });

  const readyInstances = () =>
    kubectl("-n", NAME, "get", "cluster", NAME, "--ignore-not-found", "-o", "jsonpath={.status.readyInstances}");
  const operatorReady = () =>
    kubectl("-n", "cnpg-system", "rollout", "status", "deployment/cnpg-controller-manager", "--timeout=120s");

  async function converged({ code, output }: { code: number; output: string }): Promise<void> {
    if (code !== 0) {
      assert.match(output, /is not ready after|failed calling webhook|are not as declared/);
      await stack.up();
    }
    assert.equal(await readyInstances(), "2");
    assert.deepEqual(Object.keys(await stack.plannedChanges()), ["same"]);
  }

  it("converges if the operator is killed while it creates the instances", async () => {
    const operator = () => kubectl("get", "pod", ...OPERATOR, "-o", "jsonpath={.items[*].metadata.uid}");
    const killed = await operator();
    const killOperator = () => kubectl("delete", "pod", ...OPERATOR, "--grace-period=0", "--force", "--wait=false");
    await converged(await disturbedUp(stack, async () => (await readyInstances()) === "1", killOperator));
    await operatorReady();
    assert.ok(!(await operator()).includes(killed));
    assert.equal((await teleport.database(`${NAME}-${NAME}`))?.spec.uri, `${NAME}-rw.${NAME}.svc:5432`);
  });
});
