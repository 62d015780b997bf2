/** docs/configuration.md and the JSON Schema say what the types say. */
import { strict as assert } from "node:assert";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import Ajv from "ajv";
import { parse } from "yaml";
import { SCHEMA, settingsSchema } from "../../../docs/reference/json-schema";
import { COMMAND, page, PAGE, references } from "../../../docs/reference/page";

describe("docs/configuration.md", () => {
  let all: ReturnType<typeof references>;
  before(() => (all = references()));

  it("is what the types say now", async () => {
    const there = readFileSync(PAGE, "utf8");
    assert.ok(there === (await page(all)), `docs/configuration.md is not what the types say. Run: ${COMMAND}`);
  });

  it("finds a doc comment on each setting and each output", () => {
    const missing = Object.values(all).flatMap(({ undocumented }) => undocumented);
    assert.deepEqual(missing, [], `settings without a doc comment:\n${missing.join("\n")}`);
  });

  it("knows the settings of a database, their kinds and where they are written", () => {
    const section = (name: string) => all.settings.sections.find((candidate) => candidate.name === name);
    assert.deepEqual(section("Storage")?.paths.slice(0, 2), [
      "databases.<name>.storage",
      "databases.<name>.walStorage",
    ]);
    assert.deepEqual(section("VaultIssuerArgs")?.kind, { key: "type", value: "vault" });
    const instances = section("DatabaseSettings")?.settings.find(({ name }) => name === "instances");
    assert.deepEqual([instances?.type, instances?.default, instances?.required], ["number", "3", false]);
  });
});

describe("config/settings.schema.json", () => {
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
      assert.match(text, /^# yaml-language-server: \$schema=\.?\/?config\/settings\.schema\.json$/m, example);
      assert.ok(check(parse(text)), `${example}: ${ajv.errorsText(check.errors)}`);
    }
  });
});
