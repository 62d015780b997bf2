/** A PostgreSQL database in Teleport. */
import * as pulumi from "@pulumi/pulumi";
import { DATABASE, databaseSpec, type TeleportDatabaseArgs } from "./database-document";
import { TeleportResource } from "./resource";

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
    const { teleport: _teleport, adopt: _adopt, ...settings } = args;
    const document = {
      ...DATABASE,
      metadata: { name: args.name, description: args.description ?? "", labels: args.labels ?? {} },
      spec: pulumi.output(settings).apply(databaseSpec),
    };
    super("Database", name, args, document, opts);
    this.databaseName = this.document.apply(({ metadata }) => metadata.name);
  }
}
