/** Failures of Vault, by what the caller can do about them. */

export type VaultFailure =
  /** The environment names no Vault server, or no way to log in. */
  | "configuration"
  /** Vault is sealed. An operator must unseal it. */
  | "sealed"
  /** Vault does not answer, is overloaded, or has no leader. */
  | "unavailable"
  /** Vault does not accept the token or the AppRole. */
  | "login"
  /** The token's policies do not allow the request. */
  | "access-denied"
  /** The path has no secret, or the secret has no such key. */
  | "not-found"
  /** Any other error that Vault reports. */
  | "failed";

/** A request to Vault that failed. The message says what failed, where, and what to do. It contains no secret. */
export class VaultError extends Error {
  constructor(
    readonly failure: VaultFailure,
    message: string,
  ) {
    super(message);
    this.name = "VaultError";
  }
}
