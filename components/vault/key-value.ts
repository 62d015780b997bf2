/** Reads of Vault's key-value secrets engine, version 1 or 2. */
import { VaultAnswer, vaultRequest, vaultServer, VaultServer } from "./client";
import { VaultError } from "./errors";
import { withToken } from "./login";

/** Where a value is stored, e.g. `secret/teleport/ci#identity`. */
export interface KeyValuePath {
  /** The path as the `vault kv` command takes it, without the `data/` of version 2. */
  path: string;
  key: string;
}

/** Parses `<path>[#<key>]`. Returns undefined for any other text. */
export function parseKeyValuePath(text: string, defaultKey: string): KeyValuePath | undefined {
  const [, path, key = defaultKey] = /^\/*([^#]*[^#/])\/*(?:#([^#]+))?$/.exec(text.trim()) ?? [];
  return path !== undefined && path.includes("/") ? { path, key } : undefined;
}

/**
 * Reads one value with the environment's credentials for Vault.
 *
 * @param delays in milliseconds, before each repetition of a request that got no answer
 * @throws VaultError that says what to do
 */
export async function readKeyValue(
  { path, key }: KeyValuePath,
  environment: NodeJS.ProcessEnv,
  delays?: readonly number[],
): Promise<string> {
  const server = vaultServer(environment, delays);
  return withToken(server, environment, async (token) => valueOf(await readAll(server, token, path), path, key));
}

async function readAll(server: VaultServer, token: string, path: string): Promise<VaultAnswer> {
  const { mount, version } = await mountOf(server, token, path);
  const inside = path.slice(mount.length);
  const apiPath = version === 2 ? `${mount}data/${inside}` : path;
  const answer = await vaultRequest(server, { path: apiPath, token });
  const data = answer?.data as VaultAnswer | undefined;
  const values = version === 2 ? (data?.data as VaultAnswer | null | undefined) : data;
  if (values) return values;
  const hint =
    version === 2 && inside.startsWith("data/") ? ` Write the path without data/: ${mount}${inside.slice(5)}.` : "";
  throw new VaultError(
    "not-found",
    `Vault at ${server.address} has no secret at ${path}, or its newest version was deleted (read as ${apiPath}).${hint || " Create the secret, or correct the path."}`,
  );
}

/**
 * The mount and its version, found in the same way as `vault kv` finds them. A token that may read a path may also
 * read this about it.
 */
async function mountOf(server: VaultServer, token: string, path: string): Promise<{ mount: string; version: 1 | 2 }> {
  let answer: VaultAnswer | undefined;
  try {
    answer = await vaultRequest(server, { path: `sys/internal/ui/mounts/${path}`, token });
  } catch (error) {
    if (!(error instanceof VaultError) || error.failure !== "access-denied") throw error;
    throw new VaultError(
      "access-denied",
      `This token may not read anything below ${path} in Vault at ${server.address}, or the mount does not exist. ` +
        `Add to the token's policy: path "${withData(path)}" { capabilities = ["read"] } (without data/ for a mount of version 1).`,
    );
  }
  const { path: mount, options } = (answer?.data ?? {}) as { path?: string; options?: { version?: string } | null };
  if (mount === undefined) return { mount: "", version: 1 }; // before Vault 0.10
  return { mount, version: options?.version === "2" ? 2 : 1 };
}

/** The path in version 2, for a message. Assumes that the name of the mount has no slash. */
function withData(path: string): string {
  return path.replace("/", "/data/");
}

function valueOf(values: VaultAnswer, path: string, key: string): string {
  const value = values[key];
  if (typeof value === "string" && value !== "") return value;
  const keys = Object.keys(values).join(", ") || "none";
  const problem = value === undefined ? "has no key" : "has no non-empty string in the key";
  throw new VaultError("not-found", `${path} in Vault ${problem} ${key}. Its keys: ${keys}.`);
}
