/**
 * ReplicaRole: the role of a Cluster in its distributed topology, and when it was promoted. It is created before the Cluster, and
 * refuses to continue if another Cluster was promoted meanwhile: then this one is not the primary cluster, whatever its settings
 * say.
 */
import type { ResourceKind } from "../dynamic/converge";
import { TeleportError } from "../teleport/client/errors";
import { TeleportConnection, TeleportDocument, withTeleport } from "../teleport/client/tctl";
import { find } from "../teleport/resources/lifecycle";
import { DATABASE } from "../teleport/resources/database";
import { isOfNewerPrimary, promotionAfter, promotionTime, takenOverMessage } from "../teleport/resources/topology";
import { UNKNOWN } from "../value-check";

/** A name in Teleport that the primary cluster registers. */
export interface PrimaryName extends TeleportConnection {
  name: string;
  /** The owner of the registration in this stack. */
  owner: string;
  /** Take the name over from anybody when it is registered for the first time. */
  adopt: boolean;
}

/** Inputs of a ReplicaRole, and its state. */
export interface ReplicaRoleInputs {
  /** The Cluster's name in the topology. */
  self: string;
  /** Name of the primary cluster. */
  primary: string;
  /** The names in Teleport that this program registers for the primary cluster. */
  names: PrimaryName[];
  /**
   * When the Cluster was promoted from a replica cluster. Empty for a replica cluster, and for one that was never promoted. The
   * check adds it: Pulumi gives a check the former inputs, and nothing else of the state.
   */
  promotedAt?: string;
}

/** The kind of resource. The parameters are the way to reach Teleport, and the clock. */
export function replicaRole(
  reach: typeof withTeleport = withTeleport,
  now: () => Date = () => new Date(),
): ResourceKind<ReplicaRoleInputs> {
  return {
    id: ({ self }) => self,
    async check(news, olds) {
      if (news.primary !== news.self) return { inputs: { ...news, promotedAt: "" } };
      // In a preview, parts may be unknown.
      const names = news.names.filter((name): name is PrimaryName => typeof name === "object");
      if (isPromotion(news, olds)) {
        const times = names.map(async (name) => promotionAfter(await lookUp(name), now()));
        return { inputs: { ...news, promotedAt: (await Promise.all(times)).sort().at(-1) ?? promotionTime(now()) } };
      }
      const promotedAt = olds?.promotedAt ?? "";
      const isNew = olds?.self === undefined;
      const refusals = names.map(async (name) => {
        const found = name.adopt && isNew ? undefined : await lookUp(name);
        return found && isOfNewerPrimary(found, name.owner, promotedAt) ? [takenOverMessage(found, name.proxy)] : [];
      });
      return { inputs: { ...news, promotedAt }, refusals: (await Promise.all(refusals)).flat() };
    },
    declared: ({ self, primary, names, promotedAt }) => [self, primary, names, promotedAt],
  };

  /** The database of this name. Undefined if there is none, or if Teleport cannot be asked: a promotion does not wait for it. */
  async function lookUp(connection: PrimaryName): Promise<TeleportDocument | undefined> {
    const { proxy, credentials, name } = connection;
    if (proxy === UNKNOWN) return undefined;
    try {
      const document = { ...DATABASE, metadata: { name }, spec: {} };
      return await reach({ proxy, credentials }, (teleport) => find(teleport, document), []);
    } catch (error) {
      if (!(error instanceof TeleportError)) throw error;
      console.error(`Could not check in Teleport which Cluster has the name ${name}: ${error.message}`);
      return undefined;
    }
  }
}

/** Whether the Cluster was a replica cluster, and is the primary cluster from now on. */
function isPromotion({ self, primary }: ReplicaRoleInputs, olds: Partial<ReplicaRoleInputs> | undefined): boolean {
  return primary === self && olds?.self !== undefined && olds.primary !== olds.self;
}
