/** Waits until something that was written to Kubernetes is ready, and prints what is missing. */
import { findClusterByName } from "../postgres/psql";
import { stopReason as stopReasonOf } from "../cnpg/stopped";
import {
  KubernetesClient,
  kubernetesClient,
  KubernetesConnection,
  KubernetesObject,
  RequestLimits,
} from "../kubernetes/client";
import { isUnavailable, KubernetesError, printUnchecked } from "../kubernetes/errors";
import type { ResourceKind } from "../dynamic/converge";
import { firstOf, limited, printable } from "../message-limits";
import { eventWatch, ProblemOrText, Problem, problemOf } from "./reasons";
import { poll, progressOf } from "../waiting";

/** The inputs of every wait. */
export interface ReadinessInputs extends KubernetesConnection {
  namespace: string;
  /** Name of the Cluster. */
  cluster: string;
  /** Time limit in seconds. */
  within: number;
  /** Nothing must run (hibernation). */
  suspended?: boolean;
}

/** A kind of wait. */
interface Wait<Inputs extends ReadinessInputs> {
  /** `Cluster db/orders`. */
  name(inputs: Inputs): string;
  /** What is not ready yet. Empty if everything is ready. */
  problems(
    kubernetes: KubernetesClient,
    inputs: Inputs,
    cluster: KubernetesObject | undefined,
  ): Promise<ProblemOrText[]>;
  /**
   * Why the wait is skipped, as the end of a sentence: somebody stopped it outside of the settings. Default: `is stopped: ` and
   * the reason why the primary is stopped.
   */
  stopReason?(cluster: KubernetesObject, inputs: Inputs): string | undefined;
  /** A warning that is not a problem. */
  remark?(cluster: KubernetesObject, inputs: Inputs): string | undefined;
  /** Runs before the wait. */
  begin?(kubernetes: KubernetesClient, inputs: Inputs, cluster: KubernetesObject | undefined): Promise<void>;
  /** Runs after the wait, unless it was skipped. */
  end?(kubernetes: KubernetesClient, inputs: Inputs): Promise<void>;
}

/**
 * In milliseconds. The operator gets `settle` to start the work for a change, because its objects have no observed
 * generation. Events are read only every `events`, because the API server sends all Events of the namespace.
 */
const TIMING = { poll: 1_000, settle: 3_000, events: 5_000, second: 1_000 };

export type Connect = (connection: KubernetesConnection, limits?: RequestLimits) => Promise<KubernetesClient>;
export type ReadinessTiming = typeof TIMING;

/** Short limits without retries, because the wait itself repeats requests. */
export const WHILE_WAITING: RequestLimits = { limit: 10_000, commandLimit: 30_000, delays: [] };
/** Maximum number of problems that a preview prints. */
const MAX_SHOWN = 5;

/** Why the primary is stopped, as the end of a sentence. Undefined if it is not. */
function stopped(cluster: KubernetesObject): string | undefined {
  const reason = stopReasonOf(cluster);
  return reason && `is stopped: ${reason}`;
}

/** A kind of resource whose creation or update ends when something is ready. */
export function readinessKind<Inputs extends ReadinessInputs>(
  { name, problems, stopReason = stopped, remark, begin, end }: Wait<Inputs>,
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

  /** For a preview: prints what is not as expected. What cannot be checked counts as ready. */
  async function isReady(inputs: Inputs): Promise<boolean> {
    if (inputs.suspended) return true;
    try {
      const kubernetes = await connect(inputs);
      const cluster = await findClusterByName(kubernetes, inputs);
      const found = (await problems(kubernetes, inputs, cluster)).map(problemOf);
      const skipped = cluster && found.length > 0 ? stopReason(cluster, inputs) : undefined;
      if (skipped !== undefined) say(inputs, skipped, true);
      else say(inputs, cluster && remark?.(cluster, inputs), false);
      if (found.length === 0 || skipped !== undefined) return true;
      for (const { text, remedy } of found.slice(0, MAX_SHOWN))
        console.error(`The ${name(inputs)}: ${limited(printable(text))}${remedy === undefined ? "" : `. ${remedy}`}`);
      return false;
    } catch (error) {
      if (!(error instanceof KubernetesError)) throw error;
      printUnchecked(
        `The ${name(inputs)} could not be checked, so it is assumed to be ready: ${limited(error.message)}`,
        error,
      );
      return true;
    }
  }

  function say(inputs: Inputs, reason: string | undefined, isSkipped: boolean): void {
    if (reason === undefined) return;
    const rest = isSkipped
      ? "this run does not wait for it and changes nothing in it. The first `pulumi up` after that has ended does the rest"
      : "this run does not wait for it";
    console.error(`Warning: the ${name(inputs)} ${isSkipped ? "" : "is not completely ready: "}${reason}; ${rest}.`);
  }

  async function untilReady(inputs: Inputs): Promise<void> {
    if (inputs.suspended) return;
    const kubernetes = await connect(inputs, WHILE_WAITING);
    const progress = progressOf(`the ${name(inputs)}`);
    const events = eventWatch(kubernetes, inputs, timing);
    /** When each problem was first seen. */
    const since = new Map<string, number>();
    let readySince: number | undefined;
    let isFirst = true;
    const look = async (): Promise<ProblemOrText[] | "stopped"> => {
      const cluster = await findClusterByName(kubernetes, inputs);
      if (isFirst) await begin?.(kubernetes, inputs, cluster);
      isFirst = false;
      const found = await problems(kubernetes, inputs, cluster);
      const skipped = cluster && found.length > 0 ? stopReason(cluster, inputs) : undefined;
      if (skipped === undefined) return found;
      say(inputs, skipped, true);
      return "stopped";
    };
    const ended = await poll(async ({ waited }) => {
      const looked = await look().catch(asProblem);
      if (looked === "stopped") return looked;
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
        ({ text, finalAfter }) =>
          finalAfter !== undefined &&
          now - (since.get(text) ?? now) >= Math.min(finalAfter, inputs.within) * timing.second,
      );
      if (final || now > inputs.within * timing.second) throw notReady(inputs, reasons, final, now);
      return undefined;
    }, timing.poll);
    if (ended === "ready") await end?.(await connect(inputs), inputs);
  }

  function notReady(inputs: Inputs, reasons: string[], final: Problem | undefined, waited: number): KubernetesError {
    const seconds = final ? Math.round(waited / timing.second) : inputs.within;
    const missing = firstOf([...new Set([...(final ? [final.text] : []), ...reasons])]).join("; ");
    const image = reasons.some((problem) => problem.includes("Image"))
      ? " If a pod still waits for an image that you no longer want, delete that pod."
      : "";
    const remedy =
      final?.remedy ?? `Nothing is lost. Correct what this message names, and run \`pulumi up\` again.${image}`;
    return new KubernetesError(
      "not-ready",
      `The ${name(inputs)} is not ready after ${seconds} s: ${missing}. ${remedy}`,
    );
  }
}

/** Turns a temporary error into a problem: the API server may answer again before the time limit. */
function asProblem(error: unknown): ProblemOrText[] {
  if (isUnavailable(error)) return [(error as Error).message];
  throw error;
}

/** The expected state, without the context and the time limit. */
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
