/** How Teleport verifies service-account tokens of a Kubernetes cluster that it does not run in. Pure. */
import type { SettingProblem } from "../../problems";

/**
 * The signer of a Kubernetes cluster's service-account tokens. Without either field, Teleport asks the cluster that
 * it runs in.
 */
export interface AccountTrust {
  jwks?: string;
  oidcIssuer?: string;
}

/** The fields of a join token's spec. */
export function trustSpec({ jwks, oidcIssuer }: AccountTrust): Record<string, unknown> {
  return {
    ...(jwks === undefined ? {} : { type: "static_jwks", static_jwks: { jwks } }),
    ...(oidcIssuer === undefined ? {} : { type: "oidc", oidc: { issuer: oidcIssuer } }),
  };
}

/** Whether Teleport verifies a token itself. The token's audience must then be the name of the Teleport cluster. */
export function isCheckedByTeleport({ jwks, oidcIssuer }: AccountTrust): boolean {
  return jwks !== undefined || oidcIssuer !== undefined;
}

/** Returns every problem. `at` returns the name of the setting. */
export function checkTrust(
  { jwks, oidcIssuer }: { [Setting in keyof AccountTrust]?: unknown },
  at: (setting: keyof AccountTrust) => string,
): SettingProblem[] {
  const both =
    jwks === undefined || oidcIssuer === undefined
      ? []
      : [
          {
            setting: at("oidcIssuer"),
            value: oidcIssuer,
            problem: `cannot be combined with ${at("jwks")}`,
            fix: "If Teleport can reach the cluster's issuer, keep oidcIssuer and remove jwks. Otherwise keep jwks.",
          },
        ];
  return [
    ...both,
    ...(jwks === undefined ? [] : checkJwks(at("jwks"), jwks)),
    ...(oidcIssuer === undefined ? [] : checkIssuer(at("oidcIssuer"), oidcIssuer)),
  ];
}

/** Messages do not show the value: it may be anything, even a private key. */
function checkJwks(setting: string, jwks: unknown): SettingProblem[] {
  const fix = "Write the output of `kubectl get --raw /openid/v1/jwks` of the pods' cluster.";
  const keys = keysOf(jwks);
  if (keys === undefined) return [{ setting, problem: "must be a JSON Web Key Set: JSON with a list of keys", fix }];
  if (keys.length === 0) return [{ setting, problem: "must have at least one key in its list of keys", fix }];
  if (keys.some((key) => key === null || typeof key !== "object" || typeof (key as { kty?: unknown }).kty !== "string"))
    return [{ setting, problem: "must have a type (kty) for each key", fix }];
  if (keys.some((key) => ["d", "k"].some((secret) => secret in (key as object))))
    return [{ setting, problem: "contains a private key", fix: `${fix} Treat that key as leaked.` }];
  return [];
}

function keysOf(jwks: unknown): unknown[] | undefined {
  if (typeof jwks !== "string") return undefined;
  try {
    const set = JSON.parse(jwks) as { keys?: unknown } | null;
    return Array.isArray(set?.keys) ? (set.keys as unknown[]) : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Teleport appends `/.well-known/openid-configuration` to the issuer, and compares the issuer with the one in tokens
 * and in that document.
 */
function checkIssuer(setting: string, issuer: unknown): SettingProblem[] {
  const url = typeof issuer === "string" && URL.canParse(issuer) ? new URL(issuer) : undefined;
  const isPlain = url !== undefined && url.search === "" && url.hash === "" && url.username === "";
  if (url?.protocol === "https:" && isPlain) return [];
  return [
    {
      setting,
      value: issuer,
      problem: "must be an https URL without a query",
      fix: "Write the issuer that `kubectl get --raw /.well-known/openid-configuration` prints, and that Teleport can reach.",
    },
  ];
}
