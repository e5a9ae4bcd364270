#include "infer/chat/tool_format.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "infer/chat/call_reader.h"
#include "infer/tokenizer/byte_alphabet.h"

using namespace tsukai;
using namespace tsukai::infer;

namespace {

std::unique_ptr<Tokenizer> bytes_tokenizer() {
  VocabularyData data;
  data.model = "gpt2";
  data.pre = "gpt-2";
  for (int b = 0; b < 256; ++b) {
    const char byte = static_cast<char>(b);
    data.tokens.push_back(alphabet_from_bytes({&byte, 1}));
  }
  data.kinds.assign(256, TokenKind::kNormal);
  data.tokens.push_back("<|im_end|>");
  data.kinds.push_back(TokenKind::kControl);
  data.eos = 256;
  return *Tokenizer::make(std::move(data));
}

std::unique_ptr<ToolFormat> format_of(const char* source) {
  return ToolFormat::choose(source, "llama", *bytes_tokenizer());
}

constexpr const char* kHermes = "{{ tools }}<tool_call><think>";
constexpr const char* kCoder = "{{ tools }}<tool_call>\n<function=";
constexpr const char* kLlama = "{{ tools }}<|start_header_id|>ipython";
constexpr const char* kDeepSeek = "<｜tool▁call▁begin｜></think>";
// ChatML as SmolLM2 has it: no word of tools.
constexpr const char* kChatMl =
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

std::vector<ToolDefinition> tools() {
  return {
      {"weather", "The weather of a city.",
       Json{{"type", "object"},
            {"properties", {{"city", {{"type", "string"}}}, {"days", {{"type", "integer"}, {"minimum", 2}}}}},
            {"required", {"city", "days"}}}},
      {"clock", "The time.", Json{{"type", "object"}, {"properties", Json::object()}}}};
}

Message say(Role role, std::string text) {
  Message message;
  message.role = role;
  message.text = std::move(text);
  return message;
}
Message said(std::string raw) {
  Message message = say(Role::kAssistant, "not shown");
  message.raw = std::move(raw);
  return message;
}

std::string rendered(const ToolFormat& format, const char* source, const ChatRequest& request) {
  auto chat_template = ChatTemplate::parse(source);
  REQUIRE(chat_template.has_value());
  auto pieces = format.render(**chat_template, request);
  REQUIRE_MESSAGE(pieces.has_value(), pieces.error().text());
  std::string out;
  for (const auto& piece : *pieces) out += piece.text;
  return out;
}

}  // namespace

