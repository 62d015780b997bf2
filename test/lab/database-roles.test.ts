/** Users as DatabaseRoles, and the migration to them and back. With real Kubernetes, CloudNativePG and Teleport. */
import { strict as assert } from "node:assert";
import type { KubernetesObject } from "../../components/kubernetes/client";
import { Stack } from "../../lab/drive/stack";
import { SteadyLogins } from "../faults/steady-logins";
import { kubectl, loginAs, oneDatabase, sqlAsSuperuser } from "./lab";

const NAME = "dr-roles";
const READER = { name: "teleport_user_read", access: "read" };
const WRITER = { name: "teleport_user_write", access: "write" };
const CLERK = { name: "clerk", access: "none", memberOf: ["pg_monitor"] };

describe("users as DatabaseRoles", () => {
  const stack = new Stack("dr");
  let logins: SteadyLogins | undefined;

  const configure = (usersAs: "inline" | "databaseRole", users: object[] = [READER, WRITER, CLERK]) =>
    stack.configure(oneDatabase(NAME, { users, usersAs }));
  const superuser = async (sql: string) => (await sqlAsSuperuser(NAME, "app", sql)).trim();
  const get = async (kind: string) =>
    (JSON.parse(await kubectl("-n", NAME, "get", kind, "-o", "json")) as { items: KubernetesObject[] }).items;
  /** Whether each DatabaseRole is applied, by its user. */
  const objects = async () =>
    Object.fromEntries((await get("databaseroles")).map(({ spec, status }) => [spec?.name, status?.applied]));
  const inline = async () => {
    const [cluster] = await get("clusters");
    const { roles = [] } = (cluster?.spec?.managed ?? {}) as { roles?: { name: string }[] };
    return roles.map(({ name }) => name).sort();
  };
  /** Moves the users, while the reader logs in every second. */
  const moved = async (usersAs: "inline" | "databaseRole") => {
    configure(usersAs);
    await logins?.enter(`to ${usersAs}`);
    await stack.up();
    await logins?.more(3);
    assert.ok((logins?.since().length ?? 0) > 3);
    assert.deepEqual(logins?.refused(), []);
    assert.deepEqual(Object.keys(await stack.plannedChanges()), ["same"]);
  };
  const ALL = [CLERK.name, READER.name, WRITER.name];

  before(() => stack.init());
  after(async () => {
    await logins?.end();
    await stack.destroy();
    await stack.remove();
  });

  it("exist in a new Cluster after their DatabaseRoles were created", async () => {
    configure("databaseRole");
    await stack.up();
    assert.deepEqual(await objects(), Object.fromEntries(ALL.map((name) => [name, true])));
    assert.deepEqual(await inline(), []);
    assert.deepEqual(Object.keys(await stack.plannedChanges()), ["same"]);
    logins = await SteadyLogins.begin([loginAs("reader", `${NAME}-dr`, "app")], "as DatabaseRoles");
  });

  it("can log in while they move to the Cluster, and deleting the DatabaseRoles drops no role", async () => {
    await moved("inline");
    assert.deepEqual(await objects(), {});
    assert.deepEqual(await inline(), ALL);
  });

  it("can log in while they move to DatabaseRoles, and stay the same roles", async () => {
    const oids =
      "SELECT string_agg(oid::text, ',' ORDER BY rolname) FROM pg_roles WHERE rolname ~ '^(teleport_user|clerk)'";
    const before = await superuser(oids);
    await moved("databaseRole");
    assert.deepEqual(await objects(), Object.fromEntries(ALL.map((name) => [name, true])));
    assert.deepEqual(await inline(), []);
    assert.equal(await superuser(oids), before, "the roles are the same ones");
  });

  it("are repaired by `up` after a manual change or drop; a removed user is dropped", async () => {
    await superuser("ALTER ROLE teleport_user_read SUPERUSER CREATEDB NOINHERIT CONNECTION LIMIT 99 PASSWORD 'x'");
    await superuser("GRANT pg_monitor TO teleport_user_read");
    await superuser("DROP ROLE clerk");
    configure("databaseRole", [READER, CLERK]);
    await logins?.enter("put right");
    await stack.up();
    const attributes = `SELECT rolsuper, rolcreatedb, rolinherit, rolconnlimit, rolpassword IS NULL, (
      SELECT count(*) FROM pg_auth_members WHERE member = a.oid) FROM pg_authid a WHERE rolname = 'teleport_user_read'`;
    assert.equal(await superuser(attributes), "f|f|t|20|t|0");
    assert.equal(
      await superuser(
        "SELECT rolcanlogin, pg_has_role(oid, 'pg_monitor', 'MEMBER') FROM pg_roles WHERE rolname = 'clerk'",
      ),
      "t|t",
    );
    assert.equal(await superuser("SELECT count(*) FROM pg_roles WHERE rolname = 'teleport_user_write'"), "0");
    assert.deepEqual(await objects(), { [CLERK.name]: true, [READER.name]: true });
    assert.deepEqual(logins?.refused(), []);
    assert.deepEqual(Object.keys(await stack.plannedChanges()), ["same"]);
  });

  it("are deleted with their Cluster", async () => {
    await logins?.end();
    logins = undefined;
    await stack.destroy();
    const left = await kubectl(
      "get",
      "databaseroles",
      "--all-namespaces",
      "-o",
      "jsonpath={.items[*].spec.cluster.name}",
    );
    assert.ok(!left.split(" ").includes(NAME), left);
  });
});
