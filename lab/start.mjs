// Entry point of the npm scripts: `node lab/start.mjs <file.ts> [arguments]`. Plain Node without dependencies,
// because a new checkout has none. Installs dependencies that are missing or older than the lock file, then runs the
// file.
import { spawn, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { constants } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const project = dirname(dirname(fileURLToPath(import.meta.url)));

/**
 * Whether node_modules has every package of the lock file in its version. npm removes .package-lock.json first and
 * writes it last, so it is missing after an interrupted installation.
 */
function dependenciesStand() {
  const packagesIn = (...path) => JSON.parse(readFileSync(join(project, ...path), "utf8")).packages;
  try {
    const installed = packagesIn("node_modules", ".package-lock.json");
    const wanted = Object.entries(packagesIn("package-lock.json"));
    return wanted.every(
      ([path, { version, optional }]) => path === "" || optional || installed[path]?.version === version,
    );
  } catch {
    return false;
  }
}

function installDependencies() {
  const began = Date.now();
  process.stderr.write("npm packages: installing (npm ci) …\n");
  const npm = spawnSync("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd: project,
    stdio: ["ignore", 2, 2], // standard output belongs to the command that runs afterwards
  });
  if (npm.status !== 0) {
    const why = npm.error ? `: ${npm.error.message}` : "; its messages are above";
    process.stderr.write(`npm ci failed${why}. Run the same command again: it installs what is missing.\n`);
    process.exit(npm.status ?? 1);
  }
  process.stderr.write(`npm packages: installed in ${((Date.now() - began) / 1000).toFixed(0)} s\n`);
}

const [file, ...args] = process.argv.slice(2);
if (!file) {
  process.stderr.write("Usage: node lab/start.mjs <file.ts> [arguments]\n");
  process.exit(2);
}
if (process.platform !== "linux" && file.startsWith("lab/")) {
  process.stderr.write(
    `The lab needs Linux, but this is ${process.platform}. Use a Linux machine or VM, or follow docs/getting-started.md, ` +
      "which shows the same with your own cluster, Vault and Teleport.\n",
  );
  process.exit(1);
}
if (!dependenciesStand()) installDependencies();

const child = spawn(process.execPath, ["-r", "ts-node/register/transpile-only", join(project, file), ...args], {
  cwd: project,
  stdio: "inherit",
});
// A terminal sends Ctrl-C to the whole process group. The child handles it, and this process waits for the child.
for (const signal of ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"]) {
  process.on(signal, () => {
    if (signal !== "SIGINT" || !process.stdin.isTTY) child.kill(signal);
  });
}
child.on("error", (error) => {
  process.stderr.write(`${error.message}\n`);
  process.exit(1);
});
child.on("exit", (code, signal) => process.exit(signal ? 128 + constants.signals[signal] : code));
