// What nearly every test reads, parsed once a build. Never included by name.
#pragma once

#include <doctest/doctest.h>

#include "base/precompiled.h"
