/** The application's pod, and the parts that connect it to the database. Pure. */
import { intoPod, type PodPart, tbotPod, vaultAgentPod } from "cnpg-teleport";
import type { Access } from "./access";
import type { App } from "./app";

/** Any user works, because nothing in the pod writes files or needs an owner. It is the default user of Vault's agent. */
const NOBODY = 65_534;

/** Queries in an endless loop. An error is written to the log, and the next query runs after the interval. */
const LOOP = `
trap 'exit 0' TERM
while true; do
  psql --no-psqlrc --no-password --tuples-only --no-align --command "$QUERY" || true
  sleep "$INTERVAL" & wait $!
done
`;
const PROBE = 'exec psql --no-psqlrc --no-password --quiet --output=/dev/null --set=ON_ERROR_STOP=1 --command "$QUERY"';
const SERVER_CA_FOLDER = "/etc/server-ca";
const TRUSTED_CAS = { key: "trusted-cas.crt" };

/** `data` of the ConfigMap that the pod mounts. */
export function configurationOf({ access }: App): Record<string, string> {
  if (access.by === "secret") return { "ca.crt": access.serverCa };
  const { trustedCa } = access.sidecar;
  return {
    ...partOf(access, "").data,
    ...(trustedCa === undefined ? {} : { [TRUSTED_CAS.key]: trustedCa }),
  };
}

/** The pod's template. `configMap` is the name of the ConfigMap with `configurationOf`. */
export function templateOf(app: App, configMap: string, labels: Record<string, string>) {
  const { access } = app;
  const template = podTemplate(app, labels);
  return access.by === "secret"
    ? withSecret(template, access, configMap)
    : intoPod(template, partOf(access, configMap), { app: access.by === "vault" ? access.role : access.database });
}

/** The service account to which the platform gives access. This stack creates it. */
export function accountOf(access: Access): string | undefined {
  switch (access.by) {
    case "secret":
      return undefined;
    case "tbot":
      return access.workload.join.serviceAccount;
    case "vault":
      return access.database.roles[access.role]?.login?.serviceAccount;
  }
}

function partOf(access: Exclude<Access, { by: "secret" }>, configMap: string): PodPart {
  const { image, trustedCa } = access.sidecar;
  const sidecar = {
    image,
    configMap,
    ...(trustedCa === undefined ? {} : { trustedCas: { ...TRUSTED_CAS, configMap } }),
  };
  return access.by === "tbot"
    ? tbotPod(access.workload, { ...sidecar, generation: access.generation })
    : vaultAgentPod(access.database, access.role, {
        ...sidecar,
        address: access.address,
        namespace: access.namespace,
      });
}

type Template = ReturnType<typeof podTemplate>;

function podTemplate({ image, query, interval }: App, labels: Record<string, string>) {
  return {
    metadata: { labels },
    spec: {
      automountServiceAccountToken: false,
      securityContext: {
        runAsNonRoot: true,
        runAsUser: NOBODY,
        runAsGroup: NOBODY,
        seccompProfile: { type: "RuntimeDefault" },
      },
      containers: [
        {
          name: "app",
          image,
          command: ["sh", "-c", LOOP],
          env: [
            { name: "PGCONNECT_TIMEOUT", value: "5" },
            { name: "QUERY", value: query },
            { name: "INTERVAL", value: String(interval) },
          ] as Variable[],
          volumeMounts: [] as { name: string; mountPath: string; readOnly: boolean }[],
          readinessProbe: {
            exec: { command: ["sh", "-c", PROBE] },
            periodSeconds: 5,
            timeoutSeconds: 10,
            failureThreshold: 3,
          },
          resources: { requests: { cpu: "10m", memory: "32Mi" }, limits: { memory: "64Mi" } },
          securityContext: {
            allowPrivilegeEscalation: false,
            readOnlyRootFilesystem: true,
            capabilities: { drop: ["ALL"] },
          },
        },
      ],
      volumes: [] as { name: string; configMap: { name: string } }[],
    },
  };
}

interface Variable {
  name: string;
  value?: string;
  valueFrom?: { secretKeyRef: { name: string; key: string } };
}

function withSecret(template: Template, access: Extract<Access, { by: "secret" }>, configMap: string): Template {
  const credential = (key: string) => ({ secretKeyRef: { name: access.secret, key } });
  // libpq's own variables: https://www.postgresql.org/docs/current/libpq-envars.html
  const env: Variable[] = [
    { name: "PGHOST", value: access.host },
    { name: "PGPORT", value: String(access.port) },
    { name: "PGDATABASE", value: access.database },
    { name: "PGUSER", valueFrom: credential("username") },
    { name: "PGPASSWORD", valueFrom: credential("password") },
    { name: "PGSSLMODE", value: "verify-full" },
    { name: "PGSSLROOTCERT", value: `${SERVER_CA_FOLDER}/ca.crt` },
  ];
  const { spec } = template;
  return {
    ...template,
    spec: {
      ...spec,
      containers: spec.containers.map((container) => ({
        ...container,
        env: [...env, ...container.env],
        volumeMounts: [{ name: "server-ca", mountPath: SERVER_CA_FOLDER, readOnly: true }],
      })),
      volumes: [{ name: "server-ca", configMap: { name: configMap } }],
    },
  };
}
