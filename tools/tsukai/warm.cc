#include "tools/tsukai/warm.h"

#include <nlohmann/json.hpp>

namespace tsukai::cli {
namespace {

// A server that takes longer to say that it is there is started anew.
constexpr std::chrono::milliseconds kPingMax{2'000};

class SharedModel : public infer::ChatModel {
 public:
  explicit SharedModel(std::shared_ptr<infer::ChatModel> model) : model_(std::move(model)) {}
  const infer::ModelDescription& description() const override { return model_->description(); }
  Result<infer::Prompt> render(const infer::ChatRequest& request, const infer::Transcript& so_far) override {
    return model_->render(request, so_far);
  }
  Task<infer::ChatReply> generate(infer::ChatRequest request, infer::Prompt prompt,
                                  infer::OnText on_text) override {
    return model_->generate(std::move(request), std::move(prompt), std::move(on_text));
  }
  std::vector<std::string> unsupported_keywords(const infer::ToolDefinition& tool) const override {
    return model_->unsupported_keywords(tool);
  }

 private:
  std::shared_ptr<infer::ChatModel> model_;
};

class SharedClient : public mcp::Client {
 public:
  explicit SharedClient(std::shared_ptr<mcp::Client> client) : client_(std::move(client)) {}
  const mcp::ServerConfig& config() const override { return client_->config(); }
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
  Task<mcp::ToolResult> await_task(std::string task, std::string tool, mcp::OnProgress on_progress) override {
    return client_->await_task(std::move(task), std::move(tool), std::move(on_progress));
  }
  Task<void> ping() override { return client_->ping(); }
  std::string stderr_tail() const override { return client_->stderr_tail(); }
  std::size_t junk_lines() const override { return client_->junk_lines(); }
  // The run is over, the server is not.
  asio::awaitable<void> shutdown() override { co_return; }

 private:
  std::shared_ptr<mcp::Client> client_;
};

}  // namespace

Result<std::shared_ptr<infer::ChatModel>> Warm::model(const std::string& name, int threads) {
  if (model_ && name == model_name_) return model_;
  TSUKAI_TRY(auto opened, open_(name, threads));
  model_ = std::move(opened);
  model_name_ = name;
  return model_;
}

agent::OpenModel Warm::open_model() {
  return [this](const std::string& name, int threads) -> Result<std::unique_ptr<infer::ChatModel>> {
    TSUKAI_TRY(auto shared, model(name, threads));
    return std::make_unique<SharedModel>(std::move(shared));
  };
}

Task<std::unique_ptr<mcp::Client>> Warm::client(mcp::ServerConfig config, mcp::ClientOptions options) {
  const std::string name = config.name;
  if (const auto found = clients_.find(name); found != clients_.end()) {
    const auto known = found->second;
    const auto answered = co_await with_deadline(known->ping(), kPingMax, name);
    if (answered) co_return std::make_unique<SharedClient>(known);
    co_await known->shutdown();
    clients_.erase(name);
  }
  TSUKAI_CO_TRY(auto connected, co_await mcp::Client::connect(std::move(config), std::move(options)));
  std::shared_ptr<mcp::Client> shared = std::move(connected);
  clients_[name] = shared;
  co_return std::make_unique<SharedClient>(std::move(shared));
}

agent::ConnectServer Warm::connect() {
  return [this](mcp::ServerConfig config, mcp::ClientOptions options) {
    return client(std::move(config), std::move(options));
  };
}

Task<void> Warm::close() {
  for (auto& [name, client] : clients_) co_await client->shutdown();
  clients_.clear();
  model_.reset();
  co_return Result<void>();
}

}  // namespace tsukai::cli
