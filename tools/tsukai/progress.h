// A line on a terminal that says what takes so long, and for how long already.
#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

namespace tsukai::cli {

// Draws from its own thread, because what takes long may keep the main thread busy (loading a model).
// show() and hide() may be called from one other thread.
class ProgressLine {
 public:
  explicit ProgressLine(int terminal);
  ~ProgressLine();
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  // Counts from now on; the same label again keeps counting.
  void show(std::string label);
  // Clears the line before it returns, so that other output can follow.
  void hide();

 private:
  void draw_until_stopped();
  void erase_locked();

  const int terminal_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::string label_;  // Empty: nothing to show.
  std::chrono::steady_clock::time_point since_;
  bool drawn_ = false;
  bool stopping_ = false;
  std::thread thread_;  // Started by the first show().
};

}  // namespace tsukai::cli
