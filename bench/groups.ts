/** The measurements, each with the rows that come from it. */
import type { Bench } from "./bench";
import type { RowId } from "./rows";
import { databases } from "./rows/databases";
import { firstQuery } from "./rows/first-query";
import { grants } from "./rows/grants";
import { memory } from "./rows/memory";
import { registrations } from "./rows/registrations";
import { start } from "./rows/start";

export const GROUPS: { rows: RowId[]; run: (bench: Bench) => Promise<void> }[] = [
  { rows: ["register", "deregister"], run: registrations },
  {
    rows: ["noop", "preview", "refresh", "up", "destroy", "stateSize", "registrationSize", "providerText"],
    run: databases,
  },
  { rows: ["start"], run: start },
  { rows: ["firstQuery"], run: firstQuery },
  { rows: ["memory"], run: memory },
  { rows: ["grants", "grantsMemory"], run: grants },
];
