#include "infer/chat/turn.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "base/random.h"
#include "support/byte_tokenizer.h"

using namespace tsukai;
using namespace tsukai::infer;

namespace {

const std::vector<ToolDefinition>& turn_tools() {
  static const std::vector<ToolDefinition> made = {
      {"maps__search", "Finds places.",
       Json::parse(
           R"({"type":"object","properties":{"city":{"enum":["Aoba","Mita"]},"near":{"type":"boolean"}},)"
           R"("required":["city","near"]})")},
      {"shop__pay", "Pays.",
       Json::parse(R"({"type":"object","properties":{"sum":{"enum":[1,20]}},"required":["sum"]})")}};
  return made;
}

// One family of calls over a vocabulary in which the marker's end may come glued to what follows.
struct World {
  World()
      : tokenizer(std::make_shared<ByteTokenizer>(
            std::vector<std::string>{"tool", "_call", ">\n{", ">\n", ">x", "<tool_call>", "{\"",
                                     "\":", "name", "Aoba"},
            std::vector<std::string>{"<end>", "<start>"})),
        format(ToolFormat::choose("", "llama", *tokenizer)),
        vocabulary(std::make_shared<TurnVocabulary>(*tokenizer, *format, tokenizer->size() + 3)),
        masks(MaskVocabulary::make(*tokenizer)),
        trace(std::make_shared<TurnTrace>()) {}

  std::unique_ptr<TokenConstraint> turn(TurnRules rules, bool with_tools = true) {
    *trace = TurnTrace();
    if (with_tools) rules.call = format->call(turn_tools()).value();
    return make_turn_constraint(tokenizer, format, vocabulary, masks, std::move(rules), trace);
  }

  std::shared_ptr<const ByteTokenizer> tokenizer;
  std::shared_ptr<const ToolFormat> format;
  std::shared_ptr<const TurnVocabulary> vocabulary;
  std::shared_ptr<const MaskVocabulary> masks;
  std::shared_ptr<TurnTrace> trace;
};

struct Driven {
  std::string text;  // Control tokens spelled out.
  bool ended = false;
  std::size_t forced = 0;
};

// Generates like an engine whose model would like to say `wanted`: the longest allowed token that goes on
// with it, else (or when all is said) the end of the turn where allowed, else any allowed token, drawn by
// `random`.
Driven drive(const World& world, TokenConstraint& turn, std::string wanted, Random random = Random(1),
             int steps = 2000) {
  Driven out;
  TokenMask mask(world.tokenizer->size() + 3);
  auto take = [&](TokenId token) {
    const std::string bytes(world.tokenizer->bytes(token, true));
    out.text += bytes;
    if (wanted.compare(0, bytes.size(), bytes) == 0) wanted.erase(0, bytes.size());
    out.ended = world.tokenizer->ends_turn(token);
    turn.accept(token);
  };
  while (!out.ended && steps-- > 0) {
    const auto forced = turn.forced();
    for (const TokenId token : forced) {
      take(token);
      ++out.forced;
    }
    if (!forced.empty()) continue;
    REQUIRE(turn.mask(mask));
    std::vector<TokenId> allowed;
    TokenId best = -1;
    for (TokenId token = 0; token < static_cast<TokenId>(world.tokenizer->size()); ++token) {
      if (!mask.test(token)) continue;
      allowed.push_back(token);
      const auto bytes = world.tokenizer->bytes(token, true);
      const bool goes_on = !wanted.empty() && std::string_view(wanted).substr(0, bytes.size()) == bytes;
      if (goes_on && (best < 0 || bytes.size() > world.tokenizer->bytes(best, true).size())) best = token;
    }
    REQUIRE_MESSAGE(!allowed.empty(), out.text);
    for (std::size_t extra = world.tokenizer->size(); extra < mask.size(); ++extra) {
      REQUIRE_FALSE(mask.test(static_cast<TokenId>(extra)));
    }
    if (best < 0 && mask.test(world.tokenizer->end_of_turn())) best = world.tokenizer->end_of_turn();
    take(best >= 0 ? best : allowed[random.below(allowed.size())]);
  }
  CHECK(turn.finished() == out.ended);
  return out;
}

}  // namespace

