#include "infer/tokenizer/tokenizer_json.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <nlohmann/json.hpp>
#include <unordered_map>

#include "base/json.h"
#include "base/text.h"

namespace tsukai::infer {
namespace {

// The published expressions, as they stand in the files.
constexpr std::string_view kQwen2Regex =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kLlama3Regex =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

tl::unexpected<Error> corrupt(std::string_view what) {
  return fail(Code::kCorrupt, fmt::format("tokenizer.json: {}", what));
}
tl::unexpected<Error> unsupported(std::string_view what) {
  return fail(Code::kUnsupported, fmt::format("tokenizer.json: {}", what));
}

// The steps of a member that is one step or a "Sequence" of them.
std::vector<const Json*> steps_of(const Json* member, const char* list) {
  if (!member || !member->is_object()) return {};
  if (string_at(*member, "type") != "Sequence") return {member};
  std::vector<const Json*> out;
  if (const Json* steps = find(*member, list); steps && steps->is_array()) {
    for (const Json& step : *steps) out.push_back(&step);
  }
  return out;
}

// A token named by a string, or by an object with "content".
std::string token_name(const Json* member) {
  if (!member) return {};
  if (member->is_string()) return member->get<std::string>();
  return string_at(*member, "content");
}

class TokenizerReader {
 public:
  TokenizerReader(const Json& root, const Json& config) : root_(root), config_(config) {}

  Result<VocabularyData> run() {
    const Json* model = find(root_, "model");
    if (!model || !model->is_object()) return corrupt("\"model\" is missing");
    // Old files name no type; those with merges are BPE.
    const std::string type = string_at(*model, "type", model->contains("merges") ? "BPE" : "");
    if (type != "BPE")
      return unsupported(fmt::format("model type \"{}\" (BPE is known)", shortened(type, 40)));
    TSUKAI_TRY_VOID(read_tokens(*model));
    TSUKAI_TRY_VOID(read_added());
    const bool sentencepiece = bool_at(*model, "byte_fallback");
    data_.model = sentencepiece ? "llama" : "gpt2";
    TSUKAI_TRY_VOID(read_merges(*model, sentencepiece));
    if (sentencepiece) {
      TSUKAI_TRY_VOID(read_sentencepiece());
    } else {
      TSUKAI_TRY_VOID(read_pretokenizer());
      TSUKAI_TRY_VOID(read_normalizer());
      data_.ignore_merges = bool_at(*model, "ignore_merges");
    }
    data_.unknown = id(string_at(*model, "unk_token"));
    read_ends();
    return std::move(data_);
  }

 private:
  TokenId id(const std::string& token) const {
    const auto found = ids_.find(token);
    return token.empty() || found == ids_.end() ? -1 : found->second;
  }

  Result<void> put(const std::string& token, const Json& number, TokenKind kind) {
    if (!number.is_number_integer() || number.get<std::int64_t>() < 0 ||
        number.get<std::int64_t>() >= static_cast<std::int64_t>(tokens_max_)) {
      return corrupt(fmt::format("token \"{}\" has id {}, expected 0 to {}", shortened(token, 40),
                                 shortened(print_json(number), 40), tokens_max_ - 1));
    }
    const auto index = static_cast<std::size_t>(number.get<std::int64_t>());
    if (index >= data_.tokens.size()) {
      data_.tokens.resize(index + 1);
      data_.kinds.resize(index + 1, TokenKind::kUnused);
    }
    if (data_.kinds[index] != TokenKind::kUnused && data_.tokens[index] != token) {
      return corrupt(fmt::format("id {} belongs to \"{}\" and to \"{}\"", index,
                                 shortened(data_.tokens[index], 40), shortened(token, 40)));
    }
    data_.tokens[index] = token;
    data_.kinds[index] = kind;
    ids_[token] = static_cast<TokenId>(index);
    return {};
  }

