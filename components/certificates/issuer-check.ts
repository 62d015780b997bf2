/** What may be wrong with the settings of an issuer. Pure. */
import { SettingProblem } from "../problems";
import { known } from "../value-check";
import { checkDuration, hours } from "./duration";
import {
  CertificateKey,
  CertificateUse,
  declaredCas,
  declaredRoles,
  DEFAULT_ISSUER,
  IssuerArgs,
  KEY_SIZES,
  lifetimes,
} from "./issuer";
import { readPem } from "./pem";

/** Checks the settings of an issuer. */
export function checkIssuer(setting: string, issuer: IssuerArgs): SettingProblem[] {
  const durations = [
    ...checkDuration(`${setting}.validity`, issuer.validity ?? "90d"),
    ...checkDuration(`${setting}.renewBefore`, issuer.renewBefore ?? "30d"),
    ...(issuer.type === "tls" ? checkDuration(`${setting}.caValidity`, issuer.caValidity ?? "3650d") : []),
  ];
  const problemsOfKey = checkKey(`${setting}.key`, issuer.key);
  const authorities = (["server", "client"] as const).flatMap((use) =>
    checkAuthorities(`${setting}.${use}`, issuer, use),
  );
  if (durations.length > 0) return [...durations, ...problemsOfKey, ...authorities];
  const { validity, renewBefore } = lifetimes(issuer);
  const problems: SettingProblem[] = [...problemsOfKey, ...authorities, ...checkTrustAnchors(setting, issuer)];
  if (renewBefore >= validity) {
    problems.push({
      setting: `${setting}.renewBefore`,
      value: issuer.renewBefore ?? "30d",
      problem: `is not shorter than the certificates' lifetime of ${validity} h, so that every run would renew them`,
      fix: "Choose about a third of validity.",
    });
  }
  if (issuer.type === "tls" && hours(issuer.caValidity ?? "3650d") <= validity) {
    problems.push({
      setting: `${setting}.caValidity`,
      value: issuer.caValidity ?? "3650d",
      problem: `is not longer than the certificates' lifetime of ${validity} h`,
      fix: "Give the CAs several times the lifetime of what they sign.",
    });
  }
  return problems;
}

function checkKey(setting: string, key: CertificateKey | undefined): SettingProblem[] {
  if (key === undefined) return [];
  const sizes = KEY_SIZES[key.algorithm] as readonly number[] | undefined;
  if (sizes === undefined) {
    const problem = "must be a kind of key that PostgreSQL and its clients support";
    return [{ setting: `${setting}.algorithm`, value: key.algorithm, problem, fix: "Write ECDSA or RSA." }];
  }
  if (key.size === undefined || sizes.includes(key.size)) return [];
  const problem = `must be a size of ${key.algorithm} keys`;
  return [{ setting: `${setting}.size`, value: key.size, problem, fix: `Write ${sizes.join(", ")}, or leave it out.` }];
}

/** What is known of it beforehand; that it is the right one shows when something is signed. */
function checkTrustAnchors(setting: string, issuer: IssuerArgs): SettingProblem[] {
  if (issuer.type !== "vault" || typeof issuer.trustAnchors !== "string" || issuer.trustAnchors === "") return [];
  return readPem(issuer.trustAnchors).problems.map((found) => ({ setting: `${setting}.trustAnchors`, ...found }));
}

/** As a part of a resource's name and of a CA's. */
const CA_NAME = /^[a-z0-9]([-a-z0-9]{0,30}[a-z0-9])?$/;
/** A name or an id of Vault's; no part of a path, so that nothing else can be read by it. */
const ISSUER_REF = /^[\w-]+(\.[\w-]+)*$/;

/** What is wrong with the CAs of a use: the list is empty, names one twice, or has a name that is none. */
function checkAuthorities(setting: string, issuer: IssuerArgs, use: CertificateUse): SettingProblem[] {
  const entries =
    issuer.type === "tls"
      ? declaredCas(issuer[use]).map((name) => ({ name, told: `the CA ${name}` }))
      : declaredRoles(issuer[use]).map(({ mount, issuer: ref = DEFAULT_ISSUER }, index) => ({
          name: ref,
          // Whether a mount that is not known yet is another one's is looked at when it is.
          told: `the CA of ${known(mount) ?? `mount ${index}`}${ref === DEFAULT_ISSUER ? "" : `, issuer ${ref}`}`,
        }));
  if (entries.length === 0) {
    return [{ setting, value: [], problem: "names no CA", fix: "Name the one that signs, or leave the setting out." }];
  }
  return entries.flatMap(({ name, told }, index) => {
    const at = Array.isArray(issuer[use]) ? `${setting}[${index}]` : setting;
    if (entries.findIndex((other) => other.told === told) < index) {
      const fix = "Name each CA once: the one that signs first, then the others that are trusted.";
      return [{ setting: at, value: issuer.type === "tls" ? name : undefined, problem: `names ${told} twice`, fix }];
    }
    if (issuer.type === "tls") {
      const fix = "Use at most 32 lower-case letters, digits and hyphens, e.g. second.";
      return CA_NAME.test(name) ? [] : [{ setting: at, value: name, problem: "is no name of a CA", fix }];
    }
    const fix = "Write the name or the id of an issuer, as `vault list <mount>/issuers` shows it.";
    return ISSUER_REF.test(name)
      ? []
      : [{ setting: `${at}.issuer`, value: name, problem: "is no name of an issuer", fix }];
  });
}
