/** The settings that JSON Schemas describe, as data: sections of settings with type, default and meaning. Pure. */
import { describe } from "./doc-comment";
import { nameOf, type Definitions, type Schema } from "./json-schema";

/** One key of a section. */
export interface Setting {
  name: string;
  /** Its type in Markdown, with `{}` in place of each of the sections. */
  type: string;
  required: boolean;
  default?: string;
  meaning: string;
  /** Names of the sections about what is in it. */
  sections: string[];
}

/** The settings of one type. */
export interface Section {
  /** Unique: the type's name. Of a type without a name: where it is in a type with one, and the kind that it is or is in. */
  name: string;
  /** The type, or for a type without a name the type that it is a part of. */
  type: string;
  /** Where it is written, e.g. `databases.<name>.storage`; empty for the roots of a file. */
  paths: string[];
  meaning: string;
  /** The key and the values that choose this one of several kinds. */
  kind?: { key: string; values: string[] };
  settings: Setting[];
}

export interface Reference {
  sections: Section[];
  /** Settings without a doc comment, as `Type.setting`. */
  undocumented: string[];
}

/** The settings of a type and of all types reachable from it, in the order of their first use; `path` is where it is written. */
export function readReference(definitions: Definitions, type: string, path: string): Reference {
  const reader = new Reader(definitions);
  reader.read({ $ref: `#/definitions/${type}` }, path);
  return { sections: reader.sections, undocumented: reader.undocumented.sort() };
}

/** A type in words, and the schemas whose settings it holds. */
interface Typed {
  text: string;
  objects: Schema[];
  /** What comes between the setting's own path and the objects' keys: nothing, `[]` for lists, `.<name>` for mappings. */
  inside: string;
  /** The key that tells kinds apart. */
  tag?: string;
}

/** Where a type without a name is. */
interface Place {
  within: Section;
  /** Its place in that section: `allow[]`. */
  key: string;
  tag?: string;
  /** The row of this key already says what the type means. */
  isTold: boolean;
}

/** Meaning of the key that chooses one of several kinds. */
export const CHOOSES = "Chooses this kind.";
const OBJECT = "{}";
const plain = (text: string): Typed => ({ text, objects: [], inside: "" });

class Reader {
  readonly sections: Section[] = [];
  readonly undocumented: string[] = [];
  private readonly known = new Map<string, Section>();
  /** Names of sections without their kind. */
  private readonly bases = new Map<Section, string>();

  constructor(private readonly definitions: Definitions) {}

  /** Adds the section of a type, or one more path to it; gives its name. */
  read(schema: Schema, path: string, place?: Place): string {
    const { $ref } = schema;
    const { properties = {}, required = [], description = "" } = this.resolved(schema);
    const part = $ref === undefined ? place : undefined;
    const kind = kindOf(properties as Record<string, Schema>, place?.tag) ?? part?.within.kind;
    const base = part ? `${this.bases.get(part.within) ?? ""}.${part.key}` : nameOf($ref ?? path);
    const name = part && kind ? `${base}: ${kind.values.join(", ")}` : base;
    const seen = this.known.get(name);
    if (seen) {
      // A type that contains itself is written at paths without end; its first is enough.
      if (!seen.paths.some((known) => known === path || isBelow(path, known))) this.addPath(seen, path);
      return name;
    }
    const section: Section = {
      name,
      type: part?.within.type ?? name,
      paths: path === "" ? [] : [path],
      meaning: part?.isTold ? "" : oneLine(description),
      kind,
      settings: [],
    };
    this.known.set(name, section);
    this.bases.set(section, base);
    this.sections.push(section);
    for (const [key, property] of Object.entries(properties as Record<string, Schema>)) {
      section.settings.push(this.setting(section, key, property, required.includes(key)));
    }
    return name;
  }

  private setting(section: Section, key: string, schema: Schema, required: boolean): Setting {
    const { text, objects, inside, tag } = this.typed(schema);
    const comment = oneLine(schema.description ?? "");
    const described = describe(comment);
    if (key === section.kind?.key) described.meaning ||= CHOOSES;
    else if (comment === "") this.undocumented.push(`${section.name}.${key}`);
    const [path] = section.paths;
    const at = `${path === undefined ? "" : `${path}.`}${key}${inside}`;
    return {
      name: key,
      type: text,
      required,
      ...described,
      sections: objects.map((object) =>
        this.read(object, at, { within: section, key: `${key}${inside}`, tag, isTold: object === schema }),
      ),
    };
  }

  private typed(schema: Schema): Typed {
    const { oneOf, discriminator, if: condition, then: one, else: other, ...rest } = this.resolved(schema);
    if (oneOf) {
      return { ...joined((oneOf as Schema[]).map((kind) => this.typed(kind))), tag: discriminator?.propertyName };
    }
    if (condition) return joined([other, one].map((kind) => this.typed(kind as Schema)));
    const values = rest.enum ?? (rest.const === undefined ? undefined : [rest.const]);
    if (values) return joined(values.map((value) => plain(`\`${String(value)}\``)));
    const types = [rest.type ?? []].flat();
    if (rest.asText) return plain("text");
    if (types.includes("number")) return plain("number");
    if (types.includes("boolean")) return plain("true or false");
    if (types.includes("array")) {
      const { text, inside, ...item } = this.typed(rest.items as Schema);
      return { ...item, text: `list of ${text}`, inside: `[]${inside}` };
    }
    if (types.includes("object") && rest.properties) return { text: OBJECT, objects: [schema], inside: "" };
    if (types.includes("object")) {
      const { text, inside, ...value } = this.typed((rest.additionalProperties ?? {}) as Schema);
      return { ...value, text: text === "anything" ? "mapping" : `mapping to ${text}`, inside: `.<name>${inside}` };
    }
    return plain("anything");
  }

  private resolved(schema: Schema): Schema {
    return schema.$ref === undefined ? schema : (this.definitions[nameOf(schema.$ref)] ?? {});
  }

  /** One more path to a section, and so to all sections below it. */
  private addPath(section: Section, path: string): void {
    const former = section.paths[0] ?? "";
    section.paths.push(path);
    for (const { paths } of this.sections) {
      const below = paths.find((known) => isBelow(known, former));
      const added = below && `${path}${below.slice(former.length)}`;
      if (added && !paths.includes(added)) paths.push(added);
    }
  }
}

/** The key that tells kinds apart: the one that is named, or the first that can have one value only. */
function kindOf(properties: Readonly<Record<string, Schema>>, tag?: string): Section["kind"] {
  const [key, value] =
    Object.entries(properties).find(([name, { const: only, enum: some }]) =>
      tag === undefined ? only !== undefined : name === tag && (only !== undefined || some),
    ) ?? [];
  if (key === undefined || value === undefined) return undefined;
  return { key, values: (value.enum ?? [value.const]).map(String) };
}

function joined(kinds: readonly Typed[]): Typed {
  const texts = kinds.map(({ text }) => text).filter((text, at, all) => text === OBJECT || all.indexOf(text) === at);
  return {
    text: texts.length < 2 ? texts.join("") : `${texts.slice(0, -1).join(", ")} or ${texts.at(-1)}`,
    objects: kinds.flatMap(({ objects }) => objects),
    inside: kinds.find(({ objects }) => objects.length > 0)?.inside ?? "",
    tag: kinds.find(({ tag }) => tag !== undefined)?.tag,
  };
}

function oneLine(text: string): string {
  return text.replace(/\s+/g, " ").trim();
}

function isBelow(path: string, above: string): boolean {
  return path.startsWith(`${above}.`) || path.startsWith(`${above}[`);
}
