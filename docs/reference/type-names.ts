/** How types are called in the reference: by what one writes in YAML, not by TypeScript's spelling. */
import * as ts from "typescript";

/** A type in words, and the types whose settings it holds. */
export interface Typed {
  /** In Markdown, with `{}` in place of each of the objects. */
  text: string;
  /** Types to describe in sections of their own. */
  objects: ts.Type[];
  /** What comes between the setting's own path and the objects' keys: nothing, `[]` for lists, `.<name>` for mappings. */
  inside: string;
  /** The value, where there is just one. */
  literal?: string;
}

const OBJECT = "{}";
const plain = (text: string): Typed => ({ text, objects: [], inside: "" });

/** What Pulumi's `Input` adds to a type. */
const COMPUTED = ["Promise", "OutputInstance", "Output"];

export class TypeNames {
  constructor(private readonly checker: ts.TypeChecker) {}

  /** The symbol that a type was declared with in this project; none for `{ … }` written in place. */
  declared(type: ts.Type): ts.Symbol | undefined {
    const symbol = type.aliasSymbol ?? type.symbol;
    return !symbol || symbol.name.startsWith("__") || isForeign(symbol) ? undefined : symbol;
  }

  typed(type: ts.Type): Typed {
    const members = (type.isUnion() ? type.types : [type]).filter((member) => !isIgnored(member));
    const isBoolean = (member: ts.Type) => (member.flags & ts.TypeFlags.BooleanLiteral) !== 0;
    const anyBoolean = members.filter(isBoolean).length === 2;
    const kinds = members.filter((member) => !anyBoolean || !isBoolean(member)).map((member) => this.single(member));
    if (anyBoolean) kinds.push(plain("true or false"));
    const [only] = kinds;
    if (only && kinds.length === 1) return only;

    const texts = kinds.map(({ text }) => text).filter((text, at, all) => text === OBJECT || all.indexOf(text) === at);
    return {
      text: texts.length < 2 ? texts.join("") : `${texts.slice(0, -1).join(", ")} or ${texts.at(-1)}`,
      objects: kinds.flatMap(({ objects }) => objects),
      inside: kinds.find(({ objects }) => objects.length > 0)?.inside ?? "",
    };
  }

  private single(type: ts.Type): Typed {
    if (type.isStringLiteral() || type.isNumberLiteral()) {
      return { ...plain(`\`${type.value}\``), literal: String(type.value) };
    }
    if (type.flags & ts.TypeFlags.BooleanLiteral) {
      const value = this.checker.typeToString(type);
      return { ...plain(`\`${value}\``), literal: value };
    }
    if (type.flags & ts.TypeFlags.StringLike) return plain("text");
    if (type.flags & ts.TypeFlags.NumberLike) return plain("number");
    if (type.flags & (ts.TypeFlags.Unknown | ts.TypeFlags.Any)) return plain("anything");
    if (type.getCallSignatures().length > 0) return plain("function");
    return this.compound(type);
  }

  private compound(type: ts.Type): Typed {
    if (this.checker.isArrayType(type) || this.checker.isTupleType(type)) {
      const [element] = this.checker.getTypeArguments(type as ts.TypeReference);
      const { text, objects, inside } = element ? this.typed(element) : plain("anything");
      return { text: `list of ${text}`, objects, inside: `[]${inside}` };
    }
    const value = this.checker.getIndexInfosOfType(type)[0]?.type;
    if (value && this.checker.getPropertiesOfType(type).length === 0) {
      const { text, objects, inside } = this.typed(value);
      return { text: text === "anything" ? "mapping" : `mapping to ${text}`, objects, inside: `.<name>${inside}` };
    }
    // An alias of another package (`z.output`) may stand for a type written here; its own interfaces, which have a
    // reference of their own, may not.
    const symbol = type.getSymbol();
    const elsewhere = symbol !== undefined && !symbol.name.startsWith("__") && isForeign(symbol);
    if (elsewhere || type.isTypeParameter()) return plain(`\`${this.checker.typeToString(type)}\``);
    return { text: OBJECT, objects: [type], inside: "" };
  }
}

/** Nothing that one writes: undefined, or a value that is computed when the program runs. */
function isIgnored(type: ts.Type): boolean {
  if (type.flags & (ts.TypeFlags.Undefined | ts.TypeFlags.Null)) return true;
  // `Input<string> & string`, where a type is narrowed, has `Promise<string> & string` in it.
  if (type.isIntersection() && type.types.some(isIgnored)) return true;
  return [type.symbol?.name, type.aliasSymbol?.name].some((name) => name !== undefined && COMPUTED.includes(name));
}

function isForeign(symbol: ts.Symbol): boolean {
  const files = (symbol.declarations ?? []).map((declaration) => declaration.getSourceFile().fileName);
  return files.every((file) => file.includes("/node_modules/"));
}
