/** Merges what `tbotPod` or `vaultAgentPod` returned into an application's pod. Pure. */
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

/** Requests and limits of a container, as Kubernetes names them. */
export interface ContainerResources {
  requests?: Record<string, string>;
  limits?: Record<string, string>;
}

/** A sidecar, as Kubernetes ≥ 1.29 has them. */
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

/** Parts of a pod by which an application gets at its database. */
export interface PodPart {
  /** `data` of the ConfigMap that the settings name. */
  data: Record<string, string>;
  /** For the pod template's metadata: the pod is made anew when the configuration changes. */
  annotations: Record<string, string>;
  /** `spec` of the pod: merge lists with the application's. */
  spec: {
    /** The account that may get in. */
    serviceAccountName?: string;
    /** The application's own containers get no token of it. */
    automountServiceAccountToken: false;
    shareProcessNamespace?: true;
    /** Sidecars: they are ready before the application starts, and end after it. */
    initContainers: Container[];
    volumes: Volume[];
  };
  /** For the application's container: what leads it to a database, by the application's name for it, or the role's. */
  environment: Record<string, Variable[]>;
  /** For the application's container. */
  volumeMounts: VolumeMount[];
}

/** A container of the application, plain as far as it is merged with; what is in the lists may be anything. */
export interface PlainContainer {
  name: string;
  env?: readonly { name: string }[];
  volumeMounts?: readonly { name: string; mountPath: string }[];
}

/** The template of the application's pods. */
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
 * The template with the part in it. Sidecars come before the application's own init containers, so that those can use
 * the database as well.
 *
 * @param uses for each container that uses a database: which one, by a name of `part.environment`
 * @throws SettingsError with everything that both say differently; nothing of the application's is overwritten
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

/** What of both does not go together. */
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
      if (!container) return [{ setting, problem: "is no container of the pod", fix: known(names(containers)) }];
      if (!environment)
        return [
          { setting, value: database, problem: "is no database here", fix: known(Object.keys(part.environment)) },
        ];
      const paths = (mounts: readonly { mountPath: string }[]) => mounts.map(({ mountPath }) => mountPath);
      return [
        ...taken(`${name}.env`, names(container.env ?? []), names(environment), "Leave the container's own out."),
        ...taken(
          `${name}.volumeMounts`,
          paths(container.volumeMounts ?? []),
          paths(part.volumeMounts),
          "Mount the container's own elsewhere.",
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
            problem: `is not the one that may get in, ${serviceAccountName}`,
            fix: "Leave it out, or have the platform name yours.",
          },
        ]),
    ...(spec.automountServiceAccountToken === true
      ? [
          {
            setting: "spec.automountServiceAccountToken",
            value: true,
            problem: "would give every container what lets the sidecar in",
            fix: "Leave it out; mount a projected token with an audience of its own where one is needed.",
          },
        ]
      : []),
    ...(spec.shareProcessNamespace === false && part.spec.shareProcessNamespace
      ? [
          {
            setting: "spec.shareProcessNamespace",
            value: false,
            problem: "keeps the sidecar from sending the application a signal",
            fix: "Leave it out, or let the sidecar send none.",
          },
        ]
      : []),
  ];
}

function taken(setting: string, own: string[], added: string[], fix: string): SettingProblem[] {
  return added
    .filter((name) => own.includes(name))
    .map((value) => ({ setting, value, problem: "is there already", fix }));
}

function names(list: readonly { name: string }[]): string[] {
  return list.map(({ name }) => name);
}
