/**
 * The document of a join token, and its checks, with how Teleport verifies service-account tokens of a Kubernetes
 * cluster that it does not run in. Pure.
 */
import type * as pulumi from "@pulumi/pulumi";
import type { SettingProblem } from "../../problems";
import type { TeleportDocument } from "../client/tctl";
import type { RegistrationArgs } from "./registration";

/**
 * Who may join. With all of these methods, machines prove their identity by their platform, so the token's name is
 * not secret. There is no method `token`, because there the name is the secret.
 */
export type JoinRules =
  /** Pods. `serviceAccounts` have the form `namespace:name`. */
  | {
      method: "kubernetes";
      serviceAccounts: string[];
      /**
       * The cluster's signing keys, as `kubectl get --raw /openid/v1/jwks` prints them, for agents in another
       * Kubernetes cluster than Teleport's (`type: static_jwks`; Teleport ≥ 14). Update the keys when the cluster
       * changes them, or use `oidcIssuer`. Default: Teleport asks the cluster that it runs in.
       */
      jwks?: string;
      /**
       * The cluster's issuer, from which Teleport reads the signing keys. Use it instead of `jwks` for clusters with
       * a public issuer (EKS, AKS, GKE). Some of them change their keys automatically (EKS). Becomes `type: oidc`,
       * `oidc.issuer`; Teleport ≥ 17.7.3 or ≥ 18.1.5.
       */
      oidcIssuer?: string;
    }
  /** Machines in AWS. */
  | {
      method: "iam";
      /** Who may join. Becomes `allow`. */
      allow: {
        /** AWS account. Becomes `aws_account`. */
        account: string;
        /** Identity in the account; may contain `*` and `?`. Becomes `aws_arn`. Default: any. */
        arn?: string;
      }[];
    }
  /** Machines in Google Cloud. */
  | {
      method: "gcp";
      /** Who may join. Becomes `gcp.allow`. */
      allow: {
        /** Projects in Google Cloud, by ID. Becomes `project_ids`. */
        projects: string[];
        /** Regions or zones. Becomes `locations`. Default: any. */
        locations?: string[];
        /** Service accounts of the machines, by e-mail address. Becomes `service_accounts`. Default: any. */
        serviceAccounts?: string[];
      }[];
    }
  /** Machines in Azure. */
  | {
      method: "azure";
      /** Who may join. Becomes `azure.allow`. */
      allow: {
        /** Azure subscription, by ID. Becomes `subscription`. */
        subscription: string;
        /** Resource groups in it. Becomes `resource_groups`. Default: any. */
        resourceGroups?: string[];
      }[];
    }
  /** GitHub Actions. */
  | {
      method: "github";
      /** Rules with Teleport's names of the fields, e.g. `repository`, `ref`, `environment`. Becomes `github.allow`. */
      allow: Record<string, string>[];
      /** Host of a GitHub Enterprise Server. Becomes `github.enterprise_server_host`. Default: github.com. */
      enterpriseServerHost?: string;
    }
  /** GitLab CI. */
  | {
      method: "gitlab";
      /** Rules with Teleport's names of the fields, e.g. `project_path`, `ref`. Becomes `gitlab.allow`. */
      allow: Record<string, string>[];
      /** Domain of your own GitLab. Becomes `gitlab.domain`. Default: gitlab.com. */
      domain?: string;
    };

/** Settings of a join token. They become `kind: token, version: v2`. */
export interface TeleportJoinTokenArgs extends RegistrationArgs {
  /** Name in Teleport, which agents use in their configuration. A change replaces the token. */
  name: pulumi.Input<string>;
  /** Labels of the token itself. */
  labels?: pulumi.Input<Record<string, pulumi.Input<string>>>;
  /** Who may join. */
  join: pulumi.Input<JoinRules>;
  /**
   * Name of the bot that joins by this token (tbot), instead of a database agent. Becomes `roles: [Bot]` and
   * `bot_name`.
   */
  botName?: pulumi.Input<string>;
}

/** The settings of a join token, without the Teleport cluster. */
export type JoinTokenSettings = pulumi.Unwrap<Omit<TeleportJoinTokenArgs, keyof RegistrationArgs>>;

export const JOIN_TOKEN = { kind: "token", version: "v2" } as const;
const METHODS: readonly string[] = ["kubernetes", "iam", "gcp", "azure", "github", "gitlab"];

/** The document that is sent to Teleport. */
export function joinToken(settings: JoinTokenSettings): TeleportDocument {
  const { name, labels = {} } = settings;
  return { ...JOIN_TOKEN, metadata: { name, labels }, spec: joinTokenSpec(settings) };
}

/** `spec` of the document. */
export function joinTokenSpec({ join, botName }: Pick<JoinTokenSettings, "join" | "botName">): Record<string, unknown> {
  return {
    roles: [botName === undefined ? "Db" : "Bot"],
    ...(botName === undefined ? {} : { bot_name: botName }),
    join_method: join.method,
    ...joinRules(join),
  };
}

