/** A join token in Teleport: which machines may join as agents, according to their platform. */
import * as pulumi from "@pulumi/pulumi";
import { JOIN_TOKEN, joinTokenSpec } from "./join-token-document";
import { RegistrationArgs, TeleportResource } from "./resource";

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

/**
 * A join token for database agents (or a bot). Only methods whose token is not secret are supported.
 *
 * The program's identity needs the right to write tokens: see `accessRegistrarRole`.
 */
export class TeleportJoinToken extends TeleportResource {
  /** Name in Teleport, known once the token is visible there. */
  readonly tokenName: pulumi.Output<string>;

  constructor(name: string, args: TeleportJoinTokenArgs, opts?: pulumi.CustomResourceOptions) {
    const settings = { join: args.join, botName: args.botName };
    const document = {
      ...JOIN_TOKEN,
      metadata: { name: args.name, labels: args.labels ?? {} },
      spec: pulumi.output(settings).apply(joinTokenSpec),
    };
    super("JoinToken", name, args, document, opts);
    this.tokenName = this.document.apply(({ metadata }) => metadata.name);
  }
}
