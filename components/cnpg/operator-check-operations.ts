/** OperatorCheck: creates nothing, and fails before the other resources would fail. */
import { memoized } from "../memoized";
import { ApiReader, ApiValidator, apiValidator, KubernetesConnection, RequestLimits } from "../kubernetes/client";
import { firstOf, printable } from "../message-limits";
import { isUnavailable, KubernetesError, printUnchecked } from "../kubernetes/errors";
import { kubernetesUid, requireStackCluster, wrongClusterReason } from "../kubernetes/identity";
import { findCluster, IN_PREVIEW, clusterConflict, newObjectsConflict, type WantedCluster } from "./taken-cluster";
import type { ResourceKind } from "../dynamic/converge";
import { retried } from "../waiting";
import { UNKNOWN } from "../value-check";
import { DeclaredCluster, RefusedField, dryRunCluster } from "./dry-run";
import { OperatorNeeds, Schema, ServedOperator, unsupportedNeeds } from "./operator-version";

/** Inputs of an OperatorCheck, and its state. */
export interface OperatorInputs extends KubernetesConnection {
  needs: OperatorNeeds;
  /** The barman-cloud plugin is needed too. Absent if it is not. */
  objectStores?: boolean;
  /** A dependency may install the operator. So a missing operator is an error only in `up`, after the dependencies. */
  awaited: boolean;
  /** The Cluster to create, and its owner. Absent in states of 0.1.0. */
  cluster?: WantedCluster;
  /**
   * The DeclaredCluster, as JSON, for `cluster`. While this Cluster does not exist, the operator is asked whether it accepts
   * it. Absent in states of 0.1.0, and if the operator must not be asked.
   */
  declared?: string;
  /** UID of the Kubernetes cluster's `kube-system`, set by `check`. Absent if it may not be read. */
  kubernetesUid?: string;
}

const GROUP = "apis/postgresql.cnpg.io/v1";
const PLUGIN_GROUP = "apis/barmancloud.cnpg.io/v1";
/** The plugin's page about installation. */
const INSTALL_PLUGIN = "https://cloudnative-pg.io/plugin-barman-cloud/docs/installation/";
/** CNPG's page about installation. */
const INSTALL = "https://cloudnative-pg.io/documentation/current/installation_upgrade/";
const API_REFERENCE = "https://cloudnative-pg.io/documentation/current/cloudnative-pg.v1/";
const VERSIONS = "1.30 is tested, poolers need 1.28, usersAs: databaseRole needs 1.30";