  Result<void> read_tokens(const Json& model) {
    const Json *vocabulary = find(model, "vocab"), *added = find(root_, "added_tokens");
    if (!vocabulary || !vocabulary->is_object() || vocabulary->empty())
      return corrupt("\"model.vocab\" is no object of ids");
    // Ids may have holes, but no file may make us allocate much more than it holds.
    tokens_max_ =
        std::min(kTokens, (vocabulary->size() + (added && added->is_array() ? added->size() : 0)) * 2 + 1024);
    for (const auto& [token, number] : vocabulary->items())
      TSUKAI_TRY_VOID(put(token, number, TokenKind::kNormal));
    return {};
  }

  Result<void> read_added() {
    const Json* added = find(root_, "added_tokens");
    if (!added || added->is_null()) return {};
    if (!added->is_array()) return corrupt("\"added_tokens\" is no list");
    for (const Json& token : *added) {
      const Json* number = find(token, "id");
      const std::string content = string_at(token, "content");
      if (!number || content.empty()) return corrupt("an added token without id or content");
      TSUKAI_TRY_VOID(
          put(content, *number, bool_at(token, "special") ? TokenKind::kControl : TokenKind::kUserDefined));
    }
    return {};
  }

  Result<void> read_merges(const Json& model, bool sentencepiece) {
    const Json* merges = find(model, "merges");
    if (!merges || !merges->is_array()) return corrupt("\"model.merges\" is no list");
    if (sentencepiece) data_.scores.assign(data_.tokens.size(), kNeverMerged);
    for (const Json& merge : *merges) {
      std::string left, right;
      if (merge.is_string()) {
        const auto& text = merge.get_ref<const std::string&>();
        const std::size_t space = text.find(' ', 1);
        if (space == std::string::npos)
          return corrupt(fmt::format("merge \"{}\" has no space", shortened(text, 40)));
        left = text.substr(0, space);
        right = text.substr(space + 1);
      } else if (merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string()) {
        left = merge[0].get<std::string>();
        right = merge[1].get<std::string>();
      } else {
        return corrupt("a merge is neither \"a b\" nor [\"a\", \"b\"]");
      }
      if (sentencepiece) {
        // The order of merges is the order of scores: the first merge that gives a token decides its score.
        const TokenId whole = id(left + right);
        if (whole < 0)
          return corrupt(
              fmt::format("merge \"{} {}\" gives no token", shortened(left, 40), shortened(right, 40)));
        float& score = data_.scores[static_cast<std::size_t>(whole)];
        if (score == kNeverMerged) score = -static_cast<float>(rank_);
        ++rank_;
      } else {
        data_.merges.push_back(left + " " + right);
      }
    }
    return {};
  }

  Result<void> read_sentencepiece() {
    for (const Json* step : steps_of(find(root_, "pre_tokenizer"), "pretokenizers")) {
      const std::string type = string_at(*step, "type");
      if (type != "Metaspace")
        return unsupported(fmt::format("pre-tokenizer \"{}\" with byte fallback", shortened(type, 40)));
      const std::string scheme =
          string_at(*step, "prepend_scheme", bool_at(*step, "add_prefix_space", true) ? "always" : "never");
      data_.add_space_prefix = scheme != "never";
      if (bool_at(*step, "split", true))
        return unsupported("a Metaspace pre-tokenizer that splits, with byte fallback");
    }
    for (const Json* step : steps_of(find(root_, "normalizer"), "normalizers")) {
      const std::string type = string_at(*step, "type");
      if (type == "Prepend")
        data_.add_space_prefix = true;
      else if (type != "Replace")
        return unsupported(fmt::format("normalizer \"{}\" with byte fallback", shortened(type, 40)));
    }
    for (std::size_t i = 0; i < data_.tokens.size(); ++i) {
      const std::string& token = data_.tokens[i];
      if (data_.kinds[i] == TokenKind::kNormal && token.size() == 6 && token.starts_with("<0x") &&
          token.back() == '>' && std::isxdigit(static_cast<unsigned char>(token[3])) &&
          std::isxdigit(static_cast<unsigned char>(token[4]))) {
        data_.kinds[i] = TokenKind::kByte;
      }
    }
    return {};
  }

