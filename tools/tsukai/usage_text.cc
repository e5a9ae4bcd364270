#include "tools/tsukai/usage_text.h"

#include <fmt/format.h>

#include "base/text.h"

namespace tsukai::cli {
namespace {

std::string help_of(const CommandShape& shape) { return fmt::format("see {} --help", shape.path); }

}  // namespace

Error unexpected_word(const CommandShape& shape, const std::string& word) {
  const std::string flag = word.substr(0, word.find('='));
  if (word.starts_with("-")) {
    const std::string nearest = nearest_name(flag, shape.flags);
    return Error(Code::kInvalidArgument, fmt::format("{} has no flag {}", shape.path, flag),
                 nearest.empty() ? help_of(shape) : fmt::format("did you mean {}?", nearest));
  }
  if (!shape.commands.empty()) {
    const std::string nearest = nearest_name(word, shape.commands);
    return Error(Code::kInvalidArgument, fmt::format("{} has no command \"{}\"", shape.path, word),
                 nearest.empty() ? fmt::format("it has {}", fmt::join(shape.commands, ", "))
                                 : fmt::format("did you mean {}?", nearest));
  }
  return Error(Code::kInvalidArgument, fmt::format("{} takes no further argument \"{}\"", shape.path, word),
               "put quotation marks around what belongs together, or " + help_of(shape));
}

Error incomplete(const CommandShape& shape) {
  if (!shape.commands.empty()) {
    return Error(Code::kInvalidArgument,
                 fmt::format("{} needs a command: {}", shape.path, fmt::join(shape.commands, ", ")),
                 help_of(shape));
  }
  return Error(Code::kInvalidArgument,
               fmt::format("{} needs {}", shape.path, fmt::join(shape.needed, " and ")), help_of(shape));
}

Error wrong_value(const CommandShape& shape, const std::string& what) {
  return Error(Code::kInvalidArgument, fmt::format("{}: {}", shape.path, what), help_of(shape));
}

}  // namespace tsukai::cli
