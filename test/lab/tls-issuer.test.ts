/** A database whose CAs live in the stack, as it grows a standby and loses it again. */
import { strict as assert } from "node:assert";
import { sqlThroughTeleport } from "../../lab/drive/login";
import { Stack } from "../../lab/drive/stack";
import { eventually, kubectl, loginAs, oneDatabase, teleport } from "./lab";

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

  it("registers the primary only while there is one instance", async () => {
    assert.deepEqual(await registered(), ["stock-tls"]);
  });

  it("lets people in through Teleport", async () => {
    const result = await sqlThroughTeleport(loginAs("reader", "stock-tls", "app"), "SELECT current_user");
    assert.equal(result.stdout.trim(), "teleport_user_read", result.output);
  });

  it("accepts a login by certificate only, at every address family and without TLS not at all", async () => {
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

  it("registers the standby when a second instance comes, and lets people read there", async () => {
    stack.configure(oneDatabase(NAME, { instances: 2 }));
    await stack.up();
    assert.deepEqual((await registered()).sort(), ["stock-tls", "stock-tls-ro"]);
    const result = await sqlThroughTeleport(loginAs("reader", "stock-tls-ro", "app"), "SELECT pg_is_in_recovery()");
    assert.equal(result.stdout.trim(), "t", result.output);
  });

  it("deregisters the standby when the second instance goes", async () => {
    stack.configure(oneDatabase(NAME));
    await stack.up();
    assert.deepEqual(await registered(), ["stock-tls"]);
  });

  it("says why an update does not come about, and goes on when it is put right", async () => {
    stack.configure(oneDatabase(NAME, { image: "lab.local/postgresql:17.99", readyMinutes: 0.5 }));
    const result = await stack.pulumi(["up", "--yes", "--skip-preview"]);
    assert.notEqual(result.code, 0);
    assert.match(
      result.output,
      /Cluster stock\/stock does not serve .*(ErrImagePull|ImagePullBackOff|ErrImageNeverPull)/s,
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

  it("sleeps while it is hibernated, and is as declared when it wakes", async () => {
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
});
