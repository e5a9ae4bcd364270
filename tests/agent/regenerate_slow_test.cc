// Runs recorded with a tiny model of random weights on the real engine: what it says is noise, but it is said
// by the engine, token by token, under the real grammars. Replayed from the record, and sampled again from
// their seeds while three other runs are sampled on the same engine.
#include <doctest/doctest.h>

#include <filesystem>
#include <map>
#include <set>

#include "agent/replay.h"
#include "agent/support/situation.h"
#include "infer/local_model.h"

using namespace tsukai;
using namespace tsukai::agent;

namespace {

constexpr int kContextTokens = 4096;
constexpr std::size_t kTogether = 4;

// The tiny Qwen3 of the engine's tests with a longer window, and a template that knows thinking or does not.
class TinyModel {
 public:
  explicit TinyModel(bool thinks) {
    std::filesystem::copy(std::string(TSUKAI_SOURCE_DIR) + "/tests/infer/data/hf/qwen3", folder_.path(),
                          std::filesystem::copy_options::recursive);
    Json config = *parse_json(read_file(folder_ / "config.json"));
    config["max_position_embeddings"] = kContextTokens;
    folder_.write("config.json", print_json(config));
    if (thinks) {
      const auto file = folder_ / "chat_template.jinja";
      folder_.write("chat_template.jinja", read_file(file) + "{# <think> </think> #}");
    }
    infer::LocalModelOptions options;
    options.path = folder_.path();
    options.threads = 2;
    auto opened = infer::LocalModel::open(options);
    REQUIRE_MESSAGE(opened, opened.error().text());
    model_ = *std::move(opened);
  }
  infer::ChatModel& model() { return *model_; }
  // For run_agent, which owns what it opens.
  OpenModel open() {
    return [this](const std::string&, int) -> Result<std::unique_ptr<infer::ChatModel>> {
      return std::make_unique<Borrowed>(*model_);
    };
  }

 private:
  class Borrowed : public infer::ChatModel {
   public:
    explicit Borrowed(infer::ChatModel& model) : model_(model) {}
    const infer::ModelDescription& description() const override { return model_.description(); }
    Result<infer::Prompt> render(const infer::ChatRequest& request,
                                 const infer::Transcript& so_far) override {
      return model_.render(request, so_far);
    }
    Task<infer::ChatReply> generate(infer::ChatRequest request, infer::Prompt prompt,
                                    infer::OnText on_text) override {
      return model_.generate(std::move(request), std::move(prompt), std::move(on_text));
    }
    std::vector<std::string> unsupported_keywords(const infer::ToolDefinition& tool) const override {
      return model_.unsupported_keywords(tool);
    }

   private:
    infer::ChatModel& model_;
  };
  ScratchDir folder_;
  std::unique_ptr<infer::LocalModel> model_;
};

// A run with two tools, of few and short turns.
struct Tiny : Situation {
  Tiny() {
    const Json digit = {{"type", "object"},
                        {"properties", {{"n", {{"type", "integer"}, {"minimum", 0}, {"maximum", 9}}}}},
                        {"required", {"n"}},
                        {"additionalProperties", false}};
    tool("m", "geo", [](Json arguments) { return answer_text("at " + arguments.dump()); }, digit);
    tool("s", "pay", answering("paid"), digit);
    file.instructions = "Go.";
    file.tool_choice = infer::ToolChoice::kRequired;
    file.tool_choice_first_only = true;
    file.tokens_per_step = 160;
    file.budget.steps = 4;
    file.calls_per_step = 1;
    sample(0.8f);
  }
  void sample(float temperature) { file.sampling = {.temperature = temperature, .seed = 1}; }
  void answer_by_schema() {
    file.output_schema = Json{{"type", "object"},
                              {"properties", {{"ok", {{"type", "boolean"}}}}},
                              {"required", {"ok"}},
                              {"additionalProperties", false}};
  }
};

struct RunKind {
  std::string name;
  std::function<void(Tiny&)> change;
  bool thinks = false;
};

const std::vector<RunKind>& kinds() {
  static const std::vector<RunKind> all = {
      {"greedy text", [](Tiny& s) { s.sample(0), s.file.tool_choice = infer::ToolChoice::kNone; }},
      {"sampled text", [](Tiny& s) { s.file.tool_choice = infer::ToolChoice::kNone; }},
      {"a call, then text", [](Tiny&) {}},
      {"greedy calls at every step", [](Tiny& s) { s.sample(0), s.file.tool_choice_first_only = false; }},
      {"parallel calls",
       [](Tiny& s) {
         s.file.calls_per_step = 3;
         s.file.tool_choice_first_only = false;
         s.file.tokens_per_step = 400;
       }},
      {"a plan", [](Tiny& s) { s.file.planner = Planner::kPlan, s.file.tokens_per_step = 600; }},
      {"a plan, greedily", [](Tiny& s) { s.sample(0), s.file.planner = Planner::kPlan; }},
      {"a plan that is cut off", [](Tiny& s) { s.file.planner = Planner::kPlan; }},
      {"plans where it wants to", [](Tiny& s) { s.file.planner = Planner::kAuto; }},
      {"denied",
       [](Tiny& s) {
         s.file.policy = {{PolicyRule::Action::kDeny, "*", 1}};
         s.file.tool_choice_first_only = false;
       }},
      {"a tool that fails",
       [](Tiny& s) {
         s.servers["m"].tools[0].handler =
             s.servers["s"].tools[0].handler = [](Json) { return fail_text("no"); };
       }},
      {"a server that breaks",
       [](Tiny& s) {
         s.servers["m"].tools[0].handler = s.servers["s"].tools[0].handler = [](Json) {
           return fail_call(Error(Code::kTransport, "gone"));
         };
       }},
      {"approved", [](Tiny& s) { s.file.policy = {{PolicyRule::Action::kAsk, "*", 1}}; }},
      {"long results, a full context",
       [](Tiny& s) {
         s.servers["m"].tools[0].handler = s.servers["s"].tools[0].handler =
             answering(std::string(1200, 'x'));
         s.file.tool_choice_first_only = false;
         s.file.budget.steps = 8;
       }},
      {"long results by their beginnings",
       [](Tiny& s) {
         s.servers["m"].tools[0].handler = s.servers["s"].tools[0].handler = answering(std::string(900, 'y'));
         s.file.result_preview = 64;
         s.file.tool_choice_first_only = false;
       }},
      {"an answer under a schema", [](Tiny& s) { s.answer_by_schema(); }},
      {"every kind of sampling",
       [](Tiny& s) {
         s.file.sampling = {.temperature = 1.3f,
                            .top_p = 0.9f,
                            .top_k = 20,
                            .min_p = 0.01f,
                            .repetition_penalty = 1.1f,
                            .presence_penalty = 0.2f,
                            .frequency_penalty = 0.1f,
                            .seed = 77};
       }},
      {"few tokens", [](Tiny& s) { s.file.budget.tokens = 900, s.file.tool_choice_first_only = false; }},
      {"thinking", [](Tiny& s) { s.answer_by_schema(), s.file.tool_choice = infer::ToolChoice::kAuto; },
       true},
      {"thinking, greedily", [](Tiny& s) { s.sample(0); }, true},
  };
  return all;
}

Task<bool> approve_all(Journal& journal, std::string run) {
  TSUKAI_CO_TRY(const auto pending, journal.pending_approvals(run));
  for (const auto& asked : pending)
    TSUKAI_CO_TRY_VOID(journal.give_approval(run, asked.step_key, true, "boss", "go on"));
  co_return !pending.empty();
}

struct Recorded {
  std::string name;
  std::vector<Row> rows;
  infer::ChatModel* model = nullptr;
};

std::string differences(const Result<ReplayReport>& report) {
  if (!report) return report.error().text();
  std::string text;
  for (const auto& line : report->differences) text += line + "\n";
  return text;
}

std::size_t count(const std::vector<Row>& rows, agent::Kind kind) {
  return static_cast<std::size_t>(
      std::count_if(rows.begin(), rows.end(), [&](const Row& row) { return row.kind == kind; }));
}

}  // namespace

