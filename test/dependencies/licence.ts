/** Which licences a dependency may have. Pure. */

/**
 * SPDX names of licences under which this project may use, change and pass on a package, as a library and in a program,
 * with no duty but naming it. What asks for the source of what is built on it (GPL, AGPL, LGPL, MPL, SSPL …), or for money,
 * is not here.
 */
export const ALLOWED_LICENCES: readonly string[] = [
  "0BSD",
  "Apache-2.0",
  "BlueOak-1.0.0",
  "BSD-2-Clause",
  "BSD-3-Clause",
  "CC-BY-3.0", // data only: lists of SPDX
  "CC0-1.0",
  "ISC",
  "MIT",
  "Python-2.0",
  "Unlicense",
];

/** A licence that a package states in other words than SPDX's. */
export interface StatedLicence {
  /** What its package.json says, to the letter. */
  stated: string;
  /** What it is, in SPDX's words. */
  licence: string;
  /** File of the package that says so, and how that begins. */
  file: string;
  begins: string;
}

/** By the package's name. */
export const STATED_LICENCES: Readonly<Record<string, StatedLicence>> = {
  "@logdna/tail-file": {
    stated: "SEE LICENSE IN LICENSE",
    licence: "MIT",
    file: "LICENSE",
    begins: "The MIT License (MIT)",
  },
};

/** The licence of a package in SPDX's words. */
export function licenceOf(name: string, stated: string | undefined): string | undefined {
  const known = Object.hasOwn(STATED_LICENCES, name) ? STATED_LICENCES[name] : undefined;
  return known && known.stated === stated ? known.licence : stated;
}

/**
 * Whether an SPDX expression (https://spdx.github.io/spdx-spec/v3.0.1/annexes/spdx-license-expressions/) lets us choose
 * allowed licences only: all of those joined by AND, one of those joined by OR. AND binds closer. What is no expression,
 * and exceptions by WITH, which somebody has to read, are not allowed.
 */
export function isAllowed(expression: string, allowed: readonly string[] = ALLOWED_LICENCES): boolean {
  const words = expression.match(/[()]|[^()\s]+/g) ?? [];
  let isExpression = true;
  const next = (word: string) => words[0] === word && words.shift() !== undefined;

  const either = (): boolean => {
    let result = both();
    while (next("OR")) result = both() || result;
    return result;
  };
  const both = (): boolean => {
    let result = one();
    while (next("AND")) result = one() && result;
    return result;
  };
  const one = (): boolean => {
    if (next("(")) {
      const result = either();
      isExpression &&= next(")");
      return result;
    }
    const word = words.shift() ?? "";
    isExpression &&= /^[A-Za-z0-9.+-]+$/.test(word) && !["AND", "OR", "WITH"].includes(word);
    return allowed.includes(word);
  };

  const result = either();
  return result && isExpression && words.length === 0;
}
