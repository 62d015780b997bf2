/** A role in Teleport that gives people access to databases. */
import * as pulumi from "@pulumi/pulumi";
import { ACCESS_ROLE, accessRoleSpec, type TeleportAccessRoleArgs } from "./access-role-document";
import { TeleportResource } from "./resource";

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
    const { teleport: _teleport, adopt: _adopt, ...settings } = args;
    const document = {
      ...ACCESS_ROLE,
      metadata: { name: args.name, description: args.description ?? "", labels: args.labels ?? {} },
      spec: pulumi.output(settings).apply(accessRoleSpec),
    };
    super("AccessRole", name, args, document, opts);
    this.roleName = this.document.apply(({ metadata }) => metadata.name);
  }
}