TEST_SUITE("agent/regenerate") {
  TEST_CASE("twenty runs of all kinds replay, and are sampled again to the same tokens beside three others") {
    TinyModel plain(false), thinking(true);
    std::vector<Recorded> recorded;
    std::map<agent::Kind, std::size_t> seen;
    std::size_t streamed = 0;
    for (const auto& kind : kinds()) {
      CAPTURE(kind.name);
      Tiny s;
      kind.change(s);
      auto& model = kind.thinks ? thinking : plain;
      auto options = s.options();
      options.decide = approve_all;
      const auto outcome = await(run_agent(s.file, "Do it.", options, model.open()));
      REQUIRE_MESSAGE(outcome, outcome.error().text());
      recorded.push_back({kind.name, s.rows(), &model.model()});
      const auto& rows = recorded.back().rows;
      CHECK(count(rows, agent::Kind::kModelResult) >= 1);
      for (const auto& row : rows) {
        ++seen[row.kind];
        streamed += row.kind == agent::Kind::kPlan && row.payload->contains("step") ? 1 : 0;
      }
      CHECK(differences(await(replay_run(rows, nullptr))) == "");
    }
    CHECK(recorded.size() == 20);
    // The kinds came about: the noise does not decide it.
    CHECK(seen[agent::Kind::kToolResult] > 20);
    CHECK(seen[agent::Kind::kApprovalGiven] >= 1);
    CHECK(seen[agent::Kind::kCompacted] >= 1);
    CHECK(seen[agent::Kind::kPlan] >= 2);
    CHECK(streamed >= 2);
    for (std::size_t first = 0; first < recorded.size(); first += kTogether) {
      asio::io_context context;
      for (std::size_t i = first; i < std::min(first + kTogether, recorded.size()); ++i) {
        // Three others at least: where the last runs think, on another engine, the first runs stand in.
        asio::co_spawn(context, replay_run(recorded[i].rows, recorded[i].model),
                       [name = recorded[i].name](std::exception_ptr, const Result<ReplayReport>& report) {
                         CAPTURE(name);
                         CHECK(differences(report) == "");
                       });
      }
      for (std::size_t other = 0; other < kTogether - 1; ++other) {
        asio::co_spawn(context, replay_run(recorded[other + 2].rows, recorded[first + kTogether - 1].model),
                       [](std::exception_ptr, const Result<ReplayReport>&) {});
      }
      context.run();
    }
  }

  TEST_CASE("from another seed the tokens are others, and that is found out") {
    TinyModel plain(false);
    Tiny s;
    s.file.tool_choice = infer::ToolChoice::kNone;
    const auto outcome = await(run_agent(s.file, "Do it.", s.options(), plain.open()));
    REQUIRE_MESSAGE(outcome, outcome.error().text());
    auto rows = s.rows();
    Json started = *rows[0].payload;
    started["agent"]["sampling"]["seed"] = 12345u;
    rows[0].payload = started;
    CHECK(differences(await(replay_run(rows, &plain.model()))).find("MODEL_RESULT step-1") !=
          std::string::npos);
  }
}
