/** Loads the packages that the product's program loads, and creates nothing. */
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import * as tls from "@pulumi/tls";
import * as vault from "@pulumi/vault";

export const loaded = [k8s, pulumi, tls, vault].length;
