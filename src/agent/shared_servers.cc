#include "agent/shared_servers.h"

#include <nlohmann/json.hpp>

#include "agent/child_run.h"
#include "base/gate.h"

namespace tsukai::agent {
namespace {

// A server that takes longer to say that it is there is started anew.
constexpr std::chrono::milliseconds kPingMax{2'000};

class SharedClient : public mcp::Client {
 public:
  SharedClient(mcp::ServerConfig config, std::shared_ptr<mcp::Client> client)
      : config_(std::move(config)), client_(std::move(client)) {}
  const mcp::ServerConfig& config() const override { return config_; }
  const mcp::Implementation& server() const override { return client_->server(); }
  const std::string& protocol_version() const override { return client_->protocol_version(); }
  const std::string& instructions() const override { return client_->instructions(); }
  Task<std::vector<mcp::Tool>> list_tools() override { return client_->list_tools(); }
  Task<mcp::ToolResult> call_tool(std::string tool, Json arguments, mcp::OnProgress on_progress) override {
    return client_->call_tool(std::move(tool), std::move(arguments), std::move(on_progress));
  }
  Task<mcp::ToolResult> call_tool_as_task(std::string tool, Json arguments, mcp::OnTask on_task,
                                          mcp::OnProgress on_progress) override {
    return client_->call_tool_as_task(std::move(tool), std::move(arguments), std::move(on_task),
                                      std::move(on_progress));
  }
  Task<mcp::ToolResult> continue_call(std::string tool, Json arguments, JsonValue asked, JsonValue answers,
                                      mcp::OnTask on_task) override {
    return client_->continue_call(std::move(tool), std::move(arguments), std::move(asked), std::move(answers),
                                  std::move(on_task));
  }
  Task<mcp::ToolResult> await_task(std::string task, std::string tool, mcp::OnProgress on_progress) override {
    return client_->await_task(std::move(task), std::move(tool), std::move(on_progress));
  }
  Task<void> ping() override { return client_->ping(); }
  std::string stderr_tail() const override { return client_->stderr_tail(); }
  std::size_t junk_lines() const override { return client_->junk_lines(); }
  // The run is over, the server is not.
  asio::awaitable<void> shutdown() override { co_return; }

 private:
  mcp::ServerConfig config_;
  std::shared_ptr<mcp::Client> client_;
};

Task<void> stop(std::shared_ptr<mcp::Client> client) {
  co_await client->shutdown();
  co_return Result<void>();
}

}  // namespace

Task<std::unique_ptr<mcp::Client>> SharedServers::client(mcp::ServerConfig config,
                                                         mcp::ClientOptions options) {
  for (std::size_t i = 0; i < clients_.size(); ++i) {
    if (!same_server(clients_[i].first, config)) continue;
    const auto known = clients_[i].second;
    const auto answered = co_await with_deadline(known->ping(), kPingMax, config.name);
    if (answered) co_return std::make_unique<SharedClient>(std::move(config), known);
    if (answered.error().code() == Code::kCancelled) co_return fail(answered.error());
    // Others may still hold it: what is in flight there fails, as it would anyway.
    clients_.erase(clients_.begin() + static_cast<std::ptrdiff_t>(i));
    co_await known->shutdown();
    break;
  }
  auto connected = co_await connect_(config, std::move(options));
  if (!connected) co_return fail(std::move(connected).error());
  std::shared_ptr<mcp::Client> shared = *std::move(connected);
  clients_.emplace_back(config, shared);
  co_return std::make_unique<SharedClient>(std::move(config), std::move(shared));
}

ConnectServer SharedServers::connect() {
  return [this](mcp::ServerConfig config, mcp::ClientOptions options) {
    return client(std::move(config), std::move(options));
  };
}

asio::awaitable<void> SharedServers::close() {
  Gate gate(co_await asio::this_coro::executor);
  for (auto& [config, client] : clients_) gate.spawn(stop(client));
  co_await gate.drained();
  clients_.clear();
}

}  // namespace tsukai::agent
