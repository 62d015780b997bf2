/**
 * The lifecycle of everything that this program registers in Teleport: create, read, update and delete, with one
 * implementation for every kind, and its methods as a Pulumi provider. Reads of Teleport go through a cache that lags
 * behind writes, so every write waits until reads confirm it. A delete that trusted a single read could leave a new
 * registration behind forever.
 */
import { randomUUID } from "node:crypto";
import { normalForm, Ownership, ownership, reference, sameDocument, withOwner, checkDocument } from "./document";
import { UNKNOWN } from "../../value-check";
import { TeleportError } from "../client/errors";
import {
  adoptionMessage,
  foreign,
  notAdoptable,
  notVisibleYet,
  stillRegistered,
  storedDifferently,
  TakenOver,
  UnfinishedRegistration,
} from "./lifecycle-errors";
import { PROMOTED_LABEL, TOPOLOGY_LABEL } from "../names";
import { isTakenOver, mayTakeOver, takenOverMessage } from "./topology";
import { RegistrationInputs, RegistrationState, type RegistrationTiming } from "./registration";
import { TeleportClient, TeleportDocument, withTeleport } from "../client/tctl";
import { pause, poll, Look } from "../../waiting";
import type { Provider } from "../../dynamic/converge";

const TIMING: RegistrationTiming = {
  poll: 300,
  visibleWithin: 60_000,
  goneFor: 3_000,
  settle: 1_500,
  differsFor: 10_000,
};

/**
 * Kinds that `tctl create` creates atomically. For a role it first asks the cache, and it overwrites an existing
 * token (`createToken` of tool/tctl calls UpsertToken, 13 to 18). For those kinds this program reads first.
 */
const CREATED_ATOMICALLY = ["db"];

export interface RegistrationDiff {
  changes: boolean;
  replaces: string[];
}