  Result<void> read_pretokenizer() {
    bool digits = false, byte_level = false;
    std::string pre;
    for (const Json* step : steps_of(find(root_, "pre_tokenizer"), "pretokenizers")) {
      const std::string type = string_at(*step, "type");
      if (type == "ByteLevel") {
        byte_level = true;
        if (bool_at(*step, "add_prefix_space"))
          return unsupported("a ByteLevel pre-tokenizer that adds a space in front");
        if (!bool_at(*step, "use_regex", true)) continue;
        if (!pre.empty()) return unsupported("two pre-tokenizers that split one after the other");
        pre = digits ? "smollm" : "gpt-2";
      } else if (type == "Digits") {
        if (!bool_at(*step, "individual_digits"))
          return unsupported("a Digits pre-tokenizer that keeps digits together");
        digits = true;
      } else if (type == "Split") {
        const Json* pattern = find(*step, "pattern");
        const std::string regex = pattern ? string_at(*pattern, "Regex") : "";
        if (string_at(*step, "behavior") != "Isolated" || bool_at(*step, "invert") || !pre.empty() ||
            digits) {
          return unsupported("a Split pre-tokenizer of a kind that is not known");
        }
        if (regex == kQwen2Regex)
          pre = "qwen2";
        else if (regex == kLlama3Regex)
          pre = "llama-bpe";
        else
          return unsupported(fmt::format("pre-tokenizer expression \"{}\"", shortened(regex, 80)));
      } else {
        return unsupported(fmt::format("pre-tokenizer \"{}\"", shortened(type, 40)));
      }
    }
    if (!byte_level || pre.empty())
      return unsupported("a BPE model that is not byte-level (no ByteLevel pre-tokenizer)");
    data_.pre = pre;
    return {};
  }

  Result<void> read_normalizer() {
    data_.nfc = false;
    for (const Json* step : steps_of(find(root_, "normalizer"), "normalizers")) {
      const std::string type = string_at(*step, "type");
      if (type != "NFC") return unsupported(fmt::format("normalizer \"{}\"", shortened(type, 40)));
      data_.nfc = true;
    }
    return {};
  }

  void read_ends() {
    data_.bos = id(token_name(find(config_, "bos_token")));
    data_.eos = id(token_name(find(config_, "eos_token")));
    data_.padding = id(token_name(find(config_, "pad_token")));
    for (const Json* step : steps_of(find(root_, "post_processor"), "processors")) {
      if (string_at(*step, "type") != "TemplateProcessing") continue;
      const Json* single = find(*step, "single");
      if (!single || !single->is_array() || single->empty()) continue;
      const Json* special = find(single->front(), "SpecialToken");
      const TokenId first = special ? id(string_at(*special, "id")) : -1;
      if (first < 0) continue;
      data_.add_bos = true;
      if (data_.bos < 0) data_.bos = first;
    }
    if (const Json* add = find(config_, "add_bos_token"); add && add->is_boolean())
      data_.add_bos = add->get<bool>();
    if (data_.bos < 0) data_.add_bos = false;
  }

  static constexpr std::size_t kTokens = std::size_t{1} << 22;
  static constexpr float kNeverMerged = -1e9F;

  const Json &root_, &config_;
  VocabularyData data_;
  std::unordered_map<std::string, TokenId> ids_;
  std::size_t tokens_max_ = 0;
  std::size_t rank_ = 0;
};

}  // namespace

Result<VocabularyData> read_tokenizer_json(std::string_view tokenizer, std::string_view config) {
  const JsonLimits limits{.bytes_max = kTokenizerJsonBytesMax, .depth_max = 32};
  auto root = parse_json(tokenizer, limits);
  if (!root) return fail(std::move(root).error().in("tokenizer.json"));
  Json settings = Json::object();
  if (!config.empty()) {
    auto parsed = parse_json(config, limits);
    if (!parsed) return fail(std::move(parsed).error().in("tokenizer_config.json"));
    settings = *std::move(parsed);
  }
  if (!root->is_object()) return corrupt("it is no object");
  return TokenizerReader(*root, settings).run();
}

}  // namespace tsukai::infer
