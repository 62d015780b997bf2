/** A database with CAs in the stack, which gains and loses a standby. */
import { strict as assert } from "node:assert";
import { sqlThroughTeleport } from "../../lab/drive/login";
import { Stack } from "../../lab/drive/stack";
import { attempt } from "../../lab/host/command";
import { eventually, kubectl, loginAs, oneDatabase, sqlAsSuperuser, teleport } from "./lab";

const NAME = "stock";

describe("a Cluster with certificates from @pulumi/tls", () => {
  const stack = new Stack("tls");
  const registered = async () =>
    (await teleport.databases()).map(({ metadata }) => metadata.name).filter((name) => name.startsWith(NAME));

  before(async () => {
    stack.configure(oneDatabase(NAME));
    await stack.init();
    await stack.up();
  });
  after(async () => {
    await stack.destroy();
    await stack.remove();
  });

  it("registers only the primary while there is one instance", async () => {
    assert.deepEqual(await registered(), ["stock-tls"]);
  });

  it("lets people in through Teleport", async () => {
    const result = await sqlThroughTeleport(loginAs("reader", "stock-tls", "app"), "SELECT current_user");
    assert.equal(result.stdout.trim(), "teleport_user_read", result.output);
  });

  it("accepts logins only by certificate and over TLS, for every address family", async () => {
    const primary = await kubectl("-n", NAME, "get", "cluster", NAME, "-o", "jsonpath={.status.currentPrimary}");
    const rules = await kubectl(
      ...["-n", NAME, "exec", primary, "-c", "postgres", "--", "psql", "--tuples-only", "--no-align", "-c"],
      "SELECT type, address, auth_method FROM pg_hba_file_rules WHERE 'teleport_user_read' = ANY (user_name) ORDER BY rule_number",
    );
    assert.deepEqual(rules.trim().split("\n"), [
      "hostssl|0.0.0.0|cert",
      "hostssl|::|cert",
      "hostnossl|0.0.0.0|reject",
      "hostnossl|::|reject",
    ]);
  });

  it("registers the standby when a second instance is added, and lets people read there", async () => {
    stack.configure(oneDatabase(NAME, { instances: 2 }));
    await stack.up();
    assert.deepEqual((await registered()).sort(), ["stock-tls", "stock-tls-ro"]);
    const result = await sqlThroughTeleport(loginAs("reader", "stock-tls-ro", "app"), "SELECT pg_is_in_recovery()");
    assert.equal(result.stdout.trim(), "t", result.output);
  });

  it("deregisters the standby when the second instance is removed", async () => {
    stack.configure(oneDatabase(NAME));
    await stack.up();
    assert.deepEqual(await registered(), ["stock-tls"]);
  });

  it("says why an update fails, and continues after a correction", async () => {
    stack.configure(oneDatabase(NAME, { image: "lab.local/postgresql:17.99", readyMinutes: 0.5 }));
    const result = await stack.pulumi(["up", "--yes", "--skip-preview"]);
    assert.notEqual(result.code, 0);
    assert.match(
      result.output,
      /Cluster stock\/stock is not ready after .*(ErrImagePull|ImagePullBackOff|ErrImageNeverPull)/s,
    );
    stack.configure(oneDatabase(NAME));
    const goingOn = stack.up();
    await eventually("the image is the right one again", async () =>
      (await kubectl("-n", NAME, "get", "cluster", NAME, "-o", "jsonpath={.spec.imageName}")).endsWith(":17"),
    );
    await kubectl("-n", NAME, "delete", "pod", "-l", `cnpg.io/cluster=${NAME}`, "--wait=false");
    await goingOn;
    const again = await sqlThroughTeleport(loginAs("reader", "stock-tls", "app"), "SELECT 1");
    assert.equal(again.stdout.trim(), "1", again.output);
  });

  it("is stopped while it is hibernated, and is as declared when it runs again", async () => {
    const poolers = [{ type: "rw", instances: 1 }];
    stack.configure(oneDatabase(NAME, { poolers }));
    await stack.up();
    stack.configure(oneDatabase(NAME, { poolers, hibernation: true }));
    await stack.up();
    const pods = await kubectl("-n", NAME, "get", "pods", "-l", `cnpg.io/cluster=${NAME},cnpg.io/podRole=instance`);
    assert.equal(pods, "");
    assert.deepEqual(Object.keys(await stack.plannedChanges()), ["same"]);

    const users = [{ name: "teleport_user_read", access: "read", statementTimeout: "9s" }];
    stack.configure(oneDatabase(NAME, { poolers, hibernation: false, users }));
    await stack.up();
    const result = await sqlThroughTeleport(loginAs("reader", "stock-tls", "app"), "SHOW statement_timeout");
    assert.equal(result.stdout.trim(), "9s", result.output);
  });

  it("continues if it was hibernated manually, keeps it hibernated, and is as declared when the settings end the hibernation", async () => {
    stack.configure(oneDatabase(NAME));
    await stack.up();
    await kubectl("-n", NAME, "annotate", "--overwrite", "cluster", NAME, "cnpg.io/hibernation=on");
    await kubectl("-n", NAME, "wait", `cluster/${NAME}`, "--for=condition=cnpg.io/hibernation", "--timeout=55s");
    const users = [{ name: "teleport_user_read", access: "read", statementTimeout: "8s" }];
    const changed = { users, description: "hibernated" };
    const isHibernated = /Cluster stock\/stock is stopped: it is hibernated \(annotation cnpg\.io\/hibernation/;
    for (const time of ["first", "second"]) {
      changed.description = `hibernated, ${time} change of the Cluster`;
      stack.configure(oneDatabase(NAME, changed));
      assert.match(await stack.up(), isHibernated, time);
    }
    stack.configure(oneDatabase(NAME, { ...changed, description: "running", hibernation: false }));
    const { code, output } = await stack.pulumi(["preview"]);
    assert.equal(code, 0, output);
    assert.match(output, /stock\/stock has the annotation cnpg\.io\/hibernation: "on", which \S+ wrote/);
    await stack.up();
    const result = await sqlThroughTeleport(loginAs("reader", "stock-tls", "app"), "SHOW statement_timeout");
    assert.equal(result.stdout.trim(), "8s", result.output);
  });

  it("continues with a message if its primary was fenced, and does the rest when the fence is lifted", async () => {
    const status = (field: string) =>
      kubectl("-n", NAME, "get", "cluster", NAME, "-o", `jsonpath={.status.${field}}`).then((text) => text.trim());
    const primary = await status("currentPrimary");
    const fence = (instances: string[]) =>
      kubectl(
        ...["-n", NAME, "annotate", "--overwrite", "cluster", NAME],
        `cnpg.io/fencedInstances=${JSON.stringify(instances)}`,
      );
    await fence([primary]);
    await eventually("nothing is ready", async () => ["", "0"].includes(await status("readyInstances")), 60_000);
    const users = [{ name: "teleport_user_read", access: "read", statementTimeout: "6s" }];
    stack.configure(oneDatabase(NAME, { users }));
    const begun = Date.now();
    const fenced = new RegExp(`${primary} is fenced \\(annotation cnpg\\.io/fencedInstances`);
    assert.match(await stack.up(), fenced);
    assert.ok(Date.now() - begun < 5 * 60_000, "readyMinutes are not waited for");
    await fence([]);
    await eventually("it is ready again", async () => (await status("readyInstances")) === "1", 120_000);
    await stack.up();
    const result = await sqlThroughTeleport(loginAs("reader", "stock-tls", "app"), "SHOW statement_timeout");
    assert.equal(result.stdout.trim(), "6s", result.output);
  });

  it("ends with the beginning of an error that is too long for the engine", async () => {
    const trigger = `CREATE FUNCTION public.talk() RETURNS event_trigger LANGUAGE plpgsql AS
      $$ BEGIN RAISE EXCEPTION 'no grants today: %', repeat('x', 200000); END $$;
      CREATE EVENT TRIGGER talk ON ddl_command_end WHEN TAG IN ('GRANT', 'REVOKE') EXECUTE FUNCTION public.talk()`;
    await sqlAsSuperuser(NAME, "app", trigger);
    const users = [{ name: "teleport_user_read", access: "read", statementTimeout: "7s" }];
    stack.configure(oneDatabase(NAME, { users }));
    try {
      const { code, output } = await stack.pulumi(["up", "--yes", "--skip-preview"], { limit: 180_000 });
      assert.notEqual(code, 0, output);
      assert.match(output, /no grants today: x+… and [0-9]+ more characters/);
      assert.ok(output.length < 60_000, `${output.length} characters`);
    } finally {
      await sqlAsSuperuser(NAME, "app", "DROP EVENT TRIGGER talk; DROP FUNCTION public.talk()");
    }
    await stack.up();
  });

  it("refuses a size that the storage class does not allow, and changes nothing", async () => {
    stack.configure(oneDatabase(NAME, { storage: { size: "2Gi" } }));
    for (const command of [["preview"], ["up", "--yes", "--skip-preview"]]) {
      const { code, output } = await stack.pulumi(command);
      assert.notEqual(code, 0, output);
      assert.match(
        output,
        /PersistentVolumeClaim stock-1 has 1Gi, and cannot grow to the 2Gi of storage\.size, because its StorageClass \S+ does not allow it/,
      );
    }
    assert.equal(await kubectl("-n", NAME, "get", "cluster", NAME, "-o", "jsonpath={.spec.storage.size}"), "1Gi");
  });

  it("fails if a volume cannot grow, with claim and reason; settings are applied anyway, and can be corrected", async () => {
    const changed = { parameters: { shared_buffers: "32MB", max_connections: "50", work_mem: "7MB" } };
    // The size is already in the Cluster, e.g. because the storage class could not be read.
    const larger = '{"spec":{"storage":{"size":"2Gi"}}}';
    await kubectl("-n", NAME, "patch", "cluster", NAME, "--type=merge", "--patch", larger);
    stack.configure(oneDatabase(NAME, { ...changed, storage: { size: "2Gi" } }));
    const { code, output } = await stack.pulumi(["up", "--yes", "--skip-preview"]);
    assert.notEqual(code, 0, output);
    assert.match(
      output,
      /PersistentVolumeClaim stock-1 has 1Gi instead of the 2Gi of storage\.size: its StorageClass \S+ does not allow volumes to grow/,
    );
    await eventually("the setting arrives", async () =>
      (await sqlAsSuperuser(NAME, "postgres", "SHOW work_mem")).includes("7MB"),
    );
    const size = '{"spec":{"storage":{"size":"1Gi"}}}';
    const back = await attempt("kubectl", ["-n", NAME, "patch", "cluster", NAME, "--type=merge", "--patch", size]);
    assert.match(back.output, /can't shrink existing storage/);
    stack.configure(oneDatabase(NAME, { ...changed, storage: { size: "2Gi", resizeInUseVolumes: false } }));
    await stack.up();
  });
});
