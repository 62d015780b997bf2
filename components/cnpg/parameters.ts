/** PostgreSQL settings (postgresql.conf). Pure. */
import { SettingProblem } from "../problems";
import { parseMemory, parseQuantity } from "../kubernetes/quantity";
import { type Amount, checkUnique, wrong } from "../value-check";

export interface ParameterSettings {
  /**
   * PostgreSQL settings (postgresql.conf), e.g. `max_connections: "200"`. Default: none, so the values of CNPG and
   * PostgreSQL apply.
   */
  parameters?: Record<string, Amount>;
  /**
   * Libraries that PostgreSQL loads when it starts. CNPG adds the libraries of pg_stat_statements, pgaudit, auto_explain and
   * pg_failover_slots if `parameters` configures them. Default: none.
   */
  sharedPreloadLibraries?: string[];
}

/** The names that CNPG's webhook accepts. */
const PARAMETER = /^[A-Za-z_][A-Za-z0-9_$]*(\.[A-Za-z_][A-Za-z0-9_$]*)?$/;
const LIBRARY = /^[A-Za-z0-9_$./-]+$/;

/** Settings that CNPG reserves (FixedConfigurationParameters in pkg/postgres/configuration.go), and what to do instead. */
const FIXED: readonly [names: string, fix: string][] = [
  [
    "ssl ssl_ca_file ssl_cert_file ssl_crl_file ssl_dh_params_file ssl_ecdh_curve ssl_key_file ssl_passphrase_command ssl_passphrase_command_supports_reload ssl_prefer_server_ciphers",
    "Remove it: TLS is always on, with the certificates of `issuer`. You can set ssl_min_protocol_version and ssl_ciphers.",
  ],
  ["shared_preload_libraries", "Use sharedPreloadLibraries."],
  ["synchronous_standby_names synchronized_standby_slots", "Use spec.postgresql.synchronous."],
  ["temp_tablespaces", "Use tablespaces, with temporary: true."],
  ["hba_file", "Use pgHba."],
  ["ident_file", "Use pgIdent."],
  [
    "archive_mode archive_command archive_cleanup_command restore_command recovery_end_command recovery_min_apply_delay recovery_target recovery_target_action recovery_target_inclusive recovery_target_lsn recovery_target_name recovery_target_time recovery_target_timeline recovery_target_xid",
    "Remove it: CloudNativePG itself configures archiving and recovery.",
  ],
  [
    "log_destination log_directory log_file_mode log_filename log_rotation_age log_rotation_size log_truncate_on_rotation logging_collector event_source syslog_facility syslog_ident syslog_sequence_numbers syslog_split_messages",
    "Remove it: CloudNativePG writes the log to the pod's output as JSON.",
  ],
  [
    "listen_addresses port unix_socket_directories unix_socket_group unix_socket_permissions bonjour bonjour_name",
    "Remove it: clients connect through the Services, on port 5432.",
  ],
  [
    "allow_system_table_mods cluster_name config_file data_directory data_sync_retry external_pid_file hot_standby jit_provider pg_failover_slots.primary_dsn pg_failover_slots.standby_slot_names primary_conninfo primary_slot_name promote_trigger_file restart_after_crash stats_temp_directory",
    "Remove it.",
  ],
];
const FIXED_BY_NAME = new Map(FIXED.flatMap(([names, fix]) => names.split(" ").map((name) => [name, fix] as const)));

const BOOLEAN = /^(1|on|y|ye|yes|t|tr|tru|true|0|of|off|n|no|f|fa|fal|fals|false)$/i;
const OFF = /^(0|of|off|n|no|f|fa|fal|fals|false)$/i;
/** The booleans that CNPG's webhook parses. */
const BOOLEANS = ["hot_standby_feedback", "sync_replication_slots", "wal_log_hints"];

/** Other settings that the parameters must fit. */
export interface ParameterContext {
  instances: number;
  /** Size of the volume for the write-ahead log, if there is a separate one. */
  walSize?: string;
  /** The memory request of an instance. */
  memoryRequest?: string;
}

type At = (setting: string) => string;

