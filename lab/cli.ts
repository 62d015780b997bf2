/** The lab's command line: `npm run lab -- <command>`. */
import { endCommands } from "./host/command";
import { printDoctor } from "./doctor";
import { down } from "./down";
import { execInLab, exportsText, labEnvironment } from "./environment";
import { addresses, printStatus } from "./status";
import { up } from "./up";

const USAGE = `Usage: npm run lab -- <command>

  up              start the lab or repair it; continues after an interruption
  status          print what runs, since when, and where its log is; exit code 0 if everything is healthy,
                  1 if some parts are not, 3 if nothing runs
  down [--purge]  stop everything; --purge also removes the data, but not the built tools and images
  env             print the environment for a shell: eval "$(npm run --silent lab -- env)"
  exec CMD ...    run a command in the lab's network, with that environment and the cluster's DNS
  shell           start a shell there
  doctor          print what is missing on this machine
`;

async function main([command, ...args]: string[]): Promise<number> {
  const known = ["up", "status", "down", "env", "exec", "shell"].includes(command ?? "");
  if (known && process.getuid?.() !== 0) throw new Error(`The lab needs root: sudo npm run lab -- ${command}`);
  if (command === "up" && args.length === 0) return interruptible(bringUp);
  if (command === "down" && (args.length === 0 || (args.length === 1 && args[0] === "--purge"))) {
    return interruptible(() => down({ purge: args.length === 1 }).then(() => 0));
  }
  if (command === "status" && args.length === 0) return printStatus();
  if (command === "doctor" && args.length === 0) return (await printDoctor()) ? 0 : 1;
  if (command === "env" && args.length === 0) {
    process.stdout.write(exportsText(labEnvironment()));
    return 0;
  }
  if (command === "exec" && args.length > 0) return execInLab(args);
  if (command === "shell" && args.length === 0) return execInLab([process.env.SHELL ?? "/bin/sh"]);
  process.stderr.write(USAGE);
  return 2;
}

async function bringUp(): Promise<number> {
  await up();
  console.log(addresses());
  console.log("Use it: npm run lab -- exec CMD, or npm run lab -- shell. Stop it: npm run lab -- down");
  return 0;
}

/** An interrupted command leaves its work as it is: `up` continues it, `down` removes it. */
function interruptible(work: () => Promise<number>): Promise<number> {
  for (const [signal, code] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
    ["SIGHUP", 129],
  ] as const) {
    process.on(signal, () => {
      endCommands();
      process.stderr.write(
        "\nInterrupted. `npm run lab -- up` continues from here. `npm run lab -- down` cleans up.\n",
      );
      process.exit(code);
    });
  }
  return work();
}

main(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (error: Error) => {
    process.stderr.write(`\n${error.message}\n`);
    process.exit(1);
  },
);
