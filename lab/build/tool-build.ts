/**
 * Builds one tool from its pinned modules in a temporary folder, which replaces the final one when the build is
 * complete.
 */
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import { run, tail } from "../host/command";
import { CACHE } from "../layout";
import { Tool } from "../versions";

export const BUILD_FLAGS = {
  go: "-mod=readonly -modcacherw -buildvcs=false",
  linker: "-s -w",
};

/** Far longer than the slowest build takes, so that a build that hangs ends eventually. */
const BUILD_LIMIT_MS = 60 * 60_000;

export async function buildTool(tool: Tool, sources: string, target: string): Promise<void> {
  const folder = join(CACHE.tools, `.building-${basename(target)}`);
  rmSync(folder, { recursive: true, force: true });
  for (const part of ["bin", "share"]) mkdirSync(join(folder, part), { recursive: true });
  for (const needed of [CACHE.logs, CACHE.goWork]) mkdirSync(needed, { recursive: true });
  const log = join(CACHE.logs, `build-${tool.name}.log`);
  writeFileSync(log, "");
  const main = tool.embeds ? await withEmbeds(tool, sources, join(folder, "source"), log) : sources;
  for (const { name, from, stamp } of tool.binaries) {
    const linker = [BUILD_FLAGS.linker, stamp].filter(Boolean).join(" ");
    await go(["build", "-C", main, "-ldflags", linker, "-o", join(folder, "bin", name), from], log);
  }
  for (const { name, module, path, executable } of tool.files ?? []) {
    copyFileSync(join(await moduleFolder(sources, module, log), path), join(folder, "share", name));
    chmodSync(join(folder, "share", name), executable ? 0o755 : 0o644);
  }
  rmSync(join(folder, "source"), { recursive: true, force: true });
  if (existsSync(target)) rmSync(target, { recursive: true });
  renameSync(folder, target);
}

/** Copies the tool's own main and the files that it embeds, so that the checkout stays unchanged. */
async function withEmbeds(tool: Tool, sources: string, copy: string, log: string): Promise<string> {
  cpSync(sources, copy, { recursive: true });
  for (const { name, module, path, version } of tool.embeds ?? []) {
    const content = readFileSync(join(await moduleFolder(sources, module, log), path), "utf8");
    const embedded = version ? JSON.stringify({ ...(JSON.parse(content) as object), version }) : content;
    writeFileSync(join(copy, name), embedded);
  }
  return copy;
}

async function moduleFolder(sources: string, module: string, log: string): Promise<string> {
  await run("go", ["mod", "download", module], { cwd: sources, env: goEnvironment(), log, limit: BUILD_LIMIT_MS });
  const printed = await run("go", ["list", "-m", "-f", "{{.Dir}}", module], { cwd: sources, env: goEnvironment() });
  return printed.trim();
}

async function go(args: string[], log: string): Promise<void> {
  try {
    await run("go", args, { env: goEnvironment(), log, limit: BUILD_LIMIT_MS });
  } catch (error) {
    const why = (error as Error).message.split("\n")[0];
    throw new Error(`${why}\n${tail(log)}\nThe whole log: ${log}. \`up\` continues where it stopped.`);
  }
}

/**
 * The caller's environment, which may name proxies and certificates, with the lab's own caches: they grow to tens of
 * gigabytes.
 */
function goEnvironment(): NodeJS.ProcessEnv {
  return {
    GOCACHE: CACHE.goBuild,
    GOMODCACHE: CACHE.goModules,
    GOTMPDIR: CACHE.goWork, // not /tmp, which may be small and would keep the files of an interrupted build
    GOFLAGS: BUILD_FLAGS.go,
    GOTOOLCHAIN: "local",
    GOWORK: "off",
  };
}
