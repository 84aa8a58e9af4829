from __future__ import annotations

import pytest
from lxml import etree

from sunes_sdk._core.errors import SoapFault, TransportError, XmlSecurityError
from sunes_sdk._core.retry import RetryKind
from sunes_sdk.transport import HttpResponse, mtom, soap

PLAIN = "application/soap+xml; charset=utf-8"
BODY = b'<x:B xmlns:x="urn:x"><x:D>aGVsbG8=</x:D></x:B>'
FAULT12 = (
    '<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://www.w3.org/2005/08/addressing">'
    "<s:Header><a:RelatesTo>urn:uuid:7</a:RelatesTo></s:Header><s:Body><s:Fault><s:Code><s:Value>s:{code}</s:Value>"
    "<s:Subcode><s:Value>s:DMPInvalidCertificate</s:Value></s:Subcode></s:Code><s:Reason>"
    '<s:Text xml:lang="fr">Patient 279035121518989 inconnu</s:Text></s:Reason><s:Detail><e code="9"/></s:Detail>'
    "</s:Fault></s:Body></s:Envelope>"
)
FAULT11 = (
    b'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body><s:Fault><faultcode>s:Client</faultcode>'
    b"<faultstring>no</faultstring><detail><e/></detail></s:Fault></s:Body></s:Envelope>"
)


def test_envelope_has_the_four_addressing_headers_and_the_bytes_given() -> None:
    assertion = b'<saml2:Assertion xmlns:saml2="urn:s">  kept </saml2:Assertion>'
    xml = soap.envelope(action="urn:a&b", message_id="urn:uuid:1", headers=soap.security(assertion), body=BODY)
    root = etree.fromstring(xml)
    names = [etree.QName(e).localname for e in root[0]]
    assert names == ["MessageID", "To", "ReplyTo", "Action", "Security"]
    assert {etree.QName(e).namespace for e in root[0][:4]} == {soap.WSA}
    assert root[0].findtext(f"{{{soap.WSA}}}Action") == "urn:a&b"
    assert root[0][2].findtext(f"{{{soap.WSA}}}Address") == soap.ANONYMOUS
    assert root[0][3].get(f"{{{soap.SOAP12}}}mustUnderstand") == "true"
    assert assertion in xml
    assert BODY in xml
    assert len(root[0][4]) == 1


def test_raw_envelope_keeps_the_order_given() -> None:
    headers = soap.security(b"<x/>") + b'<c:C xmlns:c="urn:c"/>' + soap.addressing(action="a", message_id="m")
    root = etree.fromstring(soap.raw_envelope(headers=headers, body=BODY))
    assert [etree.QName(e).localname for e in root[0]] == ["Security", "C", "MessageID", "To", "ReplyTo", "Action"]


def test_plain_answer() -> None:
    xml = soap.envelope(action="urn:a", message_id="urn:uuid:1", body=BODY)
    answer = soap.parse(xml, PLAIN)
    assert (answer.action, answer.message_id, answer.relates_to) == ("urn:a", "urn:uuid:1", "")
    assert answer.body.tag == "{urn:x}B"
    assert answer.binary(answer.body[0]) == b"hello"


def test_attached_answer() -> None:
    include = b'<D><i:Include xmlns:i="http://www.w3.org/2004/08/xop/include" href="cid:a%3A1"/></D>'
    content_type, body = mtom.encode(
        soap.envelope(action="urn:a", message_id="1", body=include), [mtom.Part("a:1", b"\x00\xff")]
    )
    answer = soap.parse(body, content_type)
    assert answer.binary(answer.body) == b"\x00\xff"


def test_missing_part_and_bad_base64() -> None:
    include = b'<D><i:Include xmlns:i="http://www.w3.org/2004/08/xop/include" href="cid:b"/></D>'
    for body, code in ((include, "XOP_MISSING"), (b"<D>%%%</D>", "XOP_BASE64")):
        answer = soap.parse(soap.envelope(action="a", message_id="1", body=body), PLAIN)
        with pytest.raises(XmlSecurityError) as e:
            answer.binary(answer.body)
        assert e.value.code == code