/** The operations. The parameter is the way to reach Teleport. */
export function registrations(reach: typeof withTeleport = withTeleport, timing: RegistrationTiming = TIMING) {
  return {
    /**
     * The message that a create would give for a taken name. Undefined if the name is free, belongs to this resource,
     * is not known yet, or is to be adopted. In the last case, prints what will change.
     *
     * @throws TeleportError if Teleport cannot be reached; there is only one attempt
     */
    collision: async (inputs: RegistrationInputs): Promise<string | undefined> => {
      const { proxy, credentials, document } = inputs;
      // A Cluster that is being promoted may take the name over. Only `up` knows the labels that say so.
      const { name, labels } = document.metadata ?? {};
      const unknown = [proxy, credentials, document, name, labels, labels?.[TOPOLOGY_LABEL], labels?.[PROMOTED_LABEL]];
      if (inputs.suspended || unknown.includes(UNKNOWN)) return undefined;
      return reach(
        inputs,
        async (teleport) => {
          if (inputs.adopt) return announced(teleport, inputs);
          const first = await refusal(teleport, inputs);
          if (!first) return undefined;
          await pause(timing.settle); // a resource that was just removed may still be in the cache
          return (await refusal(teleport, inputs))?.message;
        },
        [],
      );
    },

    /**
     * @throws TeleportError "foreign" if a resource of that name exists and belongs to someone else
     * @throws UnfinishedRegistration if the document was written, or may have been, but reads do not show it: Pulumi
     * must remember it
     */
    create: async (inputs: RegistrationInputs): Promise<RegistrationState> => {
      if (inputs.suspended) return { ...inputs, registration: "" };
      return reach(inputs, async (teleport) => {
        const state = { ...inputs, registration: newRegistration() };
        const watched = watch(teleport);
        let isNew: boolean;
        try {
          isNew = await put(watched.client, inputs, state);
        } catch (error) {
          const mayExist = watched.mayBeWritten && error instanceof TeleportError && error.failure !== "foreign";
          throw mayExist ? new UnfinishedRegistration(error, state) : error;
        }
        try {
          // Another run that found the name free at the same time may overwrite the document. Then this one does not
          // stay.
          const isAtomic = CREATED_ATOMICALLY.includes(inputs.document.kind);
          await untilWritten(teleport, inputs, state, isAtomic ? 0 : timing.settle);
        } catch (error) {
          if (!(error instanceof TeleportError) || error.failure === "foreign") throw error;
          if (!isNew || error.failure !== "failed") throw new UnfinishedRegistration(error, state);
          await removeOurs(teleport, state); // a document without some of its settings may be less secure
          throw error;
        }
        return state;
      });
    },

    /** What Teleport has. Undefined if it is gone or belongs to someone else by now. */
    read: async (state: RegistrationState): Promise<RegistrationState | undefined> => {
      if (state.suspended) return state;
      return reach(state, async (teleport) => {
        const found = await find(teleport, state.document);
        const whose = found && ownership(found);
        if (found && whose?.owner !== state.owner && isTakenOver(found, state.document))
          console.error(takenOverMessage(found, state.proxy));
        if (!found || whose?.owner !== state.owner) return undefined;
        return { ...state, registration: whose.registration, document: normalForm(found, state.document) };
      });
    },

    diff(state: RegistrationState, inputs: RegistrationInputs): RegistrationDiff {
      const { document, proxy } = inputs;
      const isUnknown = (document as unknown) === UNKNOWN;
      // What a preview does not know yet may turn out to be unchanged.
      const name: unknown = isUnknown ? undefined : document.metadata?.name;
      const isNamed = name !== undefined && name !== UNKNOWN;
      const replaces = [
        ...(state.proxy !== proxy && proxy !== UNKNOWN ? ["proxy"] : []),
        ...(isNamed && reference(state.document) !== reference(document) ? ["document"] : []),
      ];
      const changes =
        isUnknown ||
        state.proxy !== proxy ||
        replaces.length > 0 ||
        state.owner !== inputs.owner ||
        state.credentials !== inputs.credentials ||
        (state.suspended ?? false) !== (inputs.suspended ?? false) ||
        JSON.stringify(normalForm(state.document)) !== JSON.stringify(normalForm(document));
      return { changes, replaces };
    },

    /** Corrects differences. Registers the document again if it was removed manually. */
    update: async (state: RegistrationState, inputs: RegistrationInputs): Promise<RegistrationState> => {
      const registration = state.registration || (inputs.suspended ? "" : newRegistration());
      if (inputs.suspended) return { ...inputs, registration };
      return reach(inputs, async (teleport) => {
        const ours = { owner: inputs.owner, registration };
        await put(teleport, inputs, ours, state.owner);
        await untilWritten(teleport, inputs, ours);
        return { ...inputs, registration };
      });
    },

    /** Removes the registration and waits until it is gone. Does not touch what belongs to someone else. */
    remove: async (state: RegistrationState): Promise<void> => {
      if (state.suspended && state.registration === "") return; // nothing was ever registered
      try {
        await reach(state, (teleport) => removeOurs(teleport, state));
      } catch (error) {
        throw error instanceof TeleportError && error.failure === "unavailable" ? stillRegistered(error, state) : error;
      }
    },
  };

  /**
   * Creates the document, or overwrites it if it belongs to this resource or may be adopted. Returns true if there
   * was none of that name.
   */
  async function put(
    teleport: TeleportClient,
    inputs: RegistrationInputs,
    ours: Ownership,
    formerOwner?: string,
  ): Promise<boolean> {
    const wanted = withOwner(inputs.document, ours);
    const isAtomic = CREATED_ATOMICALLY.includes(wanted.kind);
    if (isAtomic && (await created(teleport, wanted))) return true;
    // An interrupted create, or one that is repeated after its reply was lost, finds its own document here. A read
    // that lags could show the document as ours although someone else has just replaced it, or as present although it
    // is gone.
    await pause(timing.settle);
    if (!isAtomic && !(await find(teleport, wanted)) && (await created(teleport, wanted))) return true;
    const refused = await refusal(teleport, inputs, { exists: timing, formerOwner });
    const isLost = formerOwner !== undefined && refused instanceof TakenOver;
    if (refused && (isLost || !inputs.adopt)) throw refused;
    try {
      await teleport.overwrite(wanted);
    } catch (error) {
      const isDenied = error instanceof TeleportError && error.failure === "access-denied";
      throw refused && isDenied && wanted.kind === "db" ? notAdoptable(inputs) : error;
    }
    return false;
  }

  /** Prints what an adoption changes. Returns why it is not possible. */
  async function announced(teleport: TeleportClient, inputs: RegistrationInputs): Promise<string | undefined> {
    const found = await findOrHidden(teleport, inputs.document, undefined);
    if (found === "hidden") return inputs.document.kind === "db" ? notAdoptable(inputs).message : undefined;
    if (found && ownership(found)?.owner !== inputs.owner) console.error(adoptionMessage(inputs, found));
    return undefined;
  }

  /** Returns false if there is one of that name. */
  async function created(teleport: TeleportClient, wanted: TeleportDocument): Promise<boolean> {
    try {
      await teleport.create(wanted);
      return true;
    } catch (error) {
      if (error instanceof TeleportError && error.failure === "already-exists") return false;
      throw error;
    }
  }

  /** Waits until Teleport shows the written document, and has shown it for `stays` milliseconds. */
  async function untilWritten(
    teleport: TeleportClient,
    inputs: RegistrationInputs,
    ours: Ownership,
    stays = 0,
  ): Promise<void> {
    const { document } = inputs;
    let shownSince: number | undefined;
    await poll(async ({ waited }) => {
      const found = await find(teleport, document);
      const whose = found && ownership(found);
      const isOurs = whose?.owner === ours.owner && whose.registration === ours.registration;
      const isShown = found !== undefined && isOurs && sameDocument(found, document);
      shownSince = isShown ? (shownSince ?? waited()) : undefined;
      if (shownSince !== undefined && waited() - shownSince >= stays) return "written";
      if (found && !isShown && waited() > timing.differsFor)
        throw isOurs ? storedDifferently(inputs, found) : foreign(inputs, { owner: whose?.owner });
      if (waited() > timing.visibleWithin)
        throw notVisibleYet(document, "is not visible as it was written", timing.visibleWithin);
      return undefined;
    }, timing.poll);
  }

  async function removeOurs(teleport: TeleportClient, state: RegistrationState): Promise<void> {
    let goneSince: number | undefined;
    let removedAt = -Infinity;
    await poll(async ({ waited }) => {
      const found = await find(teleport, state.document);
      const now = waited();
      if (found && isRegistration(found, state)) {
        if (now > timing.visibleWithin) throw notVisibleYet(state.document, "is still there", timing.visibleWithin);
        goneSince = undefined;
        // Do not remove it again while reads lag. If no database has the name, tctl 14 and newer removes a database
        // that was discovered under this name (`filterByNameOrDiscoveredName` of
        // tool/tctl/common/resource_command.go).
        if (now - removedAt >= timing.settle) {
          await teleport.remove(reference(state.document));
          removedAt = waited();
        }
      } else {
        goneSince ??= now;
        if (now - goneSince >= timing.goneFor) {
          const isAnothers = found && ownership(found)?.owner !== state.owner;
          if (isAnothers && isTakenOver(found, state.document))
            console.error(`${reference(found)} stays in Teleport: it belongs to ${ownership(found)?.owner} now.`);
          return "gone";
        }
      }
      return undefined;
    }, timing.poll);
  }
}

