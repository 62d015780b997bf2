/**
 * The adapter to Vault for values that are read while an operation runs and must not get into the state, where
 * Pulumi's Vault provider would store them. Address and credentials come from the variables that the `vault` command
 * reads.
 */
import { RequestError, Answer, sendWithRetries, readCaFile, trustedCas } from "../http/request";
import { isHttpUrl } from "../value-check";
import { VaultError } from "./errors";

/** How Vault is reached. */
export interface VaultServer {
  /** VAULT_ADDR. */
  address: string;
  /** VAULT_NAMESPACE (Vault Enterprise). */
  namespace?: string;
  /**
   * CAs, in PEM, that may have signed Vault's certificate: those in VAULT_CACERT, otherwise those that are trusted
   * here.
   */
  cas: readonly string[];
  /** Milliseconds before each repetition of a request. Default: the delays of all retries. */
  delays?: readonly number[];
}

/** The Vault server that the environment names. @throws VaultError "configuration" */
export function vaultServer(environment: NodeJS.ProcessEnv, delays?: readonly number[]): VaultServer {
  const { VAULT_ADDR, VAULT_CACERT, VAULT_NAMESPACE } = environment;
  if (!VAULT_ADDR || !isHttpUrl(VAULT_ADDR)) {
    const given = VAULT_ADDR ? `VAULT_ADDR=${VAULT_ADDR} must begin with https:// or http://` : "VAULT_ADDR is not set";
    throw new VaultError("configuration", `${given}. Set it to the URL of Vault, e.g. https://vault.example.com:8200.`);
  }
  try {
    const cas = VAULT_CACERT ? readCaFile("VAULT_CACERT", VAULT_CACERT) : trustedCas(environment);
    return { address: VAULT_ADDR.replace(/\/+$/, ""), namespace: VAULT_NAMESPACE || undefined, cas, delays };
  } catch (error) {
    if (error instanceof RequestError) throw new VaultError("configuration", `${error.message}.`);
    throw error;
  }
}

/** A request to Vault's API. */
export interface VaultRequest {
  method?: "GET" | "POST" | "DELETE";
  /** Path below `/v1/`. */
  path: string;
  /** Lists the keys below the path. */
  list?: boolean;
  body?: unknown;
  token?: string;
}

/** The JSON body of an answer. */
export type VaultAnswer = Record<string, unknown>;

/**
 * Resolves to the answer; undefined if Vault answers 404 or with an empty body.
 *
 * @throws VaultError that says what to do
 */
export async function vaultRequest(server: VaultServer, request: VaultRequest): Promise<VaultAnswer | undefined> {
  const answer = await send(server, request);
  if (answer.status === 404) return undefined;
  if (answer.status >= 300) throw refused(server, request, answer);
  return answer.text ? parse(answer.text, server) : undefined;
}

async function send({ address, namespace, cas, delays }: VaultServer, request: VaultRequest): Promise<Answer> {
  const { method, path, list, body, token } = request;
  const headers = {
    "x-vault-request": "true", // agents and proxies in front of Vault may require it, as a protection against forged requests
    ...(token === undefined ? {} : { "x-vault-token": token }),
    ...(namespace === undefined ? {} : { "x-vault-namespace": namespace }),
  };
  const url = `${address}/v1/${path.split("/").map(encodeURIComponent).join("/")}${list ? "?list=true" : ""}`;
  try {
    return await sendWithRetries({ url, method, headers, body, cas }, delays);
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    const what = `The request to Vault at ${address} failed: ${error.message}.`;
    if (error.failure === "untrusted")
      throw new VaultError(
        "configuration",
        `${what} If your own CA signed its certificate, set VAULT_CACERT to a file with that CA.`,
      );
    throw new VaultError("unavailable", `${what} Check VAULT_ADDR, and check that Vault is running there.`);
  }
}

function refused({ address }: VaultServer, { method = "GET", path, list }: VaultRequest, answer: Answer): VaultError {
  const { status, text, headers } = answer;
  const reason = reasonOf(text);
  const what = `Vault at ${address}, ${method} ${path}: ${status}${reason ? ` ${reason}` : ""}.`;
  if (/is sealed/i.test(reason)) return new VaultError("sealed", `${what} Unseal it, then run the command again.`);
  if (status === 429 || status >= 500)
    return new VaultError("unavailable", `${what} Run the command again later; no progress is lost.`);
  if (status === 403 && /invalid token|bad token|missing client token/i.test(reason)) {
    return new VaultError("login", `${what} The token has expired or belongs to another Vault. Get a new token.`);
  }
  if (status === 403) {
    const [right, slash] = list ? ["list", "/"] : [method === "GET" ? "read" : "update", ""];
    return new VaultError(
      "access-denied",
      `${what} Add to the token's policy: path "${path}${slash}" { capabilities = ["${right}"] }.`,
    );
  }
  if (status < 400) {
    return new VaultError(
      "configuration",
      `${what} Vault redirects this request. Set VAULT_ADDR to the address that it names: ${String(headers.location)}.`,
    );
  }
  return new VaultError("failed", what);
}

/** The error messages in Vault's answer. A body of another shape may come from any server, so it is not repeated. */
function reasonOf(text: string): string {
  try {
    const { errors } = JSON.parse(text) as { errors?: unknown };
    return Array.isArray(errors) ? errors.join("; ").replace(/\s+/g, " ").trim() : "";
  } catch {
    return "";
  }
}

function parse(text: string, { address }: VaultServer): VaultAnswer {
  try {
    return JSON.parse(text) as VaultAnswer;
  } catch {
    throw new VaultError(
      "configuration",
      `The server at ${address} is not Vault: its answer is not JSON. Check VAULT_ADDR.`,
    );
  }
}
