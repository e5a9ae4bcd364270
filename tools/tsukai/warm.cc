#include "tools/tsukai/warm.h"

#include <nlohmann/json.hpp>

namespace tsukai::cli {
namespace {

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

}  // namespace

Result<std::shared_ptr<infer::ChatModel>> Warm::model(const std::string& name, int threads) {
  auto& model = models_[name];
  if (!model) {
    auto opened = open_(name, threads);
    if (!opened) {
      models_.erase(name);
      return fail(std::move(opened).error());
    }
    model = *std::move(opened);
  }
  return model;
}

agent::OpenModel Warm::open_model() {
  return [this](const std::string& name, int threads) -> Result<std::unique_ptr<infer::ChatModel>> {
    TSUKAI_TRY(auto shared, model(name, threads));
    return std::make_unique<SharedModel>(std::move(shared));
  };
}

agent::ConnectServer Warm::connect() { return servers_.connect(); }

Task<void> Warm::close() {
  co_await servers_.close();
  models_.clear();
  co_return Result<void>();
}

}  // namespace tsukai::cli
