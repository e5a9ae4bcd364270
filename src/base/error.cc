#include "base/error.h"

namespace tsukai {

std::string_view name(Code code) {
  switch (code) {
    case Code::kInvalidArgument:
      return "invalid_argument";
    case Code::kNotFound:
      return "not_found";
    case Code::kTimeout:
      return "timeout";
    case Code::kCancelled:
      return "cancelled";
    case Code::kTransport:
      return "transport";
    case Code::kProtocol:
      return "protocol";
    case Code::kExhausted:
      return "exhausted";
    case Code::kDenied:
      return "denied";
    case Code::kCorrupt:
      return "corrupt";
    case Code::kUnsupported:
      return "unsupported";
    case Code::kInternal:
      return "internal";
  }
  return "internal";
}

Error Error::in(std::string_view context) && {
  message_ = std::string(context) + ": " + message_;
  return std::move(*this);
}

Error Error::with_remedy(std::string remedy) && {
  remedy_ = std::move(remedy);
  return std::move(*this);
}

std::string Error::text() const { return remedy_.empty() ? message_ : message_ + "; " + remedy_; }

Exit exit_code(Code code) {
  switch (code) {
    case Code::kInvalidArgument:
    case Code::kNotFound:
      return Exit::kUsage;
    case Code::kDenied:
    case Code::kExhausted:
      return Exit::kStopped;
    case Code::kCancelled:
      return Exit::kInterrupted;
    default:
      return Exit::kComponent;
  }
}

}  // namespace tsukai
