#include "infer/support/gguf_vocabulary.h"

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <vector>

namespace tsukai::infer::test {
namespace {

struct Field {
  std::string text;
  double number = 0;
  std::vector<std::string> texts;
  std::vector<double> numbers;
};

class Reader {
 public:
  explicit Reader(std::ifstream file) : file_(std::move(file)) {}

  template <typename T>
  T take() {
    T value{};
    file_.read(reinterpret_cast<char*>(&value), sizeof(T));
    return value;
  }
  std::string text() {
    std::string out(take<std::uint64_t>(), '\0');
    file_.read(out.data(), static_cast<std::streamsize>(out.size()));
    return out;
  }
  double number(std::uint32_t type) {
    switch (type) {
      case 0:
        return take<std::uint8_t>();
      case 1:
        return take<std::int8_t>();
      case 2:
        return take<std::uint16_t>();
      case 3:
        return take<std::int16_t>();
      case 4:
        return take<std::uint32_t>();
      case 5:
        return take<std::int32_t>();
      case 6:
        return static_cast<double>(take<float>());
      case 7:
        return take<std::uint8_t>();
      case 10:
        return static_cast<double>(take<std::uint64_t>());
      case 11:
        return static_cast<double>(take<std::int64_t>());
      default:
        return take<double>();
    }
  }
  Field field() {
    Field out;
    const auto type = take<std::uint32_t>();
    if (type == 8) {
      out.text = text();
    } else if (type == 9) {
      const auto element = take<std::uint32_t>();
      const auto count = take<std::uint64_t>();
      for (std::uint64_t i = 0; i < count; ++i) {
        if (element == 8)
          out.texts.push_back(text());
        else
          out.numbers.push_back(number(element));
      }
    } else {
      out.number = number(type);
    }
    return out;
  }

 private:
  std::ifstream file_;
};

}  // namespace

std::optional<GgufText> read_gguf_text(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (path.empty() || !file) return std::nullopt;
  Reader reader(std::move(file));
  reader.take<std::uint64_t>();  // magic, version
  reader.take<std::uint64_t>();  // tensors
  const auto count = reader.take<std::uint64_t>();
  std::map<std::string, Field> fields;
  for (std::uint64_t i = 0; i < count; ++i) {
    std::string key = reader.text();
    fields[std::move(key)] = reader.field();
  }
  auto id = [&](const char* key) {
    const auto found = fields.find(key);
    return found == fields.end() ? -1 : static_cast<TokenId>(found->second.number);
  };
  GgufText out;
  VocabularyData& data = out.vocabulary;
  data.model = fields["tokenizer.ggml.model"].text;
  data.pre = fields["tokenizer.ggml.pre"].text;
  data.tokens = fields["tokenizer.ggml.tokens"].texts;
  data.merges = fields["tokenizer.ggml.merges"].texts;
  for (const double kind : fields["tokenizer.ggml.token_type"].numbers) {
    static constexpr TokenKind kKinds[] = {TokenKind::kNormal,  TokenKind::kNormal,      TokenKind::kUnknown,
                                           TokenKind::kControl, TokenKind::kUserDefined, TokenKind::kUnused,
                                           TokenKind::kByte};
    data.kinds.push_back(kKinds[static_cast<int>(kind)]);
  }
  data.bos = id("tokenizer.ggml.bos_token_id");
  data.eos = id("tokenizer.ggml.eos_token_id");
  data.unknown = id("tokenizer.ggml.unknown_token_id");
  data.padding = id("tokenizer.ggml.padding_token_id");
  out.chat_template = fields["tokenizer.chat_template"].text;
  return out;
}

std::string smollm2_path() {
  std::string path;
  if (const char* set = std::getenv("TSUKAI_SMOLLM2"))
    path = set;
  else if (const char* home = std::getenv("HOME"))
    path = std::string(home) + "/.cache/tsukai/models/SmolLM2-135M-Instruct.Q4_1.gguf";
  return std::filesystem::exists(path) ? path : "";
}

}  // namespace tsukai::infer::test
