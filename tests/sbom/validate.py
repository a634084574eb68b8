"""Checks bills of materials: validate.py FILE…, with the schemas and rules of those who specify the forms."""

import json
import sys

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from spdx_tools.spdx.jsonschema.document_converter import DocumentConverter
from spdx_tools.spdx.parser.jsonlikedict.json_like_dict_parser import JsonLikeDictParser
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document


def cyclonedx(text):
    error = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    return [str(error).splitlines()[0]] if error else []


def keys(value):
    if isinstance(value, list):
        return set().union(*map(keys, value))
    return set(value).union(*map(keys, value.values())) if isinstance(value, dict) else set()


def spdx(text):
    parsed = json.loads(text)
    document = JsonLikeDictParser().parse(parsed)
    # The parser passes over what it does not know, so what it writes back lacks that.
    lost = keys(parsed) - keys(DocumentConverter().convert(document))
    lost.discard("documentDescribes")
    messages = validate_full_spdx_document(document)
    return [f"unknown: {sorted(lost)}"] * bool(lost) + [message.validation_message for message in messages]


for path in sys.argv[1:]:
    with open(path, encoding="utf-8") as file:
        text = file.read()
    form, check = ("CycloneDX", cyclonedx) if "bomFormat" in text else ("SPDX", spdx)
    errors = check(text)
    if errors:
        sys.exit(f"no {form}: {errors[0]}")
    print(form)
