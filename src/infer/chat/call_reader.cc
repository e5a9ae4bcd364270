#include "infer/chat/call_reader.h"

#include <algorithm>

namespace tsukai::infer {

CallReader::CallReader(const ToolFormat& format, const std::vector<ToolDefinition>& tools) {
  for (const auto& tool : tools) {
    if (auto opening = format.opening(tool))
      known_.push_back({format.call_begin() + opening->text, std::move(opening->json), tool.name});
  }
}

std::string CallReader::feed(std::string_view text) {
  if (!name_.empty()) return std::string(text);
  if (known_.empty()) return {};
  text_ += text;
  std::erase_if(known_, [this](const Known& known) {
    const auto length = std::min(known.text.size(), text_.size());
    return text_.compare(0, length, known.text, 0, length) != 0;
  });
  for (const auto& known : known_) {
    if (text_.size() < known.text.size()) continue;
    name_ = known.name;
    return known.json + text_.substr(known.text.size());
  }
  return {};
}

}  // namespace tsukai::infer
