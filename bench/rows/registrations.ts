/** Registration in Teleport, and its removal. */
import { TELEPORT } from "../../lab/layout";
import { Bench, seconds } from "../bench";
import { BENCH_LABEL, namesOf, PREFIX } from "../labels";
import { newStack, pulumi } from "../place";
import { createAll, listed, registration, removeAll } from "../teleport";

export async function registrations(bench: Bench): Promise<void> {
  const ours = namesOf("ours", bench.databases);
  const plain = namesOf("plain", bench.databases);
  await bench.rounds(async () => {
    const stack = await newStack("registrations");
    const declare = (names: string[]) => stack.configure({ proxy: TELEPORT.proxy, labels: BENCH_LABEL, names });
    const apply = (...command: string[]) => pulumi(stack, ...command, "--yes", "--skip-preview");
    const existing = `${PREFIX}existing`;
    declare([existing]);
    await apply("up");
    declare([existing, ...ours]);
    await bench.measure("register", {
      ours: () => seconds(() => apply("up")),
      baseline: () => seconds(() => createAll(plain.map(registration))),
    });
    const found = await listed([...ours, ...plain]);
    if (found !== 2 * bench.databases) throw new Error(`Teleport lists ${found} of ${2 * bench.databases} databases.`);
    await bench.measure("deregister", {
      ours: () => seconds(() => apply("destroy")),
      baseline: () => seconds(() => removeAll(plain)),
    });
    const left = await listed([existing, ...ours, ...plain]);
    if (left > 0) throw new Error(`Teleport still lists ${left} removed databases.`);
    await stack.remove();
  });
}
