#!/usr/bin/env python3
"""Checks texts that grammars produced with Python's jsonschema (pip install jsonschema rfc3339-validator).

  TSUKAI_GRAMMAR_TEXTS=texts.jsonl build/dev/bin/test_infer --source-file='*grammar_random_slow_test.cc'
  tests/infer/check_grammar_texts.py texts.jsonl

Each line of the file is {"schema": ..., "text": "..."}; the text must be one JSON value that satisfies the schema
(2020-12, formats asserted). Exit code 1 if any does not.
"""
import json
import sys

import jsonschema


def main() -> int:
    bad = total = 0
    for line in open(sys.argv[1], encoding="utf-8"):
        pair = json.loads(line)
        total += 1
        validator = jsonschema.Draft202012Validator(
            pair["schema"], format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)
        try:
            errors = [e.message for e in validator.iter_errors(json.loads(pair["text"]))]
        except ValueError as error:
            errors = [str(error)]
        if errors:
            bad += 1
            print(f"{json.dumps(pair['schema'])} <- {pair['text']}: {errors[0]}")
    print(f"{total - bad} of {total} texts satisfy their schema")
    return 1 if bad or not total else 0


if __name__ == "__main__":
    sys.exit(main())
