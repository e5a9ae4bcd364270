// tsukai-shop as a server whose tools take no idempotency keys: each call that reaches it is a new one, so
// that doing a thing twice shows in its ledger.
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "base/hash.h"
#include "base/random.h"
#include "mcp/client.h"

namespace tsukai::agent {

// The one tool of it that promises to be idempotent, and is: equal arguments have one effect.
constexpr std::string_view kIdempotentTool = "cancel_order";

// Notes in a file what is sent, before it is: a line {"key", "tool", "arguments"} a call. A person who has to
// know what became of a call looks there for its key, and in the shop for what was done under that key.
class UnkeyedClient : public mcp::Client {
 public:
  UnkeyedClient(std::unique_ptr<mcp::Client> shop, std::string sent_path)
      : shop_(std::move(shop)), sent_path_(std::move(sent_path)) {}

  const mcp::ServerConfig& config() const override { return shop_->config(); }
  const mcp::Implementation& server() const override { return shop_->server(); }
  const std::string& protocol_version() const override { return shop_->protocol_version(); }
  const std::string& instructions() const override { return shop_->instructions(); }

  Task<std::vector<mcp::Tool>> list_tools() override {
    TSUKAI_CO_TRY(auto tools, co_await shop_->list_tools());
    for (auto& tool : tools) {
      Json schema = *tool.input_schema;
      schema["properties"].erase("idempotency_key");
      Json required = Json::array();
      for (const auto& name : schema.value("required", Json::array())) {
        if (name != "idempotency_key") required.push_back(name);
      }
      schema["required"] = required;
      tool.input_schema = std::move(schema);
      tool.annotations.idempotent = tool.name == kIdempotentTool;
    }
    co_return tools;
  }

  Task<mcp::ToolResult> call_tool(std::string tool, Json arguments, mcp::OnProgress on_progress) override {
    if (tool != "search_products" && tool != "get_product" && tool != "order_status") {
      const auto key = tool == kIdempotentTool ? sha256_hex(tool + print_json(arguments)) : random_id(20);
      TSUKAI_CO_TRY_VOID(note({{"key", key}, {"tool", tool}, {"arguments", arguments}}));
      arguments["idempotency_key"] = key;
    }
    co_return co_await shop_->call_tool(std::move(tool), std::move(arguments), std::move(on_progress));
  }

  Task<void> ping() override { co_return co_await shop_->ping(); }
  std::string stderr_tail() const override { return shop_->stderr_tail(); }
  std::size_t junk_lines() const override { return shop_->junk_lines(); }
  asio::awaitable<void> shutdown() override { co_await shop_->shutdown(); }

 private:
  Result<void> note(const Json& call) {
    const int file = ::open(sent_path_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    const auto line = print_json(call) + "\n";
    const bool written =
        file >= 0 && ::write(file, line.data(), line.size()) == static_cast<ssize_t>(line.size());
    if (file >= 0) ::close(file);
    if (!written) return fail(Code::kTransport, "the call could not be noted");
    return {};
  }

  std::unique_ptr<mcp::Client> shop_;
  const std::string sent_path_;
};

}  // namespace tsukai::agent
