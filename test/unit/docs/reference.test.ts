/** Reading a reference out of types: each kind of type, each way of writing a comment. */
import { strict as assert } from "node:assert";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe as described } from "../../../docs/reference/doc-comment";
import { markdown } from "../../../docs/reference/markdown";
import { definitionsOf, type Definitions, type Schema } from "../../../docs/reference/json-schema";
import { readReference, Reference } from "../../../docs/reference/settings";

const SOURCE = `
/** Who signs, by \`@pulumi/tls\`. @see nothing */
export interface Tls {
  type: "tls";
  /** Years. Default: 10. */
  years?: number;
}
/** Vault. */
export interface Vault {
  type: "vault";
  /** Path of the mount. */
  mount: string;
}
/** A volume. */
export interface Volume {
  /** Quantity, e.g. \`1Gi\`. */
  size: string;
}
interface Below {
  /** From the base. */
  base?: boolean;
}
interface Promise<T> { then: T }
type Input<T> = T | Promise<T>;
type Join =
  | {
      method: "iam";
      /** Who. */
      allow: {
        /** Account. */
        account: string;
      }[];
    }
  | {
      method: "gcp";
      /** Who. */
      allow: {
        /** Projects. */
        projects: string[];
      }[];
    };
/** A tree. */
export interface Tree {
  /** Its own kind. */
  children?: Tree[];
}
/**
 * All settings.
 * @throws never
 */
export interface Settings extends Below {
  /** One of two. */
  issuer: Tls | Vault;
  /** One or more. */
  volumes?: Volume | Volume[];
  /** By name, or in full. */
  named?: (string | Volume)[];
  /** May be computed. */
  name?: Input<string>;
  /** The data. */
  storage: Volume;
  /** The log. Default: it shares \`storage\`'s. Never \`.\` alone. */
  log?: Volume;
  /** Some. */
  more?: Record<string, Volume[]>;
  /** How. Default: \`read\`. */
  access?: "read" | "write" | 1;
  /** In place. */
  inline?: {
    /** Deep. */
    deep?: string[];
  };
  /** By platform. */
  join?: Join;
  /** Grows. */
  tree?: Tree;
  /** Whatever | it is. */
  spec?: Record<string, unknown>;
  bare?: string;
  /** Default: nothing else. */
  onlyDefault?: string;
}
`;

describe("the reference of settings", () => {
  const project = mkdtempSync(join(tmpdir(), "reference-"));
  let definitions: Definitions;
  let reference: Reference;
  before(() => {
    const tsconfig = join(project, "tsconfig.json");
    writeFileSync(tsconfig, JSON.stringify({ compilerOptions: { strict: true, types: [] } }));
    writeFileSync(join(project, "settings.ts"), SOURCE);
    definitions = definitionsOf("Settings", join(project, "settings.ts"), tsconfig);
    reference = readReference(definitions, "Settings", "root");
  });
  after(() => rmSync(project, { recursive: true }));

  const section = (name: string) => reference.sections.find((candidate) => candidate.name === name);
  const setting = (name: string) => section("Settings")?.settings.find((candidate) => candidate.name === name);

  it("has a section for each type, in the order of first use", () => {
    const names = reference.sections.map(({ name }) => name);
    const kinds = ["root.join: iam", "root.join.allow[]: iam", "root.join: gcp", "root.join.allow[]: gcp"];
    assert.deepEqual(names, ["Settings", "Tls", "Vault", "Volume", "root.inline", ...kinds, "Tree"]);
  });

  it("keeps parts of kinds apart that are written at the same path", () => {
    const rows = ["iam", "gcp"].map((kind) => section(`root.join.allow[]: ${kind}`)?.settings.map(({ name }) => name));
    assert.deepEqual(rows, [["account"], ["projects"]]);
    assert.deepEqual(section("root.join.allow[]: gcp")?.kind, { key: "method", value: "gcp" });
  });

  it("names the type that a part without a name belongs to", () => {
    const types = ["Tls", "root.inline", "root.join.allow[]: gcp"].map((name) => section(name)?.type);
    assert.deepEqual(types, ["Tls", "Settings", "Settings"]);
  });

  it("says everywhere that a type is written", () => {
    const paths = ["root.volumes", "root.named[]", "root.storage", "root.log", "root.more.<name>[]"];
    assert.deepEqual(section("Volume")?.paths, paths);
    assert.deepEqual(section("Tree")?.paths, ["root.tree"]);
  });

  it("calls types by what one writes", () => {
    const types = ["issuer", "name", "more", "access", "inline", "tree", "spec", "base"].map(
      (name) => setting(name)?.type,
    );
    const access = "`read`, `write` or `1`";
    assert.deepEqual(types, [
      "{} or {}",
      "text",
      "mapping to list of {}",
      access,
      "{}",
      "{}",
      "mapping",
      "true or false",
    ]);
    assert.deepEqual(setting("issuer")?.sections, ["Tls", "Vault"]);
    assert.deepEqual(section("Vault")?.kind, { key: "type", value: "vault" });
  });

  it("takes what YAML makes of text, and says which of several kinds is meant", () => {
    const { issuer, name, volumes, named } = (definitions.Settings?.properties ?? {}) as Record<string, Schema>;
    const text = { type: ["string", "integer", "boolean"], asText: true };
    const volume = { $ref: "#/definitions/Volume" };
    const { description: _one, ...kinds } = issuer ?? {};
    assert.deepEqual(kinds, {
      type: "object",
      discriminator: { propertyName: "type" },
      oneOf: [{ $ref: "#/definitions/Tls" }, { $ref: "#/definitions/Vault" }],
    });
    const { description: _two, ...computed } = name ?? {};
    assert.deepEqual(computed, text);
    const { description: _three, ...several } = volumes ?? {};
    assert.deepEqual(several, {
      type: ["array", "object"],
      if: { type: "array" },
      then: { type: "array", items: volume },
      else: volume,
    });
    assert.deepEqual(named?.items, {
      type: ["object", "string", "integer", "boolean"],
      if: { type: "object" },
      then: volume,
      else: text,
    });
  });

  it("reads comments to their end, without tags", () => {
    assert.equal(section("Settings")?.meaning, "All settings.");
    assert.match(section("Tls")?.meaning ?? "", /^Who signs, by `@pulumi\/tls`\.$/);
  });

  it("names the settings without a comment", () => {
    assert.deepEqual(reference.undocumented, ["Settings.bare"]);
  });

  it("tells apart meaning and default", () => {
    assert.deepEqual(described("Lifetime, e.g. `90d`. Default: `90d`."), {
      meaning: "Lifetime, e.g. `90d`.",
      default: "`90d`",
    });
    assert.deepEqual(described("The log. Default: it shares `a. b`'s. More."), {
      meaning: "The log. More.",
      default: "it shares `a. b`'s",
    });
    assert.deepEqual(described("Default: 1.5 times"), { meaning: "", default: "1.5 times" });
    assert.deepEqual(described("Nothing by default: think."), { meaning: "Nothing by default: think." });
  });

  it("escapes what Markdown would take for its own, and links to each section", () => {
    const text = markdown("T", "", [{ title: "C", text: "", reference, written: true }]);
    assert.ok(text.includes("Whatever \\| it is."));
    assert.ok(text.includes("| `issuer` | [Tls](#tls) or [Vault](#vault) | **required** | One of two. |"), text);
    assert.ok(text.includes("### `root.inline`") && text.includes("(#rootinline)"));
    assert.ok(text.includes("At `root.issuer` with `type: tls`."));
  });
});
