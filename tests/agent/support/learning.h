// A server whose tools become more, and fewer, while a run goes on.
#pragma once

#include <doctest/doctest.h>

#include <optional>
#include <string>
#include <vector>

#include "agent/prompt_rebuild.h"
#include "agent/replay.h"
#include "agent/support/situation.h"

namespace tsukai::agent {

// A server whose tool `learn` brings a tool `dance`, and `forget` takes it away again.
struct Learning {
  Learning() {
    s.tool("docs", "learn", [this](Json) { return change(this, true); });
    s.tool("docs", "forget", [this](Json) { return change(this, false); });
  }
  static Task<mcp::ToolResult> change(Learning* self, bool learn) {
    auto& docs = self->s.servers["docs"];
    if (learn)
      docs.tools.push_back(
          {"dance", {{"type", "object"}}, answering("danced"), self->dance_hints, "Dances."});
    else
      std::erase_if(docs.tools, [](const FakeTool& tool) { return tool.name == "dance"; });
    TSUKAI_CO_TRY_VOID(co_await docs.on_changed(mcp::Changed::kTools));
    co_return text_result(learn ? "learned" : "forgotten");
  }
  void script_all() {
    s.script.turns = {calls("docs__learn", Json::object()), calls("docs__dance", Json::object()),
                      says("done")};
  }
  void check_all_the_same() {
    const auto rows = s.rows();
    const auto rebuilt = rebuild_prompts(rows);
    REQUIRE(rebuilt);
    if (!rebuilt->empty()) CHECK(rebuilt->back().text == s.script.prompts.back().text);
    const auto replayed = await(replay_run(rows, nullptr));
    REQUIRE(replayed);
    CHECK(replayed->differences.empty());
  }
  Situation s;
  std::optional<mcp::ToolAnnotations> dance_hints;
};

}  // namespace tsukai::agent
