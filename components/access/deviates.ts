/** Whether what is there differs from what is declared, for `diff`: which looks at it in every preview and every `up`. */
import { KubernetesError } from "../kubernetes/errors";
import { VaultError } from "../vault/errors";

/**
 * Says each deviation. What cannot be looked at counts as unchanged, so that a preview does without it, and is said too.
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
    for (const deviation of found) console.error(`${cluster}: ${deviation}; this will be put right`);
    return { changes: found.length > 0 };
  } catch (error) {
    if (!(error instanceof KubernetesError || error instanceof VaultError)) throw error;
    console.error(`${unseen}: ${error.message}`);
    return { changes: false };
  }
}
