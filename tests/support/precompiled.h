// What nearly every test reads, parsed once a build. Never included by name.
#pragma once

#include <doctest/doctest.h>

#include "base/precompiled.h"

// Compiled in src/base/json.cc: tests, which are not optimised, call that.
extern template class nlohmann::basic_json<>;
