/** Waits until something that was written to Kubernetes is served, and says what is missing. */
import { clusterNow } from "../postgres/psql";
import { sleepReason } from "../cnpg/sleep";
import {
  KubernetesClient,
  kubernetesClient,
  KubernetesConnection,
  KubernetesObject,
  Patience,
} from "../kubernetes/client";
import { isPassing, KubernetesError, sayUnseen } from "../kubernetes/errors";
import type { ResourceKind } from "../dynamic/converge";
import { firstOf, limited, printable } from "../dynamic/message-limits";
import { eventWatch } from "./event-watch";
import { Found, Problem, problemOf } from "./problem";
import { poll, progressOf } from "../waiting";

/** Inputs of every wait. */
export interface ReadinessInputs extends KubernetesConnection {
  namespace: string;
  /** Name of the Cluster. */
  cluster: string;
  /** Seconds. */
  within: number;
  /** Nothing is to run (hibernation). */
  suspended?: boolean;
}

/** One kind of wait. */
interface Wait<Inputs extends ReadinessInputs> {
  /** `Cluster db/orders`. */
  name(inputs: Inputs): string;
  /** What does not serve yet; empty when all does. */
  problems(kubernetes: KubernetesClient, inputs: Inputs, cluster: KubernetesObject | undefined): Promise<Found[]>;
  /** Why it is not waited for, by somebody's wish that the settings do not tell. Default: the primary is stopped. */
  sleep?(cluster: KubernetesObject, inputs: Inputs): string | undefined;
  /** What a person should know although it is no problem. */
  remark?(cluster: KubernetesObject, inputs: Inputs): string | undefined;
  /** What is done before the wait. */
  begin?(kubernetes: KubernetesClient, inputs: Inputs, cluster: KubernetesObject | undefined): Promise<void>;
}

/**
 * Milliseconds. The operator, whose objects show no observed generation, is given `settle` to begin what a change asks
 * for. Events are read at each `events`, since all of the namespace are sent.
 */
const TIMING = { poll: 1_000, settle: 3_000, events: 5_000, second: 1_000 };

export type Connect = (connection: KubernetesConnection, patience?: Patience) => Promise<KubernetesClient>;
export type ReadinessTiming = typeof TIMING;

/** The wait itself asks again and again; a request that hangs must not be longer than what is waited for. */
const WHILE_WAITING: Patience = { limit: 10_000, commandLimit: 30_000, delays: [] };
/** As many problems as a preview says. */
const SHOWN = 5;

