/** Merges the parts from `tbotPod` or `vaultAgentPod` into an application's pod. Pure. */
import { refuse, SettingProblem } from "../problems";

export interface Variable {
  name: string;
  value: string;
}

export interface VolumeMount {
  name: string;
  mountPath: string;
  readOnly?: boolean;
}

export type Volume = { name: string } & Record<string, unknown>;

/** Requests and limits of a container, with Kubernetes' names. */
export interface ContainerResources {
  requests?: Record<string, string>;
  limits?: Record<string, string>;
}

/** A sidecar container (Kubernetes ≥ 1.29). */
export interface Container {
  name: string;
  image: string;
  restartPolicy: "Always";
  command: string[];
  env: Variable[];
  volumeMounts: VolumeMount[];
  startupProbe: Record<string, unknown>;
  readinessProbe: Record<string, unknown>;
  livenessProbe?: Record<string, unknown>;
  resources: ContainerResources;
  securityContext: Record<string, unknown>;
}

/** Parts of a pod that connect an application to its database. */
export interface PodPart {
  /** `data` of the ConfigMap that the settings name. */
  data: Record<string, string>;
  /** For the pod template's metadata. A change of the configuration changes them, so Kubernetes replaces the pods. */
  annotations: Record<string, string>;
  /** `spec` of the pod. Merge its lists with those of the application. */
  spec: {
    /** The service account that has access. */
    serviceAccountName?: string;
    /** The application's containers do not get a token of the service account. */
    automountServiceAccountToken: false;
    shareProcessNamespace?: true;
    /** Sidecars. They are ready before the application starts, and end after it. */
    initContainers: Container[];
    volumes: Volume[];
  };
  /** Variables for the application's container, by the application's name for the database, or by the role's name. */
  environment: Record<string, Variable[]>;
  /** Volume mounts for the application's container. */
  volumeMounts: VolumeMount[];
}

/**
 * A container of the application. The fields that are merged must be plain values; list items may have any other
 * fields.
 */
export interface PlainContainer {
  name: string;
  env?: readonly { name: string }[];
  volumeMounts?: readonly { name: string; mountPath: string }[];
}

/** The pod template of the application. */
export interface PlainTemplate {
  metadata?: { annotations?: Record<string, unknown>; labels?: unknown; name?: unknown };
  spec: {
    serviceAccountName?: string;
    automountServiceAccountToken?: boolean;
    shareProcessNamespace?: boolean;
    initContainers?: readonly PlainContainer[];
    containers: readonly PlainContainer[];
    volumes?: readonly { name: string }[];
  };
}

/**
 * Returns the template merged with the part. Sidecars come before the application's own init containers, so that
 * these can use the database as well.
 *
 * @param uses for each container that uses a database: a key of `part.environment`
 * @throws SettingsError with every conflict; no field of the application is overwritten
 */
export function intoPod<Template extends PlainTemplate>(
  template: Template,
  part: PodPart,
  uses: Readonly<Record<string, string>>,
): Template {
  refuse(checkIntoPod(template, part, uses));
  const { metadata, spec } = template;
  const { serviceAccountName, shareProcessNamespace } = part.spec;
  const using = (container: PlainContainer) => {
    const database = Object.hasOwn(uses, container.name) ? uses[container.name] : undefined;
    if (database === undefined) return container;
    return {
      ...container,
      env: [...(container.env ?? []), ...(part.environment[database] ?? [])],
      volumeMounts: [...(container.volumeMounts ?? []), ...part.volumeMounts],
    };
  };
  return {
    ...template,
    metadata: { ...metadata, annotations: { ...metadata?.annotations, ...part.annotations } },
    spec: {
      ...spec,
      ...(serviceAccountName === undefined ? {} : { serviceAccountName }),
      automountServiceAccountToken: false,
      ...(shareProcessNamespace ? { shareProcessNamespace } : {}),
      initContainers: [...part.spec.initContainers, ...(spec.initContainers ?? []).map(using)],
      containers: spec.containers.map(using),
      volumes: [...(spec.volumes ?? []), ...part.spec.volumes],
    },
  };
}

/** Returns every conflict between the template and the part. */
export function checkIntoPod(
  { metadata, spec }: PlainTemplate,
  part: PodPart,
  uses: Readonly<Record<string, string>>,
): SettingProblem[] {
  const containers = [...(spec.initContainers ?? []), ...spec.containers];
  const rename = "Give one of them another name.";
  return [
    ...taken("metadata.annotations", Object.keys(metadata?.annotations ?? {}), Object.keys(part.annotations), rename),
    ...taken("spec.containers", names(containers), names(part.spec.initContainers), rename),
    ...taken("spec.volumes", names(spec.volumes ?? []), names(part.spec.volumes), rename),
    ...checkAccount(spec, part),
    ...Object.entries(uses).flatMap(([name, database]) => {
      const container = containers.find((one) => one.name === name);
      const environment = Object.hasOwn(part.environment, database) ? part.environment[database] : undefined;
      const setting = `uses.${name}`;
      const known = (list: string[]) => `Use one of these: ${list.join(", ") || "none"}.`;
      if (!container) return [{ setting, problem: "is not a container of the pod", fix: known(names(containers)) }];
      if (!environment)
        return [
          {
            setting,
            value: database,
            problem: "is not a database of this part",
            fix: known(Object.keys(part.environment)),
          },
        ];
      const paths = (mounts: readonly { mountPath: string }[]) => mounts.map(({ mountPath }) => mountPath);
      return [
        ...taken(`${name}.env`, names(container.env ?? []), names(environment), "Remove the container's own variable."),
        ...taken(
          `${name}.volumeMounts`,
          paths(container.volumeMounts ?? []),
          paths(part.volumeMounts),
          "Mount the container's own volume at another path.",
        ),
      ];
    }),
  ];
}

function checkAccount(spec: PlainTemplate["spec"], part: PodPart): SettingProblem[] {
  const { serviceAccountName } = part.spec;
  const own = spec.serviceAccountName;
  return [
    ...(own === undefined || serviceAccountName === undefined || own === serviceAccountName
      ? []
      : [
          {
            setting: "spec.serviceAccountName",
            value: own,
            problem: `must be the service account that has access, ${serviceAccountName}`,
            fix: "Remove the setting, or have the platform declare your service account.",
          },
        ]),
    ...(spec.automountServiceAccountToken === true
      ? [
          {
            setting: "spec.automountServiceAccountToken",
            value: true,
            problem: "would give every container the token that the sidecar logs in with",
            fix: "Remove the setting. Containers that need a token can mount a projected token with its own audience.",
          },
        ]
      : []),
    ...(spec.shareProcessNamespace === false && part.spec.shareProcessNamespace
      ? [
          {
            setting: "spec.shareProcessNamespace",
            value: false,
            problem: "prevents the sidecar from sending a signal to the application",
            fix: "Remove the setting, or use reload with a command instead of a signal.",
          },
        ]
      : []),
  ];
}

function taken(setting: string, own: string[], added: string[], fix: string): SettingProblem[] {
  return added
    .filter((name) => own.includes(name))
    .map((value) => ({ setting, value, problem: "exists already", fix }));
}

function names(list: readonly { name: string }[]): string[] {
  return list.map(({ name }) => name);
}
