import { strict as assert } from "node:assert";
import { KINDS, parseConfig } from "../../../config/config";
import { SettingsError } from "../../../components";
import { makersFirst, makersOf } from "../../../config/vault-mounts";
import * as file from "../../../components/settings/settings.schema.json";

const vaultRoles = { server: { mount: "pki", role: "s" }, client: { mount: "pki", role: "c" } };
const minimal = { storage: { size: "1Gi" }, issuer: { type: "tls" } };
const snapshots = { storage: { name: "orders-data", kind: "VolumeSnapshot" } };
const parse = (raw: Record<string, unknown>, variables: NodeJS.ProcessEnv = {}) => parseConfig(raw, "dev", variables);
const problems = (raw: Record<string, unknown>, variables: NodeJS.ProcessEnv = {}): string[] => {
  try {
    parse(raw, variables);
    return [];
  } catch (error) {
    assert.ok(error instanceof SettingsError, String(error));
    return error.message
      .split("\n")
      .slice(1)
      .map((line) => line.replace("  - ", ""));
  }
};

interface Schema {
  $ref?: string;
  properties?: Record<string, Schema>;
  discriminator?: { propertyName: string };
  oneOf?: Schema[];
  then?: Schema;
  else?: Schema;
}

/** The keys that distinguish the kinds of mappings outside of lists, by the mapping's path. */
function kindsBelow(type: string, path = ""): Record<string, string> {
  const schema = (file.definitions as unknown as Record<string, Schema>)[type] ?? {};
  const walk = (of: Schema, at: string): [string, string][] => {
    if (of.$ref !== undefined) return Object.entries(kindsBelow(of.$ref.replace("#/definitions/", ""), at));
    const kinds = [...(of.oneOf ?? []), ...(of.then ? [of.then] : []), ...(of.else ? [of.else] : [])];
    return [
      ...(of.discriminator ? [[at, of.discriminator.propertyName] as [string, string]] : []),
      ...kinds.flatMap((kind) => walk(kind, at)),
      ...Object.entries(of.properties ?? {}).flatMap(([key, below]) => walk(below, at === "" ? key : `${at}.${key}`)),
    ];
  };
  return Object.fromEntries(walk(schema, path));
}