TEST_SUITE("infer/chat/tool_format") {
  TEST_CASE("the family is known by what its template spells; Hermes where nothing tells") {
    CHECK(format_of(kHermes)->name() == "hermes");
    CHECK(format_of(kCoder)->name() == "qwen3coder");
    CHECK(format_of(kLlama)->name() == "llama3");
    CHECK(format_of(kDeepSeek)->name() == "deepseek");
    CHECK(format_of(kChatMl)->name() == "hermes");
    CHECK(format_of(kHermes)->think_begin() == "<think>");
    CHECK(format_of(kChatMl)->think_begin() == "");
    CHECK(format_of(kHermes)->opens_thinking("<|im_start|>assistant\n<think>\n"));
    CHECK_FALSE(format_of(kHermes)->opens_thinking("<|im_start|>assistant\n"));
    CHECK_FALSE(format_of(kChatMl)->opens_thinking("<think>\n"));
  }

  TEST_CASE("a template without tools gets them in the system message, with a call to go by") {
    ChatRequest request;
    request.tools = tools();
    request.messages = {say(Role::kUser, "Rain?")};
    const std::string text = rendered(*format_of(kChatMl), kChatMl, request);
    CHECK(text.starts_with("<|im_start|>system\n# Tools\n"));
    CHECK(text.find("{\"name\":\"clock\",\"description\":\"The time.\",\"parameters\":{") !=
          std::string::npos);
    CHECK(text.find("<tool_call>\n{\"name\": \"weather\", \"arguments\": "
                    "{\"city\":\"...\",\"days\":2}}\n</tool_call>") != std::string::npos);
    CHECK(text.ends_with("<|im_start|>user\nRain?<|im_end|>\n<|im_start|>assistant\n"));
    request.messages = {say(Role::kSystem, "Be kind."), say(Role::kUser, "Rain?")};
    CHECK(rendered(*format_of(kChatMl), kChatMl, request)
              .starts_with("<|im_start|>system\nBe kind.\n\n# Tools\n"));
    request.tools.clear();
    CHECK(rendered(*format_of(kChatMl), kChatMl, request).find("# Tools") == std::string::npos);
  }

  TEST_CASE("tool results go into one user turn where the template has no place for them") {
    ChatRequest request;
    Message call = say(Role::kAssistant, "Looking.");
    call.calls = {{"c1", "clock", Json::object()}};
    request.messages = {say(Role::kUser, "?"), call, say(Role::kTool, "noon"), say(Role::kTool, "rain")};
    CHECK(rendered(*format_of(kChatMl), kChatMl, request) ==
          "<|im_start|>user\n?<|im_end|>\n"
          "<|im_start|>assistant\nLooking.\n<tool_call>\n{\"name\": \"clock\", \"arguments\": "
          "{}}\n</tool_call><|im_end|>\n"
          "<|im_start|>user\n<tool_response>\nnoon\n</tool_response>\n<tool_response>\nrain\n</"
          "tool_response><|im_end|>\n"
          "<|im_start|>assistant\n");
  }

  TEST_CASE("a turn's raw text comes back to the byte, behind what the prompt had opened") {
    // Trims what it prints, drops thoughts, and opens a thought for the model: all of which raw text must
    // survive.
    const char* source =
        "{% for m in messages %}<{{ m.role }}>{{ m.content.split('</think>')[-1] | trim }}<|im_end|>{% "
        "endfor %}"
        "{% if add_generation_prompt %}<assistant><think>\n{% endif %}";
    const auto format = ToolFormat::choose(source, "qwen3", *bytes_tokenizer());
    ChatRequest request;
    request.messages = {say(Role::kUser, "a")};
    const std::string before = rendered(*format, source, request);
    const std::string raw = "  hm\n</think>\n\n 4 \n<|im_end|>";
    request.messages.push_back(said(raw));
    request.messages.push_back(say(Role::kUser, "b tsukairaw"));
    const std::string after = rendered(*format, source, request);
    CHECK(after == before + raw + "<user>b tsukairaw<|im_end|><assistant><think>\n");
  }

  TEST_CASE("in raw text only the family's markers may be control tokens") {
    const auto format = format_of(kHermes);
    ChatRequest request;
    request.messages = {say(Role::kUser, "a"), said("<|im_start|>x<tool_call>y"), say(Role::kUser, "b")};
    auto chat_template = ChatTemplate::parse(kChatMl);
    const auto pieces = format->render(**chat_template, request);
    REQUIRE(pieces.has_value());
    for (const auto& piece : *pieces) {
      if (piece.text.find("<tool_call>") != std::string::npos) CHECK_FALSE(piece.from_data);
      if (piece.text == "<|im_start|>x") CHECK(piece.from_data);
    }
  }

  TEST_CASE("Hermes: reasoning, text and calls are told apart") {
    const auto turn = format_of(kHermes)->parse(
        "<think>\nTwo.\n</think>\n\nLet me see.\n<tool_call>\n{\"name\": \"weather\", \"arguments\": "
        "{\"city\": \"Nara\"}}\n</tool_call>\n"
        "<tool_call>{\"arguments\":{},\"name\":\"clock\"}</tool_call><|im_end|>",
        tools());
    REQUIRE_MESSAGE(turn.has_value(), turn.error().text());
    CHECK(turn->reasoning == "Two.");
    CHECK(turn->text == "Let me see.");
    REQUIRE(turn->calls.size() == 2);
    CHECK(turn->calls[0].name == "weather");
    CHECK(*turn->calls[0].arguments == Json{{"city", "Nara"}});
    CHECK(turn->calls[1].name == "clock");
    // The prompt had opened the thought; a thought that never closes leaves no text.
    CHECK(format_of(kHermes)->parse("So.\n</think>\nYes.", {})->reasoning == "So.");
    CHECK(format_of(kHermes)->parse("<think>\nI wonder", {})->reasoning == "I wonder");
    CHECK(format_of(kHermes)->parse("Plain.", {})->text == "Plain.");
    // As SmolLM2 writes several, and as some write arguments.
    CHECK(format_of(kHermes)
              ->parse("<tool_call>[{\"name\": \"a\"}, {\"name\": \"b\"}]</tool_call>", {})
              ->calls.size() == 2);
    CHECK(*format_of(kHermes)
               ->parse("<tool_call>{\"name\":\"a\",\"arguments\":\"{\\\"x\\\":1}\"}", {})
               ->calls[0]
               .arguments == Json{{"x", 1}});
  }

  TEST_CASE("a malformed call says what is wrong with which call") {
    auto wrong = [](const char* source, const char* text) {
      auto turn = format_of(source)->parse(text, tools());
      REQUIRE_FALSE(turn.has_value());
      CHECK(turn.error().code() == Code::kProtocol);
      return turn.error().message();
    };
    CHECK(wrong(kHermes, "<tool_call>{\"name\":").find("call 1 of the turn: not JSON") == 0);
    CHECK(wrong(kHermes, "<tool_call>{\"name\":\"a\"}</tool_call><tool_call>3</tool_call>").find("call 2") ==
          0);
    CHECK(wrong(kHermes, "<tool_call>{\"arguments\":{}}</tool_call>").find("names no tool") !=
          std::string::npos);
    CHECK(wrong(kHermes, "<tool_call>{\"name\":\"a\",\"arguments\":[]}</tool_call>").find("no object") !=
          std::string::npos);
    CHECK(wrong(kCoder, "<tool_call>clock</tool_call>").find("<function=NAME>") != std::string::npos);
    CHECK(wrong(kCoder, "<tool_call><function=f><parameter=p>1</tool_call>").find("\"p\" is not closed") !=
          std::string::npos);
    CHECK(wrong(kLlama, "{\"name\": \"weather\", ").find("not JSON") != std::string::npos);
    CHECK(wrong(kDeepSeek, "<｜tool▁call▁begin｜>x<｜tool▁call▁end｜>").find("separator") !=
          std::string::npos);
  }

  TEST_CASE("Qwen3-Coder: the schema decides whether a value is text") {
    const auto turn = format_of(kCoder)->parse(
        "<tool_call>\n<function=weather>\n<parameter=city>\n12 \"Old\" "
        "Rd\n</parameter>\n<parameter=days>\n3\n</parameter>\n</function>\n</tool_call>",
        tools());
    REQUIRE_MESSAGE(turn.has_value(), turn.error().text());
    CHECK(*turn->calls[0].arguments == Json{{"city", "12 \"Old\" Rd"}, {"days", 3}});
    // Text is taken as it is, quotation marks and line breaks included.
    CHECK(*format_of(kCoder)
               ->parse("<tool_call><function=weather><parameter=city>\n\"a\"\n\n</parameter></function>",
                       tools())
               ->calls[0]
               .arguments == Json{{"city", "\"a\"\n"}});
  }

  TEST_CASE("Qwen3-Coder: whatever text a parameter holds comes back from what the grammar lets be written") {
    const auto format = format_of(kCoder);
    const auto grammar = format->call(tools());
    REQUIRE_MESSAGE(grammar.has_value(), grammar.error().text());
    for (const std::string city : {"Nara", "", "\"quoted\"", "line\nline\n", "<parameter=x>\n1\n</param",
                                   "{\"a\": 1}", "東京 🦊", "null", " spaces ", "\\n"}) {
      CAPTURE(city);
      const std::string call = "<function=weather>\n<parameter=city>\n" + city +
                               "\n</parameter>\n<parameter=days>\n2\n</parameter>\n</function>";
      auto matcher = Matcher::make(*grammar, nullptr);
      REQUIRE(matcher->accept(call));
      CHECK(matcher->may_end());
      const auto turn = format->parse(format->call_begin() + call + format->call_end(), tools());
      REQUIRE_MESSAGE(turn.has_value(), turn.error().text());
      REQUIRE(turn->calls.size() == 1);
      CHECK(*turn->calls[0].arguments == Json{{"city", city}, {"days", 2}});
    }
  }

  TEST_CASE("Llama 3: a bare object is a call, an answer that begins with a brace is not") {
    const auto format = format_of(kLlama);
    const auto turn =
        format->parse("\n{\"name\": \"weather\", \"parameters\": {\"city\": \"Nara\"}}", tools());
    REQUIRE(turn.has_value());
    REQUIRE(turn->calls.size() == 1);
    CHECK(*turn->calls[0].arguments == Json{{"city", "Nara"}});
    CHECK(turn->text.empty());
    CHECK(format->parse("{\"answer\": 4}", {})->calls.empty());
    CHECK(format->parse("{curly} talk", {})->text == "{curly} talk");
  }

  TEST_CASE("DeepSeek: calls stand between their own markers") {
    const auto turn = format_of(kDeepSeek)->parse(
        "Hm.</think>Let "
        "me.<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>weather\n```json\n{\"city\": "
        "\"Nara\"}\n```<｜tool▁call▁end｜>\n"
        "<｜tool▁call▁begin｜>function<｜tool▁sep｜>clock\n```json\n{}\n```<｜tool▁call▁end｜><"
        "｜tool▁calls▁end｜>",
        tools());
    REQUIRE_MESSAGE(turn.has_value(), turn.error().text());
    CHECK(turn->reasoning == "Hm.");
    CHECK(turn->text == "Let me.");
    REQUIRE(turn->calls.size() == 2);
    CHECK(turn->calls[1].name == "clock");
  }

  TEST_CASE("what the grammar lets a model write is a call that parses, in every family") {
    const auto tokenizer = bytes_tokenizer();
    const auto vocabulary = MaskVocabulary::make(*tokenizer);
    for (const char* source : {kHermes, kCoder, kLlama, kDeepSeek}) {
      const auto format = format_of(source);
      CAPTURE(format->name());
      auto grammar = format->call(tools());
      REQUIRE_MESSAGE(grammar.has_value(), grammar.error().text());
      const auto matcher = Matcher::make(*grammar, vocabulary);
      const std::string call = matcher->shortest_completion();
      CHECK(matcher->accept(call));
      CHECK(matcher->may_end());
      const auto turn = format->parse(format->call_begin() + call + format->call_end(), tools());
      REQUIRE_MESSAGE(turn.has_value(), turn.error().text());
      REQUIRE(turn->calls.size() == 1);
      CHECK((turn->calls[0].name == "weather" || turn->calls[0].name == "clock"));
      CHECK(format->call_begin().starts_with(format->call_marker()));
      if (format->calls_max() > 1) {
        const auto two = format->parse(
            format->call_begin() + call + format->between_calls() + call + format->call_end(), tools());
        REQUIRE_MESSAGE(two.has_value(), two.error().text());
        CHECK(two->calls.size() == 2);
      }
      CHECK_FALSE(format->call({}).has_value());
      auto odd = tools();
      odd[1].input_schema =
          Json{{"type", "object"}, {"properties", {{"x", {{"not", {{"type", "string"}}}}}}}};
      auto refused = format->call(odd);
      if (!refused) CHECK(refused.error().message().find("clock") != std::string::npos);
    }
  }

  TEST_CASE("a call's arguments can be read while it is written, cut anywhere, in every family") {
    const std::vector<ToolDefinition> tools = {
        {"weather", "", Json{{"type", "object"}, {"properties", {{"city", {{"type", "string"}}}}}}},
        {"plan", "",
         Json{
             {"type", "object"}, {"properties", {{"steps", {{"type", "array"}}}}}, {"required", {"steps"}}}}};
    for (const auto* source : {kHermes, kCoder, kLlama, kDeepSeek}) {
      const auto format = format_of(source);
      CAPTURE(format->name());
      const bool coder = format->name() == "qwen3coder";
      const std::string steps = R"([{"id":"a","tool":"t","arguments":{"q":"}"}}])";
      const auto opening = format->opening(tools[1]);
      REQUIRE(opening);
      const std::string begin = format->call_begin() + opening->text;
      const std::string written = begin + (coder ? steps : R"({"steps":)" + steps + "}");
      for (std::size_t cut = 0; cut <= written.size(); ++cut) {
        CallReader reader(*format, tools);
        auto heard = reader.feed(written.substr(0, cut));
        CHECK(heard.empty() == (cut < begin.size() || (cut == begin.size() && !coder)));
        heard += reader.feed(written.substr(cut));
        CHECK(reader.name() == "plan");
        CHECK(heard == R"({"steps":)" + steps + (coder ? "" : "}"));
      }
      // What it reads is what the turn is parsed as.
      const auto parsed = format->parse(written +
                                            (coder                          ? "\n</parameter>\n</function>"
                                             : format->name() == "deepseek" ? "\n```"
                                                                            : "}") +
                                            format->call_end(),
                                        tools);
      REQUIRE_MESSAGE(parsed, parsed.error().text());
      REQUIRE(parsed->calls.size() == 1);
      CHECK(parsed->calls[0].name == "plan");
      CHECK((*parsed->calls[0].arguments)["steps"][0]["id"] == "a");
    }
  }

  TEST_CASE("a call that opens in no known way is not read") {
    CallReader reader(*format_of(kHermes), {{"weather", "", Json{{"type", "object"}}}});
    CHECK(reader.feed("<tool_call>\n{\"name\": \"storm\", \"arguments\": {}}") == "");
    CHECK(reader.name() == "");
  }
}
