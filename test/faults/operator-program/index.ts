/** A user's own program that checks for the operator, and may install its definitions itself. */
import * as k8s from "@pulumi/kubernetes";
import * as pulumi from "@pulumi/pulumi";
import { OperatorCheck } from "../../../components";
import { BACKGROUND_DELETION as annotations } from "../../../components/kubernetes/owner";

const config = new pulumi.Config();
const definition = config.getObject<k8s.types.input.apiextensions.v1.CustomResourceDefinition>("definition");
const installed = definition ? [new k8s.apiextensions.v1.CustomResourceDefinition("clusters", definition)] : [];
const operator = new OperatorCheck("operator", { awaited: installed.length > 0 }, { dependsOn: installed });
// A Kubernetes API server without controllers does not remove objects that wait for their dependents.
new k8s.core.v1.ConfigMap(
  "after",
  { metadata: { name: "after", namespace: "default", annotations } },
  { dependsOn: operator },
);
