/**
 * Finds out why tctl cannot connect. tctl gives no reason, so this module uses what else is known: the proxy's public
 * ping, the identity, and tctl's own version. Pure.
 */
import { TeleportError } from "./errors";
import type { IdentityFacts } from "./identity";
import type { ProxyPing } from "./ping";

export interface Circumstances {
  /** The command that failed, e.g. `tctl get`. */
  command: string;
  /** `host:port`. */
  proxy: string;
  identity: IdentityFacts;
  ping: ProxyPing;
  /** Output of `tctl version`; undefined if it printed nothing. */
  tctlVersion?: string;
}

/**
 * The error with the reason. Undefined if Teleport answers and nothing is known that keeps this identity from
 * connecting.
 */
export function whyNotConnected(
  { command, proxy, identity, ping, tctlVersion }: Circumstances,
  now: Date = new Date(),
): TeleportError | undefined {
  const failed = `${command} at ${proxy} failed:`;
  if (ping.answers === "no") {
    const next = `Check that Teleport answers at ${proxy}, then run the command again; no progress is lost.`;
    return new TeleportError("unavailable", `${failed} it cannot connect (${ping.why}). ${next}`);
  }
  if (ping.answers === "untrusted") {
    const next = "If your own CA signed the proxy's certificate, set SSL_CERT_FILE to a file with that CA.";
    return new TeleportError("failed", `${failed} the proxy's certificate is not trusted here (${ping.why}). ${next}`);
  }
  const { source = "of `tsh login`", expires, cluster } = identity;
  if (expires && expires <= now) {
    const next = "Get a new identity, then run the command again; no progress is lost.";
    return new TeleportError(
      "identity",
      `${failed} the identity ${source} expired at ${expires.toISOString()}. ${next}`,
    );
  }
  if (ping.cluster !== undefined && cluster !== undefined && cluster !== ping.cluster) {
    return new TeleportError(
      "identity",
      `${failed} the identity ${source} belongs to the Teleport cluster ${cluster}, but the cluster there is ${ping.cluster}. ` +
        `Get an identity of ${ping.cluster}, or correct the proxy.`,
    );
  }
  const version = versionIn(tctlVersion);
  if (version && ping.oldestClient && isOlder(version, ping.oldestClient)) {
    return new TeleportError(
      "tctl-version",
      `${failed} tctl ${version} is too old for the Teleport cluster there, which is ${ping.version} and accepts ` +
        `${ping.oldestClient} and newer. Install tctl ${ping.version}.`,
    );
  }
  return undefined;
}

/** The error if Teleport answers but refuses tctl twice, before and after the ping. */
export function identityRefused({ command, proxy, identity, ping, tctlVersion }: Circumstances): TeleportError {
  const { source = "of `tsh login`", user } = identity;
  const name = user === undefined ? "<user>" : user;
  const server = ping.answers === "yes" ? ping.version : undefined;
  const [mine, theirs] = [versionIn(tctlVersion), versionIn(server)];
  const skew =
    mine && theirs && majorOf(mine) !== majorOf(theirs) ? ` tctl is ${mine}, and Teleport is ${theirs}.` : "";
  return new TeleportError(
    "identity",
    `${command} at ${proxy} failed: Teleport answers there, but refuses the identity ${source}` +
      `${user === undefined ? "" : ` (user ${user})`}: the user is locked or was deleted, or Teleport's user CA was ` +
      `rotated after the identity was signed.${skew} Check \`tctl get locks\` and \`tctl get user/${name}\`, get a new identity, then ` +
      "run the command again; no progress is lost.",
  );
}

/** `13.3.8` of `Teleport v13.3.8 git:… go1.21`. */
function versionIn(text: string | undefined): string | undefined {
  return /\bv?(\d+\.\d+\.\d+)/.exec(text ?? "")?.[1];
}

function majorOf(version: string): number {
  return Number(version.split(".")[0]);
}

/** Compares by numbers. A pre-release counts as the release. */
function isOlder(version: string, than: string): boolean {
  const [mine, theirs] = [version, than].map((text) => (versionIn(text) ?? "0.0.0").split(".").map(Number));
  const differs = mine!.findIndex((number, place) => number !== theirs![place]);
  return differs >= 0 && mine![differs]! < theirs![differs]!;
}
