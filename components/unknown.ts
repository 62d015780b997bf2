/** Values that a preview does not know yet. Pure. */

/** Pulumi's placeholder in a preview for a value that is not known yet. */
export const UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";
