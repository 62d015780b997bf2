/** Whether a name in Teleport can be used: it is free, or belongs to this resource. */
import { ownership, reference } from "./document";
import { TeleportError } from "../client/errors";
import type { RegistrationInputs, RegistrationTiming } from "./registration";
import { foreign } from "./lifecycle-errors";
import type { TeleportClient, TeleportDocument } from "../client/tctl";
import { Look, poll } from "../../waiting";

export interface Circumstances {
  /** Set if it is known that a resource of that name exists, although reads may not show it yet. */
  exists?: Pick<RegistrationTiming, "settle" | "poll">;
  /** The former owner: the stack may have been renamed. */
  formerOwner?: string;
}

/** Why a name cannot be used. Undefined if it is free or belongs to this resource. */
export async function refusal(
  teleport: TeleportClient,
  inputs: RegistrationInputs,
  { exists, formerOwner }: Circumstances = {},
): Promise<TeleportError | undefined> {
  const found = await findOrHidden(teleport, inputs.document, exists);
  if (!found) return exists ? foreign(inputs, "hidden") : undefined;
  if (found === "hidden") return foreign(inputs, found);
  const owner = ownership(found)?.owner;
  const isOurs = owner !== undefined && (owner === inputs.owner || owner === formerOwner);
  return isOurs ? undefined : foreign(inputs, { owner });
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
