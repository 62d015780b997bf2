/**
 * What the providers of provider.ts run, in Pulumi's process for dynamic providers: the pure parts and
 * the adapter, put into the shape of Pulumi's provider methods. Old states call these names: keep them.
 */
import type * as pulumi from "@pulumi/pulumi";
import { certAuthorityOperations } from "./cert-authority-operations";
import { registrationOperations } from "./registration-operations";

/** The methods that ours implement. */
export type Provider<Inputs, State> = Required<Omit<pulumi.dynamic.ResourceProvider<Inputs, State>, "configure">>;

export const operations = { registration: registrationOperations, certAuthority: certAuthorityOperations };
export type TeleportOperations = typeof operations;
