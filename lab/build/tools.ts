/**
 * The lab's executables. Tools that are on the PATH in exactly the required version are used. The others are built
 * from the pinned modules of lab/tools and cached, by version and by a hash of everything that goes into them.
 */
import { createHash } from "node:crypto";
import { accessSync, constants, existsSync, mkdirSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { run, searchPath } from "../host/command";
import { CACHE, PROJECT, STATE } from "../layout";
import { withLock } from "../host/lock";
import { say, step } from "../host/progress";
import { writeWhole } from "../host/private-file";
import { BUILD_FLAGS, buildTool } from "./tool-build";
import { Binary, Tool, TOOLS } from "../versions";

/** Paths of all executables and kept files. */
export interface Tools {
  binaries: Record<string, string>;
  files: Record<string, string>;
}

const record = join(STATE.root, "tools.json");

/** The tools as the last `up` found or built them. */
export function recordedTools(): Tools {
  if (!existsSync(record)) throw new Error("The lab has no tools yet. Start it first: npm run lab -- up");
  return JSON.parse(readFileSync(record, "utf8")) as Tools;
}

/** Path of an executable of the lab. */
export function tool(name: string): string {
  const path = recordedTools().binaries[name];
  if (!path) throw new Error(`The lab has no ${name}. Start it again: npm run lab -- up`);
  return path;
}

export function toolSources(tool: Tool): string {
  return join(PROJECT, "lab", "tools", tool.folder ?? tool.name);
}

/** Folder of a tool in the cache. It differs for another version, module, main or flag. */
export function toolFolder(tool: Tool): string {
  const hash = createHash("sha256").update(JSON.stringify([tool, BUILD_FLAGS]));
  const sources = toolSources(tool);
  for (const file of readdirSync(sources, { recursive: true, encoding: "utf8" }).sort()) {
    if (/(\.go|go\.mod|go\.sum)$/.test(file)) hash.update(file).update(readFileSync(join(sources, file)));
  }
  return join(CACHE.tools, `${tool.name}-${tool.version}-${hash.digest("hex").slice(0, 12)}`);
}

/** Tools that neither the PATH nor the cache has. */
export async function missingTools(tools = TOOLS): Promise<Tool[]> {
  const missing: Tool[] = [];
  for (const tool of tools) {
    if (!existsSync(toolFolder(tool)) && !(await onPath(tool))) missing.push(tool);
  }
  return missing;
}

/** Finds or builds the lab's tools and records where they are. */
export async function ensureTools(): Promise<Tools> {
  const tools = await findOrBuild(TOOLS);
  writeWhole(record, `${JSON.stringify(tools, null, 2)}\n`, 0o644);
  return tools;
}

/** Finds or builds tools; the lab does not record them. */
export async function findOrBuild(wanted: Tool[]): Promise<Tools> {
  // Existing caches come from interrupted builds, perhaps interrupted while the caches were being removed.
  if ((await missingTools(wanted)).length > 0 || existsSync(CACHE.go)) {
    const waiting = (holder: string) => say(`  …    waiting for ${holder}, which is building the tools`);
    await withLock(CACHE.lock, () => buildMissing(wanted), waiting);
  }
  const tools: Tools = { binaries: {}, files: {} };
  for (const tool of wanted) {
    const found = existsSync(toolFolder(tool)) ? undefined : await onPath(tool);
    for (const { name } of tool.binaries) tools.binaries[name] = found?.[name] ?? join(toolFolder(tool), "bin", name);
    for (const { name } of tool.files ?? []) tools.files[name] = join(toolFolder(tool), "share", name);
  }
  return tools;
}

async function buildMissing(wanted: Tool[]): Promise<void> {
  mkdirSync(CACHE.tools, { recursive: true });
  // This process has the lock, so incomplete folders come from interrupted builds.
  for (const name of readdirSync(CACHE.tools)) {
    if (name.startsWith(".building-")) rmSync(join(CACHE.tools, name), { recursive: true, force: true });
  }
  const missing = await missingTools(wanted); // again: the former holder of the lock may have built them
  for (const [index, tool] of missing.entries()) {
    const what = `building ${tool.name} ${tool.version} (${index + 1} of ${missing.length})`;
    await step(what, () => buildTool(tool, toolSources(tool), toolFolder(tool)), { announce: true });
  }
  if (existsSync(CACHE.go)) {
    await step("removing Go's build caches", async () => void (await run("rm", ["-rf", CACHE.go], { limit: 600_000 })));
  }
}

/** Paths of a tool's executables if all of them are on the PATH in exactly its version. */
async function onPath(tool: Tool): Promise<Record<string, string> | undefined> {
  if (tool.files || tool.embeds) return undefined; // needs files that only the build keeps
  const found: Record<string, string> = {};
  for (const binary of tool.binaries) {
    const path = await fittingOnPath(binary);
    if (!path) return undefined;
    found[binary.name] = path;
  }
  return found;
}

async function fittingOnPath({ name, probe }: Binary): Promise<string | undefined> {
  if (!probe) return undefined;
  const path = which(name);
  if (!path) return undefined;
  const printed = await run(path, probe.args, { limit: 15_000 }).catch(() => "");
  const version = new RegExp(`${probe.expect.replace(/[.]/g, "\\.")}(?![0-9.-])`);
  return version.test(printed) ? path : undefined;
}

/** Path of an executable on the PATH, without the lab's own folders. */
export function which(name: string): string | undefined {
  const folders = searchPath().filter((folder) => folder.startsWith("/"));
  for (const folder of folders) {
    if (folder.startsWith(CACHE.root) || folder.startsWith(STATE.root)) continue;
    const candidate = join(folder, name);
    try {
      accessSync(candidate, constants.X_OK);
      return candidate;
    } catch {
      continue;
    }
  }
  return undefined;
}
