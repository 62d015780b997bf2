/**
 * The one shape of what this project keeps as declared by a program of its own: rights in a database, an admin user, a
 * check, a wait. Each kind of dynamic resource is a value of `ResourceKind`; `providerOf` makes Pulumi's provider of it.
 */
import type * as pulumi from "@pulumi/pulumi";
import type { KubernetesConnection } from "../kubernetes/client";
import { KubernetesError, sayUnseen } from "../kubernetes/errors";
import { VaultError } from "../vault/errors";
import { UNKNOWN } from "../teleport/resources/document";
import { firstOf, limited, printable } from "./message-limits";

/** The methods of Pulumi's provider, all of them but `configure`: what it knows would be in the state. */
export type Provider<Inputs, State> = Required<Omit<pulumi.dynamic.ResourceProvider<Inputs, State>, "configure">>;

/** One kind of dynamic resource. `State` is what Pulumi remembers: the inputs, and what was found out when they were applied. */
export interface ResourceKind<Inputs extends object, State extends Inputs = Inputs> {
  /** Pulumi's ID of the resource. */
  id(inputs: Inputs): string;
  /**
   * Runs in every preview and every `up`, before anything is changed.
   *
   * @param olds the former state; undefined, or without values, for a new resource
   * @returns inputs: the inputs with what is read anew each time; default: as given. refusals: why nothing may be changed
   */
  check?(news: Inputs, olds: Partial<State> | undefined): Promise<{ inputs?: Inputs; refusals?: readonly string[] }>;
  /** The inputs whose change makes it another resource; default: none. */
  replaces?(olds: State, news: Inputs): string[];
  /** Whether the former resource is deleted before its replacement is made. Default: false. */
  deleteBeforeReplace?: boolean;
  /** What is declared, in any form that JSON tells apart: another value is a change. Default: nothing that can change. */
  declared?(inputs: Inputs): unknown;
  /**
   * Whether a declaration that is unchanged has to be applied all the same, since the system differs from it. Says why.
   * Runs in every preview and every `up`. Default: it never has.
   */
  differs?(news: Inputs, olds: State): Promise<boolean>;
  /**
   * Makes the system as declared. May run again.
   *
   * @param olds the former state; undefined where the resource is new
   * @returns the state; default: the inputs
   */
  apply?(inputs: Inputs, olds?: State): Promise<State>;
  /**
   * What a refresh finds.
   *
   * @param state what is remembered; undefined in an import
   * @returns the state; undefined if the resource is gone. Default: what is remembered
   */
  read?(state: State | undefined, id: string): Promise<State | undefined>;
  /** Removes what was made. Default: nothing was made, so there is nothing to remove. */
  remove?(state: State): Promise<void>;
}

/** Pulumi's provider of a kind. */
export function providerOf<Inputs extends object, State extends Inputs>(
  kind: ResourceKind<Inputs, State>,
): Provider<Inputs, State> {
  const apply = async (inputs: Inputs, olds?: State) =>
    kind.apply ? await kind.apply(inputs, olds) : (inputs as State);
  const isToApply = async (olds: State, news: Inputs) => {
    const declared = (inputs: Inputs) => JSON.stringify(kind.declared?.(inputs));
    return declared(olds) !== declared(news) || ((await kind.differs?.(news, olds)) ?? false);
  };
  // It is read from the state only for a refresh and a delete.
  const isToStore = (olds: State, news: Inputs) =>
    (kind.read ?? kind.remove) !== undefined && hasOtherKubeconfig(olds, news);
  return {
    async check(olds: Partial<State> | undefined, news) {
      const { inputs = news, refusals = [] } = (await kind.check?.(news, olds)) ?? {};
      return { inputs, failures: refusals.map((reason) => ({ property: "", reason })) };
    },
    async diff(_id, olds, news) {
      const replaces = kind.replaces?.(olds, news) ?? [];
      if (replaces.length > 0) {
        return { changes: true, replaces, ...(kind.deleteBeforeReplace ? { deleteBeforeReplace: true } : {}) };
      }
      return { changes: (await isToApply(olds, news)) || isToStore(olds, news) };
    },
    async create(inputs) {
      return { outs: await apply(inputs), id: kind.id(inputs) };
    },
    async read(id, state) {
      const props = kind.read ? await kind.read(state, id) : state;
      return props ? { id, props } : {};
    },
    async update(_id, olds, news) {
      const isOnlyStored = isToStore(olds, news) && !(await isToApply(olds, news));
      return { outs: isOnlyStored ? withKubeconfig(olds, news) : await apply(news, olds) };
    },
    async delete(_id, state) {
      await kind.remove?.(state);
    },
  };
}

/** Whether another kubeconfig is given. One that a preview does not know yet counts as the same. */
function hasOtherKubeconfig(
  { kubeconfig: former }: KubernetesConnection,
  { kubeconfig }: KubernetesConnection,
): boolean {
  return kubeconfig !== former && kubeconfig !== UNKNOWN;
}

/** The state, with the kubeconfig of the inputs. */
function withKubeconfig<State extends KubernetesConnection>(
  { kubeconfig: _, ...state }: State,
  { kubeconfig }: KubernetesConnection,
): State {
  return { ...state, ...(kubeconfig === undefined ? {} : { kubeconfig }) } as State;
}

/** Longest difference that is printed, in bytes. */
const LINE_BYTES = 500;

/**
 * For `differs`: says each difference between the system and what is declared, the first of many. What cannot be looked at
 * counts as unchanged, so that a preview does without it, and is said too.
 *
 * @param unseen what is said then, before the reason
 */
export async function hasDrifted(cluster: string, unseen: string, look: () => Promise<string[]>): Promise<boolean> {
  try {
    const found = await look();
    for (const difference of firstOf(found))
      console.error(`${cluster}: ${limited(printable(difference), LINE_BYTES)}; \`pulumi up\` corrects this`);
    return found.length > 0;
  } catch (error) {
    if (!(error instanceof KubernetesError || error instanceof VaultError)) throw error;
    sayUnseen(`${unseen}: ${limited(printable(error.message))}`, error);
    return false;
  }
}
