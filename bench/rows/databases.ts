/** Many databases whose instances do not run (hibernation): preview, `up`, what follows it, and the size of the state. */
import { Stack } from "../../lab/drive/stack";
import { Bench, seconds, Sides } from "../bench";
import { BENCH_LABEL, namesOf } from "../labels";
import { newStack, pulumi } from "../place";
import { CLUSTER, hibernated } from "../settings";
import { registrationSizes, stateSize } from "../state";
import { databaseCa } from "../teleport";

const UNATTENDED = ["--yes", "--skip-preview"];

interface Stacks {
  ours: Stack;
  plain: Stack;
}

export async function databases(bench: Bench): Promise<void> {
  const count = bench.databases;
  const plainSettings = {
    names: namesOf("plain", count),
    labels: BENCH_LABEL,
    cluster: CLUSTER,
    teleportCa: await databaseCa(),
  };
  await bench.rounds(async () => {
    const ours = await newStack();
    ours.configure(hibernated(namesOf("ours", count)));
    const plain = await newStack("plain");
    plain.configure(plainSettings);
    await bench.measure("preview", timed({ ours, plain }, "preview"));
    if (bench.wants("up", "noop", "refresh", "destroy", "stateSize", "registrationSize", "providerText"))
      await fromUpToDestroy(bench, { ours, plain });
    for (const stack of [ours, plain]) await stack.remove();
  });
}

async function fromUpToDestroy(bench: Bench, stacks: Stacks): Promise<void> {
  await bench.measure("up", timed(stacks, "up", ...UNATTENDED));
  await bench.measure("noop", {
    ours: () => seconds(() => upWithoutChanges(stacks.ours)),
    baseline: () => seconds(() => upWithoutChanges(stacks.plain)),
  });
  await bench.measure("refresh", timed(stacks, "refresh", ...UNATTENDED));
  const [ours, plain] = [await stacks.ours.state(), await stacks.plain.state()];
  await bench.measure("stateSize", {
    ours: async () => stateSize(ours) / bench.databases,
    baseline: async () => stateSize(plain) / bench.databases,
  });
  const { resource, providerText } = registrationSizes(ours);
  await bench.measure("registrationSize", { ours: async () => resource });
  await bench.measure("providerText", { ours: async () => providerText });
  await bench.measure("destroy", timed(stacks, "destroy", ...UNATTENDED));
}

/** How long a command of `pulumi` takes. */
function timed({ ours, plain }: Stacks, ...command: string[]): Sides {
  return {
    ours: () => seconds(() => pulumi(ours, ...command)),
    baseline: () => seconds(() => pulumi(plain, ...command)),
  };
}

/** @throws Error if `up` changed anything */
export async function upWithoutChanges(stack: Stack): Promise<void> {
  const output = await pulumi(stack, "up", ...UNATTENDED);
  const changes = /\d+ (created|updated|replaced|deleted)/.exec(output);
  if (changes || !/\d+ unchanged/.test(output)) throw new Error(`pulumi up changed something:\n${output}`);
}
