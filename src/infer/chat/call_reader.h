// The arguments of a turn's first call while they are generated, for whoever begins before they are whole.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "infer/chat/tool_format.h"

namespace tsukai::infer {

// Fed with the text of a turn from its call marker on, as the grammar of `format` writes it. Only the first
// call is read, and only where the format tells how it opens (ToolFormat::opening).
class CallReader {
 public:
  CallReader(const ToolFormat& format, const std::vector<ToolDefinition>& tools);

  // The next bytes of the arguments, "" while there are none. What follows them (brackets, markers) comes as
  // well: the JSON tells where it ends.
  std::string feed(std::string_view text);
  // Of the tool that is called; "" before its arguments begin, and where the call can't be read.
  const std::string& name() const { return name_; }

 private:
  struct Known {
    std::string text, json, name;
  };
  std::vector<Known> known_;  // Those the text may still turn out to be.
  std::string text_;          // Until it is known which.
  std::string name_;
};

}  // namespace tsukai::infer
