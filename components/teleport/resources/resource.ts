/**
 * The resources that are registered in Teleport: databases, roles, join tokens and bots. Their documents are in the
 * files of these names.
 */
import * as pulumi from "@pulumi/pulumi";
import { ownerOf } from "../../kubernetes/owner";
import { dynamicProvider } from "../../dynamic/provider";
import { TeleportDocument } from "../client/tctl";
import type { RegistrationArgs } from "./registration";
import { DATABASE, databaseSpec, type TeleportDatabaseArgs } from "./database";
import { ACCESS_ROLE, accessRoleSpec, type TeleportAccessRoleArgs } from "./access-role";
import { JOIN_TOKEN, joinTokenSpec, type TeleportJoinTokenArgs } from "./join-token";
import { BOT, type TeleportBotArgs } from "./bot";

const registrationProvider = dynamicProvider("registration");

/**
 * A document whose parts may be known at different times. Parts that a preview knows already, above all the name, are
 * checked there.
 */
export interface DocumentInputs {
  kind: string;
  version: string;
  metadata: {
    name: pulumi.Input<string>;
    description?: pulumi.Input<string>;
    labels?: pulumi.Input<Record<string, pulumi.Input<string>>>;
  };
  spec: pulumi.Input<Record<string, unknown>>;
}

/**
 * Registers a document in Teleport. Deleting the resource removes it and waits until it is gone. A refresh finds
 * manual changes and deletions. Fails, in the preview if possible, if a resource of that name exists that another
 * resource or person registered.
 */
abstract class TeleportResource extends pulumi.dynamic.Resource {
  /** The registered document, without the owner label. */
  declare readonly document: pulumi.Output<TeleportDocument>;

  protected constructor(
    type: string,
    name: string,
    args: RegistrationArgs,
    document: DocumentInputs,
    opts?: pulumi.CustomResourceOptions,
  ) {
    const teleport = pulumi.output(args.teleport);
    super(
      registrationProvider,
      name,
      {
        proxy: teleport.proxy,
        credentials: teleport.apply(({ credentials }) => credentials),
        document,
        adopt: args.adopt ?? false,
        ...(args.suspended ? { suspended: true } : {}),
        owner: ownerOf(name),
        registration: undefined,
      },
      opts,
      "teleport",
      type,
    );
  }
}

/**
 * Registers a database in Teleport. Deleting the resource deregisters it and waits until it is gone. A refresh finds
 * manual changes and deletions. Becomes `kind: db, version: v3`.
 *
 * Fails, in the preview if possible, if a database of that name exists that another resource or person registered.
 */
export class TeleportDatabase extends TeleportResource {
  /** Name in Teleport, known once the database is visible there. */
  readonly databaseName: pulumi.Output<string>;

  constructor(name: string, args: TeleportDatabaseArgs, opts?: pulumi.CustomResourceOptions) {
    const { teleport: _teleport, adopt: _adopt, suspended: _suspended, ...settings } = args;
    const document = {
      ...DATABASE,
      metadata: { name: args.name, description: args.description ?? "", labels: args.labels ?? {} },
      spec: pulumi.output(settings).apply(databaseSpec),
    };
    super("Database", name, args, document, opts);
    this.databaseName = this.document.apply(({ metadata }) => metadata.name);
  }
}

/**
 * A role in Teleport that opens databases to people. It always denies CloudNativePG's own users (`streaming_replica`
 * and `cnpg_*`), whatever other roles a person has.
 *
 * The program's identity needs the right to write roles: see `accessRegistrarRole`.
 */
export class TeleportAccessRole extends TeleportResource {
  /** Name in Teleport, known once the role is visible there. */
  readonly roleName: pulumi.Output<string>;

  constructor(name: string, args: TeleportAccessRoleArgs, opts?: pulumi.CustomResourceOptions) {
    const { teleport: _teleport, adopt: _adopt, suspended: _suspended, ...settings } = args;
    const document = {
      ...ACCESS_ROLE,
      metadata: { name: args.name, description: args.description ?? "", labels: args.labels ?? {} },
      spec: pulumi.output(settings).apply(accessRoleSpec),
    };
    super("AccessRole", name, args, document, opts);
    this.roleName = this.document.apply(({ metadata }) => metadata.name);
  }
}

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

/**
 * A bot. It joins by a TeleportJoinToken with `botName`. After it is deleted, it gets no new certificates; its
 * current certificates work until they expire.
 *
 * The program's identity needs the right to write bots, or users and roles: see `workloadRegistrarRole`.
 */
export class TeleportBot extends TeleportResource {
  /** Name in Teleport, known once the bot is visible there. */
  readonly botName: pulumi.Output<string>;

  constructor(name: string, args: TeleportBotArgs, opts?: pulumi.CustomResourceOptions) {
    const document = {
      ...BOT,
      metadata: { name: args.name, labels: args.labels ?? {} },
      spec: pulumi.output(args.roles).apply((roles): Record<string, unknown> => ({ roles })),
    };
    super("Bot", name, args, document, opts);
    this.botName = this.document.apply(({ metadata }) => metadata.name);
  }
}
