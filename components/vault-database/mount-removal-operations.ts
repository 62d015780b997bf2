/**
 * MountRemoval: deletes a mount of Vault if nothing is left in it. Pulumi's Vault provider would delete it with everything in it,
 * including what other stacks and people created.
 */
import type { ResourceKind } from "../dynamic/converge";
import { firstOf, printable } from "../message-limits";
import { UNKNOWN } from "../value-check";
import { VaultError } from "../vault/errors";
import { AUTH_METHOD_CONTENTS, ENGINE_CONTENTS } from "./policies";
import type { VaultConnection } from "./settings";
import { type VaultEngine, type WithEngine, withVaultEngine } from "./vault-engine";

/** Inputs of a MountRemoval. */
export interface MountInputs {
  vault?: VaultConnection;
  /** A database secrets engine, or a Kubernetes auth method. */
  kind: "engine" | "auth";
  /** Path of the mount; for an auth method, without `auth/`. */
  path: string;
  /** Vault's ID of the mount. */
  accessor: string;
}

/** The resource kind. The parameter is the way to reach Vault. */
export function vaultMountRemoval(withEngine: WithEngine = withVaultEngine): ResourceKind<MountInputs> {
  return {
    id: mountOf,
    replaces: (olds, news) => (olds.path === news.path ? [] : ["path"]),
    declared: ({ vault }) => vault,
    differs: async (news, olds) => news.accessor !== olds.accessor && news.accessor !== UNKNOWN,
    async remove(state) {
      await withEngine(state.vault, async (engine) => {
        const reason = await reasonToKeep(engine, state);
        const { kind, path } = state;
        if (reason === "gone") return;
        if (reason === undefined) return engine.remove(kind === "auth" ? `sys/auth/${path}` : `sys/mounts/${path}`);
        const command = `vault ${kind === "auth" ? "auth" : "secrets"} disable ${path}`;
        console.error(
          `The mount ${mountOf(state)} in Vault is not deleted, because ${reason}. The stack no longer manages it. If nobody ` +
            `needs it, run: ${command}`,
        );
      });
    },
  };
}

/** Why the mount is not deleted. Undefined if it is empty. "gone" if it no longer exists, or if another mount has its path. */
async function reasonToKeep(engine: VaultEngine, state: MountInputs): Promise<string | undefined> {
  const mount = mountOf(state);
  try {
    if ((await engine.accessor(mount)) !== state.accessor) return "gone";
    const kinds = state.kind === "auth" ? AUTH_METHOD_CONTENTS : ENGINE_CONTENTS;
    const found = kinds.map(async (kind) => (await engine.list(`${mount}/${kind}`)).map((key) => `${kind}/${key}`));
    const left = (await Promise.all(found)).flat().map(printable);
    return left.length === 0 ? undefined : `it is not empty: ${firstOf(left).join(", ")}`;
  } catch (error) {
    if (!(error instanceof VaultError) || error.failure !== "access-denied") throw error;
    return `the program has no right to list what is in it (${error.message.replace(/\.$/, "")})`;
  }
}

/** The mount's path in Vault. */
function mountOf({ kind, path }: Pick<MountInputs, "kind" | "path">): string {
  return kind === "auth" ? `auth/${path}` : path;
}
