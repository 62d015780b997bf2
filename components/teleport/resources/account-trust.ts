/** How Teleport knows the tokens of service accounts of a Kubernetes cluster that it does not run in. Pure. */
import type { SettingProblem } from "../../problems";

/** What signs a Kubernetes cluster's service-account tokens. Without either, Teleport asks the cluster that it runs in. */
export interface AccountTrust {
  jwks?: string;
  oidcIssuer?: string;
}

/** What tells it, in a token's spec. */
export function trustSpec({ jwks, oidcIssuer }: AccountTrust): Record<string, unknown> {
  return {
    ...(jwks === undefined ? {} : { type: "static_jwks", static_jwks: { jwks } }),
    ...(oidcIssuer === undefined ? {} : { type: "oidc", oidc: { issuer: oidcIssuer } }),
  };
}

/** Whether Teleport checks a token itself. It then has to be made out to the Teleport cluster. */
export function isCheckedByTeleport({ jwks, oidcIssuer }: AccountTrust): boolean {
  return jwks !== undefined || oidcIssuer !== undefined;
}

/** What is wrong with it; `at` gives the setting of each. */
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

/** Nothing of the value is shown: it may be anything, also a key that should be secret. */
function checkJwks(setting: string, jwks: unknown): SettingProblem[] {
  const fix = "Give what `kubectl get --raw /openid/v1/jwks` prints for the cluster of the pods.";
  const keys = keysOf(jwks);
  if (keys === undefined) return [{ setting, problem: "must be a JSON Web Key Set: JSON with a list of keys", fix }];
  if (keys.length === 0) return [{ setting, problem: "must have at least one key in its list of keys", fix }];
  if (keys.some((key) => key === null || typeof key !== "object" || typeof (key as { kty?: unknown }).kty !== "string"))
    return [{ setting, problem: "must have keys with a type (kty) each", fix }];
  if (keys.some((key) => ["d", "k"].some((secret) => secret in (key as object))))
    return [{ setting, problem: "holds a private key", fix: `${fix} Treat that key as leaked.` }];
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

/** Teleport adds `/.well-known/openid-configuration` to it, and compares it with what tokens and that document say. */
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
