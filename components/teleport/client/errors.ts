/** Failures of Teleport, by what the caller can do about them. */

export type TeleportFailure =
  /** The resource does not exist. */
  | "not-found"
  /** A resource of that name exists. */
  | "already-exists"
  /** The identity's user does not have the required right. */
  | "access-denied"
  /** The identity is missing, unreadable, expired or locked, or belongs to another cluster. */
  | "identity"
  /** Teleport requires a second factor (MFA), which only a person can give. A bot's identity does not need one. */
  | "mfa"
  /** The cluster does not answer, is overloaded, or took too long. Only this kind is retried. */
  | "unavailable"
  /** `tctl` cannot be run here. */
  | "tctl-missing"
  /** `tctl` is too old for the cluster, or for this program. */
  | "tctl-version"
  /** A resource of that name belongs to someone else. */
  | "foreign"
  /** Another resource in Teleport still uses the resource that was to be deleted. */
  | "in-use"
  /** Any other error that `tctl` reports. */
  | "failed";

/** An operation on Teleport that failed. The message says what failed, where, and what to do. */
export class TeleportError extends Error {
  /** Whether Teleport may have carried out the operation although no answer arrived. */
  readonly mayBeDone: boolean;

  constructor(
    readonly failure: TeleportFailure,
    message: string,
    { mayBeDone = false }: { mayBeDone?: boolean } = {},
  ) {
    super(message);
    this.name = "TeleportError";
    this.mayBeDone = mayBeDone;
  }
}
