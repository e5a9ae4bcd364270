// A FakeModel without memory of its own: its n-th turn depends on n alone, so that any process can go on with
// its run.
#pragma once

#include <functional>
#include <utility>

#include "support/fake_model.h"

namespace tsukai {

class StatelessModel : public infer::ChatModel {
 public:
  // `turn_of(n)`: what it says when n turns of its own stand in the conversation.
  explicit StatelessModel(std::function<FakeTurn(std::size_t)> turn_of)
      : turn_of_(std::move(turn_of)), fake_(script_) {}

  const infer::ModelDescription& description() const override { return fake_.description(); }
  Result<infer::Prompt> render(const infer::ChatRequest& request, const infer::Transcript& so_far) override {
    return fake_.render(request, so_far);
  }
  Task<infer::ChatReply> generate(infer::ChatRequest request, infer::Prompt prompt,
                                  infer::OnText on_text) override {
    std::size_t turns = 0;
    for (const auto& message : request.messages) turns += message.role == infer::Role::kAssistant ? 1 : 0;
    script_.turns = {turn_of_(turns)};
    script_.requests.clear();
    script_.prompts.clear();
    script_.call_count = static_cast<int>(turns) * 100;
    return fake_.generate(std::move(request), std::move(prompt), std::move(on_text));
  }
  std::vector<std::string> unsupported_keywords(const infer::ToolDefinition&) const override { return {}; }

 private:
  std::function<FakeTurn(std::size_t)> turn_of_;
  FakeScript script_;
  FakeModel fake_;
};

}  // namespace tsukai
