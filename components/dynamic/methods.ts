/** The shape of what a dynamic resource runs. */
import type * as pulumi from "@pulumi/pulumi";

/** The methods of Pulumi's provider, all of them but `configure`: what it knows would be in the state. */
export type Provider<Inputs, State> = Required<Omit<pulumi.dynamic.ResourceProvider<Inputs, State>, "configure">>;
