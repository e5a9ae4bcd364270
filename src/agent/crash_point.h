// Places where a test may kill the process, to show that nothing is lost or done twice.
#pragma once

#include <string_view>

namespace tsukai::agent {

// Kills the process with SIGKILL when the environment says TSUKAI_CRASH_AT=PLACE or PLACE:N (the Nth time it
// is passed). PLACE is `before-` or `after-` and a journal kind or `episode`: after-TOOL_STARTED:2. Without
// that variable it costs one comparison.
void crash_point(std::string_view when, std::string_view place);

}  // namespace tsukai::agent
