/** The database client CA of a test's own Teleport, its rotation, and its certificates in a Cluster's bundle. */
import { X509Certificate } from "node:crypto";
import { eventually, kubectl } from "../lab/lab";
import { OwnTeleport } from "./own-teleport";
import { SteadyLogins } from "./steady-logins";

/** Fingerprints of certificates. */
interface DatabaseCa {
  phase: string;
  active: string[];
  additional: string[];
}

interface KeySet {
  tls?: { cert: string }[];
}

/** Time limit in milliseconds for commands that hang. */
const LIMIT = 180_000;

/** Read with `tctl`, not with the product's code. */
export async function databaseCa(teleport: OwnTeleport): Promise<DatabaseCa> {
  const found = (await teleport.get("cert_authorities")).find(({ spec }) => spec.type === "db");
  const spec = (found?.spec ?? {}) as {
    rotation?: { phase?: string };
    active_keys?: KeySet;
    additional_trusted_keys?: KeySet;
  };
  const fingerprints = ({ tls = [] }: KeySet = {}) =>
    tls.map(({ cert }) => new X509Certificate(Buffer.from(cert, "base64")).fingerprint256);
  return {
    phase: spec.rotation?.phase ?? "standby",
    active: fingerprints(spec.active_keys),
    additional: fingerprints(spec.additional_trusted_keys),
  };
}

/** Runs `tctl auth rotate …` as the product's warning writes it, and waits until Teleport shows the phase. */
export async function rotate(teleport: OwnTeleport, logins: SteadyLogins, command: string): Promise<void> {
  const phase = /--phase=(\w+)/.exec(command)?.[1] ?? "init";
  await logins.enter(phase);
  await teleport.tctl(command.split(" ").slice(1));
  const shown = async () => (await databaseCa(teleport)).phase === phase;
  await eventually(`Teleport shows the phase ${phase}`, shown, LIMIT);
}

export function rotateCommand(phase: string): string {
  return `tctl auth rotate --type=db --manual --phase=${phase}`;
}

/** Fingerprints of the CAs that a Cluster trusts. Its namespace has the same name. */
export async function bundleOf(cluster: string): Promise<string[]> {
  const path = "jsonpath={.data.ca\\.crt}";
  const data = await kubectl("-n", cluster, "get", "secret", `${cluster}-client-ca-bundle`, "-o", path);
  const pem = Buffer.from(data, "base64").toString();
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g) ?? [];
  return blocks.map((block) => new X509Certificate(block).fingerprint256);
}

/** The warning of a rotation in the output of `pulumi`; undefined if there is none. */
export function rotationWarningIn(output: string): string | undefined {
  return /warning: (The database CA of the Teleport cluster .*)/.exec(output)?.[1];
}

/** The commands that a warning names for after `pulumi up`, including the last `pulumi up`. */
export function commandsToGoOn(warning: string): string[] {
  const goOn = /[Cc]ontinue in this order: (.*?), which removes the (?:former|new) CA/.exec(warning)?.[1] ?? "";
  return [...goOn.matchAll(/`([^`]+)`/g)].map(([, command]) => command ?? "");
}
