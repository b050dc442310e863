"""Marks, XML: the iXML chunk of a Broadcast Wave file, and the XMP packet that says that a machine made it."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET
from xml.etree.ElementTree import Element, SubElement

from soundmill.audio.marks.nouns import MADE_BY_A_MODEL, Marks

IXML_VERSION = "3.01"
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
DC = "http://purl.org/dc/elements/1.1/"
XMP = "http://ns.adobe.com/xap/1.0/"
IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
META = "adobe:ns:meta/"
LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
PREFIXES = {"rdf": RDF, "dc": DC, "xmp": XMP, "Iptc4xmpExt": IPTC, "x": META}
# XMP Specification Part 1, 7.3.2: what a packet begins and ends with, so that it is found in any file.
PACKET_START = '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
PACKET_END = '\n<?xpacket end="r"?>'
NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # XML 1.0, production 2


def ixml(marks: Marks) -> bytes:
    """The iXML document (iXML Specification 3.01, with the ASWG object of Sony's ASWG-G006)."""
    root = Element("BWFXML")
    _add(root, "IXML_VERSION", IXML_VERSION)
    _add(root, "PROJECT", marks.project)
    _add(root, "NOTE", marks.description)
    _add(root, "FILE_UID", marks.identifier)
    bext = SubElement(root, "BEXT")
    _add(bext, "BWF_DESCRIPTION", marks.description)
    _add(bext, "BWF_ORIGINATOR", marks.creator)
    user = SubElement(root, "USER")
    _add(user, "FULL_TITLE", marks.title)
    _add(user, "DIGITAL_SOURCE_TYPE", MADE_BY_A_MODEL)
    for name, text in marks.tags.items():
        _add(user, f"SOUNDMILL_{re.sub('[^A-Za-z0-9]+', '_', name).upper()}", text)
    aswg = SubElement(root, "ASWG")
    for name, text in marks.aswg.items():
        _add(aswg, name, text)
    return _document(root, declared=True)


def xmp(marks: Marks) -> bytes:
    """The XMP packet: title, description, rights, and IPTC's digital source type (IPTC Photo Metadata Standard, whose
    property the EU's and the platforms' marks for generated media go by)."""
    for prefix, address in PREFIXES.items():
        ET.register_namespace(prefix, address)
    root = Element(f"{{{META}}}xmpmeta")
    about = SubElement(SubElement(root, f"{{{RDF}}}RDF"), f"{{{RDF}}}Description", {f"{{{RDF}}}about": ""})
    _add(about, f"{{{IPTC}}}DigitalSourceType", MADE_BY_A_MODEL)
    _add(about, f"{{{XMP}}}CreatorTool", marks.creator)
    _add(about, f"{{{DC}}}identifier", marks.identifier)
    for name, text in (("title", marks.title), ("description", marks.description), ("rights", marks.licence)):
        if text:
            languages = SubElement(SubElement(about, f"{{{DC}}}{name}"), f"{{{RDF}}}Alt")
            _add(languages, f"{{{RDF}}}li", text).set(LANGUAGE, "x-default")
    return PACKET_START.encode() + _document(root, declared=False) + PACKET_END.encode()


def _add(parent: Element, name: str, text: str) -> Element:
    child = SubElement(parent, name)
    child.text = NOT_XML.sub("\ufffd", text)
    return child


def _document(root: Element, *, declared: bool) -> bytes:
    ET.indent(root)
    made: bytes = ET.tostring(root, encoding="UTF-8" if declared else "utf-8", xml_declaration=declared)
    return made
