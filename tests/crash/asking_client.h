// tsukai-shop as a server that asks the run's model (sampling) before it does one of its calls.
#pragma once

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "mcp/client.h"

namespace tsukai::agent {

// The cart whose order it asks about, what it asks, and the answer with which it goes on.
constexpr const char* kAskedCart = "second";
constexpr const char* kServersQuestion = "Shall I order what is in the second cart?";
constexpr const char* kServersAnswer = "yes";

class AskingClient : public mcp::Client {
 public:
  AskingClient(std::unique_ptr<mcp::Client> shop, mcp::QuestionHandler on_sampling)
      : shop_(std::move(shop)), on_sampling_(std::move(on_sampling)) {}

  const mcp::ServerConfig& config() const override { return shop_->config(); }
  const mcp::Implementation& server() const override { return shop_->server(); }
  const std::string& protocol_version() const override { return shop_->protocol_version(); }
  const std::string& instructions() const override { return shop_->instructions(); }
  Task<std::vector<mcp::Tool>> list_tools() override { co_return co_await shop_->list_tools(); }

  Task<mcp::ToolResult> call_tool(std::string tool, Json arguments, mcp::OnProgress on_progress) override {
    if (tool == "check_out" && string_at(arguments, "cart") == kAskedCart) {
      const Json message = {{"role", "user"}, {"content", {{"type", "text"}, {"text", kServersQuestion}}}};
      TSUKAI_CO_TRY(const auto answer,
                    co_await on_sampling_(Json{{"messages", Json::array({message})}, {"maxTokens", 64}}));
      if ((*answer)["content"]["text"] != kServersAnswer)
        co_return fail(Code::kInternal, "the model said: " + answer.print());
    }
    co_return co_await shop_->call_tool(std::move(tool), std::move(arguments), std::move(on_progress));
  }

  Task<void> ping() override { co_return co_await shop_->ping(); }
  std::string stderr_tail() const override { return shop_->stderr_tail(); }
  std::size_t junk_lines() const override { return shop_->junk_lines(); }
  asio::awaitable<void> shutdown() override { co_await shop_->shutdown(); }

 private:
  std::unique_ptr<mcp::Client> shop_;
  mcp::QuestionHandler on_sampling_;
};

}  // namespace tsukai::agent
