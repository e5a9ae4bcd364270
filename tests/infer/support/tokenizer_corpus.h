// The same mixed text here and in make_tokenizer_references.py, made from a seed, so that it need not be
// stored.
#pragma once

#include <cstddef>
#include <string>

namespace tsukai::infer::test {

// At least `bytes` bytes of English, Chinese, Japanese, other scripts, code, numbers, white space and emoji.
std::string tokenizer_corpus(std::size_t bytes, unsigned seed);

}  // namespace tsukai::infer::test
