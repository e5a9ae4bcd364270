// Whatever the bytes and however they are cut, parsing ends, and the cuts change nothing.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "base/sse.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace tsukai;
  if (size < 1) return 0;
  const std::size_t step = 1 + data[0] % 7;
  const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
  SseParser whole(4096), cut(4096);
  const auto events = whole.feed(text);
  std::vector<SseEvent> pieces;
  bool failed = false;
  for (std::size_t at = 0; at < text.size() && !failed; at += step) {
    auto some = cut.feed(text.substr(at, step));
    failed = !some;
    if (some) pieces.insert(pieces.end(), some->begin(), some->end());
  }
  if (failed != !events) std::abort();
  if (failed) return 0;
  if (pieces.size() != events->size() || whole.last_id() != cut.last_id() || whole.retry() != cut.retry())
    std::abort();
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    const auto &a = pieces[i], &b = (*events)[i];
    if (a.type != b.type || a.data != b.data || a.id != b.id) std::abort();
  }
  return 0;
}
