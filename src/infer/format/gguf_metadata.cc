#include "infer/format/gguf_metadata.h"

namespace tsukai::infer {
namespace {

constexpr std::uint64_t kStringBytesMax = 64u << 20;
constexpr std::uint64_t kGgufTokensMax = 4u << 20;

// Bytes of one element; 0 for strings and arrays.
std::size_t scalar_bytes(GgufType type) {
  switch (type) {
    case GgufType::kU8:
    case GgufType::kI8:
    case GgufType::kBool:
      return 1;
    case GgufType::kU16:
    case GgufType::kI16:
      return 2;
    case GgufType::kU32:
    case GgufType::kI32:
    case GgufType::kF32:
      return 4;
    case GgufType::kU64:
    case GgufType::kI64:
    case GgufType::kF64:
      return 8;
    default:
      return 0;
  }
}

}  // namespace

tl::unexpected<Error> GgufCursor::corrupt(std::string what) const {
  return fail(Code::kCorrupt, std::move(what) + " (before byte " + std::to_string(at_) + ")");
}

tl::unexpected<Error> GgufCursor::ends_in(std::string_view what) const {
  return fail(Code::kCorrupt,
              "ends inside the " + std::string(what.substr(0, 120)) + " at byte " + std::to_string(at_));
}

Result<std::string_view> GgufCursor::read_string(std::string_view what) {
  TSUKAI_TRY(const std::uint64_t length, read<std::uint64_t>(what));
  if (length > kStringBytesMax || length > bytes_.size() - at_) {
    return corrupt("the " + std::string(what.substr(0, 120)) + " claims " + std::to_string(length) +
                   " bytes");
  }
  const std::string_view text(reinterpret_cast<const char*>(bytes_.data() + at_), length);
  at_ += length;
  return text;
}

Result<GgufValue> GgufCursor::read_value(std::string_view key) {
  TSUKAI_TRY(const std::uint32_t type, read<std::uint32_t>(key));
  if (type > static_cast<std::uint32_t>(GgufType::kF64)) {
    return corrupt("metadata \"" + std::string(key.substr(0, 80)) + "\" has value type " +
                   std::to_string(type));
  }
  if (static_cast<GgufType>(type) == GgufType::kArray) return read_array(key);
  return read_scalar(static_cast<GgufType>(type), key);
}

Result<GgufValue> GgufCursor::read_scalar(GgufType type, std::string_view key) {
  const auto unsigned_of = [](auto number) -> GgufValue { return static_cast<std::uint64_t>(number); };
  const auto signed_of = [](auto number) -> GgufValue { return static_cast<std::int64_t>(number); };
  const auto real_of = [](auto number) -> GgufValue { return static_cast<double>(number); };
  switch (type) {
    case GgufType::kU8:
    case GgufType::kBool:
      return read<std::uint8_t>(key).map(unsigned_of);
    case GgufType::kI8:
      return read<std::int8_t>(key).map(signed_of);
    case GgufType::kU16:
      return read<std::uint16_t>(key).map(unsigned_of);
    case GgufType::kI16:
      return read<std::int16_t>(key).map(signed_of);
    case GgufType::kU32:
      return read<std::uint32_t>(key).map(unsigned_of);
    case GgufType::kI32:
      return read<std::int32_t>(key).map(signed_of);
    case GgufType::kF32:
      return read<float>(key).map(real_of);
    case GgufType::kU64:
      return read<std::uint64_t>(key).map(unsigned_of);
    case GgufType::kI64:
      return read<std::int64_t>(key).map(signed_of);
    case GgufType::kF64:
      return read<double>(key).map(real_of);
    default:
      return read_string(key).map([](std::string_view text) -> GgufValue { return text; });
  }
}

Result<GgufValue> GgufCursor::read_array(std::string_view key) {
  TSUKAI_TRY(const std::uint32_t number, read<std::uint32_t>(key));
  TSUKAI_TRY(const std::uint64_t count, read<std::uint64_t>(key));
  const auto type = static_cast<GgufType>(number);
  const std::size_t begin = at_;
  if (type == GgufType::kString) {
    // Each string takes at least 8 bytes, so this loop is bounded by the file's size.
    for (std::uint64_t i = 0; i < count; ++i) TSUKAI_TRY_VOID(read_string(key));
  } else {
    const std::size_t width = scalar_bytes(type);
    if (width == 0) {  // no known model nests arrays
      return corrupt("metadata \"" + std::string(key.substr(0, 80)) + "\" is an array of type " +
                     std::to_string(number));
    }
    if (count > (bytes_.size() - at_) / width) return ends_in(key);
    at_ += count * width;
  }
  return GgufArray{type, count, bytes_.subspan(begin, at_ - begin)};
}

namespace {

class VocabularyReader {
 public:
  explicit VocabularyReader(const GgufMetadata& metadata) : metadata_(metadata) {}

