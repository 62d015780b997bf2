/**
 * JSON Schemas from TypeScript's types and their comments: what checks Pulumi.<env>.yaml, helps editors to complete it,
 * and becomes the reference page.
 */
import { join } from "node:path";
import {
  AnnotatedType,
  ChainNodeParser,
  createFormatter,
  createParser,
  createProgram,
  SchemaGenerator,
  type CompletedConfig,
  type Context,
  DEFAULT_CONFIG,
  type Schema as JsonSchema,
  StringType,
  type SubNodeParser,
} from "ts-json-schema-generator";
import * as ts from "typescript";

const PROJECT = join(__dirname, "..", "..");
/** The schema of Pulumi.<env>.yaml, in the repository. */
export const SCHEMA = join(PROJECT, "components", "settings", "settings.schema.json");

/**
 * A schema, with what this project adds: `asText` takes YAML's numbers and booleans as they were written; in programs,
 * `computed` takes outputs.
 */
export interface Schema extends JsonSchema {
  asText?: true;
  computed?: true;
  discriminator?: { propertyName: string };
}

export type Definitions = Record<string, Schema>;

/** From a program, which takes seconds to read. */
const generators = new Map<string, SchemaGenerator>();

/**
 * The schemas of a type and of all that it refers to, by name.
 *
 * @param file that exports the type, or imports from where it is exported
 * @param tsconfig path of the project's tsconfig.json
 */
export function definitionsOf(
  type: string,
  file = join(PROJECT, "config", "settings.ts"),
  tsconfig = join(PROJECT, "tsconfig.json"),
): Definitions {
  const generator = generators.get(file) ?? generatorOf(file, tsconfig);
  generators.set(file, generator);
  const definitions = (generator.createSchema(type).definitions ?? {}) as Definitions;
  return Object.fromEntries(
    Object.entries(definitions).map(([name, schema]) => [name, forYaml(schema, definitions, name)]),
  );
}

function generatorOf(path: string, tsconfig: string): SchemaGenerator {
  const config: CompletedConfig = { ...DEFAULT_CONFIG, path, tsconfig, skipTypeCheck: true, jsDoc: "extended" };
  const program = createProgram(config);
  const parser = createParser(program, config, (all) => all.addNodeParser(new Computed(all as ChainNodeParser)));
  return new SchemaGenerator(program, parser, createFormatter(config), config);
}

/** The schemas of all settings. */
export function settingsDefinitions(): Definitions {
  return definitionsOf("EnvironmentSettings");
}

/** The schema file: of a stack's configuration file, whose keys hold the settings. */
export function settingsSchema(project = "cnpg-teleport"): Schema {
  const definitions = settingsDefinitions();
  const parts: Definitions = {};
  const part = partOf({ $ref: "#/definitions/DatabaseSettings" }, definitions, parts);
  const keys: Record<string, Schema> = {
    ...(definitions.EnvironmentSettings?.properties as Definitions),
    defaults: part,
    databases: { type: "object", additionalProperties: part },
  };
  const { EnvironmentSettings: _, ...types } = definitions;
  return {
    $schema: "http://json-schema.org/draft-07/schema#",
    title: "Pulumi.<env>.yaml",
    type: "object",
    properties: {
      config: {
        type: "object",
        properties: Object.fromEntries(Object.entries(keys).map(([key, schema]) => [`${project}:${key}`, schema])),
      },
    },
    definitions: { ...types, ...parts },
  };
}

/** The same settings where the rest may come from the defaults, which go below mappings, key by key, and not below lists. */
function partOf(schema: Schema, definitions: Definitions, parts: Definitions): Schema {
  const inner = (value: unknown) => partOf(value as Schema, definitions, parts);
  if (schema.$ref !== undefined) {
    const name = `PartOf${nameOf(schema.$ref)}`;
    if (parts[name] === undefined) {
      parts[name] = {};
      parts[name] = partOf(resolved(schema, definitions), definitions, parts);
    }
    return { ...schema, $ref: `#/definitions/${name}` };
  }
  const { required: _, discriminator: _key, oneOf, ...rest } = schema;
  return {
    ...rest,
    ...(rest.properties && { properties: mapped(rest.properties, inner) }),
    ...(typeof rest.additionalProperties === "object" && { additionalProperties: inner(rest.additionalProperties) }),
    ...(rest.else !== undefined && { else: inner(rest.else) }),
    ...(oneOf && { anyOf: oneOf.map(inner) }),
  };
}

