/**
 * Names, labels, durations and amounts: each check agrees with the rule of the system that reads the value, written out
 * here from its documentation, and what is accepted comes out of JSON and YAML as it went in.
 */
import { strict as assert } from "node:assert";
import { isIP } from "node:net";
import * as fc from "fast-check";
import * as yaml from "yaml";
import * as names from "../../../components/kubernetes/names";
import { checkQuantity, parseMemory, parseQuantity } from "../../../components/kubernetes/quantity";
import { checkDuration, hours, goDuration, parseDuration } from "../../../components/durations";
import { checkClusterName } from "../../../components/cnpg/names";
import { checkTeleportName, checkLabels as checkTeleportLabels } from "../../../components/teleport/names";
import { SettingProblem } from "../../../components/problems";
import { hostile } from "./hostile";

const RUNS = 1_500;
type Check = (value: string) => SettingProblem[];

/** https://kubernetes.io/docs/concepts/overview/working-with-objects/names/ and .../labels/ */
const LABEL_1123 = (text: string) => text.length <= 63 && /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(text);
const LABEL_1035 = (text: string) => text.length <= 63 && /^[a-z]([-a-z0-9]*[a-z0-9])?$/.test(text);
// Each part by itself: as one expression it could take long.
const SUBDOMAIN = (text: string) =>
  text.length <= 253 && text.split(".").every((part) => /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(part));
const QUALIFIED = (text: string) => text.length <= 63 && /^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$/.test(text);
const KEY = (text: string) => {
  const slash = text.indexOf("/");
  return slash < 0 ? QUALIFIED(text) : SUBDOMAIN(text.slice(0, slash)) && QUALIFIED(text.slice(slash + 1));
};

/** Near to what is allowed, at its borders, and words that YAML reads as something else. */
const word = fc.oneof(
  fc
    .tuple(fc.array(fc.constantFrom("a", "z", "0", "9", "-", ".", "_", "A", "/"), { maxLength: 6 }), fc.nat(3))
    .map(([parts, doubled]) => parts.join("").repeat(doubled + 1)),
  fc
    .tuple(fc.constantFrom("a", "a.b", "a-", "A"), fc.constantFrom(48, 49, 50, 51, 60, 61, 62, 63, 64, 252, 253, 254))
    .map(([text, length]) => text.repeat(length).slice(0, length)),
  fc
    .tuple(fc.constantFrom(252, 253, 254), fc.constantFrom("/a", "/", "/a/b"))
    .map(([n, end]) => `${"a".repeat(n)}${end}`),
  fc.constantFrom("no", "yes", "on", "off", "y", "n", "null", "true", "1e3", "0x1f", "0o7", "017", "1_000", "12-30-45"),
  fc.constantFrom("2001-01-01", ".inf", "0b1", "nan", "a\n", "a\u0000", "İ", "K", "ſ"),
  hostile,
);

describe("names of Kubernetes", () => {
  const checks: Record<string, [Check, (text: string) => boolean]> = {
    "a Service": [(name) => names.checkServiceName("x", name), LABEL_1035],
    "a namespace": [(name) => names.checkNamespace("x", name), LABEL_1123],
    "another object": [(name) => names.checkObjectName("x", name, "Secret"), SUBDOMAIN],
    "the key of a label": [(key) => names.checkKey("x", key), KEY],
    "the value of a label": [(value) => names.checkLabelValue("x", value), (value) => value === "" || QUALIFIED(value)],
    // At most 50, since CloudNativePG puts more behind them.
    "a Cluster": [(name) => checkClusterName("x", name), (name) => LABEL_1035(name) && name.length <= 50],
    "a database in Teleport": [(name) => checkTeleportName("x", name), LABEL_1035],
  };
  for (const [what, [check, rule]] of Object.entries(checks)) {
    it(`are accepted where Kubernetes does: ${what}`, () => {
      fc.assert(
        fc.property(word, (text) => assert.equal(check(text).length === 0, rule(text))),
        { numRuns: RUNS, examples: [[`${"a".repeat(254)}/b`]] },
      );
    });
  }

  it("are accepted where Kubernetes does: the key of an annotation, in whatever case", () => {
    fc.assert(
      fc.property(word, (text) => {
        if (names.checkAnnotations("x", { [text]: "" }).length === 0) assert.ok(KEY(text.toLowerCase()));
      }),
      { numRuns: RUNS },
    );
  });

  it("and labels of Teleport are accepted where it does (LabelPattern of its API)", () => {
    fc.assert(
      fc.property(word, (text) => {
        const reserved = text === "pulumi.com/owner" || text.startsWith("teleport.dev/");
        const labels = Object.fromEntries([[text, "value"]]);
        const rule = /^[a-zA-Z/.0-9_:*-]+$/.test(text) && !reserved;
        if (text !== "__proto__") assert.equal(checkTeleportLabels("x", labels).length === 0, rule);
      }),
      { numRuns: RUNS },
    );
  });
});

