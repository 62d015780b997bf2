import { strict as assert } from "node:assert";
import { checkUsers, managedRoles, memberships, roleSettings, TeleportUser } from "../../../components/cnpg/roles";

const user = (more: Partial<TeleportUser> = {}): TeleportUser => ({ name: "reader", access: "read", ...more });
const problems = (...users: TeleportUser[]) => checkUsers("users", users, "shop");

describe("roles of people", () => {
  it("are members only of the named roles: predefined roles would also include the system's tables", () => {
    assert.deepEqual(memberships(user({ access: "write" })), []);
    assert.deepEqual(memberships(user({ memberOf: ["auditors", "auditors"] })), ["auditors"]);
  });

  it("have no password, and a connection limit", () => {
    const [role] = managedRoles([user()]);
    assert.equal(role?.disablePassword, true);
    assert.equal(role?.connectionLimit, 20);
  });

  it("start read-only transactions if they are readers, unless the settings say otherwise", () => {
    assert.deepEqual(roleSettings(user()), { default_transaction_read_only: "on" });
    assert.deepEqual(roleSettings(user({ readOnly: false, statementTimeout: "5s" })), { statement_timeout: "5s" });
    assert.deepEqual(roleSettings(user({ access: "write" })), {});
  });

  it("accept all settings at once", () => {
    const full = user({
      scope: [{ database: "billing", schemas: ["invoices", "Odd name"] }],
      memberOf: ["pg_monitor", "auditors"],
      connectionLimit: -1,
      readOnly: true,
      statementTimeout: "5min",
      settings: {
        work_mem: "8MB",
        TimeZone: "Europe/Berlin",
        search_path: "app, public",
        "auto_explain.log_min_duration": "1s",
      },
    });
    assert.deepEqual(problems(full), []);
  });

  for (const [what, wrong, setting] of [
    ["an invalid name", { name: "Reader" }, "users[0].name"],
    ["a superuser's name", { name: "postgres" }, "users[0].name"],
    ["the replication user's name", { name: "streaming_replica" }, "users[0].name"],
    ["the pooler's name", { name: "pooler_authentication" }, "users[0].name"],
    ["a name that CNPG reserves", { name: "cnpg_pooler_pgbouncer" }, "users[0].name"],
    ["the owner's name", { name: "shop" }, "users[0].name"],
    ["a keyword of pg_hba.conf", { name: "replication" }, "users[0].name"],
    ["membership in superusers", { memberOf: ["postgres"] }, "users[0].memberOf[0]"],
    ["membership in a role that can run programs", { memberOf: ["pg_execute_server_program"] }, "users[0].memberOf[0]"],
    ["membership in itself", { memberOf: ["reader"] }, "users[0].memberOf[0]"],
    ["a reader that is a member of the owner", { memberOf: ["shop"] }, "users[0].memberOf[0]"],
    ["a scope without access", { access: "none", scope: [{}] }, "users[0].scope"],
    ["an empty scope", { scope: [] }, "users[0].scope"],
    ["an empty list of schemas", { scope: [{ schemas: [] }] }, "users[0].scope[0].schemas"],
    ["PostgreSQL's own schema", { scope: [{ schemas: ["pg_catalog"] }] }, "users[0].scope[0].schemas"],
    ["no connections", { connectionLimit: 0 }, "users[0].connectionLimit"],
    ["half a connection", { connectionLimit: 1.5 }, "users[0].connectionLimit"],
    ["an invalid timeout", { statementTimeout: "soon" }, "users[0].statementTimeout"],
    ["an invalid setting", { settings: { "a; DROP": "x" } }, "users[0].settings.a; DROP"],
    [
      "a setting that has its own key",
      { settings: { statement_timeout: "1s" } },
      "users[0].settings.statement_timeout",
    ],
  ] as [string, Partial<TeleportUser>, string][]) {
    it(`are refused with ${what}`, () => {
      const [first, ...others] = problems(user(wrong));
      assert.equal(first?.setting, setting);
      assert.ok(first.problem && first.fix);
      assert.deepEqual(others, []);
    });
  }

  it("are refused if two have the same name", () => {
    assert.deepEqual(
      problems(user(), user({ access: "write" })).map(({ setting }) => setting),
      ["users[1].name"],
    );
  });
});
