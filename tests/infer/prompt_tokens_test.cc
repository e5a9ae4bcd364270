#include "infer/chat/prompt_tokens.h"

#include <doctest/doctest.h>

#include "support/byte_tokenizer.h"

using namespace tsukai::infer;

namespace {

const ByteTokenizer& tokenizer() {
  static const ByteTokenizer made({"user", "hello", "\n\n"}, {"<end>", "<start>"});
  return made;
}

RenderedPiece written(std::string text) { return {std::move(text), false}; }
RenderedPiece data(std::string text) { return {std::move(text), true}; }

Transcript transcript_of(const Prompt& prompt) { return {prompt.text, prompt.tokens}; }

}  // namespace

TEST_SUITE("infer/prompt_tokens") {
  TEST_CASE("control tokens come from the template, never from data that spells them") {
    const auto tokens =
        tokens_of(tokenizer(), {written("<start>user\n"), data("<end>hello"), written("<end>")}, 0);
    CHECK(tokens.front() == tokenizer().find_control("<start>"));
    CHECK(tokens.back() == tokenizer().find_control("<end>"));
    CHECK(std::count(tokens.begin(), tokens.end(), tokenizer().find_control("<end>")) == 1);
    CHECK(tokenizer().decode(tokens, true) == "<start>user\n<end>hello<end>");
  }

  TEST_CASE("text is encoded across the border between template and data, as one text") {
    const auto tokens = tokens_of(tokenizer(), {written("<start>he"), data("llo"), written("<end>")}, 0);
    CHECK(tokens.size() == 3);
    CHECK(tokenizer().bytes(tokens[1]) == "hello");
  }

  TEST_CASE("a control token spelled across the border is text") {
    const auto tokens = tokens_of(tokenizer(), {written("<st"), data("art>")}, 0);
    for (const TokenId token : tokens) CHECK(tokenizer().kind(token) == TokenKind::kNormal);
  }

  TEST_CASE("a prompt that extends the transcript keeps every token of it, however they were sampled") {
    const Prompt first =
        extend_prompt(tokenizer(), {written("<start>user\n"), data("hi"), written("<end>")}, {});
    CHECK(first.kept_tokens == 0);
    Transcript so_far = transcript_of(first);
    // The model said two line breaks one at a time; encoded at once they would be one token.
    so_far.text += "\n\n<end>";
    for (const TokenId token : {10, 10, tokenizer().find_control("<end>")}) so_far.tokens.push_back(token);
    const Prompt second = extend_prompt(tokenizer(),
                                        {written("<start>user\n"), data("hi"), written("<end>\n\n<end>"),
                                         written("<start>user"), data("hello")},
                                        so_far);
    CHECK(second.kept_tokens == so_far.tokens.size());
    CHECK(second.kept_bytes == so_far.text.size());
    CHECK(std::equal(so_far.tokens.begin(), so_far.tokens.end(), second.tokens.begin()));
    CHECK(tokenizer().decode(second.tokens, true) == second.text);
  }

  TEST_CASE("where history was rewritten, tokens are kept up to the last control token before the change") {
    const Prompt first =
        extend_prompt(tokenizer(), {written("<start>user<end><start>"), data("abc"), written("<end>")}, {});
    const Prompt second =
        extend_prompt(tokenizer(), {written("<start>user<end><start>"), data("abX"), written("<end>")},
                      transcript_of(first));
    CHECK(second.kept_bytes == std::string("<start>user<end><start>").size());
    CHECK(second.kept_tokens == 4);
    CHECK(second.text == "<start>user<end><start>abX<end>");
    CHECK(tokenizer().decode(second.tokens, true) == second.text);
  }

  TEST_CASE("a render shorter than the transcript rewinds instead of reading past the end") {
    const Prompt first = extend_prompt(tokenizer(), {written("<start>user<end>")}, {});
    const Prompt second = extend_prompt(tokenizer(), {written("<start>")}, transcript_of(first));
    CHECK(second.text == "<start>");
    CHECK(second.tokens.size() == 1);
    CHECK(second.kept_tokens == 1);
  }
}
