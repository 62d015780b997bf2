/** docs/configuration.md and the JSON Schema say what the types say. */
import { strict as assert } from "node:assert";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import Ajv from "ajv";
import { parse } from "yaml";
import { SCHEMA, settingsSchema } from "../../../docs/reference/json-schema";
import { DEFAULT_CA_KEY } from "../../../components/certificates/ca-source";
import { declaredCas, DEFAULT_ISSUER, lifetimes, keyWithDefaults } from "../../../components/certificates/issuer";
import { databaseAndOwner } from "../../../components/cnpg/initdb";
import { DEFAULT_INSTANCES } from "../../../components/cnpg/cluster";
import { DEFAULT_POOLER_INSTANCES, poolerSpec } from "../../../components/cnpg/pooler";
import { DEFAULT_CONNECTION_LIMIT, DEFAULT_USERS } from "../../../components/cnpg/roles";
import { autoUsersAdmin } from "../../../components/teleport/auto-users/settings";
import { DEFAULTS } from "../../../components/vault-database/settings";
import { certificateTimes } from "../../../components/workload/machine-id";
import { grouped } from "../../../docs/reference/concepts";
import { COMMAND, page, PAGE, references } from "../../../docs/reference/page";
import type { Reference, Section, Setting } from "../../../docs/reference/settings";

