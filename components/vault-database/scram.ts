/**
 * SCRAM verifiers, as PostgreSQL stores them for passwords. They are computed here, so the password never reaches the
 * server, its log or its connections. Pure.
 */
import { createHash, createHmac, pbkdf2Sync, randomBytes } from "node:crypto";

/** PostgreSQL's own value (SCRAM_SHA_256_DEFAULT_ITERATIONS). */
const ITERATIONS = 4096;
const SALT_BYTES = 16;

/** A password that nobody has to type: 256 bits, in characters that need no escaping anywhere. */
export function newPassword(): string {
  return randomBytes(32).toString("base64url");
}

/**
 * The verifier that PostgreSQL stores for a password of ASCII characters: `SCRAM-SHA-256$<iterations>:<salt>$<stored
 * key>:<server key>` (RFC 5803; scram_build_secret of src/common/scram-common.c). ALTER ROLE ... PASSWORD accepts it
 * unchanged.
 */
export function scramVerifier(password: string, salt: Buffer = randomBytes(SALT_BYTES)): string {
  const salted = pbkdf2Sync(password, salt, ITERATIONS, 32, "sha256");
  const keyed = (text: string) => createHmac("sha256", salted).update(text).digest();
  const storedKey = createHash("sha256").update(keyed("Client Key")).digest("base64");
  return `SCRAM-SHA-256$${ITERATIONS}:${salt.toString("base64")}$${storedKey}:${keyed("Server Key").toString("base64")}`;
}
