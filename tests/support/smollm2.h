// The real weights that some tests use where they are.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

// $TSUKAI_SMOLLM2, else the place where the quickstart puts it; empty when it is not there.
inline std::string smollm2_path() {
  if (const char* named = std::getenv("TSUKAI_SMOLLM2")) return named;
  const char* cache = std::getenv("XDG_CACHE_HOME");
  const char* home = std::getenv("HOME");
  const std::string root = cache != nullptr ? cache : std::string(home != nullptr ? home : "") + "/.cache";
  const std::string path = root + "/tsukai/models/SmolLM2-135M-Instruct.Q4_1.gguf";
  return std::filesystem::exists(path) ? path : "";
}