describe("the configuration", () => {
  it("merges the defaults into every database, also nested mappings", () => {
    const { databases } = parse({
      defaults: { ...minimal, parameters: { a: "1", b: "1" } },
      databases: { orders: { parameters: { b: "2" } }, sales: { storage: { size: "5Gi" } } },
    });
    assert.deepEqual(databases.orders?.parameters, { a: "1", b: "2" });
    assert.equal(databases.sales?.storage.size, "5Gi");
  });

  it("replaces the default issuer if a database sets another type", () => {
    const { databases } = parse({
      defaults: { storage: { size: "1Gi" }, issuer: { type: "vault", ...vaultRoles } },
      databases: { orders: { issuer: { type: "tls" } } },
    });
    assert.deepEqual(databases.orders?.issuer, { type: "tls" });
  });

  it("replaces a default mapping of any kind if a database sets another kind", () => {
    const registrationIn = (registration: object) => {
      const byAgent = { by: "agent", namespace: "agents", join: { method: "iam", tokenName: "agents" } };
      const { databases } = parse({
        defaults: { ...minimal, teleport: { proxy: "t:443", registration: byAgent } },
        databases: { orders: { teleport: { registration } } },
      });
      return [databases.orders?.teleport].flat()[0]?.registration;
    };
    assert.deepEqual(registrationIn({ by: "program" }), { by: "program" });
    const join = { method: "token", secret: "agent-token" };
    assert.deepEqual(registrationIn({ join }), { by: "agent", namespace: "agents", join });
    assert.deepEqual(registrationIn({ namespace: "other" }), {
      ...{ by: "agent", namespace: "other" },
      join: { method: "iam", tokenName: "agents" },
    });
  });

  it("knows the kinds of every mapping in the settings", () => {
    assert.deepEqual(kindsBelow("DatabaseSettings"), KINDS);
  });

  for (const [what, raw, expected] of [
    ["an unknown key", { databases: {}, databasse: {} }, /^databasse: is not a setting\. Use one of/],
    [
      "a kubeconfig, which only a program can pass",
      { databases: { a: { ...minimal, kubernetes: { kubeconfig: "x" } } } },
      /^databases\.a\.kubernetes\.kubeconfig: is not a setting\./,
    ],
    [
      "a kubeconfig for all databases",
      { databases: {}, kubernetes: { kubeconfig: "x" } },
      /^kubernetes\.kubeconfig: is not a setting\./,
    ],
    ["missing databases", {}, /^databases: is missing\./],
    [
      "an unknown setting",
      { databases: { a: { ...minimal, instnces: 2 } } },
      /^databases\.a\.instnces: is not a setting\. Did you mean instances\?/,
    ],
    ["a missing setting", { databases: { a: { issuer: { type: "tls" } } } }, /^databases\.a\.storage: is missing/],
    [
      "the adoption of a Cluster without its namespace",
      { databases: { a: { ...minimal, adopt: true } } },
      /^databases\.a\.namespace: is missing, but adopt: true needs it\. Write the namespace of the existing Cluster\./,
    ],
    [
      "the adoption of a Cluster that would be recovered",
      { databases: { a: { ...minimal, namespace: "db", adopt: true, recovery: { volumeSnapshots: snapshots } } } },
      /^databases\.a\.recovery: must not be set together with adopt: true.*Remove adopt to create a new Cluster/,
    ],
    [
      "text in place of true or false for adopt",
      { databases: { a: { ...minimal, namespace: "db", adopt: "orders" } } },
      /^databases\.a\.adopt = "orders": must be true or false\./,
    ],
    [
      "a size without a unit",
      { databases: { a: { ...minimal, storage: { size: 10 } } } },
      /^databases\.a\.storage\.size = "10": must be at least 1Mi\. Write a number and a unit/,
    ],
    [
      "a fraction in place of a version",
      { databases: { a: { ...minimal, extensions: [{ name: "timescaledb", version: 2.1 }] } } },
      /^databases\.a\.extensions\[0\]\.version = 2\.1: must be a string\. Put the value in quotes: .*1\.10/,
    ],
    [
      "a number that JavaScript cannot represent exactly",
      { databases: { a: { ...minimal, parameters: { x: 12345678901234567890 } } } },
      /^databases\.a\.parameters\.x = .*: must be a string\. Put the value in quotes: .*exactly/,
    ],
    [
      "a list in place of text",
      { databases: { a: { ...minimal, parameters: { x: [1] } } } },
      /^databases\.a\.parameters\.x = \[1\]: must be a string\./,
    ],
    [
      "text in place of a mapping or a list",
      { databases: { a: { ...minimal, teleport: "t:443" } } },
      /^databases\.a\.teleport = "t:443": must be a mapping or a list\./,
    ],
    [
      "a missing setting of one type of issuer",
      {
        databases: { a: { ...minimal, issuer: { type: "vault", server: vaultRoles.server } } },
        vault: { auth: { method: "token" }, address: "https://v" },
      },
      /^databases\.a\.issuer\.client: is missing\. Write a mapping or a list\.$/,
    ],
    [
      "an empty namespace of Vault",
      { databases: {}, vault: { auth: { method: "token" }, namespace: "" } },
      /^vault\.namespace = "": must not be empty\. Write a value, or remove it\.$/,
    ],
    [
      "an empty context of the kubeconfig, for which Pulumi's provider would use the current one",
      { databases: { a: { ...minimal, kubernetes: { context: "" } } } },
      /^databases\.a\.kubernetes\.context = "": must not be empty\. Write a value, or remove it\.$/,
    ],
    [
      "a number in place of a list",
      { databases: { a: { ...minimal, users: 3 } } },
      /^databases\.a\.users = 3: must be a list\. Write a list, or remove it\./,
    ],
    [
      "a number in quotes",
      { databases: { a: { ...minimal, instances: "3" } } },
      /^databases\.a\.instances = "3": must be a number\. Write a number, or remove it\./,
    ],
    [
      "an unknown type of issuer",
      { databases: { a: { ...minimal, issuer: { type: "acme" } } } },
      /^databases\.a\.issuer\.type = "acme": is not one of the allowed values\. Use tls or vault\.$/,
    ],
    [
      "a proxy with a scheme",
      { databases: { a: { ...minimal, teleport: { proxy: "https://t" } } } },
      /^databases\.a\.teleport\.proxy = "https:\/\/t": .*without a scheme/,
    ],
    [
      "an unknown kind of registration",
      { databases: { a: { ...minimal, teleport: { proxy: "t:443", registration: { by: "hand" } } } } },
      /^databases\.a\.teleport\.registration\.by = "hand": .*\. Use program, agent or operator\.$/,
    ],
    [
      "an unknown source of CAs",
      { databases: { a: { ...minimal, teleport: { proxy: "t:443", clientCas: [{ from: "air" }] } } } },
      /^databases\.a\.teleport\.clientCas\[0\]\.from = "air": .*\. Use teleport, proxy, vault, secret, configMap or pem\.$/,
    ],
    [
      "two Teleport clusters with one identity",
      { databases: { a: { ...minimal, teleport: [{ proxy: "t:443" }, { proxy: "u:443", name: "a" }] } } },
      /^databases\.a\.teleport\[1\]\.credentials: must be unique, but another Teleport cluster/,
    ],
    [
      "a PgBouncer parameter that belongs to CloudNativePG",
      { databases: { a: { ...minimal, poolers: [{ type: "rw", parameters: { listen_port: "1" } }] } } },
      /^databases\.a\.poolers\[0\]\.parameters\.listen_port: is not a PgBouncer setting/,
    ],
    [
      "a Pooler with the name of a Service of the Cluster",
      { databases: { a: { ...minimal, poolers: [{ type: "rw", name: "a-rw" }] } } },
      /^databases\.a\.poolers\[0\]\.name = "a-rw": is already the name of the Cluster/,
    ],
    [
      "an invalid key of a database",
      { databases: { "A B": minimal } },
      /^databases\.A B: is not a name that CloudNativePG/,
    ],
    [
      "a missing auth method",
      { databases: {}, vault: { auth: {} } },
      /^vault\.auth\.method: is missing\. Use approle or token\.$/,
    ],
    [
      "an unknown auth method, and shows it",
      { databases: {}, vault: { auth: { method: "kubernetes", role: "x" } } },
      /^vault\.auth\.method = "kubernetes": is not one of the allowed values\. Use approle or token\.$/,
    ],
    [
      "an address of Vault without a scheme",
      { databases: {}, vault: { address: "localhost:8200", auth: { method: "token" } } },
      /^vault\.address = "localhost:8200": must be a URL that begins with https/,
    ],
    [
      "an address of a database's Vault without a scheme",
      {
        databases: { a: { ...minimal, vaultDatabase: { roles: { app: {} }, vault: { address: "vault:8200" } } } },
        vault: { address: "https://v", auth: { method: "token" } },
      },
      /^databases\.a\.vaultDatabase\.vault\.address = "vault:8200": must be a URL/,
    ],
    [
      "a field of CloudNativePG",
      { databases: { a: { ...minimal, monitoring: { enablePodMonitor: true } } } },
      /^databases\.a\.monitoring: is a field of CloudNativePG, not a setting\. Write it under spec, as spec\.monitoring\.$/,
    ],
    [
      "a field of CloudNativePG that has a setting",
      { databases: { a: { ...minimal, imageName: "postgresql:17" } } },
      /^databases\.a\.imageName: is a field of CloudNativePG, not a setting\. Use image\.$/,
    ],
    [
      "a setting in the wrong place",
      { databases: { a: { ...minimal, dataChecksums: true } } },
      /^databases\.a\.dataChecksums: is not a setting here\. Use initdb\.dataChecksums\.$/,
    ],
    [
      "a nested field of CloudNativePG",
      { databases: { a: { ...minimal, tolerations: [] } } },
      /^databases\.a\.tolerations: is a field of CloudNativePG, not a setting\. Write it under spec, as spec\.affinity\.tolerations\.$/,
    ],
    [
      "a misspelt field of CloudNativePG",
      { databases: { a: { ...minimal, topologySpreadConstraint: [] } } },
      /^databases\.a\.topologySpreadConstraint: is not a setting\. Did you mean CloudNativePG's topologySpreadConstraints\? Write it as spec\.topologySpreadConstraints\.$/,
    ],
    [
      "a setting of version 0.1.0 that is now a field of CloudNativePG",
      { databases: { a: { ...minimal, affinity: { topologyKey: "zone of mine" } } } },
      /^databases\.a\.affinity: is now a field of CloudNativePG under spec\. Write it as spec\.affinity\.$/,
    ],
    [
      "such a setting in defaults, and names defaults",
      { defaults: { imagePullSecrets: ["registry"] }, databases: { a: minimal, b: minimal } },
      /^defaults\.imagePullSecrets: is now a field .*Write it as spec\.imagePullSecrets, a list of \{name: /,
    ],
    [
      "clear-text passwords in a field of CloudNativePG",
      { databases: { a: { ...minimal, spec: { postgresql: { ldap: { server: "l", bindAsAuth: {} } } } } } },
      /^databases\.a\.spec\.postgresql\.ldap\.tls = false: sends passwords in clear text to the directory\. /,
    ],
    ...(
      [
        ["teleport_admin", "is the role with which Teleport creates users", "autoUsers.adminUser"],
        ["vault_app", "is a role with which Vault creates users", "vaultDatabase.admin"],
        ["vault_app_users", "is a role with which Vault creates users", "vaultDatabase.admin"],
      ] as const
    ).map(([role, problem, setting]): [string, Record<string, unknown>, RegExp] => [
      `an import of ${role}, which the program would refuse only after the import`,
      {
        databases: {
          a: {
            ...minimal,
            teleport: { proxy: "t:443" },
            autoUsers: { roles: ["teleport_user_read"] },
            vaultDatabase: { roles: { app: {} } },
            spec: {
              bootstrap: {
                initdb: {
                  import: { type: "monolith", databases: ["app"], roles: ["app", "teleport_user_read", role] },
                },
              },
            },
          },
        },
        vault: { address: "https://v", auth: { method: "token" } },
      },
      new RegExp(
        `^databases\\.a\\.spec\\.bootstrap\\.initdb\\.import\\.roles\\[2\\] = "${role}": ${problem}, so it must not exist already\\. Set ${setting} to another name, or remove the role here\\.$`,
      ),
    ]),
    [
      "a misspelt nested setting",
      { databases: { a: { ...minimal, teleport: { proxy: "t:443", acessRoles: true } } } },
      /^databases\.a\.teleport\.acessRoles: is not a setting\. Did you mean accessRoles\?$/,
    ],
    [
      "a Pooler for standbys if there is no standby",
      { databases: { a: { ...minimal, instances: 1, poolers: [{ type: "ro" }] } } },
      /^databases\.a\.poolers\[0\]\.type = "ro": connects to standbys, but the database has only one instance\./,
    ],
    [
      "a Pooler whose Service is disabled",
      {
        databases: {
          a: {
            ...minimal,
            poolers: [{ type: "r" }],
            spec: { managed: { services: { disabledDefaultServices: ["r"] } } },
          },
        },
      },
      /^databases\.a\.poolers\[0\]\.type = "r": needs a Service of the Cluster/,
    ],
    [
      "an environment that cannot be part of a name, and names environment",
      { databases: { a: { ...minimal, environment: "Prod", teleport: { proxy: "t:443" } } } },
      /^databases\.a\.environment = "Prod": cannot be part of a name in Teleport\./,
    ],
    [
      "a database's key with capitals, and no name that follows from it",
      {
        databases: {
          Orders: {
            ...minimal,
            teleport: { proxy: "t:443" },
            poolers: [{ type: "rw" }],
            vaultDatabase: { roles: { app: {} } },
          },
        },
        vault: { address: "https://v", auth: { method: "token" } },
      },
      /^databases\.Orders: is not a name that CloudNativePG accepts\. .*Or set clusterName\.$/,
    ],
    [
      "a default name in Teleport that is too long",
      {
        databases: { ["a".repeat(50)]: { ...minimal, environment: "production-europe", teleport: { proxy: "t:443" } } },
      },
      /^databases\.a{50}: would be called a{50}-production-europe-ro in Teleport, which is too long\. Set teleport\.name\.$/,
    ],
    [
      "an invalid name in Teleport",
      { databases: { a: { ...minimal, teleport: { proxy: "t:443", name: "Shop" } } } },
      /^databases\.a\.teleport\.name = "Shop": is not a name that Teleport accepts/,
    ],
    [
      "an invalid name of a database in PostgreSQL, once",
      { databases: { a: { ...minimal, initdb: { database: "My Shop" } } } },
      /^databases\.a\.initdb\.database = "My Shop": /,
    ],
    [
      "a namespace that Kubernetes does not accept",
      { databases: { a: { ...minimal, namespace: "Shop/x" } } },
      /^databases\.a\.namespace = "Shop\/x": is not a valid name of a namespace\. Use at most 63 lower-case letters/,
    ],
    [
      "an empty namespace, once for all databases",
      { defaults: { ...minimal, namespace: "" }, databases: { a: {}, b: {} } },
      /^defaults\.namespace = "": is not a valid name of a namespace\./,
    ],
    ...["agent", "operator"].map((by) => [
      `a namespace of Teleport's ${by} that Kubernetes does not accept`,
      {
        databases: {
          a: {
            ...minimal,
            teleport: {
              proxy: "t:443",
              registration: {
                ...{ by, namespace: "Agents" },
                ...(by === "agent" ? { join: { method: "iam", tokenName: "a" } } : {}),
              },
            },
          },
        },
      },
      /^databases\.a\.teleport\.registration\.namespace = "Agents": is not a valid name of a namespace\./,
    ]),
    [
      "a Secret of the owner with an invalid name",
      { databases: { a: { ...minimal, initdb: { ownerSecret: "" } } } },
      /^databases\.a\.initdb\.ownerSecret = "": is not a valid name of a Secret\./,
    ],
    [
      "an unknown access",
      { databases: { a: { ...minimal, users: [{ name: "x", access: "admin" }] } } },
      /^databases\.a\.users\[0\]\.access = "admin": is not one of the allowed values\. Use read, write or none\./,
    ],
  ] as [string, Record<string, unknown>, RegExp][]) {
    it(`refuses ${what}, with setting, value and fix`, () => {
      const [first, ...others] = problems(raw);
      assert.match(first ?? "", expected);
      assert.deepEqual(others, []);
    });
  }

  it("accepts numbers and booleans in place of text", () => {
    const { databases } = parse({
      databases: {
        a: {
          ...minimal,
          description: 2026,
          parameters: {
            max_connections: 200,
            "pg_stat_statements.track_utility": false,
            random_page_cost: 1.1,
            a: 1e3,
          },
          resources: { requests: { cpu: 0.5, memory: 1073741824 }, limits: { cpu: 2 } },
          teleport: { proxy: "t:443", labels: { tier: 1, critical: true } },
          poolers: [{ type: "rw", parameters: { default_pool_size: 50, log_connections: 0 } }],
          users: [
            { name: "reader", access: "read", statementTimeout: 30000, settings: { work_mem: 4096, jit: false } },
          ],
        },
      },
    });
    const { description, parameters, resources, teleport, poolers, users } = databases.a!;
    assert.deepEqual(
      { description, parameters, resources, teleport },
      {
        description: "2026",
        parameters: {
          max_connections: "200",
          "pg_stat_statements.track_utility": "false",
          random_page_cost: "1.1",
          a: "1000",
        },
        resources: { requests: { cpu: "0.5", memory: "1073741824" }, limits: { cpu: "2" } },
        teleport: { proxy: "t:443", labels: { tier: "1", critical: "true" } },
      },
    );
    assert.deepEqual(poolers?.[0]?.parameters, { default_pool_size: "50", log_connections: "0" });
    assert.deepEqual(users?.[0]?.settings, { work_mem: "4096", jit: "false" });
    assert.equal(users?.[0]?.statementTimeout, "30000");
  });

  describe("a mistake in defaults", () => {
    const a = minimal;
    const where = (raw: Record<string, unknown>, variables: NodeJS.ProcessEnv = {}) =>
      problems(raw, variables).map((line) => /^(.*?)(?: = |: )/.exec(line)?.[1]);

    it("is reported once, with the path in defaults", () => {
      const defaults = {
        ...minimal,
        instnces: 2,
        readyMinutes: -1,
        parameters: { ssl: "off", "a.b": ["x"] },
        teleport: { proxy: "https://t", colour: "red" },
        users: [{ name: "X", access: "read" }],
      };
      assert.deepEqual(where({ defaults, databases: { a: {}, b: { storage: { size: "2Gi" } }, c: {} } }).sort(), [
        "defaults.instnces",
        "defaults.parameters.a.b",
        "defaults.parameters.ssl",
        "defaults.readyMinutes",
        "defaults.teleport.colour",
        "defaults.teleport.proxy",
        "defaults.users[0].name",
      ]);
    });

    it("is reported for a database that sets the same key itself", () => {
      const raw = {
        defaults: { ...minimal, storage: { size: "x" } },
        databases: { a: { storage: { size: "y" } }, b: {} },
      };
      assert.deepEqual(where(raw), ["databases.a.storage.size", "defaults.storage.size"]);
    });

    it("names the databases that it affects, if it does not affect all", () => {
      const defaults = { ...minimal, poolers: [{ type: "ro" }] };
      const [line, ...others] = problems({ defaults, databases: { a: { instances: 1 }, b: {} } });
      assert.match(line ?? "", /^defaults\.poolers\[0\]\.type = "ro": .* \(in databases\.a\)\./);
      assert.deepEqual(others, []);
    });

    it("is not reported if an issuer of another type replaces it", () => {
      const raw = {
        defaults: { storage: { size: "1Gi" }, issuer: { type: "vault", server: 5, client: 5 } },
        databases: { a: { issuer: { type: "tls", validity: "soon" } } },
      };
      assert.deepEqual(where(raw), ["databases.a.issuer.validity"]);
    });

    it("is a missing setting of a mapping in defaults", () => {
      const defaults = { ...minimal, issuer: { type: "vault", server: vaultRoles.server } };
      assert.deepEqual(where({ defaults, databases: { a: {}, b: {} } }), ["defaults.issuer.client"]);
      assert.deepEqual(where({ defaults: { issuer: a.issuer }, databases: { a: {} } }), ["databases.a.storage"]);
    });

    it("is attributed to the right database if one name contains another", () => {
      const raw = { defaults: minimal, databases: { a: { "b.instances": 1 }, "a.b": { instances: 0 } } };
      assert.deepEqual(where(raw), ["databases.a.b.instances", "databases.a.b", "databases.a.b.instances"]);
    });
  });

  it("reports a stack name that cannot be part of a name once, not for each database", () => {
    const settings = { ...minimal, teleport: { proxy: "t:443" } };
    assert.throws(
      () => parseConfig({ databases: { a: settings, b: settings } }, "Prod", {}),
      /^SettingsError: 1 setting is wrong:\n {2}- the stack's name = "Prod": .*Set environment to /,
    );
  });

  it("refuses a VAULT_ADDR without a scheme", () => {
    const databases = { a: { ...minimal, vaultDatabase: { roles: { app: {} } } } };
    const vault = { auth: { method: "token" } };
    assert.match(
      problems({ databases, vault }, { VAULT_ADDR: "localhost:8200" })[0] ?? "",
      /^the environment variable VAULT_ADDR = "localhost:8200": must be a URL/,
    );
  });

  it("reports all mistakes of all databases at once", () => {
    const found = problems({
      databases: { a: { ...minimal, instances: 0, storage: { size: "x" } }, b: { ...minimal, colour: "red" }, c: null },
    });
    assert.equal(found.length, 4, found.join("\n"));
  });

  it("reports a wrong value next to an unknown setting", () => {
    const teleport = { proxy: "https://t", colour: "red", labels: "all" };
    const found = problems({ databases: { a: { ...minimal, instances: 0, instnces: 2, teleport } } });
    assert.deepEqual(found.map((line) => line.split(/[ :]/)[0]).sort(), [
      "databases.a.instances",
      "databases.a.instnces",
      "databases.a.teleport.colour",
      "databases.a.teleport.labels",
      "databases.a.teleport.proxy",
    ]);
  });

  it("requires the settings and credentials of Vault if Vault is the issuer", () => {
    const databases = { a: { ...minimal, issuer: { type: "vault", ...vaultRoles } } };
    assert.match(problems({ databases })[0]!, /^vault: is missing, but databases\.a needs it/);
    const vault = { auth: { method: "approle" } };
    assert.equal(problems({ databases, vault }).length, 3);
    const set = { VAULT_ADDR: "https://vault", VAULT_ROLE_ID: "r", VAULT_SECRET_ID: "s" };
    assert.deepEqual(problems({ databases, vault }, set), []);
    assert.deepEqual(
      problems({ databases, vault: { auth: { method: "token" } } }, { VAULT_ADDR: "https://vault" }),
      [],
    );
  });

  it("refuses databases that use the same name", () => {
    const teleport = { proxy: "t:443", name: "shop" };
    const [collision] = problems({
      databases: { a: { ...minimal, teleport }, b: { ...minimal, instances: 1, teleport } },
    });
    assert.match(collision ?? "", /^databases\.b: uses the Teleport name shop at t:443, which databases\.a also uses/);
    const same = { ...minimal, namespace: "db", clusterName: "x" };
    assert.match(problems({ databases: { a: same, b: same } })[0]!, /the Cluster x in namespace db/);
    const standby = { ...minimal, teleport: { proxy: "t:443", name: "shop-ro" } };
    assert.equal(problems({ databases: { a: { ...minimal, teleport }, b: { ...standby, instances: 1 } } }).length, 1);
  });

  it("refuses databases that write to the same archive", () => {
    const key = (name: string) => ({ name: "store", key: name });
    const s3Credentials = { accessKeyId: key("id"), secretAccessKey: key("secret") };
    const into = (archiveName: string | undefined, endpointURL?: string) => ({
      ...minimal,
      backup: { objectStore: { destinationPath: "s3://backups/prod", endpointURL, s3Credentials }, archiveName },
    });
    const found = (a: object, b: object) => problems({ databases: { a, b } });
    assert.deepEqual(found(into("shop"), into("shop", "https://S3.eu-west-1.amazonaws.com/")), [
      'databases.b.backup.archiveName = "shop": is the archive s3://backups/prod/shop, which databases.a also writes to. Remove it from one of the two, or choose another name.',
    ]);
    assert.deepEqual(found(into("shop"), into("shop", "https://minio.example.com")), []);
    assert.deepEqual(found(into(undefined), into(undefined)), []);
  });

  describe("with two databases", () => {
    const uses = (one: object, other: object, names = ["orders", "shop"]) =>
      problems({
        databases: { [names[0]!]: { ...minimal, ...one }, [names[1]!]: { ...minimal, ...other } },
      }).map((line) => /^databases\.\S+: uses (.*), which databases\.\S+ also uses\./.exec(line)?.[1] ?? line);
    const inDb = { namespace: "db" };
    const poolers = (name: string) => ({ poolers: [{ type: "rw", name }] });
    const services = (name: string) => ({
      spec: {
        managed: { services: { additional: [{ selectorType: "rw", serviceTemplate: { metadata: { name } } }] } },
      },
    });

    for (const [what, one, other, expected] of [
      [
        "one Cluster, once",
        { ...inDb, clusterName: "x" },
        { ...inDb, clusterName: "x" },
        ["the Cluster x in namespace db"],
      ],
      ["one Pooler", { ...inDb, ...poolers("p") }, { ...inDb, ...poolers("p") }, ["the Pooler p in namespace db"]],
      [
        "a Pooler and a Cluster with one Service",
        { ...inDb, ...poolers("shop-rw") },
        inDb,
        ["the Service shop-rw in namespace db"],
      ],
      [
        "a Cluster and a Pooler with one Service",
        inDb,
        { ...inDb, ...poolers("orders-r") },
        ["the Pooler orders-r in namespace db"],
      ],
      [
        "one additional Service",
        { ...inDb, ...services("lb") },
        { ...inDb, ...services("lb") },
        ["the Service lb in namespace db"],
      ],
      [
        "a Pooler and a Cluster with one Secret",
        { ...inDb, ...poolers("shop-server") },
        inDb,
        ["the Secret shop-server-tls in namespace db"],
      ],
    ] as [string, object, object, string[]][])
      it(`refuses ${what}`, () => assert.deepEqual(uses(one, other), expected));

    it("accepts the same names in two namespaces", () => {
      assert.deepEqual(uses({ ...poolers("shop-rw"), ...services("lb") }, services("lb")), []);
    });

    it("refuses names from which one name of a Pulumi resource follows", () => {
      const names = ["orders", "orders-eu"];
      assert.deepEqual(uses({ databases: [{ name: "eu-billing" }] }, { databases: [{ name: "billing" }] }, names), [
        "the Pulumi resource name orders-eu-billing for a Database",
      ]);
      assert.deepEqual(uses(poolers("eu-ro"), poolers("ro"), names), [
        "the Pulumi resource name orders-eu-ro for a Pooler",
      ]);
      assert.deepEqual(uses(poolers("eu-server"), {}, names), [
        "the Pulumi resource name orders-eu-server for a certificate",
      ]);
    });
  });

  it("refuses contexts and namespaces from which one name of a Pulumi resource follows", () => {
    const at = (context: string | undefined, namespace: string) => ({
      ...minimal,
      namespace,
      createNamespace: true,
      kubernetes: { context },
    });
    const fix = "Set kubernetes.context for all databases, or rename one of the contexts.";
    assert.deepEqual(problems({ databases: { a: at(undefined, "prod-db"), b: at("prod", "db") } }), [
      `databases.b: uses the Pulumi resource name prod-db for a Namespace, which databases.a also uses, for another context of the kubeconfig. ${fix}`,
    ]);
    assert.deepEqual(problems({ databases: { a: at("kubernetes", "one"), b: at(undefined, "two") } }), [
      `databases.b: uses the Pulumi resource name kubernetes for an OperatorCheck, which databases.a also uses, for another context of the kubeconfig. ${fix}`,
    ]);
    assert.deepEqual(problems({ databases: { a: at("prod", "db"), b: at("prod", "db"), c: at("test", "db") } }), []);
  });

  describe("with one Vault", () => {
    const vault = { auth: { method: "token" } };
    const byVault = (vaultDatabase: object) => ({
      ...minimal,
      vaultDatabase: { roles: { app: {} }, ...vaultDatabase },
    });
    const collisions = (one: object, other: object, names = ["a", "b"]) =>
      problems(
        { vault, databases: { [names[0]!]: byVault(one), [names[1]!]: byVault(other) } },
        { VAULT_ADDR: "https://vault" },
      ).map((line) => /uses (.*), which /.exec(line)?.[1]);
    const shared = { path: "database", exists: true };

    it("has different default names for different databases", () => assert.deepEqual(collisions({}, {}), []));

    for (const [what, one, other, expected] of [
      ["the same role of a mount", { mount: shared }, { mount: shared }, ["the role app in Vault's mount database"]],
      [
        "the same connection of a mount",
        { mount: shared, connection: "x", roles: { one: {} } },
        { mount: shared, connection: "x", roles: { two: {} } },
        ["the connection x in Vault's mount database"],
      ],
      [
        "the same mount, which both create",
        { mount: { path: "pg" }, roles: { one: {} } },
        { mount: { path: "pg" }, roles: { two: {} } },
        ["the mount pg of Vault"],
      ],
      [
        "the same auth method, which both create",
        { kubernetesAuth: { path: "k8s", make: { host: "https://one" } } },
        { kubernetesAuth: { path: "k8s", make: { host: "https://two" } } },
        ["the auth method k8s of Vault"],
      ],
      [
        "the same policy, which different connections and roles can lead to",
        { connection: "a-b", roles: { c: {} } },
        { connection: "a", roles: { "b-c": {} } },
        ["the policy database-a-b-c of Vault"],
      ],
    ] as [string, object, object, string[]][]) {
      it(`refuses two databases that use ${what}`, () => assert.deepEqual(collisions(one, other), expected));
    }

    it("refuses to create a mount inside another one, because Vault refuses it", () => {
      const nested = (one: object, other: object) =>
        problems({ vault, databases: { a: byVault(one), b: byVault(other) } }, { VAULT_ADDR: "https://vault" });
      const roles = { other: {} };
      assert.deepEqual(nested({ mount: { path: "database/orders" } }, { mount: { path: "database" }, roles }), [
        'databases.b.vaultDatabase.mount.path = "database": cannot exist together with the mount database/orders of ' +
          "databases.a.vaultDatabase.mount.path: Vault does not allow one inside the other. Change one of the two paths, so that " +
          "neither is below the other.",
      ]);
      assert.match(
        nested({ mount: { path: "postgres", exists: true } }, { roles })[0] ?? "",
        /mount postgres of databases\.a/,
      );
      const make = { host: "https://kubernetes.default.svc" };
      const [auth] = nested(
        { kubernetesAuth: { path: "kubernetes" } },
        { kubernetesAuth: { path: "kubernetes/prod", make }, roles },
      );
      assert.match(
        auth ?? "",
        /^databases\.b\.vaultDatabase\.kubernetesAuth\.path = "kubernetes\/prod": .*auth method kubernetes of/,
      );
      assert.deepEqual(nested({ mount: { path: "database" } }, { mount: { path: "database-eu" }, roles }), []);
      assert.deepEqual(
        nested({ mount: { path: "kubernetes" } }, { kubernetesAuth: { path: "kubernetes/b", make }, roles }),
        [],
      );
      const issuer = { type: "vault", server: { mount: "postgres", role: "s" }, client: { mount: "pki", role: "c" } };
      const [signing] = problems(
        { vault, databases: { a: { ...byVault({}), issuer } } },
        { VAULT_ADDR: "https://vault" },
      );
      assert.match(signing ?? "", /^databases\.a\.issuer\.server\.mount = "postgres": .*mount postgres\/a-dev of/);
    });

    it("creates a mount and an auth method before the databases that use them", () => {
      const make = { host: "https://kubernetes.default.svc" };
      const databases = {
        a: byVault({ mount: shared, kubernetesAuth: { path: "k8s" } }),
        b: byVault({ mount: { path: "database" }, roles: { b: {} } }),
        c: byVault({ kubernetesAuth: { path: "k8s", make }, roles: { c: {} } }),
        d: byVault({ mount: { path: "elsewhere", exists: true }, roles: { d: {} } }),
      };
      const { plan } = parse({ vault, databases }, { VAULT_ADDR: "https://vault" });
      assert.deepEqual(makersOf(plan.databases, "a"), { mount: "b", kubernetesAuth: "c" });
      assert.deepEqual(makersOf(plan.databases, "d"), { mount: undefined, kubernetesAuth: undefined });
      const order = (databases: typeof plan.databases) => makersFirst(databases).map(({ name }) => name);
      assert.deepEqual(order(plan.databases), ["b", "c", "a", "d"]);
      const both = {
        a: byVault({ mount: shared, kubernetesAuth: { path: "k8s", make } }),
        b: byVault({ mount: { path: "database" }, kubernetesAuth: { path: "k8s" }, roles: { b: {} } }),
      };
      assert.deepEqual(
        order(parse({ vault, databases: both }, { VAULT_ADDR: "https://vault" }).plan.databases),
        ["b", "a"],
        "each needs the other",
      );
    });

    it("allows two databases to share an existing mount and auth method", () => {
      const there = { mount: shared, kubernetesAuth: { path: "kubernetes" } };
      assert.deepEqual(collisions({ ...there, roles: { one: {} } }, { ...there, roles: { two: {} } }), []);
    });
  });

  it("refuses different logins to Vault for the provider and the program", () => {
    const set = { VAULT_ADDR: "https://vault", VAULT_ROLE_ID: "r", VAULT_SECRET_ID: "s" };
    const vault = { auth: { method: "approle", mount: "ci" } };
    const asking = { a: { ...minimal, vaultDatabase: { roles: { app: {} } } } };
    const [differs, ...others] = problems({ databases: asking, vault }, set);
    assert.match(
      differs ?? "",
      /^vault\.auth\.mount = "ci": .*VAULT_APPROLE_MOUNT.*databases\.a .*VAULT_APPROLE_MOUNT=ci\./,
    );
    assert.deepEqual(others, []);
    assert.deepEqual(problems({ databases: asking, vault }, { ...set, VAULT_APPROLE_MOUNT: "ci" }), []);
    assert.deepEqual(problems({ databases: asking, vault }, { ...set, VAULT_TOKEN: "t" }), [], "it is not logged in");
    const signing = { a: { ...minimal, issuer: { type: "vault", ...vaultRoles } } };
    assert.deepEqual(problems({ databases: signing, vault }, set), [], "the provider alone logs in");
    const usual = { auth: { method: "approle" } };
    assert.equal(problems({ databases: asking, vault: usual }, { ...set, VAULT_APPROLE_MOUNT: "ci" }).length, 1);
    const clientCas = [{ from: "vault", path: "secret/ca", key: "ca" }];
    const reading = { a: { ...minimal, teleport: { proxy: "t:443", clientCas } } };
    assert.match(problems({ databases: reading, vault }, set)[0] ?? "", /^vault\.auth\.mount = "ci"/);
  });

  it("requires VAULT_NAMESPACE if the program itself reads CAs from a namespace of Vault", () => {
    const set = { VAULT_ADDR: "https://vault", VAULT_TOKEN: "t" };
    const vault = { namespace: "team", auth: { method: "token" } };
    const databases = { a: { ...minimal, vaultDatabase: { roles: { app: {} } } } };
    assert.equal(parse({ databases, vault }, set).vault?.namespace, "team");
    const clientCas = [{ from: "vault", path: "secret/ca", key: "ca" }];
    const reading = { a: { ...minimal, teleport: { proxy: "t:443", clientCas } } };
    assert.match(
      problems({ databases: reading, vault }, set)[0] ?? "",
      /^vault\.namespace = "team": .*VAULT_NAMESPACE=team/,
    );
    assert.deepEqual(problems({ databases: reading, vault }, { ...set, VAULT_NAMESPACE: "team" }), []);
  });
});
