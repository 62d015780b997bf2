/** The methods of Pulumi's provider behind what waits until something serves. */
import { setTimeout as sleep } from "node:timers/promises";
import { KubernetesClient, kubernetesClient, KubernetesConnection, Patience } from "../kubernetes/client";
import { isPassing, KubernetesError } from "../kubernetes/errors";
import type { Provider } from "../provider";
import { eventReasons, WARNINGS } from "./event-reasons";

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
  problems(kubernetes: KubernetesClient, inputs: Inputs): Promise<string[]>;
}

/** The operator, whose objects show no observed generation, is given `settle` to begin what a change asks for. */
const TIMING = { poll: 1_000, settle: 3_000 };

/** The wait itself asks again and again; a request that hangs must not be longer than what is waited for. */
const WAITING: Patience = { limit: 10_000, commandLimit: 30_000, delays: [] };

export function servingOperations<Inputs extends ServingInputs>(
  { name, problems }: Serving<Inputs>,
  connect: (connection: KubernetesConnection, patience?: Patience) => Promise<KubernetesClient> = kubernetesClient,
  timing = TIMING,
): Provider<Inputs, Inputs> {
  return {
    async check(_olds, news) {
      return { inputs: news };
    },
    /** What is expected may be the same while what is there is not, as after an `up` that failed: both count. */
    async diff(_id, olds, news) {
      return { changes: expected(olds) !== expected(news) || !(await serves(news)) };
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

  async function serves(inputs: Inputs): Promise<boolean> {
    if (inputs.suspended) return true;
    try {
      return (await problems(await connect(inputs), inputs)).length === 0;
    } catch (error) {
      if (!(error instanceof KubernetesError)) throw error;
      console.error(`The ${name(inputs)} could not be looked at, and counts as serving: ${error.message}`);
      return true;
    }
  }

  async function untilServing(inputs: Inputs): Promise<void> {
    if (inputs.suspended) return;
    const kubernetes = await connect(inputs, WAITING);
    const deadline = Date.now() + inputs.within * 1_000;
    let servingSince: number | undefined;
    for (;;) {
      const found = await problems(kubernetes, inputs).catch(asProblem);
      const now = Date.now();
      servingSince = found.length > 0 ? undefined : (servingSince ?? now);
      if (servingSince !== undefined && now - servingSince >= timing.settle) return;
      if (found.length > 0 && now > deadline) {
        const reasons = [...new Set([...found, ...(await warnings(kubernetes, inputs))])];
        throw new KubernetesError(
          "not-ready",
          `The ${name(inputs)} does not serve what was written to it after ${inputs.within} s: ${reasons.join("; ")}. Nothing is lost: put right what is named, and run \`pulumi up\` again.${found.some((problem) => problem.includes("Image")) ? " A pod that waits for an image which is not wanted any more has to be deleted by hand." : ""}`,
        );
      }
      await sleep(timing.poll);
    }
  }
}

/** An API server that does not answer may be back before the time is over. */
function asProblem(error: unknown): string[] {
  if (isPassing(error)) return [(error as Error).message];
  throw error;
}

/** What Kubernetes itself says against it, for the error; nothing where that may not be read, or not now. */
async function warnings(kubernetes: KubernetesClient, { namespace, cluster }: ServingInputs): Promise<string[]> {
  try {
    return eventReasons(
      cluster,
      await kubernetes.list({ apiVersion: "v1", plural: "events", namespace }, undefined, WARNINGS),
    );
  } catch (error) {
    if (error instanceof KubernetesError) return [];
    throw error;
  }
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
