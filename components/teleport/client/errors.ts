/** What can go wrong with Teleport, by what the caller can do about it. */

export type TeleportFailure =
  /** The thing asked for does not exist. */
  | "not-found"
  /** A thing of that name exists. */
  | "already-exists"
  /** The identity lacks a right. */
  | "access-denied"
  /** The identity is missing, unreadable, expired, locked, or not of this cluster. */
  | "identity"
  /** Teleport wants a second factor, which only a person can give. A bot's identity is not asked for one. */
  | "mfa"
  /** The cluster does not answer, is overloaded, or took too long: the only kind that is retried. */
  | "unavailable"
  /** `tctl` cannot be run here. */
  | "tctl-missing"
  /** `tctl` is too old for the cluster, or for what we ask of it. */
  | "tctl-version"
  /** A thing of that name belongs to somebody else. */
  | "foreign"
  /** Something else in Teleport needs the thing that was to go. */
  | "in-use"
  /** Anything else that `tctl` reports. */
  | "failed";

/** An operation on Teleport that failed; the message says what, where and what to do. */
export class TeleportError extends Error {
  /** Whether Teleport may have done what it was asked for all the same: the answer did not come. */
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
