/** Passwords that a directory checks: `spec.postgresql.ldap`, as far as the operator does not look at it. Pure. */
import { SettingProblem } from "../problems";
import { checkObjectName } from "../kubernetes/names";
import { isObject, checkWhole, wrong } from "../value-check";
import { numberAt, Spec, textAt, valueAt } from "./spec-fields";
import type { At } from "./spec-values";

export function checkLdap(at: At, spec: Spec): SettingProblem[] {
  const ldap = valueAt(spec, "postgresql.ldap");
  if (!isObject(ldap)) return [];
  const setting = at("postgresql.ldap");
  const server = textAt(ldap, "server");
  const search = ldap.bindSearchAuth;
  return [
    ...(!server || /^[^\s"/]+$/.test(server)
      ? []
      : wrong(`${setting}.server`, server, "is no host name", "Write a host without a scheme, e.g. ldap.example.com.")),
    ...checkPort(`${setting}.port`, numberAt(ldap, "port")),
    ...checkTls(`${setting}.tls`, textAt(ldap, "scheme") === "ldaps", ldap.tls ?? false),
    ...(isAbsent(ldap.bindAsAuth) && isAbsent(search)
      ? wrong(setting, undefined, "has no way of finding users", "Use one of bindAsAuth and bindSearchAuth.")
      : []),
    ...(isObject(search) ? checkSearch(`${setting}.bindSearchAuth`, search) : []),
  ];
}

/** Null is left out, for the API server. */
const isAbsent = (value: unknown) => value === undefined || value === null;

/** A value that is neither true nor false is refused by the operator, or is known later only. */
function checkTls(setting: string, secured: boolean, tls: unknown): SettingProblem[] {
  if (tls !== secured) return [];
  return wrong(
    setting,
    tls,
    secured ? "begins TLS within TLS" : "sends passwords in clear to the directory",
    secured ? "Remove it: scheme: ldaps is TLS." : "Set tls: true, or scheme: ldaps.",
  );
}

function checkPort(setting: string, port: number | undefined): SettingProblem[] {
  return port !== undefined && port > 65_535
    ? wrong(setting, port, "is no port", "Use a number up to 65535.")
    : checkWhole(setting, port, "a port", 1);
}

/** CNPG writes `ldapbinddn` and `ldapbindpasswd` either way, so that one without the other is a login that fails. */
function checkSearch(setting: string, search: Spec): SettingProblem[] {
  const { baseDN = "", bindDN, bindPassword, searchAttribute, searchFilter } = search;
  const key = textAt(bindPassword, "key");
  return [
    ...(baseDN === "" ? wrong(`${setting}.baseDN`, baseDN, "is empty", "Write e.g. ou=people,dc=example,dc=com.") : []),
    ...(isAbsent(bindDN) === isAbsent(bindPassword)
      ? []
      : wrong(
          `${setting}.${isAbsent(bindDN) ? "bindDN" : "bindPassword"}`,
          undefined,
          "is missing",
          "Give both bindDN and bindPassword, or neither.",
        )),
    ...checkObjectName(`${setting}.bindPassword.name`, textAt(bindPassword, "name"), "Secret"),
    ...(key !== undefined && !/^[-._a-zA-Z0-9]+$/.test(key)
      ? wrong(`${setting}.bindPassword.key`, key, "is no key of a Secret", "Write e.g. password.")
      : []),
    ...(!isAbsent(searchAttribute) && !isAbsent(searchFilter)
      ? wrong(`${setting}.searchFilter`, searchFilter, "excludes searchAttribute", "Remove one of the two.")
      : []),
  ];
}
