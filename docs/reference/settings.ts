/** Reads settings out of TypeScript's types: sections of settings with type, default and meaning, as data. */
import { relative } from "node:path";
import * as ts from "typescript";
import { commentOf, describe } from "./doc-comment";
import { TypeNames } from "./type-names";

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
  /** Unique: the type's name, or for a type without a name the path of its first use, and its kind. */
  name: string;
  /** Where it is written, e.g. `databases.<name>.storage`; empty for the roots of a file. */
  paths: string[];
  meaning: string;
  /** The key and value that choose this one of several kinds. */
  kind?: { key: string; value: string };
  settings: Setting[];
}

export interface Reference {
  sections: Section[];
  /** Settings without a doc comment, as `file: Type.setting`. */
  undocumented: string[];
}

/** Where to begin: an exported type of a file, and the path that its settings are written at. */
export interface Root {
  file: string;
  type: string;
  path: string;
}

/** The settings of a type and of all types reachable from it, in the order of their first use. */
export function readReference(project: string, { file, type, path }: Root): Reference {
  const program = ts.createProgram([file], compilerOptions(project));
  const checker = program.getTypeChecker();
  const source = program.getSourceFile(file);
  const module = source && checker.getSymbolAtLocation(source);
  const exported = module && checker.getExportsOfModule(module).find(({ name }) => name === type);
  if (!exported) throw new Error(`${relative(project, file)} exports no ${type}`);
  // What a file hands on from another has to be followed to its declaration.
  const symbol = exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported;
  const reader = new Reader(checker, project);
  reader.read(checker.getDeclaredTypeOfSymbol(symbol), path);
  return { sections: reader.sections, undocumented: reader.undocumented.sort() };
}

function compilerOptions(project: string): ts.CompilerOptions {
  const { config } = ts.readConfigFile(`${project}/tsconfig.json`, ts.sys.readFile) as {
    config?: { compilerOptions?: unknown };
  };
  const { options } = ts.convertCompilerOptionsFromJson(config?.compilerOptions, project);
  // Types of test runners and the like have nothing to do with settings.
  return { ...options, types: [] };
}

class Reader {
  readonly sections: Section[] = [];
  readonly undocumented: string[] = [];
  private readonly known = new Map<ts.Type, Section>();
  private readonly names: TypeNames;

  constructor(
    private readonly checker: ts.TypeChecker,
    private readonly project: string,
  ) {
    this.names = new TypeNames(checker);
  }

  /** Adds the section of a type, or one more path to it; gives its name. */
  read(type: ts.Type, path: string): string {
    const seen = this.known.get(type);
    if (seen) {
      // A type that contains itself is written at paths without end; its first is enough.
      if (!seen.paths.some((known) => known === path || isBelow(path, known))) this.addPath(seen, path);
      return seen.name;
    }
    const properties = this.checker.getPropertiesOfType(type);
    const kind = this.kindOf(properties);
    const declared = this.names.declared(type);
    const section: Section = {
      name: declared?.name ?? (kind ? `${path}: ${kind.value}` : path),
      paths: path === "" ? [] : [path],
      meaning: commentOf(declared),
      kind,
      settings: [],
    };
    this.known.set(type, section);
    this.sections.push(section);
    for (const property of properties) section.settings.push(this.setting(section, property, path));
    return section.name;
  }

  /** The first key that can have one value only tells kinds apart. */
  private kindOf(properties: readonly ts.Symbol[]): Section["kind"] {
    for (const property of properties) {
      const { literal } = this.names.typed(this.checker.getTypeOfSymbol(property));
      if (literal !== undefined) return { key: property.name, value: literal };
    }
    return undefined;
  }

  private setting({ name, kind }: Section, property: ts.Symbol, path: string): Setting {
    const { text, objects, inside } = this.names.typed(this.checker.getTypeOfSymbol(property));
    const comment = commentOf(property);
    const described = describe(comment);
    if (property.name === kind?.key) described.meaning ||= "Chooses this kind.";
    else if (comment === "") this.undocumented.push(`${this.fileOf(property)}: ${name}.${property.name}`);
    const at = `${path === "" ? "" : `${path}.`}${property.name}${inside}`;
    return {
      name: property.name,
      type: text,
      required: (property.flags & ts.SymbolFlags.Optional) === 0,
      ...described,
      sections: objects.map((object) => this.read(object, at)),
    };
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

  private fileOf(property: ts.Symbol): string {
    const file = property.declarations?.[0]?.getSourceFile().fileName;
    return file ? relative(this.project, file) : "?";
  }
}

function isBelow(path: string, above: string): boolean {
  return path.startsWith(`${above}.`) || path.startsWith(`${above}[`);
}
