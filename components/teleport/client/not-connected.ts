/**
 * Why tctl cannot connect. It does not say, so that all else that is known has to: what the proxy tells anybody, the
 * identity, and tctl's own version. Pure.
 */
import { TeleportError } from "./errors";
import type { IdentityFacts } from "./identity";
import type { ProxyPing } from "./ping";

export interface Circumstances {
  /** What could not be done, e.g. `tctl get`. */
  command: string;
  /** `host:port`. */
  proxy: string;
  identity: IdentityFacts;
  ping: ProxyPing;
  /** What `tctl version` printed; undefined if it printed nothing. */
  tctlVersion?: string;
}

/** The error that tells; undefined where Teleport answers, and nothing is known that keeps this identity from it. */
export function whyNotConnected(
  { command, proxy, identity, ping, tctlVersion }: Circumstances,
  now: Date = new Date(),
): TeleportError | undefined {
  const failed = `${command} at ${proxy} failed:`;
  if (ping.answers === "no") {
    const next = `Check that Teleport answers at ${proxy}, then run the command again: nothing was forgotten.`;
    return new TeleportError("unavailable", `${failed} it cannot connect (${ping.why}). ${next}`);
  }
  if (ping.answers === "untrusted") {
    const next = "If a CA of your own signed the proxy's certificate, name it in SSL_CERT_FILE.";
    return new TeleportError("failed", `${failed} the proxy's certificate is not trusted here (${ping.why}). ${next}`);
  }
  const { source = "that of `tsh login`", expires, cluster } = identity;
  if (expires && expires <= now) {
    const next = "Get a new one, and run the command again: nothing was forgotten.";
    return new TeleportError(
      "identity",
      `${failed} the identity ${source} expired at ${expires.toISOString()}. ${next}`,
    );
  }
  if (ping.cluster !== undefined && cluster !== undefined && cluster !== ping.cluster) {
    return new TeleportError(
      "identity",
      `${failed} the identity ${source} is of the Teleport cluster ${cluster}, and the cluster there is ${ping.cluster}. ` +
        `Get an identity of ${ping.cluster}, or correct the proxy.`,
    );
  }
  const version = versionIn(tctlVersion);
  if (version && ping.oldestClient && isOlder(version, ping.oldestClient)) {
    return new TeleportError(
      "tctl-version",
      `${failed} tctl ${version} is too old for the Teleport cluster there, which is ${ping.version} and takes ` +
        `${ping.oldestClient} and newer. Install tctl ${ping.version}.`,
    );
  }
  return undefined;
}

/** The error where Teleport answers, and tctl is not let in before and after it did. */
export function notLetIn({ command, proxy, identity, ping, tctlVersion }: Circumstances): TeleportError {
  const { source = "that of `tsh login`", user } = identity;
  const name = user === undefined ? "<user>" : user;
  const server = ping.answers === "yes" ? ping.version : undefined;
  const [mine, theirs] = [versionIn(tctlVersion), versionIn(server)];
  const skew = mine && theirs && majorOf(mine) !== majorOf(theirs) ? ` tctl is ${mine}, and Teleport ${theirs}.` : "";
  return new TeleportError(
    "identity",
    `${command} at ${proxy} failed: Teleport answers there, but does not let the identity ${source} in` +
      `${user === undefined ? "" : ` (user ${user})`}: the user is locked or was deleted, or Teleport's CA for users was ` +
      `rotated since it was signed.${skew} Look at \`tctl get locks\` and \`tctl get user/${name}\`, get a new identity, and ` +
      "run the command again: nothing was forgotten.",
  );
}

/** `13.3.8` of `Teleport v13.3.8 git:… go1.21`. */
function versionIn(text: string | undefined): string | undefined {
  return /\bv?(\d+\.\d+\.\d+)/.exec(text ?? "")?.[1];
}

function majorOf(version: string): number {
  return Number(version.split(".")[0]);
}

/** By numbers; a version before a release counts as the release. */
function isOlder(version: string, than: string): boolean {
  const [mine, theirs] = [version, than].map((text) => (versionIn(text) ?? "0.0.0").split(".").map(Number));
  const differs = mine!.findIndex((number, place) => number !== theirs![place]);
  return differs >= 0 && mine![differs]! < theirs![differs]!;
}
