/** The program of an application team: its identity in Teleport, for a database of the platform's stack. */
import * as pulumi from "@pulumi/pulumi";
import { MachineIdWorkload, WorkloadDatabaseArgs } from "../../../components/workload/machine-id-workload";
import type { WorkloadJoin } from "../../../components/workload/machine-id";

const config = new pulumi.Config();

export const workload = new MachineIdWorkload(config.require("name"), {
  teleport: { proxy: config.require("proxy") },
  join: config.requireObject<WorkloadJoin>("join"),
  databases: config.requireObject<Record<string, WorkloadDatabaseArgs>>("databases"),
  certificateTtl: config.require("certificateTtl"),
}).outputs;