function joinRules(join: JoinRules): Record<string, unknown> {
  switch (join.method) {
    case "kubernetes": {
      const allow = join.serviceAccounts.map((account) => ({ service_account: account }));
      return { kubernetes: { ...trustSpec(join), allow } };
    }
    case "iam":
      return {
        allow: join.allow.map(({ account, arn }) => ({
          aws_account: account,
          ...(arn === undefined ? {} : { aws_arn: arn }),
        })),
      };
    case "gcp":
      return {
        gcp: {
          allow: join.allow.map(({ projects, locations, serviceAccounts }) => ({
            project_ids: projects,
            ...(locations ? { locations } : {}),
            ...(serviceAccounts ? { service_accounts: serviceAccounts } : {}),
          })),
        },
      };
    case "azure":
      return {
        azure: {
          allow: join.allow.map(({ subscription, resourceGroups }) => ({
            subscription,
            ...(resourceGroups ? { resource_groups: resourceGroups } : {}),
          })),
        },
      };
    case "github": {
      const { allow, enterpriseServerHost: host } = join;
      return { github: { ...(host === undefined ? {} : { enterprise_server_host: host }), allow } };
    }
    case "gitlab": {
      const { allow, domain } = join;
      return { gitlab: { ...(domain === undefined ? {} : { domain }), allow } };
    }
    default:
      return {}; // checkTokenSpec refuses other methods, with a reason
  }
}

/** Checks the spec of a token as it is sent. */
export function checkTokenSpec(setting: string, spec: Record<string, unknown>): SettingProblem[] {
  const method = spec.join_method;
  const methodSetting = `${setting}.join_method`;
  if (method === "token" || method === undefined) {
    return [
      {
        setting: methodSetting,
        value: method,
        problem:
          "is not allowed: the token's name would be the secret that lets machines join, and the name is in the state and in logs",
        fix: `Use ${METHODS.slice(0, -1).join(", ")} or ${METHODS.at(-1)}. Create secret tokens manually, with \`tctl tokens add\`.`,
      },
    ];
  }
  if (typeof method !== "string" || !METHODS.includes(method)) {
    return [
      {
        setting: methodSetting,
        value: method,
        problem: "is not a supported join method",
        fix: `Use one of ${METHODS.join(", ")}.`,
      },
    ];
  }
  const where = method === "iam" ? `${setting}.allow` : `${setting}.${method}.allow`;
  return [
    ...checkRules(method, rulesOf(method, spec)).map(({ index, ...problem }) => ({
      ...problem,
      setting: at(where, index),
    })),
    ...(method === "kubernetes" ? checkKubernetes(`${setting}.kubernetes`, spec.kubernetes) : []),
  ];
}

/** Checks the source of the signing keys, with Teleport's names of the fields. */
function checkKubernetes(setting: string, kubernetes: unknown): SettingProblem[] {
  const { static_jwks, oidc } = (kubernetes ?? {}) as {
    static_jwks?: { jwks?: unknown };
    oidc?: { issuer?: unknown };
  };
  const names = { jwks: `${setting}.static_jwks.jwks`, oidcIssuer: `${setting}.oidc.issuer` };
  return checkTrust({ jwks: static_jwks?.jwks, oidcIssuer: oidc?.issuer }, (name) => names[name]);
}

/** Checks rules before a token is created from them. Problems use the names of this program's settings. */
export function checkJoinRules(setting: string, join: JoinRules): SettingProblem[] {
  const { method } = join;
  if (!METHODS.includes(method)) return checkTokenSpec(setting, joinTokenSpec({ join }));
  const [where, declared] =
    join.method === "kubernetes" ? ["serviceAccounts", join.serviceAccounts] : ["allow", join.allow];
  return [
    ...checkRules(method, rulesOf(method, joinTokenSpec({ join }))).map(({ index, ...problem }) => ({
      ...problem,
      setting: at(`${setting}.${where}`, index),
      ...(index === undefined ? {} : { value: declared[index] }),
    })),
    ...(join.method === "kubernetes" ? checkTrust(join, (name) => `${setting}.${name}`) : []),
  ];
}

function rulesOf(method: string, spec: Record<string, unknown>): unknown {
  return method === "iam" ? spec.allow : (spec[method] as Record<string, unknown> | undefined)?.allow;
}

function at(setting: string, index: number | undefined): string {
  return index === undefined ? setting : `${setting}[${index}]`;
}

/** Fields without which Teleport refuses a rule (`ProvisionTokenSpecV2GCP` and `…Azure`, api/types/provisioning.go). */
const NEEDED: Readonly<Record<string, string>> = { gcp: "project_ids", azure: "subscription" };