describe("docs/configuration.md", () => {
  let all: ReturnType<typeof references>;
  before(() => (all = references()));

  it("is what the types say now", async () => {
    const there = readFileSync(PAGE, "utf8");
    assert.ok(there === (await page(all)), `docs/configuration.md is not what the types say. Run: ${COMMAND}`);
  });

  it("has each setting and each type once, below its concept", () => {
    const text = readFileSync(PAGE, "utf8");
    const { settings } = all;
    const groups = grouped(settings);
    const names = (sections: readonly Section[]) => sections.map(({ name }) => name).sort();
    const spread = settings.sections.filter(({ name }) => ["EnvironmentSettings", "DatabaseSettings"].includes(name));
    assert.deepEqual(names([...groups.flatMap(({ sections }) => sections), ...spread]), names(settings.sections));
    const rows = (all: readonly Setting[]) => all.map(({ name }) => name).sort();
    assert.deepEqual(
      rows(groups.flatMap((group) => group.settings)),
      rows(spread.flatMap((section) => section.settings)),
    );
    for (const { title } of groups) assert.ok(text.includes(`\n## ${title}\n`), title);
  });

  it("has no two headings that one link would lead to, and no table", () => {
    const text = readFileSync(PAGE, "utf8");
    const anchors = [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) =>
      heading.toLowerCase().replace(/[^\w -]/g, ""),
    );
    assert.deepEqual(
      anchors.filter((anchor, index) => anchors.indexOf(anchor) < index),
      [],
    );
    assert.doesNotMatch(text, /^\|/m);
  });

  it("finds a doc comment on each setting and each output", () => {
    const missing = Object.values(all).flatMap(({ undocumented }) => undocumented);
    assert.deepEqual(missing, [], `settings without a doc comment:\n${missing.join("\n")}`);
  });

  it("gives each row a meaning", () => {
    const missing = rowsOf(all).filter(({ meaning }) => !hasMeaning(meaning));
    assert.deepEqual(named(missing), [], "rows without a meaning");
  });

  it("gives each type a meaning", () => {
    const missing = Object.values(all)
      .flatMap(({ sections }) => sections)
      .filter(({ name, type, meaning }) => name === type && !hasMeaning(meaning));
    assert.deepEqual(
      missing.map(({ name }) => name),
      [],
    );
  });

  it("gives the default of each setting that is not required", () => {
    const missing = rowsOf({ settings: all.settings }).filter((row) => !row.required && !row.default);
    assert.deepEqual(named(missing), [], "settings without a default: write `Default: …`, and `none` if there is none");
  });

  it("gives the defaults that the code uses", () => {
    const rows = rowsOf({ settings: all.settings });
    const code = (value: unknown) => `\`${String(value)}\``;
    const { validity, renewBefore } = lifetimes({});
    const poolerDefaults = (poolerSpec({ type: "rw" }, { cluster: "", clientTls: "", authentication: "", serverCa: "" })
      .pgbouncer ?? {}) as { poolMode: string; parameters: Record<string, string> };
    const parameters = Object.entries(poolerDefaults.parameters).map((pair) => code(pair.join(": ")));
    const { database, owner } = databaseAndOwner();
    const [ecdsa, rsa] = (["ECDSA", "RSA"] as const).map((algorithm) => keyWithDefaults({ algorithm }).size);
    const { certificateTtl } = certificateTimes({});
    const expected: Record<string, string | number> = {
      "DatabaseSettings.instances": DEFAULT_INSTANCES,
      "DatabaseSettings.users": `${DEFAULT_USERS.map(({ name }) => name).join(" and ")}; none without \`teleport\``,
      "DatabaseSettings.initdb": `a database ${code(database)}, owned by ${code(owner)}`,
      "InitDb.database": code(database),
      "TlsIssuerArgs.validity": code(`${validity / 24}d`),
      "TlsIssuerArgs.renewBefore": code(`${renewBefore / 24}d`),
      "TlsIssuerArgs.key": `\`{ algorithm: ${keyWithDefaults().algorithm}, size: ${keyWithDefaults().size} }\``,
      "TlsIssuerArgs.server": code(`[${declaredCas().join()}]`),
      "CertificateKey.size": `${ecdsa} and ${rsa}`,
      "VaultPkiRole.issuer": `${code(DEFAULT_ISSUER)}, the mount's default issuer`,
      "KubernetesCaSource.key": code(DEFAULT_CA_KEY),
      "VaultCaSource.key": code(DEFAULT_CA_KEY),
      "TeleportUser.connectionLimit": DEFAULT_CONNECTION_LIMIT,
      "AutoUsers.adminUser": code(autoUsersAdmin({ roles: [] }).name),
      "PoolerSettings.instances": DEFAULT_POOLER_INSTANCES,
      "PoolerSettings.mode": code(poolerDefaults.poolMode),
      "PoolerSettings.parameters": `${parameters.join(" and ")}; for all others, the values of CNPG and PgBouncer`,
      "VaultDatabaseOfCluster.revokeWithin": DEFAULTS.revokeWithin,
      "VaultDatabaseOfCluster.schemas": code(`[${DEFAULTS.schemas.join()}]`),
      "CredentialsRole.defaultTtl": code(DEFAULTS.defaultTtl),
      "CredentialsRole.maxTtl": code(DEFAULTS.maxTtl),
      "CredentialsRole.connectionLimit": `${DEFAULTS.connectionLimit}; -1 means no limit`,
      "CredentialsConsumer.tokenTtl": code(DEFAULTS.tokenTtl),
      "ApplicationSettings.certificateTtl": code(certificateTtl),
    };
    const found = Object.keys(expected).map((name) => [
      name,
      rows.find((row) => `${row.in}.${row.name}` === name)?.default,
    ]);
    assert.deepEqual(
      Object.fromEntries(found),
      Object.fromEntries(Object.entries(expected).map(([name, value]) => [name, String(value)])),
    );
  });

  it("names the unit of each time, size and amount", () => {
    const amounts = rowsOf(all).filter(impliesUnit);
    assert.ok(amounts.length > 20, `only ${amounts.length} rows imply a unit`);
    const missing = amounts.filter(({ meaning }) => !UNIT.test(meaning));
    assert.deepEqual(named(missing), [], "rows whose meaning does not name the unit");
  });

  it("knows the settings of a database, their kinds and where they are written", () => {
    const section = (name: string) => all.settings.sections.find((candidate) => candidate.name === name);
    assert.deepEqual(section("Storage")?.paths.slice(0, 2), [
      "databases.<name>.storage",
      "databases.<name>.walStorage",
    ]);
    assert.deepEqual(section("VaultIssuerArgs")?.kind, { key: "type", values: ["vault"] });
    const instances = section("DatabaseSettings")?.settings.find(({ name }) => name === "instances");
    assert.deepEqual([instances?.type, instances?.default, instances?.required], ["number", "3", false]);
  });
});