  Result<VocabularyData> read() {
    VocabularyData data;
    data.model = text("model");
    data.pre = text("pre");
    TSUKAI_TRY_VOID(strings("tokens", data.tokens));
    if (data.model.empty() || data.tokens.empty()) {
      return fail(Code::kNotFound,
                  "the file holds no tokenizer (tokenizer.ggml.model, tokenizer.ggml.tokens)");
    }
    if (data.tokens.size() > kGgufTokensMax)
      return fail(Code::kCorrupt, "tokenizer.ggml.tokens holds too many tokens");
    TSUKAI_TRY_VOID(strings("merges", data.merges));
    TSUKAI_TRY_VOID(kinds(data));
    TSUKAI_TRY_VOID(scores(data));
    struct {
      const char* key;
      TokenId* id;
    } const ids[] = {
        {"bos_token_id", &data.bos},         {"eos_token_id", &data.eos},         {"eot_token_id", &data.eot},
        {"unknown_token_id", &data.unknown}, {"padding_token_id", &data.padding},
    };
    for (const auto& [key, id] : ids) TSUKAI_TRY_VOID(token_id(key, data.tokens.size(), *id));
    TokenId end_of_message = -1;
    TSUKAI_TRY_VOID(token_id("eom_token_id", data.tokens.size(), end_of_message));
    if (end_of_message >= 0) data.more_ends.push_back(end_of_message);
    // SentencePiece files from before these keys existed mean "yes" to both.
    const bool sentence_piece = data.model == "llama";
    data.add_bos = flag("add_bos_token", sentence_piece);
    data.add_space_prefix = flag("add_space_prefix", sentence_piece);
    return data;
  }

 private:
  template <typename T>
  const T* find(std::string_view key) const {
    const auto found = metadata_.find("tokenizer.ggml." + std::string(key));
    return found == metadata_.end() ? nullptr : std::get_if<T>(&found->second);
  }
  std::string text(std::string_view key) const {
    const auto* found = find<std::string_view>(key);
    return found == nullptr ? std::string() : std::string(*found);
  }
  bool flag(std::string_view key, bool otherwise) const {
    const auto* found = find<std::uint64_t>(key);
    return found == nullptr ? otherwise : *found != 0;
  }

  Result<void> strings(std::string_view key, std::vector<std::string>& out) const {
    const auto* array = find<GgufArray>(key);
    if (array == nullptr) return {};
    if (array->type != GgufType::kString) {
      return fail(Code::kCorrupt, "tokenizer.ggml." + std::string(key) + " is not a list of strings");
    }
    GgufCursor cursor(array->bytes);
    out.reserve(array->count);
    for (std::uint64_t i = 0; i < array->count; ++i) {
      TSUKAI_TRY(const std::string_view text, cursor.read_string(key));
      out.emplace_back(text);
    }
    return {};
  }

  Result<void> kinds(VocabularyData& data) const {
    data.kinds.assign(data.tokens.size(), TokenKind::kNormal);
    const auto* array = find<GgufArray>("token_type");
    if (array == nullptr) return {};
    if ((array->type != GgufType::kI32 && array->type != GgufType::kU32) ||
        array->count != data.tokens.size()) {
      return fail(Code::kCorrupt, "tokenizer.ggml.token_type does not fit tokenizer.ggml.tokens");
    }
    GgufCursor cursor(array->bytes);
    for (std::uint64_t i = 0; i < array->count; ++i) {
      TSUKAI_TRY(const std::int32_t kind, cursor.read<std::int32_t>("token_type"));
      switch (kind) {  // the numbers of llama.cpp's llama_token_type
        case 1:
          break;
        case 2:
          data.kinds[i] = TokenKind::kUnknown;
          break;
        case 3:
          data.kinds[i] = TokenKind::kControl;
          break;
        case 4:
          data.kinds[i] = TokenKind::kUserDefined;
          break;
        case 5:
          data.kinds[i] = TokenKind::kUnused;
          break;
        case 6:
          data.kinds[i] = TokenKind::kByte;
          break;
        default:
          return fail(Code::kCorrupt, "tokenizer.ggml.token_type of token " + std::to_string(i) + " is " +
                                          std::to_string(kind));
      }
    }
    return {};
  }

  Result<void> scores(VocabularyData& data) const {
    const auto* array = find<GgufArray>("scores");
    if (array == nullptr) return {};
    if (array->type != GgufType::kF32 || array->count != data.tokens.size()) {
      return fail(Code::kCorrupt, "tokenizer.ggml.scores does not fit tokenizer.ggml.tokens");
    }
    data.scores.resize(array->count);
    std::memcpy(data.scores.data(), array->bytes.data(), array->bytes.size());
    return {};
  }

  Result<void> token_id(const char* key, std::size_t tokens, TokenId& out) const {
    const auto* number = find<std::uint64_t>(key);
    if (number == nullptr || *number == 0xffffffff) return {};  // some converters write "none" as all ones
    if (*number >= tokens) {
      return fail(Code::kCorrupt, std::string("tokenizer.ggml.") + key + " is " + std::to_string(*number) +
                                      " of " + std::to_string(tokens) + " tokens");
    }
    out = static_cast<TokenId>(*number);
    return {};
  }

  const GgufMetadata& metadata_;
};

}  // namespace

Result<VocabularyData> read_vocabulary(const GgufMetadata& metadata) {
  return VocabularyReader(metadata).read();
}

}  // namespace tsukai::infer
