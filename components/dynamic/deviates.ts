/** Whether what is there differs from what is declared, for `diff`: which looks at it in every preview and every `up`. */
import { KubernetesError } from "../kubernetes/errors";
import { firstOf, limited, printable } from "./message-limits";
import { VaultError } from "../vault/errors";

/** Longest deviation that is printed. */
const LINE_BYTES = 500;

/**
 * Says each deviation, the first of many. What cannot be looked at counts as unchanged, so that a preview does without it, and is said too.
 *
 * @param unseen what is said then, before the reason
 */
export async function deviates(
  cluster: string,
  unseen: string,
  look: () => Promise<string[]>,
): Promise<{ changes: boolean }> {
  try {
    const found = await look();
    for (const deviation of firstOf(found))
      console.error(`${cluster}: ${limited(printable(deviation), LINE_BYTES)}; \`pulumi up\` corrects this`);
    return { changes: found.length > 0 };
  } catch (error) {
    if (!(error instanceof KubernetesError || error instanceof VaultError)) throw error;
    console.error(`${unseen}: ${limited(printable(error.message))}`);
    return { changes: false };
  }
}
