/**
 * Where the bench keeps its files, and the removal of everything that it makes in the lab. What it makes can be told from
 * what others make: its namespaces and databases have a prefix and a mark, and its Pulumi stacks are in a backend of
 * their own. So a run after a killed run removes the remains of that run.
 */
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { OWNER_LABEL } from "../components/owner-label";
import { Stack, StackOptions } from "../lab/drive/stack";
import { run } from "../lab/host/command";
import { withLock } from "../lab/host/lock";
import { say } from "../lab/host/progress";
import { PROJECT, STATE } from "../lab/layout";
import { BENCH_LABEL, PREFIX, STACK } from "./labels";
import { killProcesses } from "./processes";
import { databases, deleteDatabases, untilUnlisted } from "./teleport";

const FOLDER = join(STATE.pulumi, "bench");
const LOCK = join(STATE.pulumi, "bench.lock");
/** Temporary files of all processes that the bench starts. The processes are found by it. */
export const TEMPORARY = join(FOLDER, "tmp");
/** Far longer than any command takes, so that a command that hangs ends eventually. */
export const LIMIT_MS = 2 * 60 * 60_000;
const REMOVAL_LIMIT_MS = 30 * 60_000;

interface Namespace {
  metadata: { name: string; labels?: Record<string, string>; annotations?: Record<string, string> };
}

/** Runs `work` in an empty place, and removes everything afterwards, however `work` ends. */
export function withPlace<Result>(work: () => Promise<Result>): Promise<Result> {
  const inPlace = async () => {
    // From now on, all processes that this process starts can be found. The holder of the lock is not one of them.
    process.env.TMPDIR = TEMPORARY;
    process.env.PULUMI_BACKEND_URL = `file://${join(FOLDER, "backend")}`;
    await removeAllOfBench();
    try {
      return await work();
    } finally {
      await removeAllOfBench();
      rmSync(FOLDER, { recursive: true, force: true });
    }
  };
  return withLock(LOCK, inPlace, (holder) => say(`  …    waiting for another bench (${holder})`));
}

/** Removes everything that the bench has made, and leaves an empty place. */
export async function removeAllOfBench(): Promise<void> {
  await killProcesses(TEMPORARY);
  rmSync(FOLDER, { recursive: true, force: true });
  mkdirSync(TEMPORARY, { recursive: true, mode: 0o700 });
  mkdirSync(join(FOLDER, "backend"), { mode: 0o700 });
  await removeDatabases();
  await removeNamespaces();
}

async function removeDatabases(): Promise<void> {
  const isOurs = ({ name, labels }: { name: string; labels?: Record<string, string> }) =>
    name.startsWith(PREFIX) && labels?.bench === BENCH_LABEL.bench;
  await untilUnlisted(async () => {
    const names = (await databases()).flatMap(({ metadata }) => (isOurs(metadata) ? [metadata.name] : []));
    await deleteDatabases(names);
    return names.length;
  });
}

async function removeNamespaces(): Promise<void> {
  const { items } = JSON.parse(await run("kubectl", ["get", "namespaces", "-o", "json"])) as { items: Namespace[] };
  const isOurs = ({ metadata: { name, labels, annotations } }: Namespace) =>
    name.startsWith(PREFIX) &&
    (labels?.bench === BENCH_LABEL.bench || annotations?.[OWNER_LABEL]?.split("/")[2] === STACK);
  await deleteNamespaces(items.filter(isOurs).map(({ metadata }) => metadata.name));
}

/** Deletes namespaces with everything in them, and waits until they are gone. */
export async function deleteNamespaces(names: readonly string[]): Promise<void> {
  if (names.length === 0) return;
  await run("kubectl", ["delete", "namespaces", "--ignore-not-found", ...names], { limit: REMOVAL_LIMIT_MS });
}

/** A new, empty stack of a program of the bench. Default: of this project, which is the product's program. */
export async function newStack(
  program?: "registrations" | "plain" | "empty",
  options: StackOptions = {},
): Promise<Stack> {
  const stack = new Stack(STACK, { project: program ? join(__dirname, "programs", program) : PROJECT, ...options });
  await stack.init();
  return stack;
}

/** Runs `pulumi` and returns what it prints. */
export function pulumi(stack: Stack, ...args: string[]): Promise<string> {
  return stack.must(args, { limit: LIMIT_MS });
}
