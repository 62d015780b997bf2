/** What a join token says, and what it must not say. Pure. */
import type * as pulumi from "@pulumi/pulumi";
import type { SettingProblem } from "../../problems";
import { checkTrust, trustSpec } from "./account-trust";
import type { TeleportDocument } from "../client/tctl";
import type { RegistrationArgs } from "./resource";

/**
 * Who may join. All of these prove who they are to Teleport by their platform: the token's name is no secret. There is
 * no method `token`, because there the name is the secret.
 */
export type JoinRules =
  /** Pods. `serviceAccounts`: as `namespace:name`. */
  | {
      method: "kubernetes";
      serviceAccounts: string[];
      /**
       * The cluster's signing keys, as `kubectl get --raw /openid/v1/jwks` prints them, for agents in a Kubernetes
       * cluster other than Teleport's (`type: static_jwks`; Teleport ≥ 14). Update them when the cluster changes its keys,
       * or use `oidcIssuer`. Default: Teleport asks the cluster that it runs in.
       */
      jwks?: string;
      /**
       * The cluster's issuer, where Teleport looks up the signing keys. Use it in place of `jwks` for clusters that have a
       * public issuer (EKS, AKS, GKE), some of which change their keys by themselves (EKS). Becomes `type: oidc`,
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
        /** Identity in it; may have `*` and `?`. Becomes `aws_arn`. Default: any. */
        arn?: string;
      }[];
    }
  /** Machines in Google Cloud. */
  | {
      method: "gcp";
      /** Who may join. Becomes `gcp.allow`. */
      allow: {
        /** Becomes `project_ids`. */
        projects: string[];
        /** Regions or zones. Becomes `locations`. Default: any. */
        locations?: string[];
        /** Becomes `service_accounts`. Default: any. */
        serviceAccounts?: string[];
      }[];
    }
  /** Machines in Azure. */
  | {
      method: "azure";
      /** Who may join. Becomes `azure.allow`. */
      allow: {
        /** Becomes `subscription`. */
        subscription: string;
        /** Becomes `resource_groups`. Default: any. */
        resourceGroups?: string[];
      }[];
    }
  /** GitHub Actions. */
  | {
      method: "github";
      /** Rules with fields as Teleport names them, e.g. `repository`, `ref`, `environment`. Becomes `github.allow`. */
      allow: Record<string, string>[];
      /** GitHub Enterprise Server. Becomes `github.enterprise_server_host`. Default: github.com. */
      enterpriseServerHost?: string;
    }
  /** GitLab CI. */
  | {
      method: "gitlab";
      /** Rules with fields as Teleport names them, e.g. `project_path`, `ref`. Becomes `gitlab.allow`. */
      allow: Record<string, string>[];
      /** A GitLab of one's own. Becomes `gitlab.domain`. Default: gitlab.com. */
      domain?: string;
    };

/** Settings of a join token; they become `kind: token, version: v2`. */
export interface TeleportJoinTokenArgs extends RegistrationArgs {
  /** Name in Teleport, which agents are configured with. A change replaces the token. */
  name: pulumi.Input<string>;
  /** Labels of the token itself. */
  labels?: pulumi.Input<Record<string, pulumi.Input<string>>>;
  /** Who may join. */
  join: pulumi.Input<JoinRules>;
  /** Join as this bot, for tbot, in place of a database agent. Becomes `roles: [Bot]` and `bot_name`. */
  botName?: pulumi.Input<string>;
}

/** What is known of a join token, without where to register it. */
export type JoinTokenSettings = pulumi.Unwrap<Omit<TeleportJoinTokenArgs, keyof RegistrationArgs>>;

export const JOIN_TOKEN = { kind: "token", version: "v2" } as const;
const METHODS: readonly string[] = ["kubernetes", "iam", "gcp", "azure", "github", "gitlab"];

/** The document that Teleport is given. */
export function joinToken(settings: JoinTokenSettings): TeleportDocument {
  const { name, labels = {} } = settings;
  return { ...JOIN_TOKEN, metadata: { name, labels }, spec: joinTokenSpec(settings) };
}

/** Its `spec`. */
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
      return {}; // refused by checkTokenSpec, which says why
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
        problem: "makes the token's name the secret that lets machines join, and the name is in the state and in logs",
        fix: `Use ${METHODS.slice(0, -1).join(", ")} or ${METHODS.at(-1)}; a secret token is for \`tctl tokens add\`, by hand.`,
      },
    ];
  }
  if (typeof method !== "string" || !METHODS.includes(method)) {
    return [
      {
        setting: methodSetting,
        value: method,
        problem: "is no method that is supported here",
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

/** Where its signing keys come from, by the names that Teleport gives them. */
function checkKubernetes(setting: string, kubernetes: unknown): SettingProblem[] {
  const { static_jwks, oidc } = (kubernetes ?? {}) as {
    static_jwks?: { jwks?: unknown };
    oidc?: { issuer?: unknown };
  };
  const names = { jwks: `${setting}.static_jwks.jwks`, oidcIssuer: `${setting}.oidc.issuer` };
  return checkTrust({ jwks: static_jwks?.jwks, oidcIssuer: oidc?.issuer }, (name) => names[name]);
}

/** Checks rules before a token is made of them, and tells what is wrong by the names that they have here. */
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

/** Without these Teleport refuses a rule (`ProvisionTokenSpecV2GCP` and `…Azure`, api/types/provisioning.go). */
const NEEDED: Readonly<Record<string, string>> = { gcp: "project_ids", azure: "subscription" };

/** Rules that would let in nobody, or more than somebody meant. Without an index it is all of them. */
function checkRules(method: string, rules: unknown): (Omit<SettingProblem, "setting"> & { index?: number })[] {
  if (!Array.isArray(rules) || rules.length === 0) {
    return [{ problem: "lets nobody join", fix: "Give at least one rule." }];
  }
  return (rules as Record<string, unknown>[]).flatMap((rule, index) => {
    const account = rule.service_account;
    if (method === "kubernetes" && !(typeof account === "string" && /^[^:]+:[^:]+$/.test(account))) {
      const problem = "is no service account as Teleport names one";
      return [{ index, value: account, problem, fix: "Write namespace:name, e.g. teleport:teleport-agent." }];
    }
    const needed = NEEDED[method];
    const asks = needed === undefined ? Object.values(rule).some(isSaid) : isSaid(rule[needed]);
    return asks ? [] : [{ index, value: rule, problem: "asks for nothing", fix: "Name what must be true." }];
  });
}

/** An empty list says nothing, as an empty text does. */
function isSaid(value: unknown): boolean {
  return Array.isArray(value) ? value.some(isSaid) : value !== undefined && value !== "";
}
