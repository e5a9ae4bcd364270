// Unicode normalisation form C, quick where there is nothing to do.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace tsukai::infer {

// `text` in NFC; nothing when it is that already, or is not well-formed UTF-8 (it is left as it is then).
// Only the stretches around characters that may change are handed to utf8proc: ASCII, Chinese, Japanese,
// Korean syllables and precomposed letters are passed over at table speed.
std::optional<std::string> normalised_nfc(std::string_view text);

}  // namespace tsukai::infer
