/** What can go wrong with Vault, by what the caller can do about it. */

export type VaultFailure =
  /** The environment names no Vault, or no way to log in. */
  | "configuration"
  /** Vault is sealed: somebody has to unseal it. */
  | "sealed"
  /** Vault does not answer, is overloaded, or has no leader. */
  | "unavailable"
  /** The token or the AppRole is not accepted. */
  | "login"
  /** The token lacks a right. */
  | "access-denied"
  /** There is nothing at the path, or not that key. */
  | "not-found"
  /** Anything else that Vault reports. */
  | "failed";

/** A request to Vault that failed; the message says what, where and what to do, and nothing that Vault keeps. */
export class VaultError extends Error {
  constructor(
    readonly failure: VaultFailure,
    message: string,
  ) {
    super(message);
    this.name = "VaultError";
  }
}
