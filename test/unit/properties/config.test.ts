/** Whatever stands in the configuration: it is taken, or refused with all that is wrong, and soon. */
import { strict as assert } from "node:assert";
import * as fc from "fast-check";
import { SettingsError } from "../../../components";
import { EnvironmentConfig, parseConfig } from "../../../config/config";
import * as file from "../../../components/settings/settings.schema.json";
import { hostile, plain } from "./hostile";

type Raw = Record<string, unknown>;

/** The part of JSON Schema that the settings use. */
interface Schema {
  $ref?: string;
  type?: string | string[];
  asText?: boolean;
  enum?: string[];
  const?: string;
  properties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: Schema | boolean;
  items?: Schema;
  oneOf?: Schema[];
  if?: Schema;
  then?: Schema;
  else?: Schema;
}

/** The longest that a configuration of some pages may take, in milliseconds. */
const SOON = 2_000;

/** @throws whatever parseConfig does, but for a SettingsError that says something */
function judge(raw: Raw, variables: NodeJS.ProcessEnv = {}): EnvironmentConfig | undefined {
  const start = performance.now();
  try {
    return parseConfig(raw, "dev", variables);
  } catch (error) {
    assert.ok(error instanceof SettingsError, `throws ${error instanceof Error ? error.stack : String(error)}`);
    assert.ok(error.problems.length > 0);
    for (const { setting, problem, fix } of error.problems) {
      assert.ok(setting !== undefined && problem !== "" && fix !== "", JSON.stringify(error.problems));
    }
    return undefined;
  } finally {
    const took = performance.now() - start;
    assert.ok(took < SOON, `took ${took} ms`);
  }
}

/** As it comes out of Pulumi.<env>.yaml, so that a key `__proto__` is one. */
const parsed = (value: unknown): Raw => JSON.parse(JSON.stringify(value)) as Raw;

/** Of the right shape for a type of the settings, more or less; what is inside is anything. */
function near(schema: Schema): fc.Arbitrary<unknown> {
  if (schema.$ref !== undefined) return nearType(schema.$ref.replace("#/definitions/", ""));
  if (schema.oneOf) return fc.oneof(...schema.oneOf.map(near));
  if (schema.then && schema.else) return fc.oneof(near(schema.then), near(schema.else));
  if (schema.enum) return fc.constantFrom(...schema.enum);
  if (schema.const !== undefined) return fc.constant(schema.const);
  if (schema.asText) return fc.oneof({ weight: 6, arbitrary: text }, number, fc.boolean());
  switch (schema.type) {
    case "object": {
      const { properties, required = [], additionalProperties } = schema;
      if (!properties) {
        const inner = near(typeof additionalProperties === "object" ? additionalProperties : {});
        return fc.array(fc.tuple(text, inner), { maxLength: 3 }).map((entries) => Object.fromEntries(entries));
      }
      const keys = Object.keys(properties);
      return fc.subarray(keys, { maxLength: Math.min(6, keys.length) }).chain((some) => {
        const all = [...new Set([...required, ...some])];
        return fc.record(Object.fromEntries(all.map((key) => [key, near(properties[key] as Schema)])));
      });
    }
    case "array":
      return fc.array(near(schema.items as Schema), { maxLength: 3 });
    case "number":
      return number;
    case "boolean":
      return fc.boolean();
    default:
      return fc.jsonValue({ maxDepth: 2 });
  }
}

function nearType(name: string): fc.Arbitrary<unknown> {
  const schema = (file.definitions as unknown as Record<string, Schema>)[name];
  assert.ok(schema, `there is no type ${name}`);
  return near(schema);
}

