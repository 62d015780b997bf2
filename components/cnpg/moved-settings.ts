/** Settings of version 0.1.0 that are now fields of CloudNativePG, under `spec`. Pure. */
import type { SettingProblem } from "../problems";

/** The settings, with the field of `spec`. */
const MOVED: Record<string, string> = {
  ...Object.fromEntries(
    (
      "affinity topologySpreadConstraints priorityClassName enablePDB primaryUpdateStrategy primaryUpdateMethod startDelay " +
      "stopDelay smartShutdownTimeout switchoverDelay failoverDelay probes imagePullSecrets inheritedMetadata " +
      "serviceAccountTemplate"
    )
      .split(" ")
      .map((field) => [field, field]),
  ),
  synchronous: "postgresql.synchronous",
  ldap: "postgresql.ldap",
  services: "managed.services",
};

/** The new form of settings whose form has changed. */
const FORMS: Record<string, string> = {
  imagePullSecrets: ", a list of {name: <name of the Secret>}",
  serviceAccountTemplate: ": {metadata: {labels: {…}, annotations: {…}}}",
  services:
    ", and each element of additional as {selectorType: rw, serviceTemplate: {metadata: {name: …, labels: {…}, " +
    "annotations: {…}}, spec: {type: LoadBalancer, …}}}",
};

/** Where a setting that moved is written now. Undefined for any other key. */
export function newPlace(key: string): Pick<SettingProblem, "problem" | "fix"> | undefined {
  if (!Object.hasOwn(MOVED, key)) return undefined;
  const form = Object.hasOwn(FORMS, key) ? FORMS[key] : "";
  return { problem: "is now a field of CloudNativePG under spec", fix: `Write it as spec.${MOVED[key]}${form}.` };
}

/** Reports settings that moved. A program without types may still pass them. */
export function checkMovedSettings(settings: object): SettingProblem[] {
  return Object.entries(settings).flatMap(([setting, value]) => {
    const place = value === undefined ? undefined : newPlace(setting);
    return place === undefined ? [] : [{ setting, ...place }];
  });
}