/** A kind of resource that is made, and updated, when it is ready. */
export function readinessKind<Inputs extends ReadinessInputs>(
  { name, problems, sleep = sleepReason, remark, begin }: Wait<Inputs>,
  connect: Connect = kubernetesClient,
  given: Partial<ReadinessTiming> = {},
) {
  const timing = { ...TIMING, ...given };
  return {
    id: name,
    declared: (inputs) => [inputs.context, expected(inputs)],
    differs: async (news) => !(await isReady(news)),
    async apply(inputs) {
      await untilReady(inputs);
      return inputs;
    },
  } satisfies ResourceKind<Inputs>;

  /** For a preview: what is not as expected is said, and what cannot be looked at counts as serving. */
  async function isReady(inputs: Inputs): Promise<boolean> {
    if (inputs.suspended) return true;
    try {
      const kubernetes = await connect(inputs);
      const cluster = await clusterNow(kubernetes, inputs);
      const found = (await problems(kubernetes, inputs, cluster)).map(problemOf);
      const sleeping = cluster && found.length > 0 ? sleep(cluster, inputs) : undefined;
      if (sleeping !== undefined) say(inputs, sleeping, true);
      else say(inputs, cluster && remark?.(cluster, inputs), false);
      if (found.length === 0 || sleeping !== undefined) return true;
      for (const { text, remedy } of found.slice(0, SHOWN))
        console.error(`The ${name(inputs)}: ${limited(printable(text))}${remedy === undefined ? "" : `. ${remedy}`}`);
      return false;
    } catch (error) {
      if (!(error instanceof KubernetesError)) throw error;
      sayUnseen(
        `The ${name(inputs)} could not be checked, so it is assumed to serve: ${limited(error.message)}`,
        error,
      );
      return true;
    }
  }

  function say(inputs: Inputs, reason: string | undefined, sleeps: boolean): void {
    if (reason === undefined) return;
    const rest = sleeps
      ? "this run does not wait for it and changes nothing in it. The first `pulumi up` after it wakes up does the rest"
      : "this run does not wait for it";
    console.error(`Warning: the ${name(inputs)} ${sleeps ? "sleeps" : "does not serve in full"}: ${reason}; ${rest}.`);
  }

  async function untilReady(inputs: Inputs): Promise<void> {
    if (inputs.suspended) return;
    const kubernetes = await connect(inputs, WHILE_WAITING);
    const progress = progressOf(`the ${name(inputs)}`);
    const events = eventWatch(kubernetes, inputs, timing);
    /** When each problem was seen first. */
    const since = new Map<string, number>();
    let readySince: number | undefined;
    let isFirst = true;
    const look = async (): Promise<Found[] | "asleep"> => {
      const cluster = await clusterNow(kubernetes, inputs);
      if (isFirst) await begin?.(kubernetes, inputs, cluster);
      isFirst = false;
      const there = await problems(kubernetes, inputs, cluster);
      const sleeping = cluster && there.length > 0 ? sleep(cluster, inputs) : undefined;
      if (sleeping === undefined) return there;
      say(inputs, sleeping, true);
      return "asleep";
    };
    await poll(async ({ waited }) => {
      const looked = await look().catch(asProblem);
      if (looked === "asleep") return looked;
      const found = looked.map(problemOf);
      const now = waited();
      readySince = found.length > 0 ? undefined : (readySince ?? now);
      if (readySince !== undefined) return now - readySince >= timing.settle ? "ready" : undefined;
      found.push(...(await events.forbidden()));
      const reasons = [...new Set([...found.map(({ text }) => text), ...events.reasons()])];
      progress(reasons);
      for (const known of since.keys()) if (!reasons.includes(known)) since.delete(known);
      for (const { text } of found) if (!since.has(text)) since.set(text, now);
      const final = found.find(
        ({ text, patience }) =>
          patience !== undefined && now - (since.get(text) ?? now) >= Math.min(patience, inputs.within) * timing.second,
      );
      if (final || now > inputs.within * timing.second) throw notReady(inputs, reasons, final, now);
      return undefined;
    }, timing.poll);
  }

  function notReady(inputs: Inputs, reasons: string[], final: Problem | undefined, waited: number): KubernetesError {
    const seconds = final ? Math.round(waited / timing.second) : inputs.within;
    const missing = firstOf([...new Set([...(final ? [final.text] : []), ...reasons])]).join("; ");
    const image = reasons.some((problem) => problem.includes("Image"))
      ? " If a pod still waits for an image that you no longer want, delete that pod."
      : "";
    const remedy = final?.remedy ?? `Nothing is lost: correct what is named, and run \`pulumi up\` again.${image}`;
    return new KubernetesError(
      "not-ready",
      `The ${name(inputs)} does not serve what was written to it after ${seconds} s: ${missing}. ${remedy}`,
    );
  }
}

/** An API server that does not answer may be back before the time is over. */
function asProblem(error: unknown): Found[] {
  if (isPassing(error)) return [(error as Error).message];
  throw error;
}

/** What is waited for; how the cluster is reached and for how long is waited does not count. */
function expected(inputs: ReadinessInputs): string {
  const {
    context: _context,
    kubeconfig: _kubeconfig,
    within: _within,
    __provider: _provider,
    ...rest
  } = inputs as ReadinessInputs & {
    __provider?: unknown;
  };
  return JSON.stringify(Object.entries(rest).sort(([one], [other]) => (one < other ? -1 : 1)));
}
