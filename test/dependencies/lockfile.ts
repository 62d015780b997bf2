/** What package-lock.json says of the dependencies, and what of it must not be. Pure. */
import { isAllowed, licenceOf } from "./licence";

/** An entry of `packages` (lockfileVersion 2 and 3). */
export interface LockedPackage {
  /** Of the project itself, and of packages under another name. */
  name?: string;
  version?: string;
  license?: string;
  /** Hash of the archive; npm refuses another one. */
  integrity?: string;
  resolved?: string;
  /** It runs something when it is installed. */
  hasInstallScript?: boolean;
  /** It came in another package's archive, whose hash covers it. */
  inBundle?: boolean;
  /** A folder of this machine. */
  link?: boolean;
  /** Needed for tests and tools only. What a dependency of the program may use besides (`devOptional`) is not. */
  dev?: boolean;
}

export interface Lockfile {
  lockfileVersion: number;
  packages: Record<string, LockedPackage>;
}

/** One package, at one place of node_modules. */
export interface Dependency extends LockedPackage {
  name: string;
  /** Below the project, e.g. `node_modules/mocha/node_modules/glob`. */
  path: string;
  /** In SPDX's words, where they are known. */
  licence: string | undefined;
}

/**
 * Packages with an install script, by name, and why they may have one. npm does not run them here (`.npmrc`); it does in
 * a program that has this one as its library. Nothing here needs any of them.
 */
export const INSTALL_SCRIPTS: Readonly<Record<string, string>> = {
  "@pulumi/kubernetes":
    "fetches its plugin by `pulumi plugin install`, as the Pulumi CLI does by itself at the first run",
  protobufjs: "warns of a version range that its user wrote; changes nothing",
};

/** All packages but the project itself, by name. */
export function dependencies({ packages }: Lockfile): Dependency[] {
  return Object.entries(packages)
    .filter(([path]) => path !== "")
    .map(([path, locked]) => {
      // `npm:` installs a package under another name: what counts is its own.
      const name = locked.name ?? path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length);
      return { ...locked, name, path, licence: licenceOf(name, locked.license) };
    })
    .sort((one, other) => compare(one.name, other.name) || compare(one.path, other.path));
}

/** What must not be, in a line each, with the package's name. */
export function lockfileProblems(lockfile: Lockfile): string[] {
  if (lockfile.lockfileVersion < 2)
    return ["package-lock.json is of an old npm: run `npm install` with npm 7 or newer."];
  const all = dependencies(lockfile);
  const installed = new Set(all.filter(({ hasInstallScript }) => hasInstallScript).map(({ name }) => name));
  return [
    ...all.flatMap((dependency) => [...licenceProblems(dependency), ...originProblems(dependency)]),
    ...[...installed]
      .filter((name) => !Object.hasOwn(INSTALL_SCRIPTS, name))
      .map(
        (name) => `${name} runs a script when it is installed. Read it; name it in INSTALL_SCRIPTS with the reason.`,
      ),
    ...Object.keys(INSTALL_SCRIPTS)
      .filter((name) => !installed.has(name))
      .map((name) => `${name} runs no script when it is installed any more. Remove it from INSTALL_SCRIPTS.`),
  ];
}

function licenceProblems({ name, version, licence }: Dependency): string[] {
  if (licence === undefined)
    return [`${name} ${version} states no licence. Read its files; name it in STATED_LICENCES.`];
  if (isAllowed(licence)) return [];
  return [
    `${name} ${version} has the licence ${licence}, which is not allowed. Do without it, or see ALLOWED_LICENCES.`,
  ];
}

function originProblems({ name, version, integrity, inBundle, link, resolved = "" }: Dependency): string[] {
  if (link) return [`${name} is a folder of this machine. Take a released version.`];
  if (inBundle) return [];
  const isOther = resolved !== "" && !resolved.startsWith("https://");
  return [
    ...(integrity?.startsWith("sha512-")
      ? []
      : [`${name} ${version} has no SHA-512 hash, so that any archive would do.`]),
    ...(isOther ? [`${name} ${version} comes from ${resolved}. Take it from the registry.`] : []),
  ];
}

/** A table for people: name, version, licence, and whether the program needs it or only its development. */
export function licenceList(lockfile: Lockfile): string {
  const rows = dependencies(lockfile).map(({ name, version = "", licence = "none", dev }) =>
    [name, version, licence, dev ? "development" : "program"].join("\t"),
  );
  return [...new Set(rows)].join("\n");
}

function compare(one: string, other: string): number {
  return one < other ? -1 : Number(one > other);
}
