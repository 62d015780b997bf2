/** Errors of registrations. Pure. */
import { differences, reference } from "./document";
import { takenOverMessage } from "./topology";
import { TeleportError } from "../client/errors";
import type { RegistrationInputs, RegistrationState } from "./registration";
import { PROVISIONED_BY } from "../program-roles";
import { TeleportDocument } from "../client/tctl";
import { UNKNOWN } from "../../value-check";

/**
 * A registration that was written, but whose result could not be confirmed. Pulumi's host for dynamic providers looks
 * for `id`, `properties` and `reasons` on an error. It then keeps the resource in the state, so that the next `up`
 * continues and `destroy` removes it.
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

/** The name belongs to someone else. `hidden`: the resource exists, but this identity may not read it. */
export function foreign(
  { document, proxy }: RegistrationInputs,
  found: "hidden" | { owner: string | undefined },
): TeleportError {
  const reason =
    found === "hidden"
      ? "this identity may not read it, so it belongs to someone else"
      : found.owner === undefined
        ? "was not registered by this project"
        : `belongs to ${found.owner}`;
  const first = found === "hidden" && document.kind === "db" ? ` ${howToLabel(document)}` : "";
  const setting = (name: string) => (document.kind === "db" ? `teleport.${name}` : name);
  return new TeleportError(
    "foreign",
    `${reference(document)} exists in Teleport at ${proxy} and ${reason}. It was not changed. ` +
      `Choose another name (${setting("name")}), or set ${setting("adopt")}: true to take it over.${first}`,
  );
}

/** The name belongs to the new primary cluster of the topology. `adopt` does not take it back. */
export class TakenOver extends TeleportError {
  constructor(found: TeleportDocument, { proxy }: RegistrationInputs) {
    super("foreign", takenOverMessage(found, proxy));
    this.name = "TakenOver";
  }
}

/**
 * What to do first if the identity may not change a database that it should take over: the program's role covers only databases
 * with this program's label.
 */
function howToLabel(document: TeleportDocument): string {
  const { provisioned_by: value } = PROVISIONED_BY;
  return (
    `To take it over, an administrator of Teleport must first give it the label provisioned_by: ${value}: ` +
    `tctl get ${reference(document)} --format=json | jq '.[0] | .metadata.labels.provisioned_by = "${value}"' | tctl create --force`
  );
}

/** The identity may not change a database that exists and should be taken over. */
export function notAdoptable({ document, proxy }: RegistrationInputs): TeleportError {
  return new TeleportError(
    "access-denied",
    `${reference(document)} exists in Teleport at ${proxy}, but this identity may not change it. It was not changed. ` +
      howToLabel(document),
  );
}

/** What an adoption changes. */
export function adoptionMessage({ document, proxy }: RegistrationInputs, found: TeleportDocument): string {
  const changes = differences(found, document).map(
    ({ path, found: stored, written }) =>
      `${path}: ${stored === undefined ? "" : `${shown(stored)} → `}${written === undefined ? "goes" : shown(written)}`,
  );
  return (
    `${reference(document)} exists in Teleport at ${proxy}, and this stack takes it over. ` +
    (changes.length === 0 ? "Nothing of it changes." : `\`pulumi up\` changes: ${changes.join("; ")}.`)
  );
}

/**
 * Teleport accepted the document but stored something else. Usually its version does not know a field, and drops it.
 */
export function storedDifferently({ document, proxy }: RegistrationInputs, found: TeleportDocument): TeleportError {
  const fields = differences(found, document).map(
    ({ path, found: stored, written }) =>
      `${path} (written: ${shown(written)}, stored: ${stored === undefined ? "nothing" : shown(stored)})`,
  );
  return new TeleportError(
    "failed",
    `${reference(document)}: Teleport at ${proxy} accepted the document, but does not store ${fields.join(", ")}. ` +
      "Its version does not know the field, or someone else changes the resource too. Upgrade Teleport, or remove the setting.",
  );
}

/** Reads do not show the result of a write yet. */
export function notVisibleYet(document: TeleportDocument, problem: string, waited: number): TeleportError {
  return new TeleportError(
    "unavailable",
    `${reference(document)} ${problem} after ${waited / 1000} s. Run the command again.`,
  );
}

/** A delete that failed. Pulumi keeps the resource, so that the next delete continues. */
export function stillRegistered({ failure, message }: TeleportError, { document }: RegistrationState): TeleportError {
  return new TeleportError(
    failure,
    `${message} If this Teleport cluster was shut down for good, remove ${reference(document)} from the state: ` +
      "`pulumi stack --show-urns` prints its URN, `pulumi state delete '<urn>'` removes it.",
  );
}

function shown(value: unknown): string {
  if (JSON.stringify(value)?.includes(UNKNOWN)) return "a value that is not known yet";
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
