/** The methods of Pulumi's provider behind what waits until something serves. */
import { setTimeout as pause } from "node:timers/promises";
import { clusterNow } from "../postgres/psql";
import { sleepReason } from "../cnpg/sleep";
import {
  KubernetesClient,
  kubernetesClient,
  KubernetesConnection,
  KubernetesObject,
  Patience,
} from "../kubernetes/client";
import { isPassing, KubernetesError } from "../kubernetes/errors";
import { firstOf, limited, printable } from "../dynamic/message-limits";
import type { Provider } from "../dynamic/methods";
import { eventWatch } from "./event-watch";
import { Found, Problem, problemOf } from "./problem";
import { progressOf } from "./progress";

/** What every wait is told. */
export interface ServingInputs extends KubernetesConnection {
  namespace: string;
  /** Name of the Cluster. */
  cluster: string;
  /** Seconds. */
  within: number;
  /** Nothing is to run (hibernation). */
  suspended?: boolean;
}

/** One kind of wait. */
interface Serving<Inputs extends ServingInputs> {
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
export type ServingTiming = typeof TIMING;

/** The wait itself asks again and again; a request that hangs must not be longer than what is waited for. */
const WAITING: Patience = { limit: 10_000, commandLimit: 30_000, delays: [] };
/** As many problems as a preview says. */
const SHOWN = 5;

export function servingOperations<Inputs extends ServingInputs>(
  { name, problems, sleep = sleepReason, remark, begin }: Serving<Inputs>,
  connect: Connect = kubernetesClient,
  given: Partial<ServingTiming> = {},
): Provider<Inputs, Inputs> {
  const timing = { ...TIMING, ...given };
  return {
    async check(_olds, news) {
      return { inputs: news };
    },
    /** What is expected may be the same while what is there is not, as after an `up` that failed: both count. */
    async diff(_id, olds, news) {
      return { changes: olds.context !== news.context || expected(olds) !== expected(news) || !(await serves(news)) };
    },
    async create(inputs) {
      await untilServing(inputs);
      return { id: name(inputs), outs: inputs };
    },
    async read(id, props) {
      return props ? { id, props } : {};
    },
    async update(_id, _olds, news) {
      await untilServing(news);
      return { outs: news };
    },
    async delete() {
      // Waiting made nothing, so there is nothing to remove.
    },
  };

  /** For a preview: what is not as expected is said, and what cannot be looked at counts as serving. */
  async function serves(inputs: Inputs): Promise<boolean> {
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
      console.error(`The ${name(inputs)} could not be checked, so it is assumed to serve: ${limited(error.message)}`);
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

  async function untilServing(inputs: Inputs): Promise<void> {
    if (inputs.suspended) return;
    const kubernetes = await connect(inputs, WAITING);
    const begun = Date.now();
    const deadline = begun + inputs.within * timing.second;
    const progress = progressOf(`the ${name(inputs)}`);
    const events = eventWatch(kubernetes, inputs, timing);
    const since = new Map<string, number>();
    let servingSince: number | undefined;
    let isFirst = true;
    for (;;) {
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
      const looked = await look().catch(asProblem);
      if (looked === "asleep") return;
      const found = looked.map(problemOf);
      const now = Date.now();
      servingSince = found.length > 0 ? undefined : (servingSince ?? now);
      if (servingSince !== undefined && now - servingSince >= timing.settle) return;
      if (found.length > 0) {
        found.push(...(await events.forbidden()));
        const reasons = [...new Set([...found.map(({ text }) => text), ...events.reasons()])];
        progress(reasons);
        for (const known of since.keys()) if (!reasons.includes(known)) since.delete(known);
        for (const { text } of found) if (!since.has(text)) since.set(text, now);
        const final = found.find(
          ({ text, patience }) =>
            patience !== undefined &&
            now - (since.get(text) ?? now) >= Math.min(patience, inputs.within) * timing.second,
        );
        if (final || now > deadline) throw notServing(inputs, reasons, final, now - begun);
      }
      await pause(timing.poll);
    }
  }

  function notServing(inputs: Inputs, reasons: string[], final: Problem | undefined, waited: number): KubernetesError {
    const seconds = final ? Math.round(waited / timing.second) : inputs.within;
    const told = firstOf([...new Set([...(final ? [final.text] : []), ...reasons])]).join("; ");
    const image = reasons.some((problem) => problem.includes("Image"))
      ? " If a pod still waits for an image that you no longer want, delete that pod."
      : "";
    const remedy = final?.remedy ?? `Nothing is lost: correct what is named, and run \`pulumi up\` again.${image}`;
    return new KubernetesError(
      "not-ready",
      `The ${name(inputs)} does not serve what was written to it after ${seconds} s: ${told}. ${remedy}`,
    );
  }
}

/** An API server that does not answer may be back before the time is over. */
function asProblem(error: unknown): Found[] {
  if (isPassing(error)) return [(error as Error).message];
  throw error;
}

/** What is waited for; how the cluster is reached and for how long is waited does not count. */
function expected(inputs: ServingInputs): string {
  const {
    context: _context,
    within: _within,
    __provider: _provider,
    ...rest
  } = inputs as ServingInputs & {
    __provider?: unknown;
  };
  return JSON.stringify(Object.entries(rest).sort(([one], [other]) => (one < other ? -1 : 1)));
}