/** Pulumi's `Input<T>` in a file is a plain `T`; in a program it may be computed. */
class Computed implements SubNodeParser {
  constructor(private readonly all: ChainNodeParser) {}

  supportsNode(node: ts.Node): boolean {
    if (!ts.isTypeReferenceNode(node)) return false;
    const { typeName } = node;
    return (ts.isIdentifier(typeName) ? typeName : typeName.right).text === "Input";
  }

  createType(node: ts.TypeReferenceNode, context: Context) {
    const [written] = node.typeArguments ?? [];
    if (!written) throw new Error("Input without a type");
    const type = this.all.createType(written, context);
    return type instanceof StringType ? new AnnotatedType(type, { computed: true }, false) : type;
  }
}

/** Values that YAML makes of text: `200`, `true`. Not `1.10`, which may be a version and would become 1.1. */
const TEXT: Schema = { type: ["string", "integer", "boolean"], asText: true };
/** Fractions as well, where the value is an amount. */
const AMOUNT: Schema = { type: ["string", "number", "boolean"], asText: true };

/** A schema as it is for values that come out of YAML, and so that a check can say which of several kinds was meant. */
function forYaml(schema: Schema, definitions: Definitions, name?: string): Schema {
  const inner = (value: unknown) => forYaml(value as Schema, definitions);
  const { anyOf, properties, items, additionalProperties, ...rest } = schema;
  if (anyOf)
    return {
      ...rest,
      ...choice(
        (anyOf as Schema[]).flatMap((kind) => kindsOf(kind, definitions)),
        definitions,
      ),
    };
  if (rest.type === "string" && rest.const === undefined && rest.enum === undefined) {
    return { ...rest, ...(name === "Amount" ? AMOUNT : TEXT) };
  }
  return {
    ...rest,
    ...(properties && { properties: mapped(properties, inner) }),
    ...(items !== undefined && { items: inner(items) }),
    ...(additionalProperties !== undefined && {
      additionalProperties:
        typeof additionalProperties === "object" ? inner(additionalProperties) : additionalProperties,
    }),
  };
}

/** Kinds of a union whose parts may be unions themselves. */
function kindsOf(schema: Schema, definitions: Definitions): Schema[] {
  const nested = resolved(schema, definitions).anyOf as Schema[] | undefined;
  return nested ? nested.flatMap((kind) => kindsOf(kind, definitions)) : [schema];
}

/** A union: objects that a key tells apart, or values of different JSON types. */
function choice(kinds: Schema[], definitions: Definitions): Schema {
  const [first, second, ...others] = kinds;
  if (!first || !second) throw new Error("a union of one kind");
  const isObject = (kind: Schema) => resolved(kind, definitions).type === "object";
  if (kinds.every(isObject)) {
    const [tag] = Object.entries(resolved(first, definitions).properties ?? {}).flatMap(([key, value]) =>
      typeof value === "object" && (value.const !== undefined || value.enum) ? [key] : [],
    );
    if (tag === undefined) throw new Error(`nothing tells these kinds apart: ${JSON.stringify(kinds)}`);
    return {
      type: "object",
      discriminator: { propertyName: tag },
      oneOf: kinds.map((kind) => forYaml(kind, definitions)),
    };
  }
  if (others.length > 0) throw new Error(`too many kinds: ${JSON.stringify(kinds)}`);
  const [structured, other] =
    typesOf(first, definitions).includes("array") || isObject(first) ? [first, second] : [second, first];
  const [one, two] =
    typesOf(structured, definitions).includes("object") && typesOf(other, definitions).includes("array")
      ? [other, structured]
      : [structured, other];
  return {
    type: [...typesOf(one, definitions), ...typesOf(two, definitions)] as Schema["type"],
    if: { type: typesOf(one, definitions)[0] as Schema["type"] },
    then: forYaml(one, definitions),
    else: forYaml(two, definitions),
  };
}

function typesOf(kind: Schema, definitions: Definitions): string[] {
  return [forYaml(resolved(kind, definitions), definitions).type ?? []].flat();
}

function resolved(schema: Schema, definitions: Definitions): Schema {
  return schema.$ref === undefined ? schema : (definitions[nameOf(schema.$ref)] ?? {});
}

/** `Storage` of `#/definitions/Storage`. */
export function nameOf(reference: string): string {
  return decodeURIComponent(reference.replace("#/definitions/", ""));
}

function mapped<Value, Result>(
  object: Record<string, Value>,
  change: (value: Value) => Result,
): Record<string, Result> {
  return Object.fromEntries(Object.entries(object).map(([key, value]) => [key, change(value)]));
}
