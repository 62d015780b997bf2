/** Passwords that a directory checks. Pure. */
import { SettingProblem } from "../problems";
import { checkObjectName } from "../kubernetes/names";
import { checkOneOf, checkWhole, wrong } from "../value-check";

/**
 * LDAP in place of passwords that PostgreSQL keeps, for every role and every IPv4 address that no rule of `pgHba`
 * names: CNPG writes `host all all 0.0.0.0/0 ldap …` after them. Becomes `spec.postgresql.ldap`.
 */
export interface Ldap {
  /** Host name or address of the server. */
  server: string;
  /** Default: PostgreSQL's, 389, or 636 for `ldaps`. */
  port?: number;
  /** `ldaps`: TLS from the beginning. Default: `ldap`, which needs `tls: true`. */
  scheme?: "ldap" | "ldaps";
  /** TLS by StartTLS. Default: false. */
  tls?: boolean;
  /** Logs in as prefix + user + suffix. */
  bindAsAuth?: {
    /** Before the user's name, e.g. `cn=`. Default: nothing. */
    prefix?: string;
    /** After the user's name, e.g. `,dc=example,dc=com`. Default: nothing. */
    suffix?: string;
  };
  /** Looks the user up first. */
  bindSearchAuth?: {
    /** Where users are looked up, e.g. `ou=people,dc=example,dc=com`. */
    baseDN: string;
    /** Who looks them up. Default: nobody in particular. */
    bindDN?: string;
    /** The password of `bindDN`: a key of a Secret in the Cluster's namespace. */
    bindPassword?: {
      /** Name of the Secret. */
      name: string;
      /** Its key. */
      key: string;
    };
    /** Default: PostgreSQL's, `uid`. */
    searchAttribute?: string;
    /** In place of `searchAttribute`, e.g. `(&(objectClass=person)(uid=$username))`. */
    searchFilter?: string;
  };
}

export function checkLdap(setting: string, ldap: Ldap | undefined): SettingProblem[] {
  if (!ldap) return [];
  const { server, port, scheme, tls = false, bindAsAuth, bindSearchAuth } = ldap;
  const secured = scheme === "ldaps";
  return [
    ...(/^[^\s"/]+$/.test(server)
      ? []
      : wrong(`${setting}.server`, server, "is no host name", "Write a host without a scheme, e.g. ldap.example.com.")),
    ...checkPort(`${setting}.port`, port),
    ...checkOneOf(`${setting}.scheme`, scheme, ["ldap", "ldaps"]),
    ...(secured === tls
      ? wrong(
          `${setting}.tls`,
          tls,
          secured ? "begins TLS within TLS" : "sends passwords in clear to the directory",
          secured ? "Remove it: scheme: ldaps is TLS." : "Set tls: true, or scheme: ldaps.",
        )
      : []),
    ...((bindAsAuth === undefined) === (bindSearchAuth === undefined)
      ? wrong(
          setting,
          undefined,
          `has ${bindAsAuth ? "two ways" : "no way"} of finding users`,
          "Use one of bindAsAuth and bindSearchAuth.",
        )
      : []),
    ...(bindSearchAuth ? checkSearch(`${setting}.bindSearchAuth`, bindSearchAuth) : []),
  ];
}

function checkPort(setting: string, port: number | undefined): SettingProblem[] {
  return port !== undefined && port > 65_535
    ? wrong(setting, port, "is no port", "Use a number up to 65535.")
    : checkWhole(setting, port, "a port", 1);
}

/** CNPG writes `ldapbinddn` and `ldapbindpasswd` either way, so that one without the other is a login that fails. */
function checkSearch(setting: string, search: NonNullable<Ldap["bindSearchAuth"]>): SettingProblem[] {
  const { baseDN, bindDN, bindPassword, searchAttribute, searchFilter } = search;
  return [
    ...(baseDN ? [] : wrong(`${setting}.baseDN`, baseDN, "is empty", "Write e.g. ou=people,dc=example,dc=com.")),
    ...((bindDN === undefined) === (bindPassword === undefined)
      ? []
      : wrong(
          `${setting}.${bindDN === undefined ? "bindDN" : "bindPassword"}`,
          undefined,
          "is missing",
          "Give both bindDN and bindPassword, or neither.",
        )),
    ...(bindPassword ? checkObjectName(`${setting}.bindPassword.name`, bindPassword.name, "Secret") : []),
    ...(bindPassword && !/^[-._a-zA-Z0-9]+$/.test(bindPassword.key)
      ? wrong(`${setting}.bindPassword.key`, bindPassword.key, "is no key of a Secret", "Write e.g. password.")
      : []),
    ...(searchAttribute !== undefined && searchFilter !== undefined
      ? wrong(`${setting}.searchFilter`, searchFilter, "excludes searchAttribute", "Remove one of the two.")
      : []),
  ];
}
