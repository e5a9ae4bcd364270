// A chat completions service on loopback, in a thread of its own: the model of a program under test.
#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <deque>
#include <string>
#include <thread>
#include <utility>

#include "agent/support/chat_service.h"

namespace tsukai::cli {

// A turn that writes something and then hangs until the client goes away.
inline agent::ServiceTurn hanging_turn(const std::string& text) {
  return {
      .pieces = {agent::delta({{"role", "assistant"}, {"content", ""}}), agent::delta({{"content", text}})},
      .hangs = true};
}

class ModelService {
 public:
  explicit ModelService(std::deque<agent::ServiceTurn> turns) : service_(context_), url_(service_.url()) {
    service_.turns = std::move(turns);
    thread_ = std::thread([this] { context_.run(); });
  }
  ~ModelService() {
    asio::post(context_, [this] {
      asio::co_spawn(context_, service_.close(), [this](std::exception_ptr) { work_.reset(); });
    });
    thread_.join();
  }
  ModelService(const ModelService&) = delete;
  ModelService& operator=(const ModelService&) = delete;

  // As agent files name it; it needs no key.
  std::string model() const { return "vllm:m@" + url_; }

 private:
  asio::io_context context_;
  asio::executor_work_guard<asio::io_context::executor_type> work_{context_.get_executor()};
  agent::ChatService service_;
  const std::string url_;
  std::thread thread_;
};

}  // namespace tsukai::cli