describe("ranges of addresses", () => {
  it("are an address and as many bits as it has, and no zone, which Kubernetes and PostgreSQL's ranges have not", () => {
    const address = fc.oneof(
      fc.ipV4(),
      fc.ipV6(),
      fc.constantFrom("fe80::1%eth0", "10.0.0", "::ffff:1.2.3.4", "1.2.3.04"),
    );
    const bits = fc.oneof(fc.integer({ min: -1, max: 130 }).map(String), fc.constantFrom("", "8 ", "0x8", "1e1"));
    fc.assert(
      fc.property(address, bits, (base, length) => {
        const isAddress = isIP(base) > 0 && !base.includes("%");
        const most = base.includes(":") ? 128 : 32;
        const isLength = /^(0|[1-9][0-9]*)$/.test(length) && Number(length) <= most;
        assert.equal(names.isCidr(`${base}/${length}`), isAddress && isLength);
      }),
      { numRuns: RUNS, examples: [["fe80::1%eth0", "64"]] },
    );
  });
});

describe("amounts", () => {
  const digits = fc.stringMatching(/^[0-9]{1,12}$/);
  const suffix = ["", "n", "u", "m", "k", "K", "Ki", "M", "Mi", "G", "Gi", "T", "Ti", "P", "Pi", "E", "Ei", "e3", "E2"];
  const amount = fc.oneof(
    fc.tuple(digits, fc.constantFrom(...suffix)).map(([number, unit]) => `${number}${unit}`),
    fc.tuple(digits, digits, fc.constantFrom(...suffix)).map(([whole, part, unit]) => `${whole}.${part}${unit}`),
    fc.constantFrom("1.", ".5", "+1", "-1", "1 Gi", "1GB", "1gi", "١"),
    hostile,
  );
  /** `<signedNumber><suffix>`, as the documentation of `Quantity` has it. */
  const QUANTITY =
    /^[+-]?([0-9]+|[0-9]+\.[0-9]+|[0-9]+\.|\.[0-9]+)(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|[eE][+-]?[0-9]+)?$/;
  const POWERS: Record<string, number> = { m: -1, "": 0, k: 1, M: 2, G: 3, T: 4, P: 5, E: 6 };

  it("are quantities of Kubernetes, above nothing, and what it takes them for", () => {
    fc.assert(
      fc.property(amount, (text) => {
        if (checkQuantity("x", text, "1").length > 0) {
          assert.ok((parseQuantity(text) ?? 0) <= 0);
          return;
        }
        const [, number = "", unit = ""] = /^([0-9.]+)([A-Za-z]*)$/.exec(text) ?? [];
        assert.match(text, QUANTITY);
        const binary = unit.endsWith("i");
        const power = POWERS[binary ? (unit[0] as string).replace("K", "k") : unit] ?? NaN;
        const expected = Number(number) * (binary ? 2 ** (10 * power) : 10 ** (3 * power));
        assert.ok(Math.abs((parseQuantity(text) ?? NaN) - expected) <= expected * 1e-12, `${text} is ${expected}`);
      }),
      { numRuns: RUNS },
    );
  });

  it("of memory are those of PostgreSQL", () => {
    const UNITS: Record<string, number> = { "": 20, B: 0, kB: 10, MB: 20, GB: 30, TB: 40 };
    const memory = fc.tuple(digits, fc.constantFrom("", " "), fc.constantFrom(...Object.keys(UNITS), "KB", "mb", "kb"));
    fc.assert(
      fc.property(memory, ([number, blank, unit]) => {
        const power = blank === " " && unit === "" ? undefined : UNITS[unit];
        const expected = power === undefined ? undefined : Number(number) * 2 ** power;
        assert.equal(parseMemory(`${number}${blank}${unit}`), expected);
      }),
      { numRuns: RUNS },
    );
  });
});

