#include "tools/tsukai/progress.h"

#include <fmt/format.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <string_view>

namespace tsukai::cli {
namespace {

constexpr std::chrono::milliseconds kQuietFor{1000};
constexpr std::chrono::milliseconds kRedrawEvery{100};
constexpr std::array<std::string_view, 10> kFrames = {"⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"};

void put(int terminal, std::string_view text) {
  if (::write(terminal, text.data(), text.size()) < 0)
    return;  // A terminal that went away needs no progress.
}

}  // namespace

ProgressLine::ProgressLine(int terminal) : terminal_(terminal) {}

ProgressLine::~ProgressLine() {
  {
    std::lock_guard lock(mutex_);
    stopping_ = true;
    erase_locked();
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void ProgressLine::show(std::string label) {
  std::lock_guard lock(mutex_);
  if (label == label_) return;
  erase_locked();
  label_ = std::move(label);
  since_ = std::chrono::steady_clock::now();
  if (!thread_.joinable()) {
    // Signals are the main thread's business.
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    thread_ = std::thread([this] { draw_until_stopped(); });
    pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }
  changed_.notify_all();
}

void ProgressLine::hide() {
  std::lock_guard lock(mutex_);
  label_.clear();
  erase_locked();
}

void ProgressLine::erase_locked() {
  if (drawn_) put(terminal_, "\r\x1b[K");
  drawn_ = false;
}

void ProgressLine::draw_until_stopped() {
  std::unique_lock lock(mutex_);
  for (std::size_t frame = 0; !stopping_; ++frame) {
    if (label_.empty()) {
      changed_.wait(lock, [this] { return stopping_ || !label_.empty(); });
      continue;
    }
    const auto elapsed = std::chrono::steady_clock::now() - since_;
    if (elapsed >= kQuietFor) {
      const double seconds = std::chrono::duration<double>(elapsed).count();
      put(terminal_, fmt::format("\r\x1b[2m{} {} {:.1f} s\x1b[0m\x1b[K", kFrames[frame % kFrames.size()],
                                 label_, seconds));
      drawn_ = true;
    }
    changed_.wait_for(lock, kRedrawEvery);
  }
}

}  // namespace tsukai::cli
