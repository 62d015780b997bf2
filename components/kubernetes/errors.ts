/** Errors of Kubernetes, by what the caller can do about them. */

export type KubernetesFailure =
  /** The kubeconfig or its context is missing or unusable. */
  | "configuration"
  /** The credentials are not accepted, or have no right to do this. */
  | "access-denied"
  /** The API server or the kubelet does not answer, or is overloaded: the only kind that is retried. */
  | "unavailable"
  /** A command in a pod ended with an error. */
  | "command"
  /** CloudNativePG is not installed, or does not know a declared kind or field. */
  | "operator"
  /** Something did not become ready in time. */
  | "not-ready"
  /** Anything else that the API server reports. */
  | "failed";

/** A failed operation in Kubernetes. The message says what failed, where, and what to do. */
export class KubernetesError extends Error {
  constructor(
    readonly failure: KubernetesFailure,
    message: string,
  ) {
    super(message);
    this.name = "KubernetesError";
  }
}

/** The kubeconfig is an output of a resource that the preview does not create. */
export class UnknownKubeconfig extends KubernetesError {
  constructor() {
    super("unavailable", "the kubeconfig is not known yet");
  }
}

let hasWarned = false;

/** Prints what a preview could not check. If the kubeconfig is unknown, prints one warning for the whole preview instead. */
export function printUnchecked(message: string, error: unknown): void {
  if (!(error instanceof UnknownKubeconfig)) return console.error(message);
  if (!hasWarned)
    console.error(
      "Warning: the kubeconfig is not known yet, so this preview does not check anything in the Kubernetes cluster. `pulumi up` does.",
    );
  hasWarned = true;
}

/** Whether the error is temporary: the same call may succeed in a moment. */
export function isUnavailable(error: unknown): boolean {
  return error instanceof KubernetesError && error.failure === "unavailable";
}
