/** Settings that may come from other resources: in a file, each is a plain value. */
import { strict as assert } from "node:assert";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { definitionsOf, type Definitions } from "../../../docs/reference/json-schema";
import { readReference } from "../../../docs/reference/settings";

/** The same settings, whose values `may` be computed. */
const source = (may: (type: string) => string) => `
import * as pulumi from "@pulumi/pulumi";
import type { Input } from "@pulumi/pulumi";
/** A volume. */
export interface Volume {
  /** Quantity. Default: \`1Gi\`. */
  size?: ${may("string")};
}
/** By a platform. */
export interface Platform { kind: "platform" }
/** By a secret. */
export interface Secret {
  kind: "secret";
  /** Name. */
  name: ${may("string")};
}
type Name = ${may("string")};
type Each<Type> = { [Key in keyof Type]: ${may("Type[Key]")} };
interface Base {
  /** Inherited. */
  inherited: ${may("string")};
  /** Left out. */
  omitted: ${may("string")};
}
/** All settings. */
export interface Settings extends Omit<Base, "omitted"> {
  /**
   * Address.
   *
   * @format url
   */
  text: ${may("string")};
  /** Count. */
  count?: ${may("number")};
  /** Whether. */
  flag?: ${may("boolean")};
  /** One of some. */
  choice?: ${may('"read" | "write"')};
  /** By another name. */
  alias?: Name;
  /** List of values. */
  list?: ${may(`${may("string")}[]`)};
  /** Values by name. */
  mapping?: ${may(`Record<string, ${may("string")}>`)};
  /** An object. */
  volume?: ${may("Volume")};
  /** One or more. */
  volumes?: ${may(`Volume | ${may("Volume")}[]`)};
  /** By name, or in full. */
  named?: (${may("string")} | ${may("Volume")})[];
  /** One of two. */
  login?: ${may("Platform")} | ${may("Secret")};
  /** In place. */
  inline?: ${may(`{
    /** Deep. */
    deep?: ${may("string")};
  }`)};
  /** Some of it. */
  part?: Partial<Volume>;
  /** All of it. */
  each?: Each<{
    /** First. */
    first: string;
  }>;
}
`;

/** Without the mark of a computed value, which a program may give and a file may not. */
function withoutMarks(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutMarks);
  if (value === null || typeof value !== "object") return value;
  const entries = Object.entries(value).filter(([key, inner]) => key !== "computed" || inner !== true);
  return Object.fromEntries(entries.map(([key, inner]) => [key, withoutMarks(inner)]));
}

describe("settings that may be computed", () => {
  const project = mkdtempSync(join(tmpdir(), "computed-"));
  const read = (name: string, may: (type: string) => string) => {
    const tsconfig = join(project, "tsconfig.json");
    const packages = join(__dirname, "..", "..", "..", "node_modules");
    const paths = { "@pulumi/pulumi": [join(packages, "@pulumi", "pulumi")] };
    const compilerOptions = { strict: true, skipLibCheck: true, types: [], moduleResolution: "node10", paths };
    writeFileSync(tsconfig, JSON.stringify({ compilerOptions }));
    const file = join(project, `${name}.ts`);
    writeFileSync(file, source(may));
    return definitionsOf("Settings", file, tsconfig);
  };
  let plain: Definitions;
  before(() => (plain = read("plain", (type) => `(${type})`)));
  after(() => rmSync(project, { recursive: true }));

  for (const input of ["pulumi.Input", "Input"]) {
    it(`have the schema of plain values: ${input}`, () => {
      const computed = read(input, (type) => `${input}<${type}>`);
      assert.deepEqual(Object.keys(plain.Settings?.properties ?? {}).length, 15);
      assert.deepEqual(withoutMarks(computed), plain);
    });

    it(`stand on the reference page as plain values: ${input}`, () => {
      const computed = read(input, (type) => `${input}<${type}>`);
      const page = readReference(computed, "Settings", "root");
      assert.deepEqual(page, readReference(plain, "Settings", "root"));
      const types = page.sections[0]?.settings.map(({ name, type }) => `${name}: ${type}`);
      assert.ok(types?.includes("text: text") && types.includes("volumes: {} or list of {}"), types?.join("\n"));
    });
  }
});
