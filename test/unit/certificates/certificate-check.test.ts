import { strict as assert } from "node:assert";
import {
  caEndWarning,
  checkCertificate,
  ExpectedCertificate,
} from "../../../components/certificates/certificate-check";
import { Certificate, Leaf, OpenSsl } from "./openssl";

describe("check of an issued certificate", () => {
  const openssl = new OpenSsl();
  let ca: Certificate, other: Certificate;
  before(() => {
    ca = openssl.ca("issuer");
    other = openssl.ca("other");
  });
  after(() => openssl.remove());

  const names = ["orders-rw", "orders-rw.db.svc"];
  const expected: ExpectedCertificate = {
    setting: "issuer.server",
    use: "server",
    commonName: "orders-rw",
    dnsNames: names,
    validity: 20 * 24,
  };
  const check =
    (leaf: Leaf, commonName = "orders-rw", chain = ca.pem) =>
    () =>
      checkCertificate(openssl.leaf(commonName, ca, { dnsNames: names, ...leaf }).pem, chain, expected);

  it("passes what is as asked for", () => assert.match(check({})(), /BEGIN CERTIFICATE/));
  it("refuses another common name", () =>
    assert.throws(check({}, "sales-rw"), /issuer\.server: signed a certificate for sales-rw/));
  it("refuses missing names", () => {
    assert.throws(check({ dnsNames: ["orders-rw"] }), /left out the DNS names orders-rw\.db\.svc/);
  });
  it("refuses another use", () => assert.throws(check({ use: "clientAuth" }), /not for servers\. Set server_flag/));
  it("refuses a lifetime that the role cut short", () => {
    assert.throws(check({ days: 5 }), /signed for 120 h instead of the 480 h .*max_ttl/);
  });
  it("refuses a CA that did not sign it", () => assert.throws(check({}, "orders-rw", other.pem), /did not sign/));
  it("refuses a CA certificate", () => {
    const pem = openssl.ca("orders-rw", ca).pem;
    assert.throws(() => checkCertificate(pem, ca.pem, { ...expected, dnsNames: [] }), /signed a CA certificate/);
  });
  it("warns of a CA that ends before what it signed, and of no other", () => {
    const ending = openssl.ca("ending", undefined, 10);
    const of = (issuer: Certificate, days: number) =>
      caEndWarning("issuer.server of orders", openssl.leaf("orders-rw", issuer, { days }).pem, issuer.pem);
    assert.match(of(ending, 20) ?? "", /^The CA of issuer\.server of orders ends at .*, before the certificates/);
    assert.equal(of(ending, 5), undefined);
  });
});
