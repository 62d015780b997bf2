/** Reads of Vault's key-value secrets engine, version 1 or 2. */
import { VaultAnswer, vaultRequest, vaultServer, VaultServer } from "./client";
import { VaultError } from "./errors";
import { withToken } from "./login";

/** Where a value lies: `secret/teleport/ci#identity`. */
export interface KeyValuePath {
  /** As the `vault kv` command takes it, without the `data/` of version 2. */
  path: string;
  key: string;
}

/** Reads `<path>[#<key>]`; undefined if it is none. */
export function parseKeyValuePath(text: string, defaultKey: string): KeyValuePath | undefined {
  const [, path, key = defaultKey] = /^\/*([^#]*[^#/])\/*(?:#([^#]+))?$/.exec(text.trim()) ?? [];
  return path !== undefined && path.includes("/") ? { path, key } : undefined;
}

/**
 * Reads one value with the environment's credentials for Vault.
 *
 * @param delays in milliseconds, before each repetition of a request that was not answered
 * @throws VaultError saying what to do
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
  const asked = version === 2 ? `${mount}data/${inside}` : path;
  const answer = await vaultRequest(server, { path: asked, token });
  const data = answer?.data as VaultAnswer | undefined;
  const values = version === 2 ? (data?.data as VaultAnswer | null | undefined) : data;
  if (values) return values;
  const hint =
    version === 2 && inside.startsWith("data/") ? ` Write it without data/: ${mount}${inside.slice(5)}.` : "";
  throw new VaultError(
    "not-found",
    `Vault at ${server.address} has nothing at ${path}, or its newest version was deleted (read as ${asked}).${hint || " Write it, or correct the path."}`,
  );
}

/** The mount and its version, as `vault kv` finds them out. Whoever may read a path may ask this about it. */
async function mountOf(server: VaultServer, token: string, path: string): Promise<{ mount: string; version: 1 | 2 }> {
  let answer: VaultAnswer | undefined;
  try {
    answer = await vaultRequest(server, { path: `sys/internal/ui/mounts/${path}`, token });
  } catch (error) {
    if (!(error instanceof VaultError) || error.failure !== "access-denied") throw error;
    throw new VaultError(
      "access-denied",
      `Vault at ${server.address} lets this token see nothing of ${path}, if the mount exists at all. ` +
        `Give its policy: path "${withData(path)}" { capabilities = ["read"] } (without data/ for a mount of version 1).`,
    );
  }
  const { path: mount, options } = (answer?.data ?? {}) as { path?: string; options?: { version?: string } | null };
  if (mount === undefined) return { mount: "", version: 1 }; // before Vault 0.10
  return { mount, version: options?.version === "2" ? 2 : 1 };
}

/** The path as version 2 knows it, supposing that the mount's name has no slash: for a message. */
function withData(path: string): string {
  return path.replace("/", "/data/");
}

function valueOf(values: VaultAnswer, path: string, key: string): string {
  const value = values[key];
  if (typeof value === "string" && value !== "") return value;
  const keys = Object.keys(values).join(", ") || "none";
  const problem = value === undefined ? "has no key" : "has no text in the key";
  throw new VaultError("not-found", `${path} in Vault ${problem} ${key}. Its keys: ${keys}.`);
}
