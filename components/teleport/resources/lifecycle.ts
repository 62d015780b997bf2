/**
 * The life of what we register in Teleport: create, read, update, delete. One implementation for every kind.
 * Reads of Teleport go through a cache that lags behind writes, so every write waits until reads agree with it;
 * a delete that trusted one read would leave a fresh registration behind for ever.
 */
import { randomUUID } from "node:crypto";
import { normalForm, Ownership, ownership, reference, sameDocument, withOwner } from "./document";
import { UNKNOWN } from "../../dynamic/unknown";
import { TeleportError } from "../client/errors";
import { find, refusal } from "./owner";
import { foreign, notKept, notYet, stillRegistered, UnfinishedRegistration } from "./lifecycle-errors";
import type { RegistrationInputs, RegistrationState, RegistrationTiming } from "./registration";
import { TeleportClient, TeleportDocument, withTeleport } from "../client/tctl";
import { watch } from "../client/watched";
import { pause, poll } from "../../waiting";

const TIMING: RegistrationTiming = {
  poll: 300,
  visibleWithin: 60_000,
  goneFor: 3_000,
  settle: 1_500,
  differsFor: 10_000,
};

/**
 * Kinds that `tctl create` creates atomically. Of a role it asks the cache first, and a token it overwrites without
 * asking (`createToken` of tool/tctl calls UpsertToken, 13 to 18): of these, we look first.
 */
const CREATED_ATOMICALLY = ["db"];

export interface RegistrationDiff {
  changes: boolean;
  replaces: string[];
}

