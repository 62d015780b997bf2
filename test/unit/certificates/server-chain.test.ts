import { strict as assert } from "node:assert";
import { serverChain } from "../../../components/certificates/server-chain";
import { Certificate, OpenSsl } from "./openssl";

describe("the chain that a server sends", () => {
  const openssl = new OpenSsl();
  let root: Certificate, upper: Certificate, lower: Certificate;
  before(() => {
    root = openssl.ca("root");
    upper = openssl.ca("upper", root);
    lower = openssl.ca("lower", upper);
  });
  after(() => openssl.remove());

  const server = (issuer: Certificate) => openssl.leaf("orders-rw", issuer, { dnsNames: ["orders-rw"] }).pem;

  it("is the unchanged certificate if its CA is a root", () => {
    const leaf = server(root);
    assert.equal(serverChain(leaf, root.pem), leaf);
    assert.equal(serverChain(leaf.trimEnd(), `${root.pem}${upper.pem}`), leaf.trimEnd());
  });
  it("is the certificate and the CAs below the root, in order", () => {
    const leaf = server(lower);
    const expected = leaf + lower.pem + upper.pem;
    assert.equal(serverChain(leaf, lower.pem + upper.pem + root.pem), expected);
    assert.equal(
      serverChain(leaf.trimEnd(), [lower, upper, root].map(({ pem }) => pem.trimEnd()).join("\n")),
      expected,
    );
    assert.equal(serverChain(leaf, root.pem + openssl.ca("other").pem + upper.pem + lower.pem), expected);
    assert.equal(serverChain(server(upper), upper.pem + root.pem).match(/BEGIN/g)?.length, 2);
  });
  it("ends below a root that is also cross-signed", () => {
    const old = openssl.ca("old root");
    const crossed = openssl.ca("root", old, 30, root.key);
    const leaf = server(upper);
    assert.equal(serverChain(leaf, upper.pem + crossed.pem + root.pem + old.pem), leaf + upper.pem);
  });
  it("can be verified with the root alone", () => {
    const [leaf = "", ...above] = serverChain(server(lower), lower.pem + upper.pem + root.pem).split(/(?=-----BEGIN)/);
    assert.match(openssl.verify(leaf, above.join(""), root.pem), /OK/);
    assert.throws(() => openssl.verify(leaf, "", root.pem), /unable to get local issuer certificate/);
  });
});
