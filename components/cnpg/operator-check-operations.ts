/** OperatorCheck: it makes nothing, and fails where the rest would. */
import { memoized } from "../memoized";
import { ApiReader, ApiValidator, apiValidator, KubernetesConnection, Patience } from "../kubernetes/client";
import { firstOf, printable } from "../dynamic/message-limits";
import { isPassing, KubernetesError, sayUnseen } from "../kubernetes/errors";
import { kubernetesUid, mustBeOfStack, otherCluster } from "../kubernetes/identity";
import { findCluster, IN_PREVIEW, takenCluster, type WantedCluster } from "../protection/taken-cluster";
import type { ResourceKind } from "../dynamic/converge";
import { retried } from "../waiting";
import { UNKNOWN } from "../teleport/resources/document";
import { DeclaredCluster, RefusedField, verdictOn } from "./dry-run";
import { OperatorNeeds, Schema, ServedOperator, unserved } from "./operator-version";

/** Inputs of an OperatorCheck, and its state. */
export interface OperatorInputs extends KubernetesConnection {
  needs: OperatorNeeds;
  /** What comes before may install the operator: its lack is an error of `up` only, once that is done. */
  awaited: boolean;
  /** The Cluster that is to be made, and whose it will be. Absent in states of 0.1.0. */
  cluster?: WantedCluster;
  /**
   * A DeclaredCluster, as JSON: what is to be made of `cluster`. The operator is asked about it while there is no such
   * Cluster. Absent in states of 0.1.0, and where nothing is asked.
   */
  declared?: string;
  /** UID of the Kubernetes cluster's `kube-system`: put here by `check`. Absent where it may not be read. */
  kubernetesUid?: string;
}

const GROUP = "apis/postgresql.cnpg.io/v1";
/** CNPG's own page, and what this project is tested with. */
const INSTALL = "https://cloudnative-pg.io/documentation/current/installation_upgrade/";
const API_REFERENCE = "https://cloudnative-pg.io/documentation/current/cloudnative-pg.v1/";
const VERSIONS = "1.30 is tested, poolers need 1.28, usersAs: databaseRole needs 1.30";

/** The kind over a way of reaching the API server. */
export function operatorCheck(
  connect: (connection: KubernetesConnection, patience?: Patience) => Promise<ApiValidator> = apiValidator,
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
    /** `check` has looked, but where the operator may come before this resource. */
    async differs(news, olds) {
      const reason = news.awaited ? await missingInPreview(news) : undefined;
      if (reason !== undefined) console.error(`${reason} This is looked at again before anything is changed.`);
      const isElsewhere = olds.context !== news.context || olds.kubernetesUid !== news.kubernetesUid;
      return reason !== undefined || isElsewhere;
    },
    async apply(inputs) {
      await mustBeServed(inputs);
      return inputs;
    },
    /** Comes with every refresh: which would forget whatever another cluster does not have. */
    async read(state) {
      if (!state) return undefined;
      const api = await connect(state, { delays: [] });
      const uid = (await mustBeOfStack(api, state.kubernetesUid)) ?? state.kubernetesUid;
      return { ...state, ...(uid === undefined ? {} : { kubernetesUid: uid }) };
    },
  };

  /** Which Kubernetes cluster it is, and why nothing may be made there; what cannot be asked now keeps what was known. */
  async function placeInPreview(
    olds: Partial<OperatorInputs> | undefined,
    news: OperatorInputs,
  ): Promise<{ kubernetesUid?: string; reason?: string }> {
    const known = olds?.kubernetesUid;
    try {
      const api = await connect(news, IN_PREVIEW);
      const uid = await uids(placeOf(news), () => kubernetesUid(api));
      const elsewhere = otherCluster(known, { server: api.server, context: api.context, uid });
      const isNew = olds?.needs === undefined;
      return {
        kubernetesUid: uid ?? known,
        reason: elsewhere ?? (isNew ? await takenCluster(api, news.cluster) : undefined),
      };
    } catch (error) {
      if (!(error instanceof KubernetesError)) throw error;
      return { kubernetesUid: known }; // missingInPreview says why
    }
  }

  /** What the operator lacks, and what it has against the Cluster. */
  async function refusalsInPreview(inputs: OperatorInputs): Promise<string[]> {
    const [lacking, refused] = await Promise.all([
      inputs.awaited ? undefined : missingInPreview(inputs),
      refusedInPreview(inputs),
    ]);
    // Fields that are not served are named by what is lacking as well.
    const fields = refused.filter(({ isUnknown }) => !isUnknown || lacking === undefined);
    const refusal = fields.length === 0 ? undefined : refusalOf(inputs, fields);
    return [lacking, refusal].filter((reason) => reason !== undefined);
  }

  /** Fields that would be refused if the Cluster were made now; none too where nobody can tell, which is said. */
  async function refusedInPreview(inputs: OperatorInputs): Promise<RefusedField[]> {
    const { cluster, declared } = inputs;
    if (cluster === undefined || declared === undefined || declared === UNKNOWN) return [];
    if (!(await servesClusters(inputs))) return [];
    const { namespace, name } = cluster;
    // What is not known yet is not there yet.
    let place = namespace === UNKNOWN ? ELSEWHERE : namespace;
    const untold = (reason: string) => {
      const where = place === namespace ? "" : ` in the namespace ${place}, because its own does not exist yet`;
      console.error(
        `Whether CloudNativePG accepts the Cluster ${name} could not be asked${where} (${printable(reason)}). ` +
          "`up` will find out.",
      );
    };
    try {
      const api = await connect(inputs, IN_PREVIEW);
      if (namespace !== UNKNOWN && (await findCluster(api, namespace, name))) return [];
      const verdict = await verdictOn(name, JSON.parse(declared) as DeclaredCluster, async (manifest) => {
        const answer = await api.dryRun(clustersIn(place), manifest);
        if (answer.code !== 404 || place === ELSEWHERE) return answer;
        place = ELSEWHERE;
        return api.dryRun(clustersIn(place), manifest);
      });
      if (verdict.is === "unknown") untold(verdict.reason);
      return verdict.is === "refused" ? verdict.fields : [];
    } catch (error) {
      if (!(error instanceof KubernetesError)) throw error;
      untold(error.message);
      return [];
    }
  }

  /** Where this cannot be told, missingInPreview says so, or `diff`. */
  async function servesClusters(inputs: OperatorInputs): Promise<boolean> {
    try {
      const { served: found } = await served(placeOf(inputs), () => ask(inputs, IN_PREVIEW));
      return found.kinds?.clusters !== undefined;
    } catch (error) {
      if (error instanceof KubernetesError) return false;
      throw error;
    }
  }

  /** What is lacking; undefined too where nobody can tell, which is said. */
  async function missingInPreview(inputs: OperatorInputs): Promise<string | undefined> {
    try {
      return missingReason(await served(placeOf(inputs), () => ask(inputs, IN_PREVIEW)), inputs.needs);
    } catch (error) {
      if (!(error instanceof KubernetesError)) throw error;
      sayUnseen(`Whether CloudNativePG is installed could not be told: ${error.message}`, error);
      return undefined;
    }
  }

  /** What an operator that was installed just now defines is served some moments later. */
  async function mustBeServed(inputs: OperatorInputs): Promise<void> {
    const look = async () => {
      const reason = missingReason(await ask(inputs, { delays: [] }), inputs.needs);
      if (reason !== undefined) throw new KubernetesError("operator", reason);
    };
    const passes = (error: unknown) =>
      isPassing(error) || (inputs.awaited && error instanceof KubernetesError && error.failure === "operator");
    await retried(look, passes, delays);
  }

  async function ask(inputs: OperatorInputs, patience: Patience): Promise<Asked> {
    const api = await connect(inputs, patience);
    return { server: api.server, context: api.context, served: await servedBy(api) };
  }
}

