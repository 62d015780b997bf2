/** The Services of a Cluster, `spec.managed.services`. Checks what the operator does not check itself. Pure. */
import { SettingProblem } from "../problems";
import { checkAnnotations, checkCidr, checkLabels, checkReservedKeys, checkServiceName } from "../kubernetes/names";
import { checkOneOf, checkPlain, checkUnique, wrong } from "../value-check";
import { type At, listAt, Spec, stringAt, stringMapAt, stringsAt, valueAt } from "./spec";

/** CloudNativePG's Services that are disabled: `ro`, `r`, or both. */
export function disabledServices(spec: Spec = {}): string[] {
  return stringsAt(spec, "managed.services.disabledDefaultServices");
}

/** Names of the additional Services. */
export function additionalServices(spec: Spec = {}): string[] {
  return listAt(spec, "managed.services.additional").flatMap(
    (service) => stringAt(service, "serviceTemplate.metadata.name") ?? [],
  );
}

/** DNS names of the additional Services, for the server certificate. */
export function additionalDnsNames(spec: Spec | undefined, namespace: string, clusterDomain: string): string[] {
  return additionalServices(spec).flatMap((name) => [
    name,
    `${name}.${namespace}`,
    `${name}.${namespace}.svc`,
    `${name}.${namespace}.svc.${clusterDomain}`,
  ]);
}

/** What else the checks depend on. */
export interface ServiceContext {
  /** The standby's Service is registered in Teleport. */
  standbyRegistered?: boolean;
  /** A replica cluster is registered in Teleport under a name of its own. */
  replicaRegistered?: boolean;
}

export function checkServices(
  at: At,
  spec: Spec,
  { standbyRegistered, replicaRegistered }: ServiceContext,
): SettingProblem[] {
  const disabled = disabledServices(spec);
  const setting = at("managed.services.disabledDefaultServices");
  return [
    ...["managed.services", "managed.services.additional", "managed.services.disabledDefaultServices"].flatMap(
      (field) => checkPlain(at(field), valueAt(spec, field), "names and checks depend on the Services"),
    ),
    ...checkUnique((index) => `${setting}[${index}]`, disabled),
    ...(standbyRegistered && disabled.includes("ro")
      ? wrong(
          setting,
          disabled,
          "would remove the Service ro, with which the standby is registered in Teleport",
          "Remove ro from the list. Or register no standby: set instances: 1, or leave out teleport.",
        )
      : []),
    ...(replicaRegistered && disabled.includes("r")
      ? wrong(
          setting,
          disabled,
          "would remove the Service r, with which replica.teleportName is registered in Teleport",
          "Remove r from the list, or remove replica.teleportName.",
        )
      : []),
    ...listAt(spec, "managed.services.additional").flatMap((service, index) => {
      const path = at(`managed.services.additional[${index}]`);
      return [
        ...checkNameIsPlain(path, service),
        ...checkTemplate(`${path}.serviceTemplate`, valueAt(service, "serviceTemplate")),
      ];
    }),
  ];
}

function checkNameIsPlain(path: string, service: unknown): SettingProblem[] {
  const why = "the name of the Service becomes part of the server's certificate";
  return [
    ...checkPlain(path, service, why),
    ...["serviceTemplate", "serviceTemplate.metadata", "serviceTemplate.metadata.name"].flatMap((field) =>
      checkPlain(`${path}.${field}`, valueAt(service, field), why),
    ),
  ];
}

function checkTemplate(setting: string, template: unknown): SettingProblem[] {
  const name = stringAt(template, "metadata.name");
  const labels = stringMapAt(template, "metadata.labels");
  const type = stringAt(template, "spec.type") ?? "ClusterIP";
  const only = (field: string, types: string[]) => {
    const value = valueAt(template, field);
    return value === undefined || value === null || types.includes(type)
      ? []
      : wrong(`${setting}.${field}`, value, `has no effect with type: ${type}`, `Use type: ${types[0]}.`);
  };
  return [
    ...(name ? checkServiceName(`${setting}.metadata.name`, name) : []),
    ...checkOneOf(`${setting}.spec.type`, type, ["ClusterIP", "NodePort", "LoadBalancer"]),
    ...stringsAt(template, "spec.loadBalancerSourceRanges").flatMap((range, index) =>
      checkCidr(`${setting}.spec.loadBalancerSourceRanges[${index}]`, range),
    ),
    ...only("spec.loadBalancerSourceRanges", ["LoadBalancer"]),
    ...only("spec.loadBalancerClass", ["LoadBalancer"]),
    ...only("spec.externalTrafficPolicy", ["LoadBalancer", "NodePort"]),
    ...checkOneOf(`${setting}.spec.externalTrafficPolicy`, stringAt(template, "spec.externalTrafficPolicy"), [
      "Cluster",
      "Local",
    ]),
    ...checkLabels(`${setting}.metadata.labels`, labels),
    ...checkReservedKeys(`${setting}.metadata.labels`, labels),
    ...checkAnnotations(`${setting}.metadata.annotations`, stringMapAt(template, "metadata.annotations")),
  ];
}