export function checkParameters(at: At, settings: ParameterSettings, context: ParameterContext): SettingProblem[] {
  const { parameters = {}, sharedPreloadLibraries: libraries = [] } = settings;
  const setting = (name: string) => at(`parameters.${name}`);
  return [
    ...Object.keys(parameters).flatMap((name) => checkName(setting(name), at("parameters"), name)),
    ...BOOLEANS.flatMap((name) => {
      const value = parameters[name];
      if (value === undefined || BOOLEAN.test(value)) return [];
      return wrong(setting(name), value, "must be on or off", "Write on or off, in quotes.");
    }),
    ...checkWal(setting, parameters, context),
    ...checkWalSizes(setting, parameters, context.walSize),
    ...checkSharedBuffers(setting("shared_buffers"), parameters.shared_buffers, context.memoryRequest),
    ...libraries.flatMap((library, index) =>
      LIBRARY.test(library)
        ? []
        : wrong(
            at(`sharedPreloadLibraries[${index}]`),
            library,
            "is not a valid library name",
            "Write one name per list entry.",
          ),
    ),
    ...checkUnique((index) => at(`sharedPreloadLibraries[${index}]`), libraries),
  ];
}

/** PostgreSQL ignores case. The operator's webhook does not, so it would accept `SSL: off`. */
function checkName(setting: string, all: string, name: string): SettingProblem[] {
  if (!PARAMETER.test(name)) {
    return wrong(
      all,
      name,
      "is not a valid name of a PostgreSQL setting",
      "Write a name from PostgreSQL's documentation of its settings.",
    );
  }
  const fix = FIXED_BY_NAME.get(name.toLowerCase());
  return fix === undefined ? [] : wrong(setting, undefined, "is reserved by CloudNativePG", fix);
}

function checkWal(at: At, parameters: Record<string, string>, { instances }: ParameterContext): SettingProblem[] {
  const { wal_level: level = "logical", wal_log_hints: hints = "on" } = parameters;
  return [
    ...(["logical", "replica"].includes(level)
      ? []
      : wrong(
          at("wal_level"),
          level,
          "must be logical or replica, because CloudNativePG archives the WAL",
          "Use logical or replica.",
        )),
    ...(OFF.test(hints) && instances > 1
      ? wrong(at("wal_log_hints"), hints, "must be on if there are standbys", "Remove it: the default is on.")
      : []),
  ];
}

/** min_wal_size < max_wal_size < size of the volume, as CNPG's webhook requires (validateWalSizeConfiguration). */
function checkWalSizes(at: At, parameters: Record<string, string>, walSize: string | undefined): SettingProblem[] {
  const sizes = { min_wal_size: parameters.min_wal_size || "80MB", max_wal_size: parameters.max_wal_size || "1GB" };
  const volume = walSize === undefined ? undefined : parseQuantity(walSize);
  const min = parseMemory(sizes.min_wal_size);
  const max = parseMemory(sizes.max_wal_size);
  return [
    ...Object.entries({ min_wal_size: min, max_wal_size: max }).flatMap(([name, size]) => {
      const value = parameters[name];
      if (size === undefined) return notMemory(at(name), value, "1GB");
      if (!value || volume === undefined || size < volume) return [];
      return wrong(
        at(name),
        value,
        `must be less than walStorage.size, ${walSize}`,
        "Lower it, or raise walStorage.size.",
      );
    }),
    ...(min !== undefined && max !== undefined && min >= max
      ? wrong(
          at("min_wal_size"),
          sizes.min_wal_size,
          `must be less than max_wal_size, ${sizes.max_wal_size}`,
          "Lower it, or raise max_wal_size.",
        )
      : []),
  ];
}

function checkSharedBuffers(setting: string, value: string | undefined, request: string | undefined): SettingProblem[] {
  if (!value) return [];
  const buffers = parseMemory(value);
  if (buffers === undefined) return notMemory(setting, value, "256MB");
  const memory = request === undefined ? undefined : parseQuantity(request);
  if (!memory || buffers <= memory) return [];
  return wrong(
    setting,
    value,
    `must not be more than the memory request of an instance, ${request}`,
    "Lower it, or raise resources.requests.memory, usually to four times this value.",
  );
}

function notMemory(setting: string, value: unknown, example: string): SettingProblem[] {
  return wrong(
    setting,
    value,
    "is not a valid amount of memory",
    `Write a number with kB, MB, GB or TB, e.g. ${example}.`,
  );
}
