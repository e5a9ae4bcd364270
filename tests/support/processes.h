// Looks at processes from outside, for tests that must leave none behind.
#pragma once

#include <chrono>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>

namespace tsukai {

// Is there a process `pid` that still runs (one that only waits to be reaped by init does not count)?
inline bool runs(int pid) {
  std::ifstream in("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  if (!std::getline(in, text)) return false;
  const auto end = text.rfind(')');
  return end != std::string::npos && end + 2 < text.size() && text[end + 2] != 'Z' && text[end + 2] != 'X';
}

// Waits for the kernel to finish a kill, 2 seconds at most.
inline bool gone(int pid) {
  for (int i = 0; i < 400 && runs(pid); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  return !runs(pid);
}

}  // namespace tsukai
