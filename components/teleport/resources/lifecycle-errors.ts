/** What a registration can end with, in words. Pure. */
import { differences, reference } from "./document";
import { TeleportError } from "../client/errors";
import type { RegistrationInputs, RegistrationState } from "./registration";
import { PROVISIONED_BY } from "../program-roles";
import { TeleportDocument } from "../client/tctl";

/**
 * A registration that was written, but not seen to the end. Pulumi's host for dynamic providers looks for `id`,
 * `properties` and `reasons` on an error: it then remembers the resource, so that the next `up` goes on with it and
 * `destroy` removes it.
 */
export class UnfinishedRegistration extends TeleportError {
  readonly id: string;
  readonly reasons: string[];

  constructor(
    cause: TeleportError,
    readonly properties: RegistrationState,
  ) {
    super(cause.failure, cause.message);
    this.name = "UnfinishedRegistration";
    this.id = properties.document.metadata.name;
    this.reasons = [cause.message];
  }
}

/** The name is somebody else's. `hidden`: it exists, but this identity may not see it. */
export function foreign(
  { document, proxy }: RegistrationInputs,
  whose: "hidden" | { owner: string | undefined },
): TeleportError {
  const told =
    whose === "hidden"
      ? "this identity may not see it, so it is not ours"
      : whose.owner === undefined
        ? "was not registered by this project"
        : `belongs to ${whose.owner}`;
  // The program's role reaches databases with our label only: that also decides what it may take over.
  const first =
    whose === "hidden" && document.kind === "db"
      ? ` To take it over, an administrator of Teleport must first give it the label provisioned_by: ${PROVISIONED_BY.provisioned_by}.`
      : "";
  const setting = (name: string) => (document.kind === "db" ? `teleport.${name}` : name);
  return new TeleportError(
    "foreign",
    `${reference(document)} exists in Teleport at ${proxy} and ${told}; it was left as it is. ` +
      `Choose another name (${setting("name")}), or set ${setting("adopt")}: true to take it over.${first}`,
  );
}

/** Teleport took the document and kept something else: usually its version does not know a field, and drops it. */
export function notKept({ document, proxy }: RegistrationInputs, found: TeleportDocument): TeleportError {
  const fields = differences(found, document).map(
    ({ path, found: kept, written }) =>
      `${path} (written: ${shown(written)}, kept: ${kept === undefined ? "nothing" : shown(kept)})`,
  );
  return new TeleportError(
    "failed",
    `${reference(document)}: Teleport at ${proxy} took it, but does not keep ${fields.join(", ")}. ` +
      "Its version does not know that, or somebody else writes to it as well. Upgrade Teleport, or leave the setting out.",
  );
}

/** Reads do not show what a write did. */
export function notYet(document: TeleportDocument, problem: string, waited: number): TeleportError {
  return new TeleportError(
    "unavailable",
    `${reference(document)} ${problem} after ${waited / 1000} s. Run the command again.`,
  );
}

/** A delete that could not be done. Pulumi keeps the resource, so that the next one goes on. */
export function stillRegistered({ failure, message }: TeleportError, { document }: RegistrationState): TeleportError {
  return new TeleportError(
    failure,
    `${message} If this Teleport will not come back, have Pulumi forget ${reference(document)}: ` +
      "`pulumi stack --show-urns` names it, `pulumi state delete '<urn>'` forgets it.",
  );
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
