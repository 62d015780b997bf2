import { strict as assert } from "node:assert";
import { checkImage, declaredMajor, majorOfImage } from "../../../components/cnpg/image";
import { isCidr } from "../../../components/kubernetes/names";
import { parseMemory, parseQuantity } from "../../../components/kubernetes/quantity";

describe("amounts", () => {
  it("of Kubernetes", () => {
    const known = {
      "1": 1,
      "500m": 0.5,
      "1k": 1e3,
      "1Ki": 1_024,
      "1.5Gi": 1.5 * 1_024 ** 3,
      "2T": 2e12,
      "1Ei": 1_024 ** 6,
    };
    for (const [text, value] of Object.entries(known)) assert.equal(parseQuantity(text), value, text);
    for (const text of ["", "Gi", "1 Gi", "1GB", "-1", "1gi", "1e3"])
      assert.equal(parseQuantity(text), undefined, text);
  });
  it("of PostgreSQL's memory", () => {
    const known = {
      "128MB": 128 * 1_024 ** 2,
      "1 GB": 1_024 ** 3,
      "64": 64 * 1_024 ** 2,
      "8kB": 8_192,
      "1TB": 1_024 ** 4,
      "5B": 5,
    };
    for (const [text, value] of Object.entries(known)) assert.equal(parseMemory(text), value, text);
    for (const text of ["", "1Mi", "1mb", "MB", "1.5GB"]) assert.equal(parseMemory(text), undefined, text);
  });
});

describe("an image's major version", () => {
  it("is that of its tag", () => {
    assert.equal(majorOfImage("registry:5000/postgresql:17.5-1@sha256:00"), 17);
    assert.equal(majorOfImage("postgresql:18beta1"), 18);
    assert.equal(majorOfImage("registry:5000/postgresql"), undefined);
    assert.equal(majorOfImage("postgresql:bookworm"), undefined);
    assert.equal(declaredMajor({ image: "postgresql:15.3" }), 15);
    assert.equal(declaredMajor({ imageCatalog: { kind: "ImageCatalog", name: "postgresql", major: 16 } }), 16);
    assert.equal(declaredMajor({}), undefined, "the operator chooses");
  });

  it("is 14 or later, however it is declared, since 13 cannot end the sessions of short-lived users", () => {
    const problems = [
      ...checkImage((setting) => setting, { image: "postgresql:13.22" }),
      ...checkImage((setting) => setting, { imageCatalog: { kind: "ImageCatalog", name: "postgresql", major: 13 } }),
    ];
    assert.deepEqual(
      problems.map(({ setting, problem }) => `${setting} ${problem}`),
      ["image must be PostgreSQL 14 or later", "imageCatalog.major must be PostgreSQL 14 or later"],
    );
    assert.deepEqual(
      checkImage((setting) => setting, { image: "postgresql:14.20" }),
      [],
    );
  });
});

describe("a range of addresses", () => {
  it("has an address and bits", () => {
    for (const range of ["10.0.0.0/8", "0.0.0.0/0", "::/0", "2001:db8::1/128"]) assert.ok(isCidr(range), range);
    for (const range of ["10.0.0.0", "10.0.0.0/33", "a/8", "::/129", "1.2.3.4/5/6", "1.2.3.4/"])
      assert.ok(!isCidr(range), range);
  });
});
