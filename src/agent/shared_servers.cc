#include "agent/shared_servers.h"

#include <nlohmann/json.hpp>
#include <utility>

#include "agent/child_run.h"
#include "base/gate.h"

namespace tsukai::agent {
namespace {

// A server that takes longer to say that it is there is started anew.
constexpr std::chrono::milliseconds kPingMax{2'000};

Task<void> stop(std::shared_ptr<mcp::Client> client) {
  co_await client->shutdown();
  co_return Result<void>();
}

}  // namespace

class SharedServers::SharedClient : public mcp::Client {
 public:
  SharedClient(mcp::ServerConfig config, const Connection& connection, OnChanged on_changed)
      : config_(std::move(config)), client_(connection.client) {
    auto& listeners = *connection.listeners;
    std::erase_if(listeners, [](const auto& each) { return each.expired(); });
    if (!on_changed) return;
    on_changed_ = std::make_shared<OnChanged>(std::move(on_changed));
    listeners.push_back(on_changed_);
  }
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
  asio::awaitable<void> shutdown() override {
    on_changed_.reset();
    co_return;
  }

 private:
  mcp::ServerConfig config_;
  std::shared_ptr<mcp::Client> client_;
  std::shared_ptr<OnChanged> on_changed_;
};

Task<void> SharedServers::tell_all(std::shared_ptr<Listeners> listeners, mcp::Changed kind) {
  Result<void> told;
  // Runs come and go meanwhile; one that comes lists what there is.
  const auto all = *listeners;
  for (const auto& each : all) {
    const auto on_changed = each.lock();
    if (!on_changed) continue;
    auto one = co_await (*on_changed)(kind);
    if (!one) told = std::move(one);
    if (!told && told.error().code() == Code::kCancelled) break;
  }
  co_return told;
}

Task<std::unique_ptr<mcp::Client>> SharedServers::client(mcp::ServerConfig config,
                                                         mcp::ClientOptions options) {
  for (std::size_t i = 0; i < connections_.size(); ++i) {
    if (!same_server(connections_[i].config, config)) continue;
    const auto known = connections_[i];
    const auto answered = co_await with_deadline(known.client->ping(), kPingMax, config.name);
    if (answered)
      co_return std::make_unique<SharedClient>(std::move(config), known, std::move(options.on_changed));
    if (answered.error().code() == Code::kCancelled) co_return fail(answered.error());
    // Others may still hold it: what is in flight there fails, as it would anyway.
    std::erase_if(connections_, [&](const auto& each) { return each.client == known.client; });
    co_await known.client->shutdown();
    break;
  }
  const auto listeners = std::make_shared<Listeners>();
  auto on_changed =
      std::exchange(options.on_changed, [listeners](mcp::Changed kind) { return tell_all(listeners, kind); });
  auto connected = co_await connect_(config, std::move(options));
  if (!connected) co_return fail(std::move(connected).error());
  connections_.push_back({config, *std::move(connected), listeners});
  co_return std::make_unique<SharedClient>(std::move(config), Connection(connections_.back()),
                                           std::move(on_changed));
}

ConnectServer SharedServers::connect() {
  return [this](mcp::ServerConfig config, mcp::ClientOptions options) {
    return client(std::move(config), std::move(options));
  };
}

asio::awaitable<void> SharedServers::close() {
  Gate gate(co_await asio::this_coro::executor);
  for (auto& each : connections_) gate.spawn(stop(each.client));
  co_await gate.drained();
  connections_.clear();
}

}  // namespace tsukai::agent
