// Entry of the npm scripts: `node lab/start.mjs <file.ts> [arguments]`. Plain Node without dependencies, because a
// fresh checkout has none: installs them when they are missing or older than the lock file, then runs the file.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { constants } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const project = dirname(dirname(fileURLToPath(import.meta.url)));

/** npm writes node_modules/.package-lock.json as the last step of an installation. */
function dependenciesStand() {
  const installed = join(project, "node_modules", ".package-lock.json");
  const wanted = join(project, "package-lock.json");
  return existsSync(installed) && statSync(installed).mtimeMs >= statSync(wanted).mtimeMs;
}

function installDependencies() {
  const began = Date.now();
  process.stderr.write("npm packages: installing (npm ci) …\n");
  const npm = spawnSync("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"], {
    cwd: project,
    stdio: ["ignore", 2, 2], // standard output belongs to the command that is run afterwards
  });
  if (npm.status !== 0) {
    process.stderr.write(`npm ci failed${npm.error ? `: ${npm.error.message}` : ""}. Its messages are above.\n`);
    process.exit(npm.status ?? 1);
  }
  process.stderr.write(`npm packages: installed in ${((Date.now() - began) / 1000).toFixed(0)} s\n`);
}

const [file, ...args] = process.argv.slice(2);
if (!file) {
  process.stderr.write("Usage: node lab/start.mjs <file.ts> [arguments]\n");
  process.exit(2);
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
