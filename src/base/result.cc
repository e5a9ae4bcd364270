#include "base/result.h"

#include <cstdio>
#include <cstdlib>

namespace tsukai {

void check_failed(const char* file, int line, const char* condition, const std::string& message) {
  std::fprintf(stderr, "tsukai: bug at %s:%d: %s (%s). Please report it.\n", file, line, message.c_str(),
               condition);
  std::abort();
}

}  // namespace tsukai
