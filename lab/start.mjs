// Entry of the npm scripts: `node lab/start.mjs <file.ts> [arguments]`. Plain Node without dependencies, because a
// fresh checkout has none: installs them when they are missing or older than the lock file, then runs the file.
import { spawn, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { constants } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const project = dirname(dirname(fileURLToPath(import.meta.url)));

/**
 * Whether node_modules has every package of the lock file, in its version. npm writes .package-lock.json as the last
 * step of an installation and removes it with the first: one that was interrupted is told by its absence.
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
    stdio: ["ignore", 2, 2], // standard output belongs to the command that is run afterwards
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
    `The lab needs Linux, and this is ${process.platform}. Use a Linux machine or VM; or go by docs/getting-started.md, ` +
      "which shows the same with a cluster, a Vault and a Teleport of your own.\n",
  );
  process.exit(1);
}
if (!dependenciesStand()) installDependencies();

const child = spawn(process.execPath, ["-r", "ts-node/register/transpile-only", join(project, file), ...args], {
  cwd: project,
  stdio: "inherit",
});
// A terminal sends Ctrl-C to the whole group; the child decides what it means, and this process waits for it.
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