@pytest.mark.parametrize("status", [200, 400, 500])
@pytest.mark.parametrize("attached", [False, True])
def test_soap_12_fault_prefers_the_subcode_and_hides_the_reason(status: int, attached: bool) -> None:
    body, content_type = FAULT12.format(code="Sender").encode(), PLAIN
    if attached:
        content_type, body = mtom.encode(body, [])
    with pytest.raises(SoapFault) as e:
        soap.read_answer(HttpResponse(status, {"content-type": content_type}, body))
    fault = e.value
    assert (fault.remote_code, fault.soap_code, fault.request_id) == ("DMPInvalidCertificate", "Sender", "urn:uuid:7")
    assert fault.retry.kind is RetryKind.NEVER
    assert "279035121518989" in fault.remote_message
    assert "279035121518989" not in f"{fault}{fault!r}"
    assert b'code="9"' in fault.detail


def test_a_matricule_in_place_of_a_code_stays_out_of_messages() -> None:
    body = FAULT12.format(code="Sender").replace("DMPInvalidCertificate", "279035121518989").encode()
    with pytest.raises(SoapFault) as e:
        soap.parse(body, PLAIN)
    assert (e.value.remote_code, e.value.soap_code) == ("UNREADABLE", "Sender")
    assert e.value.remote_message.startswith("s:279035121518989 ")
    with pytest.raises(SoapFault) as e:
        soap.parse(FAULT12.format(code="279035121518989").encode(), PLAIN)
    assert "2790351215189" not in f"{e.value}{e.value!r}"


def test_receiver_fault_asks_to_reconcile() -> None:
    with pytest.raises(SoapFault) as e:
        soap.parse(FAULT12.format(code="Receiver").encode(), PLAIN)
    assert e.value.retry.kind is RetryKind.RECONCILE_FIRST


def test_soap_11_fault() -> None:
    with pytest.raises(SoapFault) as e:
        soap.parse(FAULT11, "text/xml")
    assert (e.value.remote_code, e.value.remote_message) == ("Client", "no")
    assert b"<e/>" in e.value.detail


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"<html/>", "SOAP_SHAPE"),
        (b'<E xmlns="http://www.w3.org/2003/05/soap-envelope"/>', "SOAP_SHAPE"),
        (b'<E xmlns="http://www.w3.org/2003/05/soap-envelope"><Body/></E>', "SOAP_SHAPE"),
        (b'<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Body/></s:Envelope>', "SOAP_SHAPE"),
        (b"", "XML_MALFORMED"),
        (b"<!DOCTYPE a><a/>", "XML_DTD"),
    ],
)
def test_what_is_no_soap(body: bytes, code: str) -> None:
    with pytest.raises(XmlSecurityError) as e:
        soap.parse(body, PLAIN)
    assert e.value.code == code


@pytest.mark.parametrize(
    ("status", "sent", "code"),
    [(200, "maybe", "ANSWER_UNREADABLE"), (403, "no", "HTTP_STATUS"), (404, "no", "HTTP_STATUS"),
     (302, "maybe", "HTTP_STATUS"), (500, "maybe", "HTTP_STATUS"), (502, "maybe", "HTTP_STATUS"),
     (503, "maybe", "HTTP_STATUS")],
)  # fmt: skip
def test_a_page_in_place_of_soap(status: int, sent: str, code: str) -> None:
    with pytest.raises(TransportError) as e:
        soap.read_answer(HttpResponse(status, {"content-type": "text/html"}, b"<html>Service indisponible"))
    assert (e.value.code, e.value.sent) == (code, sent)


def test_an_error_status_is_an_error_even_over_soap() -> None:
    xml = soap.envelope(action="a", message_id="m", body=BODY)
    with pytest.raises(TransportError):
        soap.read_answer(HttpResponse(500, {"content-type": PLAIN}, xml))
    with pytest.raises(TransportError) as caught:  # a page of a gateway would say that nothing was done
        soap.read_answer(HttpResponse(404, {"content-type": PLAIN}, xml))
    assert caught.value.sent == "maybe"
    assert soap.read_answer(HttpResponse(200, {"content-type": PLAIN}, xml)).action == "a"