/** Tells Kubernetes clusters apart; in memory only. */
const placeOf = ({ context, kubeconfig }: KubernetesConnection) => JSON.stringify([context, kubeconfig]);

/** A namespace that every Kubernetes cluster has: a dry run needs one, and makes nothing in it. */
const ELSEWHERE = "default";
const clustersIn = (namespace: string) => `/${GROUP}/namespaces/${namespace}/clusters`;

/** What is refused, one line for each field, and what to do. */
function refusalOf({ cluster }: OperatorInputs, fields: readonly RefusedField[]): string {
  const lines = fields.map(({ setting, problem }) => printable(setting === "" ? problem : `${setting}: ${problem}`));
  return (
    `CloudNativePG would refuse the Cluster ${cluster?.name}, so nothing of it was made. Correct these ` +
    `(${API_REFERENCE} describes what is under spec):\n${firstOf([...new Set(lines)])
      .map((line) => `  - ${line}`)
      .join("\n")}`
  );
}

/** What an API server said. */
interface Asked {
  server: string;
  context: string;
  served: ServedOperator;
}

/** Reads what every user may who may log in (the role `system:discovery`). */
async function servedBy(api: ApiReader): Promise<ServedOperator> {
  const group = (await api.read(`/${GROUP}`)) as { resources?: { name: string; kind: string }[] } | undefined;
  if (!group) return {};
  const kinds = Object.fromEntries((group.resources ?? []).map(({ name, kind }) => [name, kind]));
  return { kinds, schemas: await schemasOf(api) };
}

/** None where they are not published, or not to this user: then the API server is taken to know every field. */
async function schemasOf(api: ApiReader): Promise<Record<string, Schema>> {
  try {
    const published = (await api.read(`/openapi/v3/${GROUP}`)) as Published | undefined;
    const schemas = Object.values(published?.components?.schemas ?? {});
    return Object.fromEntries(
      schemas.flatMap((schema) => (schema["x-kubernetes-group-version-kind"] ?? []).map(({ kind }) => [kind, schema])),
    );
  } catch (error) {
    if (error instanceof KubernetesError && !isPassing(error)) return {};
    throw error;
  }
}

interface Published {
  components?: { schemas?: Record<string, Schema & { "x-kubernetes-group-version-kind"?: { kind: string }[] }> };
}

/** What is lacking and what to do; undefined if nothing is. */
function missingReason({ server, context, served }: Asked, needs: OperatorNeeds): string | undefined {
  const where = `The Kubernetes cluster at ${server} (context ${context})`;
  const elsewhere = "If you meant another cluster, set kubernetes.context, or KUBECONFIG.";
  if (served.kinds?.clusters === undefined) {
    return (
      `${where} has no CloudNativePG: it serves no clusters of postgresql.cnpg.io/v1. Nothing was changed. ` +
      `Install the operator (${VERSIONS}; ${INSTALL}), and run the command again. ${elsewhere} ` +
      "If your program installs the operator itself, add the resource that installs it to the PostgresCluster's dependsOn."
    );
  }
  const missing = unserved(served, needs);
  if (missing.length === 0) return undefined;
  return (
    `${where} has a CloudNativePG that does not know what is declared, and would ignore it without an error: ` +
    `${missing.join("; ")}. Nothing was changed. Upgrade the operator and its definitions (${VERSIONS}; ${INSTALL}), ` +
    `or leave these settings out; in spec and templates, check the spelling. ${elsewhere}`
  );
}
