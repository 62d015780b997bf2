import { strict as assert } from "node:assert";
import { consumerPolicy, vaultDatabasePolicy } from "../../../components/vault-database/policies";
import { vaultDatabaseDriftQuery, vaultDatabaseScript } from "../../../components/vault-database/database-scripts";
import {
  vaultRolesDriftQuery,
  vaultRolesScript,
  vaultUsersQuery,
  type VaultUsers,
} from "../../../components/vault-database/role-scripts";
import { vaultUserNames } from "../../../components/vault-database/settings";

const paths = (policy: string) => [...policy.matchAll(/^path "([^"]+)"/gm)].map(([, path]) => path);

describe("the policy of a consumer", () => {
  const policy = consumerPolicy("postgres/orders", "app");
  it("allows its credentials, their leases and its own token", () => {
    assert.deepEqual(paths(policy), [
      "postgres/orders/creds/app",
      "sys/leases/renew",
      "sys/leases/renew/postgres/orders/creds/app/*",
      "sys/leases/revoke",
      "sys/leases/revoke/postgres/orders/creds/app/*",
      "auth/token/lookup-self",
      "auth/token/renew-self",
      "auth/token/revoke-self",
    ]);
  });
  it("allows leases of no other role, not even of one with the same prefix", () => {
    const allowed = [...policy.matchAll(/"lease_id" = \["([^"]+)"\]/g)].map(([, lease]) => lease);
    assert.deepEqual(allowed, ["postgres/orders/creds/app/*", "postgres/orders/creds/app/*"]);
  });
});

describe("the policy of the program", () => {
  const scope = { mount: "postgres", connection: "orders", roles: ["app"], kubernetesAuth: "kubernetes" };

  it("reads no credentials, and mounts nothing if the mounts exist", () => {
    const opened = paths(vaultDatabasePolicy(scope));
    assert.deepEqual(
      opened.filter((path) => /\/creds\//.test(path!)),
      ["sys/leases/revoke-prefix/postgres/creds/app", "sys/leases/revoke-force/postgres/creds/app"],
    );
    assert.deepEqual(
      opened.filter((path) => /^sys\/(mounts|auth)|[*+]/.test(path!)),
      [],
    );
  });

  it("creates the program's own mounts", () => {
    const opened = paths(vaultDatabasePolicy({ ...scope, makesMount: true, makesKubernetesAuth: true }));
    assert.deepEqual(
      opened.filter((path) => /^sys\/(mounts|auth)|\/config$/.test(path!)),
      [
        ...["sys/mounts/postgres", "sys/mounts/postgres/tune"],
        ...["sys/auth/kubernetes", "sys/mounts/auth/kubernetes", "sys/mounts/auth/kubernetes/tune"],
        "auth/kubernetes/config",
      ],
    );
  });

  it("lists what is in the program's own mounts, which are deleted only if they are empty", () => {
    const listed = (policy: string) => [...policy.matchAll(/^path "([^"]+\/)" \{ capabilities = \["list"\] \}$/gm)];
    const own = listed(vaultDatabasePolicy({ ...scope, makesMount: true, makesKubernetesAuth: true }));
    assert.deepEqual(
      own.map(([, path]) => path),
      ["postgres/config/", "postgres/roles/", "postgres/static-roles/", "auth/kubernetes/role/"],
    );
    assert.deepEqual(listed(vaultDatabasePolicy(scope)), []);
  });

  it("pins the text of the consumer's policy, and the policy of its login", () => {
    const policy = vaultDatabasePolicy(scope);
    const [, pinned = ""] = /allowed_parameters = \{ "policy" = \[(".*")\] \}/.exec(policy) ?? [];
    assert.equal(JSON.parse(pinned), consumerPolicy("postgres", "app"));
    assert.match(policy, /"token_policies" = \[\["database-orders-app"\]\]/);
    assert.match(policy, /denied_parameters = \{ "policies" = \[\] \}/);
  });
});

describe("the SQL for Vault", () => {
  const users: VaultUsers = {
    names: vaultUserNames({ group: "the-group" }, "app", "app"),
    roles: ["the-group", "pg_read_all_data"],
    schemas: ["public", 'odd"one'],
    database: "app",
    owner: "postgres/config/o'rders",
  };
  const made = vaultDatabaseScript(users);

  it("sets a safe search_path first, and quotes every name", () => {
    const all = [vaultRolesScript(users), made, vaultRolesDriftQuery(users), vaultDatabaseDriftQuery(users)];
    for (const script of all)
      assert.match(script, /^\\set ON_ERROR_STOP on[\s\S]*SET search_path = pg_catalog, pg_temp;/);
    for (const script of [all[0]!, made]) assert.ok(script.includes(`o''rders`) && !/[^']o'r/.test(script));
    assert.doesNotMatch(all.join("\n"), /(GRANT|TO|ROLE) the-group/);
  });

  it("creates functions that run with their caller's rights, in a schema that only the superuser can write", () => {
    assert.equal(made.match(/SECURITY INVOKER SET search_path = pg_catalog, pg_temp/g)?.length, 2);
    assert.doesNotMatch(made, /SECURITY DEFINER/);
    assert.match(made, /REVOKE ALL ON SCHEMA "vault_app" FROM PUBLIC/);
    assert.ok(made.indexOf("nspowner") < made.indexOf("DROP SCHEMA"), "whose it is, is looked at first");
  });

  it("reassigns a user's objects to one of the user's roles, never to one with more rights", () => {
    assert.equal(
      made.match(/heir := \(SELECT rolname FROM pg_roles r\s+WHERE CASE WHEN rolname = 'the-group' THEN pg_has_role/g)
        ?.length,
      2,
    );
    assert.doesNotMatch(made, /(REASSIGN OWNED BY %I TO %I|OWNER TO %I)', [^)]*'the-group'/);
  });

  it("grants the group's default privileges, and revokes from PUBLIC what they revoke", () => {
    for (const [word, letter] of Object.entries({ TABLE: "r", SEQUENCE: "S", ROUTINE: "f", TYPE: "T", SCHEMA: "n" }))
      assert.ok(made.includes(`'${word}', '${letter}')`), word);
    const [revoke, grant] = [
      made.indexOf("'REVOKE ALL ON %s %s FROM PUBLIC'"),
      made.indexOf("'GRANT %s ON %s %s TO %s%s'"),
    ];
    assert.ok(revoke > 0 && revoke < grant, "what PUBLIC is given stays");
  });

  it("fixes the settings of Vault's user, so that those of the database cannot stop it", () => {
    const script = vaultRolesScript(users);
    for (const setting of [
      "search_path = pg_catalog, pg_temp",
      "statement_timeout = '0'",
      "role = 'none'",
      "transaction_timeout = '0'",
      "default_transaction_read_only = 'off'",
    ])
      assert.ok(script.includes(`ALTER ROLE "vault_app" SET ${setting};`), setting);
  });

  it("fires for commands that create objects, and not for those that the function itself runs", () => {
    const [, tags = ""] = /WHEN TAG IN \((.*)\)/.exec(made) ?? [];
    assert.match(tags, /'CREATE TABLE'.*'CREATE TABLE AS'.*'SELECT INTO'.*'CREATE VIEW'/);
    assert.doesNotMatch(tags, /ALTER|EXTENSION/);
  });

  it("recognizes Vault's users by their group, whatever aliases the enclosing query uses", () => {
    for (const script of [vaultRolesDriftQuery(users), vaultUsersQuery(users.names, "all")])
      assert.doesNotMatch(script, /in_users\.member = in_users\./);
    assert.match(
      vaultRolesScript(users),
      /NOT EXISTS \(SELECT FROM pg_auth_members in_users WHERE in_users\.member = r\.oid/,
    );
  });
});
