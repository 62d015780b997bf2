/** Whether a name in Teleport can be had: it is free, or what has it is ours. */
import { ownership, reference } from "./document";
import { TeleportError } from "../client/errors";
import type { RegistrationInputs, RegistrationTiming } from "./registration";
import { foreign } from "./lifecycle-errors";
import type { TeleportClient, TeleportDocument } from "../client/tctl";
import { Look, poll } from "../../waiting";

export interface Circumstances {
  /** Given where it is known that there is one of that name, although reads may not show it yet. */
  exists?: Pick<RegistrationTiming, "settle" | "poll">;
  /** Whose it was before: the stack may have been renamed. */
  formerOwner?: string;
}

/** Why a name cannot be had; undefined if it is free or ours. */
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

/** What has the name of a document. */
export async function find(
  teleport: TeleportClient,
  document: TeleportDocument,
): Promise<TeleportDocument | undefined> {
  return (await teleport.get(reference(document))).find((found) => found.metadata.name === document.metadata.name);
}

/**
 * Like `find`, but tells what exists and may not be seen. With the role that this project ships (databases of our
 * label only), Teleport 13 answers for another's database `access to db denied`, and for none that it doesn't exist.
 * Newer ones leave it out of what they list, as of everything else that this identity may read: there only a create
 * tells, by failing (`getDatabase` of tool/tctl/common/resources/database.go).
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