describe("a meaning", () => {
  it("says more than which field a setting becomes", () => {
    assert.ok(hasMeaning("Namespace of the pods. Becomes `bound_service_account_namespaces`."));
    assert.ok(!hasMeaning("Becomes `bound_service_account_namespaces`."));
    assert.ok(!hasMeaning("Becomes `allow.db_roles` with `create_db_user_mode: keep`."));
    assert.ok(!hasMeaning(""));
  });
});

describe("a row that implies a unit", () => {
  const row = (name: string, type: string, meaning: string): Row => ({ name, type, meaning, in: "", required: true });

  it("is a number, or a text whose name or meaning is about a time or a size", () => {
    assert.ok(impliesUnit(row("port", "number", "")));
    assert.ok(impliesUnit(row("maxTtl", "text", "")));
    assert.ok(impliesUnit(row("requests", "mapping to text", "What is set aside.")));
    assert.ok(impliesUnit(row("renewal", "text", "How often it is renewed.")));
    assert.ok(!impliesUnit(row("name", "text", "Name of the role.")));
    assert.ok(!impliesUnit(row("clientTls", "text", "Secret that clients see.")));
    assert.ok(!impliesUnit(row("resources", "{}", "CPU and memory of each instance.")));
  });

  it("must name it in words", () => {
    assert.match("Minutes that `up` waits.", UNIT);
    assert.match("Kubernetes quantity, e.g. `10Gi`.", UNIT);
    assert.doesNotMatch("Lifetime of a certificate, e.g. `90d`.", UNIT);
    assert.doesNotMatch("How long they live at most.", UNIT);
  });
});

/** A row of the page, and the section that it is in. */
type Row = Pick<Setting, "name" | "type" | "required" | "default" | "meaning"> & { in: string };

function rowsOf(parts: Record<string, Reference>): Row[] {
  const sections = Object.values(parts).flatMap((part) => part.sections);
  return sections.flatMap((section) => section.settings.map((setting) => ({ ...setting, in: section.name })));
}

const named = (rows: readonly Row[]) => rows.map((row) => `${row.in}.${row.name}: ${row.meaning}`);

const hasMeaning = (text: string) => text.replace(/\bBecomes (`[^`]*`|[^.`])*(\.|$)/g, "").trim() !== "";

/** Times and sizes, by the name of the setting or by what is said about it. */
const AMOUNT_NAME =
  /minutes|seconds|bytes|size|ttl$|timeout|period|interval|validity|before|within|duration|^requests$|^limits$/i;
const AMOUNT_MEANING = /\bhow (long|often)\b|\blifetime\b|\btime between\b|\bmemory\b|\bbytes\b/i;
/** What a number counts, or the units that a text is written in. */
const UNIT =
  /\b((milli)?seconds|minutes|hours|days|bits|bytes|quantity|quantities|instances|connections|ports?|major version)\b/i;

function impliesUnit({ name, type, meaning }: Row): boolean {
  if (/\bnumber\b/.test(type)) return true;
  return /\btext\b/.test(type) && (AMOUNT_NAME.test(name) || AMOUNT_MEANING.test(meaning));
}

describe("components/settings/settings.schema.json", () => {
  const there = JSON.parse(readFileSync(SCHEMA, "utf8")) as object;

  it("is what the types say now", () => {
    assert.deepEqual(there, JSON.parse(JSON.stringify(settingsSchema())), `Run: ${COMMAND}`);
  });

  it("is a valid JSON Schema", () => {
    const ajv = new Ajv({ discriminator: true });
    assert.ok(ajv.validateSchema(there), ajv.errorsText(ajv.errors));
  });

  it("completes what each example file configures, and takes it", () => {
    const ajv = new Ajv({ strict: false, discriminator: true, formats: { url: true } });
    const check = ajv.compile(there);
    for (const example of ["Pulumi.dev.yaml", "Pulumi.prod.yaml.example"]) {
      const text = readFileSync(join(__dirname, "..", "..", "..", example), "utf8");
      assert.match(
        text,
        /^# yaml-language-server: \$schema=\.?\/?components\/settings\/settings\.schema\.json$/m,
        example,
      );
      assert.ok(check(parse(text)), `${example}: ${ajv.errorsText(check.errors)}`);
    }
  });
});
