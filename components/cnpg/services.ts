/** The Services of a Cluster: CNPG's own, and further ones. Pure. */
import { ENDPOINTS, Endpoint, serviceName } from "../postgres-cluster/names";
import { SettingProblem } from "../problems";
import { checkAnnotations, checkCidr, checkLabels, checkNotCnpgs, checkServiceName } from "../kubernetes/names";
import { checkOneOf, checkTwice, wrong } from "../value-check";

/** A Service besides CNPG's. Becomes one of `spec.managed.services.additional`. */
export interface AdditionalService {
  /** Name of the Service. The server certificate has its names in the Kubernetes cluster as well. */
  name: string;
  /** Where it leads: the primary, the standbys, any instance. */
  selectorType: Endpoint;
  /** Default: Kubernetes', `ClusterIP`. */
  type?: "ClusterIP" | "NodePort" | "LoadBalancer";
  /** With `LoadBalancer`: ranges of addresses that may connect. Default: all. */
  loadBalancerSourceRanges?: string[];
  /** With `LoadBalancer`: who makes it. Default: the Kubernetes cluster's. */
  loadBalancerClass?: string;
  /** With `NodePort` and `LoadBalancer`: `Local` keeps the client's address. Default: Kubernetes', `Cluster`. */
  externalTrafficPolicy?: "Cluster" | "Local";
  /** Annotations of the Service. Default: none. */
  annotations?: Record<string, string>;
  /** Labels of the Service. Default: none. */
  labels?: Record<string, string>;
  /** What becomes of it when it changes: `replace` makes it anew. Default: CNPG's, `patch`. */
  updateStrategy?: "patch" | "replace";
}

/** Becomes `spec.managed.services`. */
export interface Services {
  /** CNPG's Services that are not to be made. */
  disabledDefaultServices?: ("ro" | "r")[];
  /** Services besides CNPG's. Default: none. */
  additional?: AdditionalService[];
}

export function servicesSpec(services: Services | undefined): Record<string, unknown> | undefined {
  return (
    services && {
      disabledDefaultServices: services.disabledDefaultServices,
      additional: services.additional?.map(serviceSpec),
    }
  );
}

function serviceSpec({ name, selectorType, annotations, labels, updateStrategy, ...spec }: AdditionalService) {
  const metadata = { name, ...(annotations ? { annotations } : {}), ...(labels ? { labels } : {}) };
  return {
    selectorType,
    ...(updateStrategy === undefined ? {} : { updateStrategy }),
    serviceTemplate: { metadata, spec },
  };
}

/** Whether CNPG makes the Service of an endpoint. */
export function hasService(services: Services | undefined, endpoint: Endpoint): boolean {
  return !(services?.disabledDefaultServices as string[] | undefined)?.includes(endpoint);
}

/** Names of the additional Services, for the server certificate. */
export function additionalDnsNames(services: Services | undefined, namespace: string, clusterDomain: string): string[] {
  return (services?.additional ?? []).flatMap(({ name }) => [
    name,
    `${name}.${namespace}`,
    `${name}.${namespace}.svc`,
    `${name}.${namespace}.svc.${clusterDomain}`,
  ]);
}

/** What else decides whether Services are right. */
export interface ServiceContext {
  /** Name of the Cluster. */
  cluster?: string;
  /** A standby is registered in Teleport, by its Service. */
  standbyRegistered?: boolean;
}

export function checkServices(setting: string, services: Services = {}, context: ServiceContext = {}) {
  const { disabledDefaultServices: disabled = [], additional = [] } = services;
  const names = additional.map(({ name }) => name);
  return [
    ...disabled.flatMap((endpoint, index) => checkDisabled(`${setting}.disabledDefaultServices[${index}]`, endpoint)),
    ...checkTwice((index) => `${setting}.disabledDefaultServices[${index}]`, disabled),
    ...(context.standbyRegistered && disabled.includes("ro")
      ? wrong(
          `${setting}.disabledDefaultServices`,
          disabled,
          "takes away the Service that the standby is registered by in Teleport",
          "Keep ro, or leave the standby out: instances: 1, or no teleport.",
        )
      : []),
    ...additional.flatMap((service, index) => checkService(`${setting}.additional[${index}]`, service, context)),
    ...checkTwice((index) => `${setting}.additional[${index}].name`, names, "Rename one of the two."),
  ];
}

function checkDisabled(setting: string, endpoint: string): SettingProblem[] {
  if (endpoint === "rw") {
    return wrong(setting, endpoint, "cannot be disabled: everything reaches the primary by it", "Remove it.");
  }
  return checkOneOf(setting, endpoint, ["ro", "r"]);
}

function checkService(setting: string, service: AdditionalService, { cluster }: ServiceContext): SettingProblem[] {
  const { name, type = "ClusterIP", loadBalancerSourceRanges: ranges } = service;
  const reserved =
    cluster === undefined ? [] : [...ENDPOINTS.map((end) => serviceName(cluster, end)), `${cluster}-any`];
  const only = (field: keyof AdditionalService, types: string[]) =>
    service[field] === undefined || types.includes(type)
      ? []
      : wrong(`${setting}.${field}`, service[field], `has no meaning with type: ${type}`, `Use type: ${types[0]}.`);
  return [
    ...checkServiceName(`${setting}.name`, name),
    ...(reserved.includes(name)
      ? wrong(`${setting}.name`, name, "is a Service that CloudNativePG makes itself", "Choose another name.")
      : []),
    ...checkOneOf(`${setting}.selectorType`, service.selectorType, ENDPOINTS),
    ...checkOneOf(`${setting}.type`, type, ["ClusterIP", "NodePort", "LoadBalancer"]),
    ...(ranges ?? []).flatMap((range, index) => checkCidr(`${setting}.loadBalancerSourceRanges[${index}]`, range)),
    ...only("loadBalancerSourceRanges", ["LoadBalancer"]),
    ...only("loadBalancerClass", ["LoadBalancer"]),
    ...only("externalTrafficPolicy", ["LoadBalancer", "NodePort"]),
    ...checkOneOf(`${setting}.externalTrafficPolicy`, service.externalTrafficPolicy, ["Cluster", "Local"]),
    ...checkOneOf(`${setting}.updateStrategy`, service.updateStrategy, ["patch", "replace"]),
    ...checkLabels(`${setting}.labels`, service.labels),
    ...checkNotCnpgs(`${setting}.labels`, service.labels),
    ...checkAnnotations(`${setting}.annotations`, service.annotations),
  ];
}
