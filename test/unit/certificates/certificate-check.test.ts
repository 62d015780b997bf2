import { strict as assert } from "node:assert";
import {
  caExpiryWarning,
  checkCertificate,
  ExpectedCertificate,
  renewalDeadlineWarning,
} from "../../../components/certificates/certificate-check";
import { Certificate, Leaf, OpenSsl } from "./openssl";

describe("the check of an issued certificate", () => {
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

  it("accepts a certificate that matches the request", () => assert.match(check({})(), /BEGIN CERTIFICATE/));
  it("refuses another common name", () =>
    assert.throws(check({}, "sales-rw"), /issuer\.server: signed a certificate for sales-rw/));
  it("refuses missing names", () => {
    assert.throws(check({ dnsNames: ["orders-rw"] }), /left out the DNS names orders-rw\.db\.svc/);
  });
  it("refuses missing addresses, also if a DNS name looks like the address", () => {
    const withAddresses = { ...expected, ipAddresses: ["10.20.30.40", "2001:db8::1"] };
    const of = (leaf: Leaf) => () =>
      checkCertificate(openssl.leaf("orders-rw", ca, { dnsNames: names, ...leaf }).pem, ca.pem, withAddresses);
    assert.match(of({ ipAddresses: ["10.20.30.40", "2001:db8::1"] })(), /BEGIN CERTIFICATE/);
    assert.throws(
      of({ dnsNames: [...names, "10.20.30.40"], ipAddresses: ["2001:db8::1"] }),
      /left out the IP addresses 10\.20\.30\.40\. Set allow_ip_sans=true/,
    );
  });
  it("requires a requested wildcard itself, and accepts a wildcard for other names", () => {
    const of = (dnsNames: string[], asked: string) => () =>
      checkCertificate(openssl.leaf("orders-rw", ca, { dnsNames }).pem, ca.pem, { ...expected, dnsNames: [asked] });
    assert.match(of(["*.db.example.com"], "*.DB.example.com")(), /BEGIN CERTIFICATE/);
    assert.match(of(["*.db.example.com"], "orders.db.example.com")(), /BEGIN CERTIFICATE/);
    assert.throws(of(["orders.db.example.com"], "*.db.example.com"), /left out the DNS names \*\.db\.example\.com/);
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
  it("does not advise a longer max_ttl if the CA itself expires first", () => {
    const ending = openssl.ca("ending", undefined, 5);
    const truncated = openssl.leaf("orders-rw", ending, { dnsNames: names, days: 5 }).pem;
    assert.throws(
      () => checkCertificate(truncated, ending.pem, expected),
      (error: Error) =>
        /signed for 1(19|20) h instead of the 480 h .*Its CA ends at \d{4}-.*replace the CA/.test(error.message) &&
        !error.message.includes("max_ttl"),
    );
  });
  it("warns one renewal before the CA is too close to its end to renew certificates", () => {
    const DAY = 86_400_000;
    const issuer = openssl.ca("issuer of Vault", undefined, 100);
    const at = (days: number) =>
      renewalDeadlineWarning(
        "issuer.server of orders",
        issuer.pem,
        { validity: 60 * 24, renewBefore: 20 * 24 },
        new Date(Date.now() + days * DAY),
      );
    assert.equal(at(0), undefined);
    assert.equal(at(19), undefined);
    assert.match(
      at(21) ?? "",
      /^The CA of issuer\.server of orders ends at \d{4}-.*\. From \d{4}-.* on, Vault will refuse .* for 1440 h.*replace the CA/,
    );
    assert.match(at(41) ?? "", /\. Vault already refuses to sign/);
  });
  it("warns only about a CA that ends before a certificate that it signed", () => {
    const ending = openssl.ca("ending", undefined, 10);
    const of = (issuer: Certificate, days: number) =>
      caExpiryWarning("issuer.server of orders", openssl.leaf("orders-rw", issuer, { days }).pem, issuer.pem);
    assert.match(of(ending, 20) ?? "", /^The CA of issuer\.server of orders ends at .*, before the certificates/);
    assert.equal(of(ending, 5), undefined);
  });
});
