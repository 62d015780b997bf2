/**
 * Instances are killed while `up` changes their Cluster: that `up` succeeds, or gives the reason and the next one
 * succeeds.
 */
import { strict as assert } from "node:assert";
import { ONE_AT_A_TIME } from "../../components/postgres/grants";
import { Stack } from "../../lab/drive/stack";
import { attempt } from "../../lab/host/command";
import { eventually, kubectl, oneDatabase, sqlAsSuperuser, teleport } from "../lab/lab";
import { disturbedUp } from "./watched-up";

const NAME = "sys-failover";

describe("a Cluster of two instances that are killed during `up`", () => {
  const stack = new Stack(NAME);
  const parameters = { shared_buffers: "32MB", max_connections: "50" };
  const configure = (settings: object = {}) =>
    stack.configure(
      oneDatabase(NAME, { instances: 2, parameters, spec: { ...probes, smartShutdownTimeout: 2 }, ...settings }),
    );
  const probes = { probes: { startup: { periodSeconds: 1, failureThreshold: 300 }, readiness: { periodSeconds: 1 } } };

  before(async () => {
    configure();
    await stack.init();
    await stack.up();
    await sqlAsSuperuser(NAME, "app", "SET ROLE app; CREATE TABLE public.t ()");
  });
  after(async () => {
    await stack.pulumi(["destroy", "--yes", "--skip-preview"]);
    await stack.remove();
    await kubectl("delete", "namespace", NAME, "--ignore-not-found", "--wait=false");
  });

  const status = (field: string) =>
    kubectl("-n", NAME, "get", "cluster", NAME, "--ignore-not-found", "-o", `jsonpath={.status.${field}}`).catch(
      () => "",
    );
  const kill = (pod: string) =>
    kubectl("-n", NAME, "delete", "pod", pod, "--grace-period=0", "--force", "--wait=false");

  /** `up` succeeds in the disturbed run or the next one. A failed run must say what failed and what to do. */
  async function converged({ code, output }: { code: number; output: string }): Promise<void> {
    if (code !== 0) {
      assert.match(output, /is not ready after|are not as declared|failed: |does not answer/);
      await stack.up();
    }
    await eventually("all instances are ready", async () => (await status("readyInstances")) === "2", 180_000);
    assert.deepEqual(Object.keys(await stack.plannedChanges()), ["same"]);
  }

  /** Users have their rights at the instance of -rw, and Teleport leads to -rw. */
  async function isRight(): Promise<void> {
    const primary = await status("currentPrimary");
    const address = await kubectl("-n", NAME, "get", "pod", primary, "-o", "jsonpath={.status.podIP}");
    const slices = ["get", "endpointslices", "-l", `kubernetes.io/service-name=${NAME}-rw`];
    await eventually("-rw leads to the primary", async () => {
      const found = await kubectl("-n", NAME, ...slices, "-o", "jsonpath={.items[*].endpoints[*].addresses[*]}");
      return found.trim() === address;
    });
    assert.equal((await sqlAsSuperuser(NAME, "app", "SELECT pg_is_in_recovery()")).trim(), "f");
    const rights = `SELECT has_table_privilege('teleport_user_read', 'public.t', 'SELECT'),
      has_table_privilege('teleport_user_read', 'public.t', 'INSERT'),
      has_table_privilege('teleport_user_write', 'public.t', 'INSERT')`;
    assert.equal((await sqlAsSuperuser(NAME, "app", rights)).trim(), "t|f|t");
    assert.equal((await teleport.database(`${NAME}-${NAME}`))?.spec.uri, `${NAME}-rw.${NAME}.svc:5432`);
  }

  it("the primary while rights are changed: the new primary has every right", async () => {
    const users = [
      { name: "teleport_user_read", access: "read" },
      { name: "teleport_user_write", access: "write" },
      ...Array.from({ length: 8 }, (_, index) => ({ name: `person_${index}`, access: "read" })),
    ];
    configure({ users });
    const old = await status("currentPrimary");
    // A change of rights waits for this transaction, so it is in progress when the primary ends.
    const held = `BEGIN; ${ONE_AT_A_TIME} SELECT pg_sleep(600);`;
    const psql = ["-n", NAME, "exec", old, "-c", "postgres", "--", "psql", "-d", "app", "-c", held];
    const holder = attempt("kubectl", psql, { limit: 900_000 }); // it ends with the pod
    const waiting = "SELECT count(*) FROM pg_locks WHERE relation = 'pg_authid'::regclass AND NOT granted";
    const atRights = async () => (await sqlAsSuperuser(NAME, "app", waiting)).trim() === "1";
    const { code, output } = await disturbedUp(stack, atRights, () => kill(old));
    await holder;
    assert.equal(code, 0, output);
    await converged({ code, output });
    assert.notEqual(await status("currentPrimary"), old);
    await isRight();
    const count = `SELECT count(*) FROM generate_series(0, 7) n WHERE has_table_privilege('person_' || n, 'public.t', 'SELECT')`;
    assert.equal((await sqlAsSuperuser(NAME, "app", count)).trim(), "8");
  });

  it("a standby while a setting is changed: both instances run with the setting", async () => {
    configure({ parameters: { ...parameters, work_mem: "5MB" } });
    const atWait = (printed: string) => /ClusterServing \S+ updating/.test(printed);
    const ended = await disturbedUp(stack, atWait, async () => {
      const primary = await status("currentPrimary");
      const pods = (await kubectl("-n", NAME, "get", "pods", "-l", "cnpg.io/podRole=instance", "-o", "name")).trim();
      const standby = pods.split("\n").find((pod) => pod !== `pod/${primary}`) ?? "";
      await kill(standby.replace("pod/", ""));
    });
    await converged(ended);
    for (const pod of (await kubectl("-n", NAME, "get", "pods", "-l", "cnpg.io/podRole=instance", "-o", "name"))
      .trim()
      .split("\n")) {
      const shown = await kubectl("-n", NAME, "exec", pod, "-c", "postgres", "--", "psql", "-Atc", "SHOW work_mem");
      assert.equal(shown.trim(), "5MB");
    }
  });

  it("and can be destroyed", async () => {
    await stack.destroy();
    assert.equal(await teleport.database(`${NAME}-${NAME}`), undefined);
    await eventually(
      "the namespace is gone",
      async () => (await kubectl("get", "ns", NAME, "--ignore-not-found")) === "",
      90_000,
    );
  });
});
