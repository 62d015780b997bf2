/** How modules may import each other; `npm run check` runs it. A type is an import as any other, unless a rule says otherwise. */
import { readdirSync, readFileSync } from "node:fs";

/** The layers, top to bottom. A folder or file may import itself and what is in the lines below its own. */
const LAYERS = [
  ["test"],
  ["bench"],
  ["lab", "docs", "examples"],
  ["index.ts"],
  ["config"],
  ["components/index.ts", "components/load.cjs", "components/operations.ts"],
  ["components/postgres-cluster", "components/workload"],
  ["components/settings"],
  ["components/vault-database"],
  ["components/certificates"],
  ["components/replica"],
  ["components/teleport"],
  ["components/backup"],
  ["components/protection"],
  ["components/readiness"],
  ["components/postgres"],
  ["components/cnpg"],
  ["components/dynamic"],
  ["components/kubernetes", "components/vault"],
  ["components/http"],
  ["components/durations.ts", "components/known-outputs.ts", "components/memoized.ts"],
  ["components/value-check.ts", "components/waiting.ts"],
  ["components/message-limits.ts", "components/owner-label.ts", "components/problems.ts"],
];

const oneOf = (paths) => `^(${paths.join("|")})(/|$)`;

/** Modules whose header says "Pure." */
const PURE = ["bench", "components", "config", "docs", "examples"]
  .flatMap((folder) => readdirSync(folder, { recursive: true }).map((file) => `${folder}/${file}`))
  .filter((file) => file.endsWith(".ts") && /^\/\*\*((?!\*\/)[^])*\bPure\b/.test(readFileSync(file, "utf8")));

/** @type {import("dependency-cruiser").IConfiguration} */
export default {
  forbidden: [
    { name: "no-cycles", severity: "error", from: {}, to: { circular: true } },
    ...LAYERS.map((line, index) => ({
      name: "no-import-upwards",
      severity: "error",
      from: { path: oneOf(line) },
      to: { path: oneOf(LAYERS.slice(0, index + 1).flat()), pathNot: "^$1(/|$)" },
    })),
    { name: "in-a-layer", severity: "error", from: { pathNot: oneOf(LAYERS.flat()) }, to: {} },
    {
      name: "pure-without-pulumi",
      severity: "error",
      from: { path: oneOf(PURE) },
      to: { path: "node_modules/@pulumi/", dependencyTypesNot: ["type-only"] },
    },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    tsConfig: { fileName: "tsconfig.json" },
    tsPreCompilationDeps: true, // types as well
  },
};
