/** Prints the plan of a stack as JSON, and changes nothing: `npm run --silent plan -- dev`. */
import { readFileSync } from "node:fs";
import { loadYaml } from "@kubernetes/client-node";
import { parseConfig } from "./config";

const PREFIX = "cnpg-teleport:";

function main([stack]: string[]): void {
  if (stack === undefined)
    throw new Error("The name of the stack is missing. Add it, e.g. npm run --silent plan -- dev.");
  const { config = {} } = loadYaml(readFileSync(`Pulumi.${stack}.yaml`, "utf8")) as {
    config?: Record<string, unknown>;
  };
  const ours = Object.entries(config).filter(([key]) => key.startsWith(PREFIX));
  const raw = Object.fromEntries(ours.map(([key, value]) => [key.slice(PREFIX.length), value]));
  console.log(JSON.stringify(parseConfig(raw, stack, process.env).plan, null, 2));
}

try {
  main(process.argv.slice(2));
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
