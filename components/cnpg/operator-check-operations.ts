/** The methods of Pulumi's provider behind an OperatorCheck: it makes nothing, and fails where the rest would. */
import { askedOnce } from "../http/asked-once";
import { ApiReader, ApiValidator, apiValidator, KubernetesConnection, Patience } from "../kubernetes/client";
import { firstOf, printable } from "../dynamic/message-limits";
import { isPassing, KubernetesError } from "../kubernetes/errors";
import { kubernetesUid, mustBeOfStack, otherCluster } from "../kubernetes/identity";
import { findCluster, takenCluster, type WantedCluster } from "../protection/taken-cluster";
import type { Provider } from "../dynamic/methods";
import { retried } from "../retry";
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

/** A preview waits for nobody: what cannot be asked now is asked by `up`. */
const IN_PASSING: Patience = { limit: 10_000, delays: [] };

/** The operations over a way of reaching the API server. */
export function operatorCheck(
  connect: (connection: KubernetesConnection, patience?: Patience) => Promise<ApiValidator> = apiValidator,
  delays?: readonly number[],
): Provider<OperatorInputs, OperatorInputs> {
  const once = askedOnce<Asked>();
  const seenOnce = askedOnce<string | undefined>();

  return {
    async check(olds, news) {
      const { kubernetesUid: uid, reason } = await placeInPassing(olds, news);
      const inputs = { ...news, ...(uid === undefined ? {} : { kubernetesUid: uid }) };
      const failures = reason === undefined ? await refusalsInPassing(news) : [reason];
      return { inputs, failures: failures.map((failure) => ({ property: "", reason: failure })) };
    },
    /** `check` has looked, but where the operator may come before this resource. */
    async diff(_id, olds, news) {
      const reason = news.awaited ? await lackInPassing(news) : undefined;
      if (reason !== undefined) console.error(`${reason} This is looked at again before anything is changed.`);
      const isElsewhere = olds.context !== news.context || olds.kubernetesUid !== news.kubernetesUid;
      return { changes: reason !== undefined || isElsewhere };
    },
    async create(inputs) {
      await mustBeServed(inputs);
      return { id: "cloudnative-pg", outs: inputs };
    },
    /** Comes with every refresh: which would forget whatever another cluster does not have. */
    async read(id, props) {
      if (!props) return {};
      const api = await connect(props, { delays: [] });
      const uid = (await mustBeOfStack(api, props.kubernetesUid)) ?? props.kubernetesUid;
      return { id, props: { ...props, ...(uid === undefined ? {} : { kubernetesUid: uid }) } };
    },
    async update(_id, _olds, news) {
      await mustBeServed(news);
      return { outs: news };
    },
    async delete() {
      // Looking made nothing, so there is nothing to remove.
    },
  };

  /** Which Kubernetes cluster it is, and why nothing may be made there; what cannot be asked now keeps what was known. */
  async function placeInPassing(
    olds: Partial<OperatorInputs> | undefined,
    news: OperatorInputs,
  ): Promise<{ kubernetesUid?: string; reason?: string }> {
    const known = olds?.kubernetesUid;
    try {
      const api = await connect(news, IN_PASSING);
      const uid = await seenOnce(news.context ?? "", () => kubernetesUid(api));
      const elsewhere = otherCluster(known, { server: api.server, context: api.context, uid });
      const isNew = olds?.needs === undefined;
      return {
        kubernetesUid: uid ?? known,
        reason: elsewhere ?? (isNew ? await takenCluster(api, news.cluster) : undefined),
      };
    } catch (error) {
      if (!(error instanceof KubernetesError)) throw error;
      return { kubernetesUid: known }; // lackInPassing says why
    }
  }

  /** What the operator lacks, and what it has against the Cluster. */
  async function refusalsInPassing(inputs: OperatorInputs): Promise<string[]> {
    const [lacking, refused] = await Promise.all([
      inputs.awaited ? undefined : lackInPassing(inputs),
      refusedInPassing(inputs),
    ]);
    // Fields that are not served are named by what is lacking as well.
    const fields = refused.filter(({ isUnknown }) => !isUnknown || lacking === undefined);
    const refusal = fields.length === 0 ? undefined : refusalOf(inputs, fields);
    return [lacking, refusal].filter((reason) => reason !== undefined);
  }

  /** Fields that would be refused if the Cluster were made now; none too where nobody can tell, which is said. */
  async function refusedInPassing(inputs: OperatorInputs): Promise<RefusedField[]> {
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
      const api = await connect(inputs, IN_PASSING);
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

  /** Where this cannot be told, lackInPassing says so, or `diff`. */
  async function servesClusters(inputs: OperatorInputs): Promise<boolean> {
    try {
      const { served } = await once(inputs.context ?? "", () => ask(inputs, IN_PASSING));
      return served.kinds?.clusters !== undefined;
    } catch (error) {
      if (error instanceof KubernetesError) return false;
      throw error;
    }
  }

  /** What is lacking; undefined too where nobody can tell, which is said. */
  async function lackInPassing(inputs: OperatorInputs): Promise<string | undefined> {
    try {
      return lack(await once(inputs.context ?? "", () => ask(inputs, IN_PASSING)), inputs.needs);
    } catch (error) {
      if (!(error instanceof KubernetesError)) throw error;
      console.error(`Whether CloudNativePG is installed could not be told: ${error.message}`);
      return undefined;
    }
  }

  /** What an operator that was installed just now defines is served some moments later. */
  async function mustBeServed(inputs: OperatorInputs): Promise<void> {
    const look = async () => {
      const reason = lack(await ask(inputs, { delays: [] }), inputs.needs);
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
function lack({ server, context, served }: Asked, needs: OperatorNeeds): string | undefined {
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

export const operatorOperations = operatorCheck();
