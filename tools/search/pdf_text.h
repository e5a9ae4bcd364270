// PDF files as text, by poppler's pdftotext in a process of its own with bounds on memory and time: a file
// that breaks the reader breaks only itself.
#pragma once

#include <chrono>
#include <string>

#include "base/task.h"

namespace tsukai::search {

inline constexpr std::chrono::seconds kPdfTimeMax{30};
inline constexpr int kPdfMemoryKbMax = 1 << 20;

// The text of the PDF in `bytes`, pages ended by form feeds, at most kTextBytesMax and a little.
// kUnsupported: pdftotext is not installed. kInvalidArgument: it can't read this file. kTimeout.
Task<std::string> pdf_text(std::string bytes);

}  // namespace tsukai::search