function isRegistration(found: TeleportDocument, state: RegistrationState): boolean {
  const whose = ownership(found);
  return whose?.owner === state.owner && whose.registration === state.registration;
}

interface Circumstances {
  /** Set if it is known that a resource of that name exists, although reads may not show it yet. */
  exists?: Pick<RegistrationTiming, "settle" | "poll">;
  /** The former owner: the stack may have been renamed. */
  formerOwner?: string;
}

/** Why a name cannot be used. Undefined if it is free or belongs to this resource. */
async function refusal(
  teleport: TeleportClient,
  inputs: RegistrationInputs,
  { exists, formerOwner }: Circumstances = {},
): Promise<TeleportError | undefined> {
  const found = await findOrHidden(teleport, inputs.document, exists);
  if (!found) return exists ? foreign(inputs, "hidden") : undefined;
  if (found === "hidden") return foreign(inputs, found);
  const owner = ownership(found)?.owner;
  const isOurs = owner !== undefined && (owner === inputs.owner || owner === formerOwner);
  if (isOurs || mayTakeOver(found, inputs.document)) return undefined;
  return isTakenOver(found, inputs.document) ? new TakenOver(found, inputs) : foreign(inputs, { owner });
}

/** Identifies a registration; see OWNER_LABEL. */
function newRegistration(): string {
  return randomUUID().slice(0, 8);
}