const text = fc.oneof(
  plain,
  hostile,
  fc.constantFrom(
    "orders",
    "10Gi",
    "1h",
    "90d",
    "teleport.example.com:443",
    "host all app all reject",
    "https://v",
    "(",
  ),
);
const number = fc.oneof(
  fc.integer({ min: -2, max: 5 }),
  fc.integer(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
);

/** A value in place of another, somewhere. */
function spoil(value: unknown, path: readonly number[], instead: unknown): unknown {
  const [step, ...rest] = path;
  if (step === undefined || value === null || typeof value !== "object") return instead;
  const keys = Object.keys(value);
  const key = keys[step % Math.max(1, keys.length)];
  if (key === undefined) return instead;
  const changed = spoil((value as Raw)[key], rest, instead);
  return Array.isArray(value)
    ? value.map((item: unknown, index) => (String(index) === key ? changed : item))
    : { ...value, [key]: changed };
}

const minimal = { storage: { size: "1Gi" }, issuer: { type: "tls" } };

describe("any configuration", () => {
  const ofShape = fc.record(
    {
      kubernetes: nearType("KubernetesSettings"),
      vault: nearType("VaultSettings"),
      databases: fc
        .array(fc.tuple(text, nearType("DatabaseSettings")), { maxLength: 2 })
        .map((all) => Object.fromEntries(all)),
      applications: fc
        .array(fc.tuple(text, nearType("ApplicationSettings")), { maxLength: 2 })
        .map((all) => Object.fromEntries(all)),
    },
    { requiredKeys: ["databases"] },
  );

  it("of JSON is taken or refused", () => {
    const keys = fc.constantFrom("kubernetes", "vault", "defaults", "databases", "applications", "__proto__", "x");
    const raw = fc
      .array(fc.tuple(keys, fc.jsonValue({ maxDepth: 5 })), { maxLength: 5 })
      .map((all) => Object.fromEntries(all));
    fc.assert(
      fc.property(raw, (value) => void judge(parsed(value))),
      { numRuns: 500 },
    );
  });

  it("of about the right shape is taken or refused", () => {
    fc.assert(
      fc.property(ofShape, (value) => void judge(parsed(value))),
      { numRuns: 400 },
    );
  });

  it("with another value in one place is taken or refused", () => {
    const path = fc.array(fc.nat(40), { minLength: 1, maxLength: 7 });
    const value = fc.oneof(fc.jsonValue({ maxDepth: 2 }), hostile, fc.constantFrom(null, [], {}, [[]], 1e308, -1));
    fc.assert(
      fc.property(ofShape, path, value, (raw, where, instead) => void judge(parsed(spoil(raw, where, instead)))),
      { numRuns: 400 },
    );
  });

  it("with defaults of any kind is taken or refused", () => {
    fc.assert(
      fc.property(nearType("DatabaseSettings"), nearType("DatabaseSettings"), (defaults, settings) => {
        judge(parsed({ defaults, databases: { orders: settings } }));
      }),
      { numRuns: 200 },
    );
  });

  it("with any text as a database's name is taken or refused, and never loses a database", () => {
    fc.assert(
      fc.property(fc.oneof(text, fc.string()), (name) => {
        const config = judge(parsed({ databases: Object.fromEntries([[name, minimal]]) }));
        if (config) assert.deepEqual(Object.keys(config.databases), [name]);
      }),
      { numRuns: 500, examples: [["__proto__"], ["constructor"], ["("], ["a("], [""]] },
    );
  });

  it("with any text as the name of an application, or of its database, is taken or refused", () => {
    const join = { method: "kubernetes", namespace: "shop", serviceAccount: "shop" };
    fc.assert(
      fc.property(text, text, text, (name, alias, of) => {
        const databases = { orders: { ...minimal, teleport: { proxy: "t.example.com:443" } } };
        const wanted = Object.fromEntries([[alias, { database: of, user: "teleport_user_read" }]]);
        const config = judge(
          parsed({ databases, applications: Object.fromEntries([[name, { join, databases: wanted }]]) }),
        );
        if (config) assert.deepEqual(Object.keys(config.applications), [name]);
      }),
      {
        numRuns: 300,
        examples: [
          ["__proto__", "a", "orders"],
          ["shop", "__proto__", "orders"],
          ["shop", "a", "constructor"],
        ],
      },
    );
  });

  describe("that is long is taken or refused soon", () => {
    const many = 1_000;
    const numbered = (make: (index: number) => string) => Array.from({ length: many }, (_, index) => make(index));
    const long = "a".repeat(100_000);
    const of = (settings: object) => ({ databases: { orders: { ...minimal, ...settings } } });
    const cases: Record<string, Raw> = {
      "a long name": { databases: { [long]: minimal } },
      "a long name of dots": { databases: { [`${"a.".repeat(50_000)}!`]: minimal } },
      "long texts": of({
        description: long,
        clusterDomain: `${"a.".repeat(50_000)}!`,
        imageName: `${"a/".repeat(50_000)}:${long}`,
        storage: { size: `${"1".repeat(100_000)}x`, storageClass: `${"a-".repeat(50_000)}!` },
        issuer: { type: "tls", validity: `${"1".repeat(100_000)}x` },
        teleport: { proxy: `${"a.".repeat(50_000)}:x`, labels: { [`${long}!`]: long } },
        pgHba: [
          `host ${"a,".repeat(50_000)} all all reject x`,
          `host ${'"'.repeat(99_999)}`,
          `host ${"a b=".repeat(25_000)}`,
        ],
        pgIdent: [`a ${'"b"'.repeat(30_000)} c`],
        parameters: { shared_buffers: `${"1".repeat(100_000)}x`, [long]: `${" ".repeat(100_000)}x` },
        users: [{ name: `${"a_".repeat(50_000)}!`, access: "read", statementTimeout: `${"1".repeat(100_000)}x` }],
        spec: {
          inheritedMetadata: {
            labels: { [`${"a.".repeat(50_000)}!/x`]: long },
            annotations: { [`${"a-".repeat(50_000)}!`]: "" },
          },
        },
        vaultDatabase: {
          mount: { path: `${"a/".repeat(50_000)}!` },
          roles: { app: { defaultTtl: `${"1h".repeat(50_000)}!` } },
        },
      }),
      "many databases": { databases: Object.fromEntries(numbered((n) => `db-${n}`).map((name) => [name, minimal])) },
      "many users": of({ users: numbered((n) => `u${n}`).map((name) => ({ name, access: "read" })) }),
      "many rules": of({ pgHba: numbered((n) => `hostssl db${n} u${n} 10.0.${n % 256}.0/24 scram-sha-256`) }),
      "many databases in one Cluster": of({
        databases: numbered((n) => `d${n}`).map((name) => ({ name, schemas: ["s"] })),
      }),
      "many schemas": of({ schemas: numbered((n) => `s${n}`) }),
      "many settings that are none": of(Object.fromEntries(numbered((n) => `no-${n}`).map((key) => [key, 1]))),
    };
    for (const [what, raw] of Object.entries(cases)) it(what, () => void judge(raw));

    it("many levels", () => {
      const deep = (levels: number): unknown => JSON.parse(`${'{"a":'.repeat(levels)}1${"}".repeat(levels)}`);
      for (const levels of [100, 1_000]) {
        judge({ databases: { orders: deep(levels) }, defaults: deep(levels) as Raw });
        judge(of({ storage: { size: "1Gi", pvcTemplate: deep(levels) } }));
      }
    });
  });
});