/** The kind of resource. `connect` reaches the API server. */
export function operatorCheck(
  connect: (connection: KubernetesConnection, limits?: RequestLimits) => Promise<ApiValidator> = apiValidator,
  delays?: readonly number[],
): ResourceKind<OperatorInputs> {
  const served = memoized<Asked>();
  const uids = memoized<string | undefined>();

  return {
    id: () => "cloudnative-pg",
    async check(news, olds) {
      const { kubernetesUid: uid, reason } = await placeInPreview(olds, news);
      const inputs = { ...news, ...(uid === undefined ? {} : { kubernetesUid: uid }) };
      return { inputs, refusals: reason === undefined ? await refusalsInPreview(news) : [reason] };
    },
    /** `check` has already looked, except if a dependency may install the operator. */
    async differs(news, olds) {
      const reason = news.awaited ? await missingInPreview(news) : undefined;
      if (reason !== undefined) console.error(`${reason} \`up\` checks this again before it changes anything.`);
      const isElsewhere = olds.context !== news.context || olds.kubernetesUid !== news.kubernetesUid;
      return reason !== undefined || isElsewhere;
    },
    async apply(inputs) {
      await mustBeServed(inputs);
      return inputs;
    },
    /** Runs in every refresh. In another Kubernetes cluster, a refresh would remove everything from the state. */
    async read(state) {
      if (!state) return undefined;
      const api = await connect(state, { delays: [] });
      const uid = (await requireStackCluster(api, state.kubernetesUid)) ?? state.kubernetesUid;
      return { ...state, ...(uid === undefined ? {} : { kubernetesUid: uid }) };
    },
  };

  /** The Kubernetes cluster, and why nothing may be created there. Keeps the known UID if the cluster does not answer. */
  async function placeInPreview(
    olds: Partial<OperatorInputs> | undefined,
    news: OperatorInputs,
  ): Promise<{ kubernetesUid?: string; reason?: string }> {
    const known = olds?.kubernetesUid;
    try {
      const api = await connect(news, IN_PREVIEW);
      const uid = await uids(clusterKey(news), () => kubernetesUid(api));
      const elsewhere = wrongClusterReason(known, { server: api.server, context: api.context, uid });
      const isNew = olds?.needs === undefined;
      return {
        kubernetesUid: uid ?? known,
        reason: elsewhere ?? (isNew ? await conflictOfNew(api, news.cluster) : undefined),
      };
    } catch (error) {
      if (!(error instanceof KubernetesError)) throw error;
      return { kubernetesUid: known }; // missingInPreview says why
    }
  }

  /** What the installed operator does not support, and why it would refuse the Cluster. */
  async function refusalsInPreview(inputs: OperatorInputs): Promise<string[]> {
    const [lacking, refused] = await Promise.all([
      inputs.awaited ? undefined : missingInPreview(inputs),
      refusedInPreview(inputs),
    ]);
    // `lacking` names unknown fields too.
    const fields = refused.filter(({ isUnknown }) => !isUnknown || lacking === undefined);
    const refusal = fields.length === 0 ? undefined : refusalOf(inputs, fields);
    return [lacking, refusal].filter((reason) => reason !== undefined);
  }

  /** Fields that the operator would refuse in a new Cluster. Prints a warning and returns none if it cannot be asked. */
  async function refusedInPreview(inputs: OperatorInputs): Promise<RefusedField[]> {
    const { cluster, declared } = inputs;
    if (cluster === undefined || declared === undefined || declared === UNKNOWN) return [];
    if (!(await servesClusters(inputs))) return [];
    const { namespace, name } = cluster;
    // A namespace whose name is not known yet does not exist yet.
    let place = namespace === UNKNOWN ? ELSEWHERE : namespace;
    const warn = (reason: string) => {
      const where = place === namespace ? "" : ` in the namespace ${place}, because its own does not exist yet`;
      console.error(
        `The preview could not check whether CloudNativePG accepts the Cluster ${name}${where} (${printable(reason)}). ` +
          "`up` will check it.",
      );
    };
    try {
      const api = await connect(inputs, IN_PREVIEW);
      if (namespace !== UNKNOWN && (await findCluster(api, namespace, name))) return [];
      const verdict = await dryRunCluster(name, JSON.parse(declared) as DeclaredCluster, async (manifest) => {
        const answer = await api.dryRun(clustersIn(place), manifest);
        if (answer.code !== 404 || place === ELSEWHERE) return answer;
        place = ELSEWHERE;
        return api.dryRun(clustersIn(place), manifest);
      });
      if (verdict.is === "unknown") warn(verdict.reason);
      return verdict.is === "refused" ? verdict.fields : [];
    } catch (error) {
      if (!(error instanceof KubernetesError)) throw error;
      warn(error.message);
      return [];
    }
  }

  /** If this cannot be read, missingInPreview or `diff` prints the reason. */
  async function servesClusters(inputs: OperatorInputs): Promise<boolean> {
    try {
      const { served: found } = await served(clusterKey(inputs), () => ask(inputs, IN_PREVIEW));
      return found.kinds?.clusters !== undefined;
    } catch (error) {
      if (error instanceof KubernetesError) return false;
      throw error;
    }
  }

  /** What is missing. Prints a warning and returns undefined if the API server does not answer. */
  async function missingInPreview(inputs: OperatorInputs): Promise<string | undefined> {
    try {
      return missingReason(await served(clusterKey(inputs), () => ask(inputs, IN_PREVIEW)), inputs);
    } catch (error) {
      if (!(error instanceof KubernetesError)) throw error;
      printUnchecked(`The preview could not check whether CloudNativePG is installed: ${error.message}`, error);
      return undefined;
    }
  }

  /** Retries, because the API server serves the definitions of a new operator only after a moment. */
  async function mustBeServed(inputs: OperatorInputs): Promise<void> {
    const look = async () => {
      const reason = missingReason(await ask(inputs, { delays: [] }), inputs);
      if (reason !== undefined) throw new KubernetesError("operator", reason);
    };
    const passes = (error: unknown) =>
      isUnavailable(error) || (inputs.awaited && error instanceof KubernetesError && error.failure === "operator");
    await retried(look, passes, delays);
  }

  async function ask(inputs: OperatorInputs, limits: RequestLimits): Promise<Asked> {
    const api = await connect(inputs, limits);
    return {
      server: api.server,
      context: api.context,
      served: await servedBy(api),
      hasObjectStores: inputs.objectStores !== true || (await api.read(`/${PLUGIN_GROUP}`)) !== undefined,
    };
  }
}