/** The operations over a way of reaching Teleport. */
export function registrations(reach: typeof withTeleport = withTeleport, timing: RegistrationTiming = TIMING) {
  return {
    /**
     * What a create would say of a name that is taken; undefined if it is free, ours, to be adopted, or not known yet.
     *
     * @throws TeleportError if Teleport cannot be asked; it is asked once
     */
    collision: async (inputs: RegistrationInputs): Promise<string | undefined> => {
      const { proxy, credentials, document } = inputs;
      const unknown = [proxy, credentials, document, document.metadata?.name].includes(UNKNOWN);
      if (inputs.adopt || unknown) return undefined;
      return reach(
        inputs,
        async (teleport) => {
          const first = await refusal(teleport, inputs);
          if (!first) return undefined;
          await pause(timing.settle); // what was removed a moment ago may still be in the cache
          return (await refusal(teleport, inputs))?.message;
        },
        [],
      );
    },

    /**
     * @throws TeleportError "foreign" if something of that name exists and is not ours
     * @throws UnfinishedRegistration if it was written but is not seen, or may have been: it has to be remembered
     */
    create: (inputs: RegistrationInputs): Promise<RegistrationState> =>
      reach(inputs, async (teleport) => {
        const state = { ...inputs, registration: randomUUID().slice(0, 8) };
        const watched = watch(teleport);
        let isNew: boolean;
        try {
          isNew = await put(watched.client, inputs, state);
        } catch (error) {
          const isOpen = watched.mayBeWritten && error instanceof TeleportError && error.failure !== "foreign";
          throw isOpen ? new UnfinishedRegistration(error, state) : error;
        }
        try {
          // Somebody who found the name free at the same moment may write over it: then ours is not there to stay.
          const isAtomic = CREATED_ATOMICALLY.includes(inputs.document.kind);
          await untilWritten(teleport, inputs, state, isAtomic ? 0 : timing.settle);
        } catch (error) {
          if (!(error instanceof TeleportError) || error.failure === "foreign") throw error;
          if (!isNew || error.failure !== "failed") throw new UnfinishedRegistration(error, state);
          await removeOurs(teleport, state); // less than what was asked for may be less safe
          throw error;
        }
        return state;
      }),

    /** What Teleport holds; undefined if it is gone, or somebody else's by now. */
    read: (state: RegistrationState): Promise<RegistrationState | undefined> =>
      reach(state, async (teleport) => {
        const found = await find(teleport, state.document);
        const whose = found && ownership(found);
        if (!found || whose?.owner !== state.owner) return undefined;
        return { ...state, registration: whose.registration, document: normalForm(found, state.document) };
      }),

    diff(state: RegistrationState, inputs: RegistrationInputs): RegistrationDiff {
      const replaces = [
        ...(state.proxy !== inputs.proxy ? ["proxy"] : []),
        ...(reference(state.document) !== reference(inputs.document) ? ["document"] : []),
      ];
      const changes =
        replaces.length > 0 ||
        state.owner !== inputs.owner ||
        state.credentials !== inputs.credentials ||
        JSON.stringify(normalForm(state.document)) !== JSON.stringify(normalForm(inputs.document));
      return { changes, replaces };
    },

    /** Puts right what differs; registers again what was removed by hand. */
    update: (state: RegistrationState, inputs: RegistrationInputs): Promise<RegistrationState> =>
      reach(inputs, async (teleport) => {
        const ours = { owner: inputs.owner, registration: state.registration };
        await put(teleport, inputs, ours, state.owner);
        await untilWritten(teleport, inputs, ours);
        return { ...inputs, registration: state.registration };
      }),

    /** Removes what we registered, and makes sure of it. Leaves alone what is not ours. */
    remove: async (state: RegistrationState): Promise<void> => {
      try {
        await reach(state, (teleport) => removeOurs(teleport, state));
      } catch (error) {
        throw error instanceof TeleportError && error.failure === "unavailable" ? stillRegistered(error, state) : error;
      }
    },
  };

  /** Creates or, if it is ours (or may be adopted), overwrites. True if there was nothing of that name. */
  async function put(
    teleport: TeleportClient,
    inputs: RegistrationInputs,
    ours: Ownership,
    formerOwner?: string,
  ): Promise<boolean> {
    const wanted = withOwner(inputs.document, ours);
    const isAtomic = CREATED_ATOMICALLY.includes(wanted.kind);
    if (isAtomic && (await created(teleport, wanted))) return true;
    // A create that was cut off, or repeated after its reply was lost, finds its own document here. A read that lags
    // could show it as ours although somebody else has just taken its place, or as there although it is gone.
    await pause(timing.settle);
    if (!isAtomic && !(await find(teleport, wanted)) && (await created(teleport, wanted))) return true;
    const refused = await refusal(teleport, inputs, { exists: timing, formerOwner });
    if (refused && !inputs.adopt) throw refused;
    await teleport.overwrite(wanted);
    return false;
  }

  /** False if there is one of that name. */
  async function created(teleport: TeleportClient, wanted: TeleportDocument): Promise<boolean> {
    try {
      await teleport.create(wanted);
      return true;
    } catch (error) {
      if (error instanceof TeleportError && error.failure === "already-exists") return false;
      throw error;
    }
  }

  /** Waits until Teleport shows what was written, and goes on to for so many milliseconds. */
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
        throw isOurs ? notKept(inputs, found) : foreign(inputs, { owner: whose?.owner });
      if (waited() > timing.visibleWithin)
        throw notYet(document, "is not visible as it was written", timing.visibleWithin);
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
        if (now > timing.visibleWithin) throw notYet(state.document, "is still there", timing.visibleWithin);
        goneSince = undefined;
        // Do not remove it again while reads lag. If no database has the name, tctl 14 and newer removes one that was
        // discovered under this name (`filterByNameOrDiscoveredName` of tool/tctl/common/resource_command.go).
        if (now - removedAt >= timing.settle) {
          await teleport.remove(reference(state.document));
          removedAt = waited();
        }
      } else {
        goneSince ??= now;
        if (now - goneSince >= timing.goneFor) return "gone";
      }
      return undefined;
    }, timing.poll);
  }
}

function isRegistration(found: TeleportDocument, state: RegistrationState): boolean {
  const whose = ownership(found);
  return whose?.owner === state.owner && whose.registration === state.registration;
}
