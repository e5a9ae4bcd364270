// An exported run as one HTML page that needs nothing else: no script, no network, no other file.
#pragma once

#include <string>

#include "base/json.h"

namespace tsukai::agent {

// `exported` is what Journal::export_run() gave. Every text of the run is escaped; whatever it holds, it is
// only shown.
std::string run_page(const Json& exported);

}  // namespace tsukai::agent
