#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "agent/policy_grammar.h"
#include "infer/grammar/grammar.h"
#include "support/byte_tokenizer.h"

using namespace tsukai;
using namespace tsukai::agent;

namespace {

PolicyRule rule(PolicyRule::Action action, const std::string& when, const std::string& pattern = "shop.pay") {
  PolicyRule out{action, pattern, 0, {}};
  if (!when.empty()) {
    auto parsed = Condition::parse(when);
    REQUIRE_MESSAGE(parsed, (parsed ? "" : parsed.error().text()));
    out.when = *parsed;
  }
  return out;
}
PolicyRule policy_grammar_allow(const std::string& when) { return rule(PolicyRule::Action::kAllow, when); }
PolicyRule ask(const std::string& when) { return rule(PolicyRule::Action::kAsk, when); }
PolicyRule deny(const std::string& when) { return rule(PolicyRule::Action::kDeny, when); }

const Json kPolicyGrammarPay = {{"type", "object"},
                                {"properties",
                                 {{"amount", {{"type", "number"}}},
                                  {"currency", {{"type", "string"}}},
                                  {"speed", {{"enum", {"slow", "fast", "instant"}}}},
                                  {"gift", {{"type", "boolean"}}}}},
                                {"required", {"amount"}},
                                {"additionalProperties", false}};

Json narrowed(const std::vector<PolicyRule>& policy, const std::vector<InheritedPolicy>& inherited = {}) {
  return *narrowed_schema(kPolicyGrammarPay, policy, inherited, "shop", "pay");
}

// Whether a model under the grammar could write these arguments.
bool can_be_written(const Json& schema, const Json& arguments) {
  auto grammar = infer::Grammar::from_schema(schema);
  REQUIRE_MESSAGE(grammar, (grammar ? "" : grammar.error().text()));
  const infer::ByteTokenizer tokenizer({}, {"<|end|>"});
  auto matcher = infer::Matcher::make(*grammar, infer::MaskVocabulary::make(tokenizer));
  return matcher->accept(print_json(arguments)) && matcher->may_end();
}

}  // namespace

TEST_SUITE("agent/policy_grammar") {
  TEST_CASE("rules that say nothing of values narrow nothing") {
    CHECK(narrowed({}).is_null());
    CHECK(narrowed({policy_grammar_allow("")}).is_null());
    CHECK(narrowed({ask("amount > 50")}).is_null());
    CHECK(narrowed({deny("currency matches 'X.*'")}).is_null());
    CHECK(narrowed({rule(PolicyRule::Action::kDeny, "currency != 'CNY'", "shop.refund")}).is_null());
  }

  TEST_CASE("what is not the one value that may be can't be written") {
    const auto schema = narrowed({deny("currency != 'CNY'")});
    CHECK(schema["properties"]["currency"] == Json{{"enum", {"CNY"}}});
    CHECK(schema["required"] == Json{"amount", "currency"});
    CHECK(can_be_written(schema, {{"amount", 5}, {"currency", "CNY"}}));
    CHECK_FALSE(can_be_written(schema, {{"amount", 5}, {"currency", "USD"}}));
    CHECK_FALSE(can_be_written(schema, {{"amount", 5}}));
    CHECK(can_be_written(kPolicyGrammarPay, {{"amount", 5}, {"currency", "USD"}}));
  }

  TEST_CASE("an allowed list with a deny behind it leaves the list") {
    const auto schema = narrowed({policy_grammar_allow("currency in ['CNY', 'JPY']"), deny("")});
    CHECK(schema["properties"]["currency"]["enum"] == Json{"CNY", "JPY"});
    CHECK_FALSE(can_be_written(schema, {{"amount", 5}, {"currency", "USD"}}));
    // Two ways to be allowed: either list.
    const auto both =
        narrowed({policy_grammar_allow("currency == 'CNY'"), ask("currency == 'JPY'"), deny("")});
    CHECK(both["properties"]["currency"]["enum"] == Json{"CNY", "JPY"});
    // A way that says nothing of it leaves it free.
    CHECK(narrowed({policy_grammar_allow("currency == 'CNY'"), policy_grammar_allow("amount < 5"), deny("")})
              .is_null());
  }

  TEST_CASE("single values are taken out where the schema lists values, and stay in a free text") {
    const auto schema = narrowed({deny("speed == 'instant'")});
    CHECK(schema["properties"]["speed"]["enum"] == Json{"slow", "fast"});
    CHECK(schema["required"] == Json{"amount"});
    CHECK(narrowed({deny("gift == true")})["properties"]["gift"]["enum"] == Json{false});
    CHECK(narrowed({deny("currency == 'KPW'")}).is_null());
  }

  TEST_CASE("bounds of numbers become bounds of the schema") {
    const auto schema = narrowed({deny("amount > 50")});
    CHECK(schema["properties"]["amount"]["maximum"] == 50);
    CHECK_FALSE(can_be_written(schema, {{"amount", 51}}));
    CHECK(can_be_written(schema, {{"amount", 50}}));
    CHECK(narrowed({deny("not (amount >= 1)")})["properties"]["amount"]["minimum"] == 1);
    CHECK(narrowed({deny("5 >= amount")})["properties"]["amount"]["exclusiveMinimum"] == 5);
  }

  TEST_CASE("and, or and not are followed, and what can't be told apart stays allowed") {
    // Denied only when both hold: neither argument alone is narrowed.
    CHECK(narrowed({deny("currency == 'USD' and speed == 'instant'")}).is_null());
    const auto schema = narrowed({deny("speed == 'instant' or currency != 'CNY'")});
    CHECK(schema["properties"]["speed"]["enum"] == Json{"slow", "fast"});
    CHECK(schema["properties"]["currency"]["enum"] == Json{"CNY"});
    // An `ask` whose condition can't be evaluated asks: nothing follows from it.
    CHECK(narrowed({ask("currency == 'CNY' and amount < 5"), deny("")}).is_null());
  }

  TEST_CASE("what is always denied can't be called, and no value left is the same") {
    CHECK(narrowed({deny("")}) == Json(false));
    CHECK(narrowed({deny("speed in ['slow', 'fast', 'instant', null]")}) == Json(false));
    CHECK(narrowed({ask("amount > 50"), deny("")}).is_null());
  }

  TEST_CASE("inherited rules narrow as well, by the server's own name and its others") {
    const InheritedPolicy above{{}, {deny("currency != 'CNY'")}};
    CHECK(narrowed({deny("amount > 50")}, {above})["properties"]["currency"]["enum"] == Json{"CNY"});
    CHECK(narrowed({deny("amount > 50")}, {above})["properties"]["amount"]["maximum"] == 50);
    const InheritedPolicy alias{{{"shop", {"store"}}}, {rule(PolicyRule::Action::kDeny, "", "store.pay")}};
    CHECK(narrowed({}, {alias}) == Json(false));
  }

  TEST_CASE("a narrowed tool is what a turn's grammar is made from") {
    infer::ChatRequest request;
    request.tools = {{"shop__pay", "", kPolicyGrammarPay, narrowed({deny("currency != 'CNY'")})},
                     {"shop__refund", "", kPolicyGrammarPay, Json(false)}};
    const auto allowed = infer::callable_tools(request);
    REQUIRE(allowed.size() == 1);
    CHECK((*allowed[0].input_schema)["properties"]["currency"]["enum"] == Json{"CNY"});
  }
}