/** Checks for rules that match nothing, or more than intended. A problem without an index concerns all rules. */
function checkRules(method: string, rules: unknown): (Omit<SettingProblem, "setting"> & { index?: number })[] {
  if (!Array.isArray(rules) || rules.length === 0) {
    return [{ problem: "has no rule, so nothing can join", fix: "Write at least one rule." }];
  }
  return (rules as Record<string, unknown>[]).flatMap((rule, index) => {
    const account = rule.service_account;
    if (method === "kubernetes" && !(typeof account === "string" && /^[^:]+:[^:]+$/.test(account))) {
      const problem = "is not a valid service account in Teleport";
      return [{ index, value: account, problem, fix: "Write namespace:name, e.g. teleport:teleport-agent." }];
    }
    const needed = NEEDED[method];
    const hasCondition = needed === undefined ? Object.values(rule).some(hasValue) : hasValue(rule[needed]);
    const problem = needed === undefined ? "has no condition" : `has no ${needed}`;
    return hasCondition ? [] : [{ index, value: rule, problem, fix: "Write the values that must match." }];
  });
}

/** Empty lists and empty strings count as no value. */
function hasValue(value: unknown): boolean {
  return Array.isArray(value) ? value.some(hasValue) : value !== undefined && value !== "";
}

/**
 * The signer of a Kubernetes cluster's service-account tokens. Without either field, Teleport asks the cluster that
 * it runs in.
 */
export interface AccountTrust {
  jwks?: string;
  oidcIssuer?: string;
}

/** The fields of a join token's spec. */
function trustSpec({ jwks, oidcIssuer }: AccountTrust): Record<string, unknown> {
  return {
    ...(jwks === undefined ? {} : { type: "static_jwks", static_jwks: { jwks } }),
    ...(oidcIssuer === undefined ? {} : { type: "oidc", oidc: { issuer: oidcIssuer } }),
  };
}

/** Whether Teleport verifies a token itself. The token's audience must then be the name of the Teleport cluster. */
export function isCheckedByTeleport({ jwks, oidcIssuer }: AccountTrust): boolean {
  return jwks !== undefined || oidcIssuer !== undefined;
}

/** Returns every problem. `at` returns the name of the setting. */
export function checkTrust(
  { jwks, oidcIssuer }: { [Setting in keyof AccountTrust]?: unknown },
  at: (setting: keyof AccountTrust) => string,
): SettingProblem[] {
  const both =
    jwks === undefined || oidcIssuer === undefined
      ? []
      : [
          {
            setting: at("oidcIssuer"),
            value: oidcIssuer,
            problem: `cannot be combined with ${at("jwks")}`,
            fix: "If Teleport can reach the cluster's issuer, keep oidcIssuer and remove jwks. Otherwise keep jwks.",
          },
        ];
  return [
    ...both,
    ...(jwks === undefined ? [] : checkJwks(at("jwks"), jwks)),
    ...(oidcIssuer === undefined ? [] : checkIssuer(at("oidcIssuer"), oidcIssuer)),
  ];
}

/** Messages do not show the value: it may be anything, even a private key. */
function checkJwks(setting: string, jwks: unknown): SettingProblem[] {
  const fix = "Write the output of `kubectl get --raw /openid/v1/jwks` of the pods' cluster.";
  const keys = keysOf(jwks);
  if (keys === undefined) return [{ setting, problem: "must be a JSON Web Key Set: JSON with a list of keys", fix }];
  if (keys.length === 0) return [{ setting, problem: "must have at least one key in its list of keys", fix }];
  if (keys.some((key) => key === null || typeof key !== "object" || typeof (key as { kty?: unknown }).kty !== "string"))
    return [{ setting, problem: "must have a type (kty) for each key", fix }];
  if (keys.some((key) => ["d", "k"].some((secret) => secret in (key as object))))
    return [{ setting, problem: "contains a private key", fix: `${fix} Treat that key as leaked.` }];
  return [];
}

function keysOf(jwks: unknown): unknown[] | undefined {
  if (typeof jwks !== "string") return undefined;
  try {
    const set = JSON.parse(jwks) as { keys?: unknown } | null;
    return Array.isArray(set?.keys) ? (set.keys as unknown[]) : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Teleport appends `/.well-known/openid-configuration` to the issuer, and compares the issuer with the one in tokens
 * and in that document.
 */
function checkIssuer(setting: string, issuer: unknown): SettingProblem[] {
  const url = typeof issuer === "string" && URL.canParse(issuer) ? new URL(issuer) : undefined;
  const isPlain = url !== undefined && url.search === "" && url.hash === "" && url.username === "";
  if (url?.protocol === "https:" && isPlain) return [];
  return [
    {
      setting,
      value: issuer,
      problem: "must be an https URL without a query",
      fix: "Write the issuer that `kubectl get --raw /.well-known/openid-configuration` prints, and that Teleport can reach.",
    },
  ];
}
