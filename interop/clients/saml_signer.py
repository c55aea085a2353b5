"""Signs SAML documents with libxmlsec1, one JSON object a line: what stands under many an identity provider.

In: document (a placeholder where the signature goes), place, key, certificate (PEM), id, method, digest, canonicalization,
prefixes. Out: the signed document.
"""
import json
import sys

import xmlsec
from lxml import etree

EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
MORE, ENC, SHA1 = "http://www.w3.org/2001/04/xmldsig-more#", "http://www.w3.org/2001/04/xmlenc#", "http://www.w3.org/2000/09/xmldsig#"
DIGESTS = {"sha1": SHA1 + "sha1", "sha256": ENC + "sha256", "sha384": MORE + "sha384", "sha512": ENC + "sha512"}


def template(asked):
    prefixes = " ".join(asked["prefixes"])
    inclusive = prefixes and f'<ec:InclusiveNamespaces xmlns:ec="{EXCLUSIVE}" PrefixList="{prefixes}"/>'
    method = (SHA1 if asked["method"].endswith("sha1") else MORE) + asked["method"]
    return (
        f'<ds:Signature xmlns:ds="http://www.w3.org/2000/09/xmldsig#"><ds:SignedInfo><ds:CanonicalizationMethod '
        f'Algorithm="{asked["canonicalization"]}"/><ds:SignatureMethod Algorithm="{method}"/><ds:Reference '
        f'URI="#{asked["id"]}"><ds:Transforms><ds:Transform '
        'Algorithm="http://www.w3.org/2000/09/xmldsig#enveloped-signature"/><ds:Transform '
        f'Algorithm="{asked["canonicalization"]}">{inclusive}</ds:Transform></ds:Transforms><ds:DigestMethod '
        f'Algorithm="{DIGESTS[asked["digest"]]}"/><ds:DigestValue/></ds:Reference></ds:SignedInfo><ds:SignatureValue/>'
        '<ds:KeyInfo><ds:X509Data><ds:X509Certificate/></ds:X509Data></ds:KeyInfo></ds:Signature>')


for line in sys.stdin:
    asked = json.loads(line)
    root = etree.fromstring(asked["document"].replace(asked["place"], template(asked)).encode())
    xmlsec.tree.add_ids(root, ["ID"])
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_memory(asked["key"], xmlsec.constants.KeyDataFormatPem)
    context.key.load_cert_from_memory(asked["certificate"], xmlsec.constants.KeyDataFormatCertPem)
    [empty] = [node for node in root.iter("{http://www.w3.org/2000/09/xmldsig#}SignatureValue") if not node.text]
    context.sign(empty.getparent())
    print(json.dumps(etree.tostring(root).decode()), flush=True)