TEST_SUITE("infer/turn") {
  TEST_CASE("plain text passes as it is and ends where the model ends it") {
    World world;
    auto turn = world.turn({});
    const Driven out = drive(world, *turn, "The Old Gate is < 5 minutes away.");
    CHECK(out.text == "The Old Gate is < 5 minutes away.<end>");
    CHECK(world.trace->calls_complete == 0);
  }

  TEST_CASE("a call begun in free text can only become a valid call") {
    World world;
    auto turn = world.turn({});
    const Driven out = drive(world, *turn, "Let me look. <tool_call>\n{\"arguments\": nonsense");
    auto parsed = world.format->parse(out.text, turn_tools());
    REQUIRE_MESSAGE(parsed.has_value(), out.text);
    REQUIRE(parsed->calls.size() == 1);
    CHECK(parsed->text == "Let me look.");
    CHECK(world.trace->calls_complete == 1);
    CHECK(world.trace->call_begin_bytes == std::string("Let me look. ").size());
  }

  TEST_CASE("what may become a call is not shown as text, and is shown when it becomes none") {
    World world;
    const auto shown = [&](TokenConstraint& turn, std::initializer_list<const char*> pieces) {
      std::string text, all;
      for (const char* piece : pieces) {
        for (const TokenId token : world.tokenizer->encode(piece)) {
          turn.accept(token);
          if (world.trace->call_begin_bytes != std::string::npos) continue;
          all += world.tokenizer->bytes(token);
          text = all.substr(0, all.size() - world.trace->undecided_bytes);
        }
      }
      return text;
    };
    auto call = world.turn({});
    CHECK(shown(*call, {"Look. ", "<", "tool", "_call", ">\n{"}) == "Look. ");
    CHECK(world.trace->call_begin_bytes == std::string("Look. ").size());
    auto none = world.turn({});
    CHECK(shown(*none, {"a ", "<", "tool"}) == "a ");
    CHECK(shown(*none, {"s>"}) == "s>");
    CHECK(world.trace->undecided_bytes == 0);
    TurnRules rules;
    rules.choice = ToolChoice::kRequired;
    auto required = world.turn(rules);
    std::string text;
    for (const TokenId token : required->forced()) {
      required->accept(token);
      if (world.trace->call_begin_bytes == std::string::npos) {
        text += world.tokenizer->bytes(token);
        CHECK(world.trace->undecided_bytes == text.size());
      }
    }
    CHECK(world.trace->call_begin_bytes == 0);
  }

  TEST_CASE(
      "a token that completes the marker and goes on wrongly is masked, one that goes on rightly is not") {
    World world;
    auto wrong = world.turn({});
    const Driven out = drive(world, *wrong, "<tool_call>x");
    CHECK(out.text.find("<tool_call>x") == std::string::npos);
    CHECK(world.format->parse(out.text, turn_tools()).has_value());

    auto right = world.turn({});
    TokenMask mask(world.tokenizer->size() + 3);
    for (const char* piece : {"<", "tool", "_call"}) right->accept(world.tokenizer->encode(piece).front());
    REQUIRE(right->mask(mask));
    CHECK(mask.test(world.tokenizer->encode(">\n{").front()));
    CHECK_FALSE(mask.test(world.tokenizer->encode(">x").front()));
  }

  TEST_CASE("a required call starts at once, without a token of the model's own") {
    World world;
    TurnRules rules;
    rules.choice = ToolChoice::kRequired;
    auto turn = world.turn(rules);
    const Driven out = drive(world, *turn, "I would rather chat.");
    CHECK(out.text.rfind(world.format->call_begin(), 0) == 0);
    CHECK(out.forced > 0);
    CHECK(world.format->parse(out.text, turn_tools())->calls.size() == 1);
  }

  TEST_CASE("without tools, and when told to call none, the marker can't be completed") {
    World world;
    TurnRules none;
    none.choice = ToolChoice::kNone;
    for (const bool with_tools : {true, false}) {
      auto turn = world.turn(none, with_tools);
      const Driven out = drive(world, *turn, "<tool_call>\n{\"name\"");
      CHECK(out.text.find("<tool_call>") == std::string::npos);
      CHECK(out.ended);
    }
  }

  TEST_CASE("several calls may follow one another, up to the limit") {
    World world;
    const std::string one = R"({"name": "shop__pay", "arguments": {"sum":1}})";
    const std::string wanted = world.format->call_begin() + one + world.format->between_calls() + one +
                               world.format->between_calls() + one + world.format->call_end();
    for (const std::size_t most : {1u, 2u, 8u}) {
      TurnRules rules;
      rules.calls_max = most;
      auto turn = world.turn(rules);
      const Driven out = drive(world, *turn, wanted);
      CHECK(out.ended);
      CHECK(world.format->parse(out.text, turn_tools())->calls.size() == std::min<std::size_t>(most, 3));
      CHECK(world.trace->calls_complete == std::min<std::size_t>(most, 3));
    }
  }

  TEST_CASE("whatever a model draws, a turn that must call ends in valid calls") {
    World world;
    TurnRules rules;
    rules.choice = ToolChoice::kRequired;
    rules.calls_max = 3;
    for (std::uint64_t seed = 0; seed < 100; ++seed) {
      CAPTURE(seed);
      auto turn = world.turn(rules);
      // The model "wants" nothing, and the end of the turn is never free: every token is drawn.
      const Driven out = drive(world, *turn, "", Random(seed));
      REQUIRE(out.ended);
      auto parsed = world.format->parse(out.text, turn_tools());
      REQUIRE_MESSAGE(parsed.has_value(), out.text);
      CHECK(parsed->calls.size() == world.trace->calls_complete);
      CHECK(parsed->calls.size() >= 1);
    }
  }

  TEST_CASE("text under an output schema is JSON of that schema and then ends") {
    World world;
    TurnRules rules;
    rules.output =
        Grammar::from_schema(
            Json::parse(R"({"type":"object","properties":{"ok":{"type":"boolean"}},"required":["ok"]})"))
            .value();
    auto turn = world.turn(rules, false);
    const Driven out = drive(world, *turn, "Sure! {\"ok\":tr");
    const bool either = out.text == "{\"ok\":true}<end>" || out.text == "{\"ok\":false}<end>";
    CHECK_MESSAGE(either, out.text);
  }

  TEST_CASE(
      "thinking is closed when its budget is spent, at the end of a character, and the answer follows") {
    World world;
    world.format = ToolFormat::choose("<tool_call><think></think>", "qwen3", *world.tokenizer);
    world.vocabulary =
        std::make_shared<TurnVocabulary>(*world.tokenizer, *world.format, world.tokenizer->size() + 3);
    REQUIRE(world.format->think_end() == "</think>");
    const std::string thought = "I wonder about \u6771\u4eac and other places for a long time";
    TurnRules rules;
    rules.opened_thinking = true;
    for (const std::size_t budget : {1u, 5u, 16u, 17u, 18u}) {
      CAPTURE(budget);
      rules.thinking_tokens_max = budget;
      auto turn = world.turn(rules);
      const Driven out = drive(world, *turn, thought);
      const auto parsed = world.format->parse(out.text, turn_tools());
      REQUIRE_MESSAGE(parsed.has_value(), out.text);
      // Every byte is a token here; bytes 15 to 17 are one character.
      const std::size_t kept = budget >= 16 ? 18 : budget;
      CHECK(out.text.substr(0, kept) == thought.substr(0, kept));
      CHECK(out.text.substr(kept, 11) == "\n</think>\n\n");
      CHECK(out.ended);
    }
    rules.choice = ToolChoice::kRequired;
    rules.thinking_tokens_max = 4;
    auto calling = world.turn(rules);
    const auto parsed = world.format->parse(drive(world, *calling, thought).text, turn_tools());
    REQUIRE(parsed.has_value());
    CHECK(parsed->reasoning == "I wo");
    CHECK(parsed->calls.size() == 1);

    rules.choice = ToolChoice::kAuto;
    rules.thinking_tokens_max = 0;
    auto unbounded = world.turn(rules);
    CHECK(drive(world, *unbounded, thought + "</think>Yes.").text == thought + "</think>Yes.<end>");
  }

  TEST_CASE("control tokens other than the end never appear in a turn") {
    World world;
    auto turn = world.turn({});
    const Driven out = drive(world, *turn, "a<start>b");
    CHECK(out.text == "a<start>b<end>");
    TokenMask mask(world.tokenizer->size() + 3);
    auto fresh = world.turn({});
    REQUIRE(fresh->mask(mask));
    CHECK_FALSE(mask.test(world.tokenizer->find_control("<start>")));
    CHECK(mask.test(world.tokenizer->end_of_turn()));
  }
}