/** Nanoseconds of a duration of Go; undefined if it is none: `time.ParseDuration`, from its documentation and errors. */
function goNanoseconds(text: string): bigint | undefined {
  const units: Record<string, bigint> = { ns: 1n, us: 1_000n, µs: 1_000n, μs: 1_000n, ms: 1_000_000n };
  Object.assign(units, { s: 1_000_000_000n, m: 60_000_000_000n, h: 3_600_000_000_000n });
  const [, sign, rest = ""] = /^([+-]?)(.*)$/s.exec(text) ?? [];
  if (rest === "0") return 0n;
  let total = 0n;
  let left = rest;
  while (left !== "" || rest === "") {
    const part = /^([0-9]*)(?:\.([0-9]*))?(ns|us|µs|μs|ms|s|m|h)/.exec(left);
    if (!part || (!part[1] && !part[2])) return undefined;
    const [whole, whole_ = "", fraction = "", unit = ""] = part;
    const size = units[unit] as bigint;
    total +=
      BigInt(whole_ || "0") * size + (fraction ? (BigInt(fraction) * size) / 10n ** BigInt(fraction.length) : 0n);
    left = left.slice(whole.length);
  }
  if (total > 2n ** 63n - 1n) return undefined;
  return sign === "-" ? -total : total;
}

/** `Duration.String()`: the largest unit first, no zeros behind a point; below a second in ms, µs or ns. */
function goText(nanoseconds: bigint): string {
  const decimal = (value: bigint, digits: number) => {
    const text = value.toString().padStart(digits + 1, "0");
    return `${text.slice(0, -digits)}.${text.slice(-digits)}`.replace(/\.?0+$/, "");
  };
  if (nanoseconds === 0n) return "0s";
  if (nanoseconds < 1_000n) return `${nanoseconds}ns`;
  if (nanoseconds < 1_000_000n) return `${decimal(nanoseconds, 3)}µs`;
  if (nanoseconds < 1_000_000_000n) return `${decimal(nanoseconds, 6)}ms`;
  const minutes = nanoseconds / 60_000_000_000n;
  const seconds = `${decimal(nanoseconds % 60_000_000_000n, 9)}s`;
  if (minutes === 0n) return seconds;
  return minutes < 60n ? `${minutes}m${seconds}` : `${minutes / 60n}h${minutes % 60n}m${seconds}`;
}

