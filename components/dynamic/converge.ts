/**
 * The common interface of the dynamic resources: rights in a database, an admin user, a check, a wait. Each kind is a
 * `ResourceKind`, and `providerOf` makes a Pulumi provider of it.
 */
import type * as pulumi from "@pulumi/pulumi";
import type { KubernetesConnection } from "../kubernetes/client";
import { KubernetesError, printUnchecked } from "../kubernetes/errors";
import { VaultError } from "../vault/errors";
import { firstOf, limited, printable } from "../message-limits";
import { UNKNOWN } from "../value-check";

/** All methods of a Pulumi provider except `configure`: what it configures would be stored in the state. */
export type Provider<Inputs, State> = Required<Omit<pulumi.dynamic.ResourceProvider<Inputs, State>, "configure">>;

/** One kind of dynamic resource. `State` is what Pulumi stores: the inputs, and what `apply` found out. */
export interface ResourceKind<Inputs extends object, State extends Inputs = Inputs> {
  /** Pulumi's ID of the resource. */
  id(inputs: Inputs): string;
  /**
   * Checks the inputs. Runs in every preview and every `up`, before anything is changed.
   *
   * @param olds the former state; undefined, or without values, for a new resource
   * @returns inputs: the inputs, with values that are read each time; default: unchanged. refusals: why the run must stop
   */
  check?(news: Inputs, olds: Partial<State> | undefined): Promise<{ inputs?: Inputs; refusals?: readonly string[] }>;
  /** The inputs whose change replaces the resource. Those that a preview does not know yet are ignored. Default: none. */
  replaces?(olds: State, news: Inputs): string[];
  /** Whether the old resource is deleted before the new one is created. Default: false. */
  deleteBeforeReplace?: boolean;
  /** What is declared. If its JSON differs from before, the resource is updated. Default: nothing, so it never differs. */
  declared?(inputs: Inputs): unknown;
  /**
   * Whether an unchanged declaration must be applied again, because the system has drifted from it. Prints the drift. Runs
   * in every preview and every `up`. Default: never.
   */
  differs?(news: Inputs, olds: State): Promise<boolean>;
  /**
   * Makes the system match the declaration. May run again.
   *
   * @param olds the former state; undefined if the resource is new
   * @returns the state; default: the inputs
   */
  apply?(inputs: Inputs, olds?: State): Promise<State>;
  /**
   * Reads the resource, in a refresh or an import.
   *
   * @param state the stored state; undefined in an import
   * @returns the state; undefined if the resource is gone. Default: the stored state
   */
  read?(state: State | undefined, id: string): Promise<State | undefined>;
  /** Removes what `apply` created. Default: there is nothing to remove. */
  remove?(state: State): Promise<void>;
}

/** A Pulumi provider for a kind of resource. */
export function providerOf<Inputs extends object, State extends Inputs>(
  kind: ResourceKind<Inputs, State>,
): Provider<Inputs, State> {
  const apply = async (inputs: Inputs, olds?: State) =>
    kind.apply ? await kind.apply(inputs, olds) : (inputs as State);
  const mustApply = async (olds: State, news: Inputs) => {
    const declared = (inputs: Inputs) => JSON.stringify(kind.declared?.(inputs));
    return declared(olds) !== declared(news) || ((await kind.differs?.(news, olds)) ?? false);
  };
  // Only a refresh and a delete read it from the state.
  const mustStore = (olds: State, news: Inputs) =>
    (kind.read ?? kind.remove) !== undefined && hasOtherKubeconfig(olds, news);
  return {
    async check(olds: Partial<State> | undefined, news) {
      const { inputs = news, refusals = [] } = (await kind.check?.(news, olds)) ?? {};
      return { inputs, failures: refusals.map((reason) => ({ property: "", reason })) };
    },
    async diff(_id, olds, news) {
      // An input that a preview does not know yet may turn out to be unchanged.
      const isKnown = (key: string) => (news as Record<string, unknown>)[key] !== UNKNOWN;
      const replaces = (kind.replaces?.(olds, news) ?? []).filter(isKnown);
      if (replaces.length > 0) {
        return { changes: true, replaces, ...(kind.deleteBeforeReplace ? { deleteBeforeReplace: true } : {}) };
      }
      return { changes: (await mustApply(olds, news)) || mustStore(olds, news) };
    },
    async create(inputs) {
      return { outs: await apply(inputs), id: kind.id(inputs) };
    },
    async read(id, state) {
      const props = kind.read ? await kind.read(state, id) : state;
      return props ? { id, props } : {};
    },
    async update(_id, olds, news) {
      const isOnlyStored = mustStore(olds, news) && !(await mustApply(olds, news));
      return { outs: isOnlyStored ? withKubeconfig(olds, news) : await apply(news, olds) };
    },
    async delete(_id, state) {
      await kind.remove?.(state);
    },
  };
}

/** Whether the kubeconfig has changed. One that is unknown in a preview counts as unchanged. */
function hasOtherKubeconfig(
  { kubeconfig: former }: KubernetesConnection,
  { kubeconfig }: KubernetesConnection,
): boolean {
  return kubeconfig !== former && kubeconfig !== UNKNOWN;
}

/** The state with the kubeconfig of the inputs. */
function withKubeconfig<State extends KubernetesConnection>(
  { kubeconfig: _, ...state }: State,
  { kubeconfig }: KubernetesConnection,
): State {
  return { ...state, ...(kubeconfig === undefined ? {} : { kubeconfig }) } as State;
}

/** Maximum length of a printed difference, in bytes. */
const LINE_BYTES = 500;

/**
 * For `differs`: prints the differences between a system and its declaration, up to a limit. If the system cannot be read,
 * this is printed and the resource counts as unchanged, so that a preview works without the system.
 *
 * @param unseen the message in that case, before the reason
 */
export async function hasDrifted(cluster: string, unseen: string, look: () => Promise<string[]>): Promise<boolean> {
  try {
    const found = await look();
    for (const difference of firstOf(found))
      console.error(`${cluster}: ${limited(printable(difference), LINE_BYTES)}; \`pulumi up\` corrects this`);
    return found.length > 0;
  } catch (error) {
    if (!(error instanceof KubernetesError || error instanceof VaultError)) throw error;
    printUnchecked(`${unseen}: ${limited(printable(error.message))}`, error);
    return false;
  }
}
