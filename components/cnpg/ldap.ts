/** Checks `spec.postgresql.ldap`, where the operator does not check it itself. Pure. */
import { SettingProblem } from "../problems";
import { checkObjectName } from "../kubernetes/names";
import { isObject, wrong } from "../value-check";
import { type At, numberAt, Spec, textAt, valueAt } from "./spec";

export function checkLdap(at: At, spec: Spec): SettingProblem[] {
  const ldap = valueAt(spec, "postgresql.ldap");
  if (!isObject(ldap)) return [];
  const setting = at("postgresql.ldap");
  const server = textAt(ldap, "server");
  const search = ldap.bindSearchAuth;
  return [
    ...(!server || /^[^\s"/]+$/.test(server)
      ? []
      : wrong(
          `${setting}.server`,
          server,
          "must be a host name",
          "Write a host without a scheme, e.g. ldap.example.com.",
        )),
    ...checkPort(`${setting}.port`, numberAt(ldap, "port")),
    ...checkTls(`${setting}.tls`, textAt(ldap, "scheme") === "ldaps", ldap.tls ?? false),
    ...(isAbsent(ldap.bindAsAuth) && isAbsent(search)
      ? wrong(setting, undefined, "must say how users are found", "Set bindAsAuth or bindSearchAuth.")
      : []),
    ...(isObject(search) ? checkSearch(`${setting}.bindSearchAuth`, search) : []),
  ];
}

/** The API server treats null as absent. */
const isAbsent = (value: unknown) => value === undefined || value === null;

/** A value that is neither true nor false is not checked here: the operator refuses it, or it becomes known later. */
function checkTls(setting: string, secured: boolean, tls: unknown): SettingProblem[] {
  if (tls !== secured) return [];
  return wrong(
    setting,
    tls,
    secured ? "starts TLS inside TLS" : "sends passwords in clear text to the directory",
    secured ? "Remove it: scheme: ldaps already uses TLS." : "Set tls: true, or scheme: ldaps.",
  );
}

function checkPort(setting: string, port: number | undefined): SettingProblem[] {
  if (port === undefined || (Number.isInteger(port) && port >= 1 && port <= 65_535)) return [];
  return wrong(setting, port, "is not a valid port", "Write a number from 1 to 65535.");
}

/** CNPG writes both `ldapbinddn` and `ldapbindpasswd` in any case, so a login with only one of them fails. */
function checkSearch(setting: string, search: Spec): SettingProblem[] {
  const { baseDN = "", bindDN, bindPassword, searchAttribute, searchFilter } = search;
  const key = textAt(bindPassword, "key");
  return [
    ...(baseDN === ""
      ? wrong(`${setting}.baseDN`, baseDN, "must not be empty", "Write e.g. ou=people,dc=example,dc=com.")
      : []),
    ...(isAbsent(bindDN) === isAbsent(bindPassword)
      ? []
      : wrong(
          `${setting}.${isAbsent(bindDN) ? "bindDN" : "bindPassword"}`,
          undefined,
          "is missing",
          "Set both bindDN and bindPassword, or neither.",
        )),
    ...checkObjectName(`${setting}.bindPassword.name`, textAt(bindPassword, "name"), "Secret"),
    ...(key !== undefined && !/^[-._a-zA-Z0-9]+$/.test(key)
      ? wrong(`${setting}.bindPassword.key`, key, "is not a valid key of a Secret", "Write e.g. password.")
      : []),
    ...(!isAbsent(searchAttribute) && !isAbsent(searchFilter)
      ? wrong(
          `${setting}.searchFilter`,
          searchFilter,
          "must not be set together with searchAttribute",
          "Remove one of the two.",
        )
      : []),
  ];
}
