/** Reading a reference out of types: each kind of type, each way of writing a comment. */
import { strict as assert } from "node:assert";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe as described } from "../../../docs/reference/doc-comment";
import { markdown } from "../../../docs/reference/markdown";
import { definitionsOf, type Definitions, type Schema } from "../../../docs/reference/json-schema";
import { grouped } from "../../../docs/reference/concepts";
import { readReference, Reference, Section } from "../../../docs/reference/settings";

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
/** Somebody else's. */
export interface Held { from: "secret" | "configMap" }
/** As it is. */
export interface Plain { from: "pem" }
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
  /** From where. */
  sources?: (Held | Plain)[];
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
    const kinds = ["iam", "gcp"].flatMap((kind) => [`Settings.join: ${kind}`, `Settings.join.allow[]: ${kind}`]);
    assert.deepEqual(names, [
      "Settings",
      "Tls",
      "Vault",
      "Volume",
      "Settings.inline",
      ...kinds,
      "Held",
      "Plain",
      "Tree",
    ]);
  });

  it("keeps parts of kinds apart that are written at the same path", () => {
    const rows = ["iam", "gcp"].map((kind) =>
      section(`Settings.join.allow[]: ${kind}`)?.settings.map(({ name }) => name),
    );
    assert.deepEqual(rows, [["account"], ["projects"]]);
    const gcp = section("Settings.join.allow[]: gcp");
    assert.deepEqual([gcp?.paths, gcp?.kind], [["root.join.allow[]"], { key: "method", values: ["gcp"] }]);
  });

  it("names the type that a part without a name belongs to", () => {
    const types = ["Tls", "Settings.inline", "Settings.join.allow[]: gcp"].map((name) => section(name)?.type);
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
    assert.deepEqual(section("Vault")?.kind, { key: "type", values: ["vault"] });
  });

  it("knows what chooses one of several kinds in a list", () => {
    assert.deepEqual(section("Held")?.kind, { key: "from", values: ["secret", "configMap"] });
  });

  it("says once what a type without a name means: where it is written", () => {
    assert.deepEqual([setting("inline")?.meaning, section("Settings.inline")?.meaning], ["In place.", ""]);
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
    assert.deepEqual(computed, { ...text, computed: true });
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

  describe("as Markdown", () => {
    const page = (written = true) => {
      const [root, ...sections] = reference.sections;
      return markdown("Title", "Text.", [
        { title: "A concept", text: "", settings: root?.settings ?? [], sections, written },
      ]);
    };

    it("has a line for what one writes, and below it what that means", () => {
      const text = page();
      const issuer = "- **`issuer`**: [Tls](#tls) or [Vault](#vault). Required.\\\n  One of two.\n";
      assert.ok(text.includes(issuer), text);
      assert.ok(text.includes("- **`years`**: number. Default: 10.\\\n  Years.\n"), text);
      assert.ok(text.includes("- **`bare`**: text.\\\n"), text);
    });

    it("marks outputs that may be missing, in place of what is required", () => {
      const text = page(false);
      assert.ok(text.includes("- **`named`**: list of text or [Volume](#volume). Optional.\\\n"), text);
      assert.ok(text.includes("- **`storage`**: [Volume](#volume).\\\n"), text);
      assert.ok(!text.includes("Required."));
    });

    it("says where a type is written, and links to each type", () => {
      const text = page();
      assert.ok(text.includes("### `Settings.inline`\n\nAt `root.inline`.\n"), text);
      assert.ok(text.includes("[Settings.inline](#settingsinline)"), text);
      assert.ok(text.includes("### Tls\n\nAt `root.issuer` with `type: tls`. Who signs"), text);
      assert.ok(text.includes("At `root.sources[]` with `from: secret` or `from: configMap`. Somebody else's."), text);
    });

    it("lists what is required first, and no key that only chooses what is shown", () => {
      const [, below = ""] = page().split("## A concept\n");
      const names = [...(below.split("###")[0]?.matchAll(/^- \*\*`(\w+)`/gm) ?? [])].map(([, name]) => name);
      assert.deepEqual(names.slice(0, 3), ["issuer", "storage", "base"]);
      const [, vault = ""] = page().split("### Vault\n");
      assert.ok(!vault.split("###")[0]?.includes("Chooses this kind"), vault);
    });

    it("begins with the headings, and the keys and settings that each is about", () => {
      const [, contents = ""] = page().split("\n\nText.\n\n");
      assert.match(contents, /^- \[A concept\]\(#a-concept\): `issuer`, `storage`, `base`, `volumes`, /);
    });
  });
});

describe("the concepts of the settings", () => {
  const section = (type: string, settings: string[] = [], name = type): Section => ({
    ...{ name, type, paths: [], meaning: `${type}.` },
    settings: settings.map((setting) => {
      const [key = "", ...sections] = setting.split(" ");
      return { name: key, type: "", required: false, meaning: "", sections };
    }),
  });
  const reference = {
    sections: [
      section("EnvironmentSettings", ["databases DatabaseSettings"]),
      section("DatabaseSettings", ["instances", "volume Storage", "image", "again Storage.inner"]),
      section("Storage", ["inner Storage.inner"]),
      section("Storage", [], "Storage.inner"),
    ],
    undocumented: [],
  };
  const concepts = [
    { title: "Environment", types: ["EnvironmentSettings"] },
    { title: "Volumes", types: ["Storage"], settings: ["image"] },
    { title: "Database", types: ["DatabaseSettings"] },
  ];
  const refusal = (changed: typeof concepts) => {
    try {
      grouped(reference, changed);
    } catch (error) {
      return (error as Error).message;
    }
    return assert.fail("is not refused");
  };

  it("have the settings of a database by name, by their type, or with the database", () => {
    const found = grouped(reference, concepts).map(({ title, settings }) => [
      title,
      ...settings.map(({ name }) => name),
    ]);
    assert.deepEqual(found, [
      ["Environment", "databases"],
      ["Volumes", "volume", "image", "again"],
      ["Database", "instances"],
    ]);
  });

  it("have each type with its parts, and lose none", () => {
    const found = grouped(reference, concepts).map(({ sections }) => sections.map(({ name }) => name));
    assert.deepEqual(found, [[], ["Storage", "Storage.inner"], []]);
  });

  it("must have every type, once, and no other", () => {
    const others = concepts.filter(({ title }) => title !== "Volumes");
    assert.match(refusal(others), /no concept has the type Storage$/);
    assert.match(refusal([...concepts, { title: "More", types: ["Storage"] }]), /two concepts have Storage$/);
    assert.match(refusal([...concepts, { title: "More", types: ["Gone"] }]), /there is no Gone$/);
    assert.match(refusal([...concepts, { title: "More", types: [], settings: ["gone"] }]), /there is no gone$/);
    assert.match(refusal([...concepts, { title: "More", types: [], settings: ["image"] }]), /two concepts have image$/);
  });
});
