/** An example as a user copies it: a separate project, with the library installed. */
import { cpSync, mkdirSync, readdirSync, symlinkSync } from "node:fs";
import { basename, join } from "node:path";
import { run } from "../../lab/host/command";
import { PROJECT } from "../../lab/layout";

/** Creates the project in an empty folder. */
export async function installExample(project: string, example: "app" | "backup-plugin" = "app"): Promise<void> {
  const isOurs = (path: string) => basename(path) !== "node_modules";
  cpSync(join(PROJECT, "examples", example), project, { recursive: true, filter: isOurs });
  const modules = join(project, "node_modules");
  mkdirSync(modules, { recursive: true });
  for (const name of readdirSync(join(PROJECT, "node_modules"))) {
    if (!name.startsWith(".") && name !== "cnpg-teleport") {
      symlinkSync(join(PROJECT, "node_modules", name), join(modules, name));
    }
  }
  const library = join(modules, "cnpg-teleport");
  cpSync(join(PROJECT, "package.json"), join(library, "package.json"));
  // Not `npm run package`, which writes into the checkout while other tests may be packing it.
  const compiler = join(PROJECT, "node_modules", "typescript", "bin", "tsc");
  const args = [compiler, "--project", join(PROJECT, "tsconfig.build.json"), "--outDir", join(library, "dist")];
  await run(process.execPath, args, { cwd: PROJECT, limit: 300_000 });
}
