/**
 * The adapter to Vault for what is read while an operation runs, and must not get into the state as Pulumi's Vault
 * provider would put it. Address and credentials come from the variables that the `vault` command takes.
 */
import { RequestError } from "../http/errors";
import { Answer, answerTo } from "../http/request";
import { casOfFile, trustedCas } from "../http/trusted-cas";
import { isHttpUrl } from "../http/url";
import { VaultError } from "./errors";

/** How a Vault is reached. */
export interface VaultServer {
  /** VAULT_ADDR. */
  address: string;
  /** VAULT_NAMESPACE (Vault Enterprise). */
  namespace?: string;
  /** PEM of the CAs that its certificate may be signed by: VAULT_CACERT, else those that are trusted here. */
  cas: readonly string[];
  /** Milliseconds before each repetition of a request; the default is that of all our retries. */
  delays?: readonly number[];
}

/** The Vault that the environment names. @throws VaultError "configuration" */
export function vaultServer(environment: NodeJS.ProcessEnv, delays?: readonly number[]): VaultServer {
  const { VAULT_ADDR, VAULT_CACERT, VAULT_NAMESPACE } = environment;
  if (!VAULT_ADDR || !isHttpUrl(VAULT_ADDR)) {
    const given = VAULT_ADDR ? `VAULT_ADDR=${VAULT_ADDR} must begin with https:// or http://` : "VAULT_ADDR is not set";
    throw new VaultError("configuration", `${given}. Set it to Vault's, e.g. https://vault.example.com:8200.`);
  }
  try {
    const cas = VAULT_CACERT ? casOfFile("VAULT_CACERT", VAULT_CACERT) : trustedCas(environment);
    return { address: VAULT_ADDR.replace(/\/+$/, ""), namespace: VAULT_NAMESPACE || undefined, cas, delays };
  } catch (error) {
    if (error instanceof RequestError) throw new VaultError("configuration", `${error.message}.`);
    throw error;
  }
}

/** A request to Vault's API. */
export interface VaultRequest {
  method?: "GET" | "POST" | "DELETE";
  /** Below `/v1/`. */
  path: string;
  body?: unknown;
  token?: string;
}

/** What Vault answers where it has something to say. */
export type VaultAnswer = Record<string, unknown>;

/**
 * Resolves to the answer; undefined where there is nothing (404) or nothing is said.
 *
 * @throws VaultError saying what to do
 */
export async function vaultRequest(server: VaultServer, request: VaultRequest): Promise<VaultAnswer | undefined> {
  const answer = await send(server, request);
  if (answer.status === 404) return undefined;
  if (answer.status >= 300) throw refused(server, request, answer);
  return answer.text ? parse(answer.text, server) : undefined;
}

async function send({ address, namespace, cas, delays }: VaultServer, request: VaultRequest): Promise<Answer> {
  const { method, path, body, token } = request;
  const headers = {
    "x-vault-request": "true", // agents and proxies in front of Vault may ask for it, against forged requests
    ...(token === undefined ? {} : { "x-vault-token": token }),
    ...(namespace === undefined ? {} : { "x-vault-namespace": namespace }),
  };
  const url = `${address}/v1/${path.split("/").map(encodeURIComponent).join("/")}`;
  try {
    return await answerTo({ url, method, headers, body, cas }, delays);
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    const what = `Vault at ${address} could not be asked: ${error.message}.`;
    if (error.failure === "untrusted")
      throw new VaultError(
        "configuration",
        `${what} If a CA of your own signed its certificate, name it in VAULT_CACERT.`,
      );
    throw new VaultError("unavailable", `${what} Check VAULT_ADDR, and that Vault answers there.`);
  }
}

function refused({ address }: VaultServer, { method = "GET", path }: VaultRequest, answer: Answer): VaultError {
  const { status, text, headers } = answer;
  const told = reasons(text);
  const what = `Vault at ${address}, ${method} ${path}: ${status}${told ? ` ${told}` : ""}.`;
  if (/is sealed/i.test(told)) return new VaultError("sealed", `${what} Unseal it, then run the command again.`);
  if (status === 429 || status >= 500)
    return new VaultError("unavailable", `${what} Run the command again later: nothing was forgotten.`);
  if (status === 403 && /invalid token|bad token|missing client token/i.test(told)) {
    return new VaultError("login", `${what} The token has expired or is of another Vault: get a new one.`);
  }
  if (status === 403) {
    return new VaultError(
      "access-denied",
      `${what} Give the token's policy: path "${path}" { capabilities = ["${method === "GET" ? "read" : "update"}"] }.`,
    );
  }
  if (status < 400) {
    return new VaultError("configuration", `${what} Set VAULT_ADDR to where it leads: ${String(headers.location)}.`);
  }
  return new VaultError("failed", what);
}

/** Vault's own words; a body of another shape, which could be anybody's, is not repeated. */
function reasons(text: string): string {
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
    throw new VaultError("configuration", `What answers at ${address} is no Vault: no JSON came. Check VAULT_ADDR.`);
  }
}