async function conflictOfNew(api: ApiReader, cluster: WantedCluster | undefined): Promise<string | undefined> {
  return (await clusterConflict(api, cluster)) ?? (await newObjectsConflict(api, cluster));
}

/** Distinguishes Kubernetes clusters. In memory only, because it contains the kubeconfig. */
const clusterKey = ({ context, kubeconfig, objectStores }: KubernetesConnection & { objectStores?: boolean }) =>
  JSON.stringify([context, kubeconfig, objectStores]);

/** A namespace that every Kubernetes cluster has. A dry run needs a namespace, and creates nothing in it. */
const ELSEWHERE = "default";
const clustersIn = (namespace: string) => `/${GROUP}/namespaces/${namespace}/clusters`;

/** The message about refused fields: one line for each field, and the fix. */
function refusalOf({ cluster }: OperatorInputs, fields: readonly RefusedField[]): string {
  const lines = fields.map(({ setting, problem }) => printable(setting === "" ? problem : `${setting}: ${problem}`));
  return (
    `CloudNativePG would refuse the Cluster ${cluster?.name}. Nothing was created. Correct these fields ` +
    `(${API_REFERENCE} describes what is under spec):\n${firstOf([...new Set(lines)])
      .map((line) => `  - ${line}`)
      .join("\n")}`
  );
}

/** What an API server answered. */
interface Asked {
  server: string;
  context: string;
  served: ServedOperator;
  /** Whether ObjectStores are served. True if they are not needed. */
  hasObjectStores: boolean;
}

/** Reads only what every user who can log in may read (the role `system:discovery`). */
async function servedBy(api: ApiReader): Promise<ServedOperator> {
  const group = (await api.read(`/${GROUP}`)) as { resources?: { name: string; kind: string }[] } | undefined;
  if (!group) return {};
  const kinds = Object.fromEntries((group.resources ?? []).map(({ name, kind }) => [name, kind]));
  return { kinds, schemas: await schemasOf(api) };
}

/** The schemas. None if they are not published, or this user may not read them: then every field counts as known. */
async function schemasOf(api: ApiReader): Promise<Record<string, Schema>> {
  try {
    const published = (await api.read(`/openapi/v3/${GROUP}`)) as Published | undefined;
    const schemas = Object.values(published?.components?.schemas ?? {});
    return Object.fromEntries(
      schemas.flatMap((schema) => (schema["x-kubernetes-group-version-kind"] ?? []).map(({ kind }) => [kind, schema])),
    );
  } catch (error) {
    if (error instanceof KubernetesError && !isUnavailable(error)) return {};
    throw error;
  }
}

interface Published {
  components?: { schemas?: Record<string, Schema & { "x-kubernetes-group-version-kind"?: { kind: string }[] }> };
}

/** The message about what is missing, with the fix. Undefined if nothing is missing. */
function missingReason(
  { server, context, served, hasObjectStores }: Asked,
  { needs }: OperatorInputs,
): string | undefined {
  const where = `The Kubernetes cluster at ${server} (context ${context})`;
  const elsewhere = "If you meant another cluster, set kubernetes.context, or KUBECONFIG.";
  if (served.kinds?.clusters === undefined) {
    return (
      `${where} has no CloudNativePG: it does not serve clusters of postgresql.cnpg.io/v1. Nothing was changed. ` +
      `Install the operator (${VERSIONS}; ${INSTALL}), and run the command again. ${elsewhere} ` +
      "If your program installs the operator itself, add the resource that installs it to the PostgresCluster's dependsOn."
    );
  }
  const missing = unsupportedNeeds(served, needs);
  if (missing.length === 0 && !hasObjectStores) {
    return (
      `${where} does not have CloudNativePG's barman-cloud plugin, which backup and recovery need: it does not serve ` +
      `objectstores of barmancloud.cnpg.io/v1. Nothing was changed. Install the plugin (${INSTALL_PLUGIN}), and run the ` +
      `command again. ${elsewhere}`
    );
  }
  if (missing.length === 0) return undefined;
  return (
    `${where} has a CloudNativePG that does not know what is declared, and would ignore it without an error: ` +
    `${missing.join("; ")}. Nothing was changed. Upgrade the operator and its definitions (${VERSIONS}; ${INSTALL}), ` +
    `or leave these settings out; in spec and templates, check the spelling. ${elsewhere}`
  );
}
