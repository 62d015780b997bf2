/** The start of a program, type-checked, as for a user after `npm install`. */
import { Bench, seconds } from "../bench";
import { namesOf } from "../labels";
import { newStack, pulumi } from "../place";
import { hibernated } from "../settings";

/** Without the lab's own ways to compile programs faster. */
const AS_USER = {
  PULUMI_NODEJS_TRANSPILE_ONLY: undefined,
  CNPG_TELEPORT_TRANSPILED: undefined,
  NODE_OPTIONS: process.env.NODE_OPTIONS,
};

export async function start(bench: Bench): Promise<void> {
  const ours = await newStack(undefined, { env: AS_USER });
  ours.configure(hibernated(namesOf("ours", 1)));
  const empty = await newStack("empty", { env: AS_USER });
  empty.configure({});
  await bench.rounds(() =>
    bench.measure("start", {
      ours: () => seconds(() => pulumi(ours, "preview")),
      baseline: () => seconds(() => pulumi(empty, "preview")),
    }),
  );
}
