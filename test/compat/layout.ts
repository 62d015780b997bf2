/** Where everything of this suite lies, and which installations and programs there are. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { PROJECT, STATE } from "../../lab/layout";

/** For the PATH: the newest CLI with the lab's language host, and the newest Node.js. */
export const ENGINE = join(STATE.compat, "bin");
/** This checkout, with the newest SDK in its node_modules. */
export const CHECKOUT = join(STATE.compat, "checkout");

const { version } = JSON.parse(readFileSync(join(PROJECT, "package.json"), "utf8")) as { version: string };
/** As a manifest names it that depends on it. */
export const PACKAGE = `file:${join(STATE.compat, `cnpg-teleport-${version}.tgz`)}`;

const managers = join(STATE.compat, "managers", "node_modules");

/** By which command a repository is installed, and what its programs need at run time. */
export const MANAGERS: Record<"npm" | "pnpm" | "yarn", { install: string[]; environment?: NodeJS.ProcessEnv }> = {
  npm: { install: ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"] },
  pnpm: {
    install: [
      process.execPath,
      join(managers, "pnpm", "bin", "pnpm.cjs"),
      "install",
      "--ignore-scripts",
      "--no-frozen-lockfile",
      "--config.node-linker=isolated",
      `--store-dir=${join(STATE.compat, "pnpm")}`,
    ],
  },
  yarn: {
    install: [
      process.execPath,
      join(managers, "@yarnpkg", "cli-dist", "bin", "yarn.js"),
      "install",
      "--mode=skip-build",
    ],
    environment: { NODE_OPTIONS: plugNPlay(repositoryOf("yarn")) },
  },
};

/** Programs of each repository, by the way on which they have the package. */
export const PROGRAMS = {
  direct: { main: "index.js", from: "cnpg-teleport" },
  "through-one": { main: "src/index.js", from: "@acme/databases" },
  "through-two": { main: "src/index.js", from: "@acme/platform" },
};

/** As `yarn exec pulumi …` sets it. */
function plugNPlay(repository: string): string {
  const loader = pathToFileURL(join(repository, ".pnp.loader.mjs")).href;
  return `--require ${JSON.stringify(join(repository, ".pnp.cjs"))} --experimental-loader ${loader}`;
}

export function repositoryOf(manager: string): string {
  return join(STATE.compat, manager);
}

export function programOf(manager: string, program: keyof typeof PROGRAMS): string {
  return join(repositoryOf(manager), "programs", program);
}
