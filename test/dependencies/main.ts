/**
 * `npm run dependencies`: licences, install scripts and hashes of all dependencies, and an audit by the registry. Ends
 * with 1 where something is wrong, and with 2 where all is well but for the audit, which could not be done.
 * `npm run licenses`: the list of them. `npm run sbom -- FILE`: a bill of materials, CycloneDX, into a file.
 */
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { auditReport, auditResult } from "./audit";
import { licenceList, Lockfile, lockfileProblems } from "./lockfile";

const PROJECT = join(__dirname, "..", "..");
const NPM_LIMIT_MS = 120_000;

function main([command, file]: string[]): number {
  switch (command) {
    case "check":
      return check();
    case "licenses":
      console.log(licenceList(lockfile()));
      return report(lockfileProblems(lockfile()));
    case "sbom":
      return sbom(file);
    default:
      console.error("Usage: main.ts check | licenses | sbom FILE");
      return 1;
  }
}

function check(): number {
  const code = report(lockfileProblems(lockfile()));
  const result = auditResult(npm(["audit", "--json"]).stdout);
  const { passed, text } = auditReport(result);
  console.log(text);
  if (code !== 0 || passed) return code;
  return result.answered ? 1 : 2;
}

function report(problems: string[]): number {
  for (const problem of problems) console.error(problem);
  console.error(
    problems.length === 0 ? "Licences, install scripts and hashes: as they may be." : `${problems.length} wrong.`,
  );
  return problems.length === 0 ? 0 : 1;
}

/** What is in use at run time; what only tests and tools need is left out. */
function sbom(file: string | undefined): number {
  if (!file) {
    console.error("Name the file: npm run sbom -- FILE");
    return 1;
  }
  const args = ["sbom", "--sbom-format=cyclonedx", "--sbom-type=application", "--package-lock-only", "--omit=dev"];
  const { status, stdout, stderr } = npm(args);
  if (status !== 0) {
    console.error(`npm sbom failed (npm 10 or newer has it): ${stderr.trim()}`);
    return 1;
  }
  const bill = JSON.parse(stdout) as { metadata: { component: { name: string } }; components?: unknown[] };
  bill.metadata.component.name = lockfile().packages[""]?.name ?? ""; // npm takes the folder's
  writeFileSync(file, `${JSON.stringify(bill, null, 2)}\n`);
  console.log(`${bill.components?.length ?? 0} components in ${file}`);
  return 0;
}

function lockfile(): Lockfile {
  return JSON.parse(readFileSync(join(PROJECT, "package-lock.json"), "utf8")) as Lockfile;
}

function npm(args: string[]): { status: number | null; stdout: string; stderr: string } {
  const options = { cwd: PROJECT, encoding: "utf8", timeout: NPM_LIMIT_MS, maxBuffer: 64 * 1024 * 1024 } as const;
  const { status, stdout, stderr, error } = spawnSync("npm", args, options);
  return { status, stdout: stdout ?? "", stderr: stderr || error?.message || "" };
}

process.exitCode = main(process.argv.slice(2));