describe("durations", () => {
  it("of Go, in these tests, are read and written as its documentation has them", () => {
    assert.equal(goNanoseconds("1h15m30.918s"), 4_530_918_000_000n);
    assert.equal(goNanoseconds("1.5h"), 5_400_000_000_000n);
    for (const none of ["", "3", "-", "s", ".", "-.", ".s", "+.s", "1d", "9223372037s", "1 h"])
      assert.equal(goNanoseconds(none), undefined, none);
    for (const text of [
      "0s",
      "1ns",
      "1.1µs",
      "2.2ms",
      "3.3s",
      "4m5s",
      "4m5.001s",
      "5h6m7.001s",
      "8m0.000000001s",
      "10s",
    ])
      assert.equal(goText(goNanoseconds(text) as bigint), text);
  });

  const number = fc.oneof(fc.stringMatching(/^[0-9]{1,3}$/), fc.stringMatching(/^[0-9]{1,2}\.[0-9]{1,3}$/));
  const part = fc.tuple(number, fc.constantFrom("h", "m", "s", "ms")).map(([count, unit]) => count + unit);
  const usual = fc.array(part, { minLength: 1, maxLength: 3 }).map((parts) => parts.join(""));
  const odd = fc.oneof(
    fc.tuple(fc.constantFrom("", "+", "-", ".", " "), usual, fc.constantFrom("", "d", " ", "µs", "us", "ns", "1")),
    fc.tuple(fc.constant(""), fc.stringMatching(/^[0-9]{6,25}$/), fc.constantFrom("h", "m", "s", "ms")),
  );
  const duration = fc.oneof(
    usual,
    odd.map((parts) => parts.join("")),
    hostile,
  );

  it("are accepted only where Go does, as what it takes them for", () => {
    fc.assert(
      fc.property(duration, (text) => {
        const milliseconds = parseDuration(text);
        if (milliseconds === undefined) return;
        const expected = goNanoseconds(text);
        assert.ok(expected !== undefined, `Go refuses ${text}`);
        assert.ok(Math.abs(milliseconds - Number(expected) / 1e6) <= 1e-6 * Math.max(1, milliseconds));
      }),
      { numRuns: RUNS, examples: [["2562048h"], ["1h1h"], ["0.5ms"]] },
    );
  });

  it("are no change where Teleport prints them in Go's form", () => {
    const whole = fc
      .array(fc.tuple(number, fc.constantFrom("h", "m", "s")), { minLength: 1, maxLength: 3 })
      .map((parts) => parts.map((each) => each.join("")).join(""));
    fc.assert(
      fc.property(whole, (text) => {
        const printed = goText(goNanoseconds(text) as bigint);
        assert.equal(goDuration(printed) ?? printed, goDuration(text));
      }),
      { numRuns: RUNS, examples: [["90s"], ["1.5h"], ["1.005s"], ["0.001s"], ["0.1m"]] },
    );
  });

  it("of certificates are whole hours or days", () => {
    fc.assert(
      fc.property(fc.oneof(fc.stringMatching(/^[0-9]{1,7}[hd]$/), hostile), (text) => {
        const rule = /^[1-9][0-9]{0,5}[hd]$/.test(text);
        assert.equal(checkDuration("x", text).length === 0, rule);
        if (rule) assert.equal(hours(text), parseInt(text, 10) * (text.endsWith("d") ? 24 : 1));
      }),
      { numRuns: RUNS },
    );
  });
});

describe("what is accepted", () => {
  const accepted: Record<string, (text: string) => boolean> = {
    name: (text) => names.checkObjectName("x", text, "Secret").length === 0,
    label: (text) => names.checkLabelValue("x", text).length === 0,
    quantity: (text) => checkQuantity("x", text, "1").length === 0,
    duration: (text) => parseDuration(text) !== undefined,
  };
  const value = fc.oneof(
    word,
    fc.stringMatching(/^[0-9]{1,3}(\.[0-9])?(e|E|m|k|Ki|s|h)?[0-9]?$/),
    fc.constantFrom("1:30"),
  );

  it("comes out of JSON and YAML as it went in, whichever version of YAML wrote it and reads it", () => {
    fc.assert(
      fc.property(fc.constantFrom(...Object.keys(accepted)), value, (what, text) => {
        if (!accepted[what]?.(text)) return;
        const document = { key: text, list: [text], ...(text === "" ? {} : { [text]: "value" }) };
        const json = JSON.stringify(document);
        assert.deepEqual(JSON.parse(json), document);
        for (const version of ["1.1", "1.2"] as const) {
          // What is made here is JSON, which is YAML: agents' and tbot's configuration, and what goes to Kubernetes.
          assert.deepEqual(yaml.parse(json, { version }), document);
          assert.deepEqual(yaml.parse(yaml.stringify(document, { version }), { version }), document);
        }
      }),
      {
        numRuns: 1_000,
        examples: [
          ["label", "no"],
          ["label", "1e3"],
          ["label", "0x1f"],
          ["name", "1.5"],
        ],
      },
    );
  });
});
