/**
 * The life of what we register in Teleport: create, read, update, delete. Reads of Teleport go through
 * a cache that lags behind writes, so every write waits until reads agree with it; a delete that trusted
 * one read would leave a fresh registration behind for ever.
 */
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { normalForm, Ownership, ownership, sameDocument, withOwner } from "./document";
import { TeleportError } from "./errors";
import { TeleportClient, TeleportConnection, TeleportDocument, withTeleport } from "./tctl";

/** Inputs of a registration. */
export interface RegistrationInputs extends TeleportConnection {
  /** What to register, without the owner label. */
  document: TeleportDocument;
  /** Which resource of which stack it belongs to. */
  owner: string;
  /** Take over a document of that name that is not ours. Default: refuse. */
  adopt?: boolean;
}

/** What is remembered of a registration. After a refresh, `document` is what Teleport holds. */
export interface RegistrationState extends RegistrationInputs {
  /** Made anew at each create; see OWNER_LABEL. */
  registration: string;
}

/** Times in milliseconds. */
export interface RegistrationTiming {
  /** Between two reads. */
  poll: number;
  /** How long a write may take to become visible. */
  visibleWithin: number;
  /** How long a deleted document must stay gone. The cache was seen to lag by up to a second. */
  goneFor: number;
  /** How long to let the cache catch up before a read decides whose a document is. */
  settle: number;
}

const TIMING: RegistrationTiming = { poll: 300, visibleWithin: 60_000, goneFor: 3_000, settle: 1_500 };

export interface RegistrationDiff {
  changes: boolean;
  replaces: string[];
}

/** The operations over a way of reaching Teleport. */
export function registrations(reach: typeof withTeleport = withTeleport, timing: RegistrationTiming = TIMING) {
  return {
    /** @throws TeleportError "foreign" if something of that name exists and is not ours */
    create: (inputs: RegistrationInputs): Promise<RegistrationState> =>
      reach(inputs, async (teleport) => {
        const ours = { owner: inputs.owner, registration: randomUUID().slice(0, 8) };
        await put(teleport, inputs, ours);
        await untilVisible(teleport, inputs, ours);
        return { ...inputs, registration: ours.registration };
      }),

    /** What Teleport holds; undefined if it is gone, or somebody else's by now. */
    read: (state: RegistrationState): Promise<RegistrationState | undefined> =>
      reach(state, async (teleport) => {
        const found = await find(teleport, state.document);
        const whose = found && ownership(found);
        if (!found || whose?.owner !== state.owner) return undefined;
        return { ...state, registration: whose.registration, document: normalForm(found) };
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
        !sameDocument(state.document, inputs.document);
      return { changes, replaces };
    },

    /** Puts right what differs; registers again what was removed by hand. */
    update: (state: RegistrationState, inputs: RegistrationInputs): Promise<RegistrationState> =>
      reach(inputs, async (teleport) => {
        const ours = { owner: inputs.owner, registration: state.registration };
        await put(teleport, inputs, ours, state.owner);
        await untilVisible(teleport, inputs, ours);
        return { ...inputs, registration: state.registration };
      }),

    /** Removes what we registered, and makes sure of it. Leaves alone what is not ours. */
    remove: (state: RegistrationState): Promise<void> =>
      reach(state, async (teleport) => {
        const deadline = Date.now() + timing.visibleWithin;
        let goneSince: number | undefined;
        for (;;) {
          const found = await find(teleport, state.document);
          const now = Date.now();
          if (found && isRegistration(found, state)) {
            if (now > deadline) throw notYet(state.document, "is still there", timing);
            goneSince = undefined;
            await teleport.remove(reference(state.document));
          } else {
            goneSince ??= now;
            if (now - goneSince >= timing.goneFor) return;
          }
          await sleep(timing.poll);
        }
      }),
  };

  /** Creates or, if it is ours (or may be adopted), overwrites. */
  async function put(
    teleport: TeleportClient,
    inputs: RegistrationInputs,
    ours: Ownership,
    formerOwner?: string,
  ): Promise<void> {
    const wanted = withOwner(inputs.document, ours);
    try {
      return await teleport.create(wanted);
    } catch (error) {
      if (!(error instanceof TeleportError) || error.failure !== "already-exists") throw error;
    }
    // A create that was cut off, or repeated after its reply was lost, finds its own document here. A read that lags
    // could show it as ours although somebody else has just taken its place.
    await sleep(timing.settle);
    const found = await untilFound(teleport, inputs.document);
    const owner = ownership(found)?.owner;
    const isOurs = owner !== undefined && (owner === inputs.owner || owner === formerOwner);
    if (!isOurs && !inputs.adopt) throw foreign(inputs, owner);
    await teleport.overwrite(wanted);
  }

  async function untilFound(teleport: TeleportClient, document: TeleportDocument): Promise<TeleportDocument> {
    return until(document, "exists but cannot be read", async () => find(teleport, document));
  }

  async function untilVisible(
    teleport: TeleportClient,
    { document }: RegistrationInputs,
    ours: Ownership,
  ): Promise<void> {
    await until(document, "is not visible as it was written", async () => {
      const found = await find(teleport, document);
      const whose = found && ownership(found);
      const written = whose?.owner === ours.owner && whose.registration === ours.registration;
      return found && written && sameDocument(found, document) ? found : undefined;
    });
  }

  async function until<Found>(
    document: TeleportDocument,
    problem: string,
    look: () => Promise<Found | undefined>,
  ): Promise<Found> {
    const deadline = Date.now() + timing.visibleWithin;
    for (;;) {
      const found = await look();
      if (found !== undefined) return found;
      if (Date.now() > deadline) throw notYet(document, problem, timing);
      await sleep(timing.poll);
    }
  }
}

/** `db/orders`: how tctl names a resource. */
function reference(document: TeleportDocument): string {
  return `${document.kind}/${document.metadata.name}`;
}

async function find(teleport: TeleportClient, document: TeleportDocument): Promise<TeleportDocument | undefined> {
  return (await teleport.get(reference(document))).find((found) => found.metadata.name === document.metadata.name);
}

function isRegistration(found: TeleportDocument, state: RegistrationState): boolean {
  const whose = ownership(found);
  return whose?.owner === state.owner && whose.registration === state.registration;
}

function foreign({ document, proxy }: RegistrationInputs, owner: string | undefined): TeleportError {
  const whose = owner === undefined ? "was not registered by this project" : `belongs to ${owner}`;
  return new TeleportError(
    "foreign",
    `${reference(document)} exists in Teleport at ${proxy} and ${whose}; it was left as it is. ` +
      `Choose another name (teleport.name), or set teleport.adopt: true to take it over.`,
  );
}

function notYet(document: TeleportDocument, problem: string, timing: RegistrationTiming): TeleportError {
  return new TeleportError(
    "unavailable",
    `${reference(document)} ${problem} after ${timing.visibleWithin / 1000} s. Run the command again.`,
  );
}
