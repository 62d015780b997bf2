/** The Services of a Cluster, `spec.managed.services`, as far as the operator does not look at them. Pure. */
import { SettingProblem } from "../problems";
import { checkAnnotations, checkCidr, checkLabels, checkNotCnpgs, checkServiceName } from "../kubernetes/names";
import { checkOneOf, checkUnique, wrong } from "../value-check";
import { additionalServices, disabledServices, listAt, Spec, textAt, textMapAt, textsAt, valueAt } from "./spec-fields";
import type { At } from "./spec-values";

/** Names of the Services besides CNPG's, for the server certificate. */
export function additionalDnsNames(spec: Spec | undefined, namespace: string, clusterDomain: string): string[] {
  return additionalServices(spec).flatMap((name) => [
    name,
    `${name}.${namespace}`,
    `${name}.${namespace}.svc`,
    `${name}.${namespace}.svc.${clusterDomain}`,
  ]);
}

/** What else decides whether Services are right. */
export interface ServiceContext {
  /** A standby is registered in Teleport, by its Service. */
  standbyRegistered?: boolean;
}

export function checkServices(at: At, spec: Spec, { standbyRegistered }: ServiceContext): SettingProblem[] {
  const disabled = disabledServices(spec);
  const setting = at("managed.services.disabledDefaultServices");
  return [
    ...checkUnique((index) => `${setting}[${index}]`, disabled),
    ...(standbyRegistered && disabled.includes("ro")
      ? wrong(
          setting,
          disabled,
          "takes away the Service that the standby is registered by in Teleport",
          "Keep ro, or leave the standby out: instances: 1, or no teleport.",
        )
      : []),
    ...listAt(spec, "managed.services.additional").flatMap((service, index) =>
      checkTemplate(at(`managed.services.additional[${index}].serviceTemplate`), valueAt(service, "serviceTemplate")),
    ),
  ];
}

function checkTemplate(setting: string, template: unknown): SettingProblem[] {
  const name = textAt(template, "metadata.name");
  const labels = textMapAt(template, "metadata.labels");
  const type = textAt(template, "spec.type") ?? "ClusterIP";
  const only = (field: string, types: string[]) => {
    const value = valueAt(template, field);
    return value === undefined || value === null || types.includes(type)
      ? []
      : wrong(`${setting}.${field}`, value, `has no meaning with type: ${type}`, `Use type: ${types[0]}.`);
  };
  return [
    ...(name ? checkServiceName(`${setting}.metadata.name`, name) : []),
    ...checkOneOf(`${setting}.spec.type`, type, ["ClusterIP", "NodePort", "LoadBalancer"]),
    ...textsAt(template, "spec.loadBalancerSourceRanges").flatMap((range, index) =>
      checkCidr(`${setting}.spec.loadBalancerSourceRanges[${index}]`, range),
    ),
    ...only("spec.loadBalancerSourceRanges", ["LoadBalancer"]),
    ...only("spec.loadBalancerClass", ["LoadBalancer"]),
    ...only("spec.externalTrafficPolicy", ["LoadBalancer", "NodePort"]),
    ...checkOneOf(`${setting}.spec.externalTrafficPolicy`, textAt(template, "spec.externalTrafficPolicy"), [
      "Cluster",
      "Local",
    ]),
    ...checkLabels(`${setting}.metadata.labels`, labels),
    ...checkNotCnpgs(`${setting}.metadata.labels`, labels),
    ...checkAnnotations(`${setting}.metadata.annotations`, textMapAt(template, "metadata.annotations")),
  ];
}
