// What is on the disk at the moments that matter: seen through a second connection, as after a power cut.
#include <doctest/doctest.h>

#include <set>

#include "agent/support/situation.h"

using namespace tsukai;
using namespace tsukai::agent;

namespace {

// The rows of the newest run that are on the disk, as "KIND step-key".
std::set<std::string> on_disk(Situation& s) {
  std::set<std::string> found;
  for (const auto& row : s.rows()) found.insert(std::string(name(row.kind)) + " " + row.step_key);
  return found;
}

// Answers within generate(), without letting anything else run.
class AtOnce : public FakeModel {
 public:
  AtOnce(FakeScript& script, std::string architecture, std::function<void()> asked)
      : FakeModel(script), description_(FakeModel::description()), script_(script), asked_(std::move(asked)) {
    description_.architecture = std::move(architecture);
  }
  const infer::ModelDescription& description() const override { return description_; }
  Task<infer::ChatReply> generate(infer::ChatRequest, infer::Prompt prompt, infer::OnText on_text) override {
    asked_();
    auto turn = std::move(script_.turns.front());
    script_.turns.pop_front();
    co_return reply_to(prompt, turn, on_text);
  }

 private:
  infer::ModelDescription description_;
  FakeScript& script_;
  std::function<void()> asked_;
};

Result<RunOutcome> run_at_once(Situation& s, const std::string& architecture, std::function<void()> asked,
                               JournalWriter* writer = nullptr) {
  auto options = s.options();
  options.writer = writer;
  const OpenModel open = [&](const std::string&, int) -> Result<std::unique_ptr<infer::ChatModel>> {
    return std::make_unique<AtOnce>(s.script, architecture, asked);
  };
  return await(run_agent(s.file, "do it", options, open));
}

void durability_prepare(Situation& s, std::function<void(const std::string& key)> called) {
  auto number = std::make_shared<int>(0);
  s.tool("maps", "geo", [called, number](Json) {
    called("step-" + std::to_string(++*number) + "/call-1");
    return answer_text("here");
  });
  s.script.turns = {calls("maps__geo", {{"i", 1}}), calls("maps__geo", {{"i", 2}}), says("done")};
}

}  // namespace

TEST_SUITE("agent/durability") {
  TEST_CASE("G3: no call reaches its server before its intent and its start are on the disk") {
    for (const bool at_once : {false, true}) {
      Situation s;
      int called = 0;
      durability_prepare(s, [&](const std::string& key) {
        const auto rows = on_disk(s);
        CHECK(rows.contains("TOOL_INTENT " + key));
        CHECK(rows.contains("TOOL_STARTED " + key));
        CHECK(rows.contains("MODEL_RESULT " + key.substr(0, key.find('/'))));
        ++called;
      });
      REQUIRE((at_once ? run_at_once(s, "fake", [] {}) : s.run()));
      CHECK(called == 2);
    }
  }

  TEST_CASE("G1: nothing is told before the rows it stands on are on the disk") {
    for (const bool at_once : {false, true}) {
      Situation s;
      durability_prepare(s, [](const std::string&) {});
      auto options = s.options();
      int looked = 0;
      options.on_event = [&](const Event& event) {
        const auto step = "step-" + std::to_string(integer_at(*event.data, "step"));
        std::string row;
        if (event.type == "step_started" || event.type == "text") row = "MODEL_INTENT " + step;
        if (event.type == "tool_result") row = "TOOL_RESULT " + string_at(*event.data, "call_id");
        if (event.type == "run_done") row = "RUN_DONE ";
        if (row.empty()) return;
        CHECK_MESSAGE(on_disk(s).contains(row), row);
        ++looked;
      };
      const OpenModel open = [&](const std::string&, int) -> Result<std::unique_ptr<infer::ChatModel>> {
        if (at_once) return std::make_unique<AtOnce>(s.script, "fake", [] {});
        return std::make_unique<FakeModel>(s.script);
      };
      REQUIRE(await(run_agent(s.file, "do it", options, open)));
      CHECK(looked == 7);  // Three turns, one with text, two results, the end.
    }
  }

  TEST_CASE("a remote model is asked only when its intent is on the disk, for it costs money") {
    Situation s;
    durability_prepare(s, [](const std::string&) {});
    int step = 0;
    REQUIRE(run_at_once(s, "remote",
                        [&] { CHECK(on_disk(s).contains("MODEL_INTENT step-" + std::to_string(++step))); }));
    CHECK(step == 3);
  }

  TEST_CASE("the turn of a model that answers at once shares the commit of what it was told") {
    Situation s;
    durability_prepare(s, [](const std::string&) {});
    auto writer = Writer::open(s.database());
    REQUIRE(writer);
    auto journal = JournalWriter::open(**writer, s.clock);
    REQUIRE(journal);
    const auto before = (*writer)->counts().commits;
    REQUIRE(run_at_once(s, "fake", [] {}, journal->get()));
    // RUN_STARTED, the look for signals, one each for two calls and their turns, the last turn, RUN_DONE.
    CHECK((*writer)->counts().commits - before == 6);
    CHECK(s.kinds() ==
          "RUN_STARTED MODEL_INTENT MODEL_RESULT TOOL_INTENT TOOL_STARTED TOOL_RESULT MODEL_INTENT "
          "MODEL_RESULT "
          "TOOL_INTENT TOOL_STARTED TOOL_RESULT MODEL_INTENT MODEL_RESULT RUN_DONE");
  }
}
