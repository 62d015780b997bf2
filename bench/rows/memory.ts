/** The memory of a preview: ten times as many databases, and the usual number as the baseline. */
import { Bench } from "../bench";
import { namesOf } from "../labels";
import { newStack, pulumi, TEMPORARY } from "../place";
import { peakMemory } from "../processes";
import { hibernated } from "../settings";

export async function memory(bench: Bench): Promise<void> {
  const stack = await newStack();
  const peak = (databases: number) => {
    stack.configure(hibernated(namesOf("ours", databases)));
    return peakMemory(TEMPORARY, () => pulumi(stack, "preview"));
  };
  await bench.rounds(() =>
    bench.measure("memory", { ours: () => peak(10 * bench.databases), baseline: () => peak(bench.databases) }),
  );
}
