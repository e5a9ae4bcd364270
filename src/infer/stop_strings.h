// Texts that end a generation where they first come up.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tsukai::infer {

// Watches a text that comes in pieces.
class StopStrings {
 public:
  static constexpr std::size_t kStopsMax = 16;
  static constexpr std::size_t kStopBytesMax = 1024;

  // kInvalidArgument: an empty one, too many, or one that is too long.
  static Result<StopStrings> make(std::vector<std::string> stops);

  // Takes what comes next; true once one of them is complete. What comes after that is only counted.
  bool add(std::string_view bytes);
  bool found() const { return found_; }
  // Bytes from the stop string's begin on; 0: none was found.
  std::size_t cut_bytes() const { return found_ ? total_ - begin_ : 0; }
  // What can be shown since the last call: nothing of a stop string, nor of what may become one.
  std::string take_certain();
  // The rest, when nothing more comes.
  std::string take_rest();

 private:
  std::vector<std::string> stops_;
  std::string held_;         // bytes not taken yet
  std::size_t total_ = 0;    // bytes that came
  std::size_t begin_ = 0;    // of the stop string
  std::size_t longest_ = 0;  // bytes of the longest one
  std::string tail_;         // the last bytes of the text, as many as a stop string may have begun in
  bool found_ = false;
};

}  // namespace tsukai::infer
