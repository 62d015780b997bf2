/** A user's own program with the library: the CA of a Teleport cluster, as a PostgresCluster reads it. */
import * as pulumi from "@pulumi/pulumi";
import { TeleportCertAuthority } from "../../../components/teleport/ca/cert-authority";

const config = new pulumi.Config();
const authority = new TeleportCertAuthority("ca", { teleport: { proxy: config.require("proxy") } });

export const certificates = authority.certificates;
