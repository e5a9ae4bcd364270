// JSON Schemas by chance, from every keyword that grammars honour, and texts by chance under a grammar.
#pragma once

#include <random>
#include <string>

#include "base/json.h"
#include "infer/grammar/grammar.h"

namespace tsukai::infer {

// A schema with $defs that may recurse. Not every one has a value, or only supported combinations.
Json random_schema(std::mt19937& random);

// A text: random tokens that the masks allow, closed after a random number of steps by the shortest
// completion.
std::string random_text(const std::shared_ptr<const Grammar>& grammar,
                        const std::shared_ptr<const MaskVocabulary>& vocabulary, const Tokenizer& tokenizer,
                        std::mt19937& random);

// Makes schemas until `count` of them compile, writes a text under each and checks it with an independent
// validator (valijson). Returns what went wrong, one line each. With $TSUKAI_GRAMMAR_TEXTS each pair is also
// appended to that file as a line of JSON, for check_grammar_texts.py.
std::vector<std::string> check_random_schemas(unsigned seed, int count);

}  // namespace tsukai::infer