/** Finds the resource with the name of a document. */
export async function find(
  teleport: TeleportClient,
  document: TeleportDocument,
): Promise<TeleportDocument | undefined> {
  return (await teleport.get(reference(document))).find((found) => found.metadata.name === document.metadata.name);
}

/**
 * Like `find`, but also detects a resource that exists but may not be read. With the role that this project provides
 * (only databases with its label), Teleport 13 answers `access to db denied` for another's database, and "doesn't
 * exist" for a free name. Newer versions leave the database out of every list. There only a create detects it, by
 * failing (`getDatabase` of tool/tctl/common/resources/database.go).
 */
async function findOrHidden(
  teleport: TeleportClient,
  document: TeleportDocument,
  exists: Circumstances["exists"],
): Promise<TeleportDocument | "hidden" | undefined> {
  try {
    if (!exists) return await find(teleport, document);
    const look = async ({ waited }: Look) => {
      const found = await find(teleport, document);
      return found || waited() >= exists.settle ? { found } : undefined;
    };
    return (await poll(look, exists.poll)).found;
  } catch (error) {
    const denied = error instanceof TeleportError && error.failure === "access-denied";
    if (denied && exists) return "hidden";
    if (denied && error.message.includes(`access to ${document.kind} denied`)) return "hidden"; // Teleport 13 and 14
    throw error;
  }
}

/** A client that remembers whether a failed write may have been carried out. */
interface WatchedClient {
  readonly client: TeleportClient;
  /** Whether a write was sent whose result is unknown. */
  mayBeWritten: boolean;
}

/** Wraps a client and watches its writes. */
function watch(teleport: TeleportClient): WatchedClient {
  const watching = <Arguments extends unknown[], Result>(write: (...args: Arguments) => Promise<Result>) => {
    return async (...args: Arguments) => {
      try {
        return await write(...args);
      } catch (error) {
        if (error instanceof TeleportError) watched.mayBeWritten ||= error.mayBeDone;
        throw error;
      }
    };
  };
  const client = { ...teleport, create: watching(teleport.create), overwrite: watching(teleport.overwrite) };
  const watched = { client, mayBeWritten: false };
  return watched;
}

/** The provider's methods. The parameter is the way to register; tests use one with a fake Teleport. */
export function registrationMethods({
  collision,
  create,
  read,
  diff,
  update,
  remove,
}: ReturnType<typeof registrations>): Provider<RegistrationInputs, RegistrationState> {
  return {
    async check(olds, news) {
      const failures = checkDocument(news.document);
      // Pulumi passes the olds of a resource that stays, and none for a new or renamed resource.
      const isNew = !(olds as Partial<RegistrationState> | undefined)?.document;
      if (failures.length > 0 || !isNew) return { inputs: news, failures };
      const reason = await collisionIfKnown(news);
      return { inputs: news, failures: reason === undefined ? [] : [{ property: "document", reason }] };
    },
    async diff(_id, olds, news) {
      return diff(olds, news);
    },
    async create(inputs) {
      return { id: inputs.document.metadata.name, outs: await create(inputs) };
    },
    async read(id, props) {
      if (!props?.document)
        throw new TeleportError("failed", `${id} cannot be imported; set teleport.adopt: true to take it over.`);
      const state = await read(props);
      return state ? { id, props: state } : {};
    },
    async update(_id, olds, news) {
      return { outs: await update(olds, news) };
    },
    async delete(_id, props) {
      await remove(props);
    },
  };

  /**
   * A preview works without Teleport and without an identity. It then prints that it could not check the name, and
   * create checks it.
   */
  async function collisionIfKnown(inputs: RegistrationInputs): Promise<string | undefined> {
    try {
      return await collision(inputs);
    } catch (error) {
      if (!(error instanceof TeleportError)) throw error;
      console.error(`Could not check whether the name is free in Teleport: ${error.message}`);
      return undefined;
    }
  }
}
