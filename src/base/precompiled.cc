#include "base/precompiled.h"

// The object that owns the precompiled headers of what ships (tools/cmake/targets.cmake).
