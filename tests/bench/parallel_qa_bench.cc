// Planning against deciding step by step, on questions of the shape of ParallelQA (Kim et al. 2023, "An LLM
// Compiler for Parallel Function Calling"): 2 to 6 facts to look up, then arithmetic over them.
//   parallel_qa_bench [QUESTIONS [SEED]]                 a scripted model of a stated cost
//   parallel_qa_bench QUESTIONS SEED MODEL.gguf          a real one
// The questions and their facts are made up from the seed. The scripted model knows how to answer; what it
// costs is 50 ms a call and 5 ms a token it writes (4 bytes a token); a tool takes 200 ms. All questions of a
// way are asked at once: they wait, they do not compute; journals are in memory. Prints for each way its wall
// time a question, model calls, and how many answers are right.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <map>
#include <random>

#include "agent/runtime.h"
#include "base/text.h"
#include "infer/local_model.h"
#include "support/fake_server.h"

namespace tsukai::agent {
namespace {

constexpr std::chrono::milliseconds kCallCost{50}, kTokenCost{5}, kToolCost{200};
constexpr std::size_t kBytesPerToken = 4;

// A fact to look up, or a sum over earlier results; `expression` names them as {0}, {1}, ...
struct Need {
  std::string entity, expression;
  std::vector<std::size_t> over;
};
struct Question {
  std::string text;
  std::vector<Need> needs;  // The last one is the answer.
  double answer = 0;
};

// + - * / and brackets over numbers.
class Arithmetic {
 public:
  explicit Arithmetic(std::string_view text) : text_(text) {}
  Result<double> value() {
    TSUKAI_TRY(const double value, sum());
    if (at_ != text_.size()) return fail(Code::kInvalidArgument, "not an arithmetic expression");
    return value;
  }

 private:
  char peek() {
    while (at_ < text_.size() && text_[at_] == ' ') ++at_;
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  Result<double> sum() {
    TSUKAI_TRY(double left, product());
    while (peek() == '+' || peek() == '-') {
      const char sign = text_[at_++];
      TSUKAI_TRY(const double right, product());
      left = sign == '+' ? left + right : left - right;
    }
    return left;
  }
  Result<double> product() {
    TSUKAI_TRY(double left, factor());
    while (peek() == '*' || peek() == '/') {
      const char sign = text_[at_++];
      TSUKAI_TRY(const double right, factor());
      left = sign == '*' ? left * right : left / right;
    }
    return left;
  }
  Result<double> factor() {
    if (peek() == '(') {
      ++at_;
      TSUKAI_TRY(const double value, sum());
      if (peek() != ')') return fail(Code::kInvalidArgument, "a bracket is not closed");
      ++at_;
      return value;
    }
    std::size_t used = 0;
    const std::string rest(text_.substr(at_, 64));
    char* end = nullptr;
    const double value = std::strtod(rest.c_str(), &end);
    used = static_cast<std::size_t>(end - rest.c_str());
    if (used == 0) return fail(Code::kInvalidArgument, "a number is missing");
    at_ += used;
    return value;
  }
  std::string_view text_;
  std::size_t at_ = 0;
};

struct World {
  std::map<std::string, double> facts;
  std::vector<Question> questions;
};

double evaluated(const Question& question, const World& world) {
  std::vector<double> values;
  for (const auto& need : question.needs) {
    if (!need.entity.empty()) {
      values.push_back(world.facts.at(need.entity));
      continue;
    }
    std::string text = need.expression;
    for (const auto i : need.over) {
      const auto mark = fmt::format("{{{}}}", i);
      text.replace(text.find(mark), mark.size(), fmt::format("{}", values[i]));
    }
    values.push_back(Arithmetic(text).value().value_or(NAN));
  }
  return values.back();
}

World made_up(std::size_t questions, unsigned seed) {
  std::mt19937 random(seed);
  const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
  const std::vector<std::string> kinds = {"Mount", "Lake", "Fort", "Cape"};
  const std::vector<std::string> heads = {"Ar", "Bel", "Cor", "Dun", "El", "Fal"};
  const std::vector<std::string> tails = {"mor", "vane", "thar", "wick", "dale", "rune"};
  World world;
  std::vector<std::string> entities;
  for (const auto& kind : kinds) {
    for (const auto& head : heads) {
      entities.push_back(kind + " " + head + tails[below(tails.size())]);
      world.facts[entities.back()] = static_cast<double>(100 + below(900));
    }
  }
  for (std::size_t q = 0; q < questions; ++q) {
    Question question;
    std::shuffle(entities.begin(), entities.end(), random);
    const std::size_t count = 2 + below(5);
    std::vector<std::size_t> half[2];
    std::vector<std::string> names[2];
    for (std::size_t i = 0; i < count; ++i) {
      question.needs.push_back({entities[i], {}, {}});
      half[i % 2].push_back(i);
      names[i % 2].push_back(entities[i]);
    }
    const auto added = [&](const std::vector<std::size_t>& over) {
      std::string text;
      for (const auto i : over) text += fmt::format("{}{{{}}}", text.empty() ? "" : " + ", i);
      return Need{{}, text, over};
    };
    if (count < 4) {
      std::vector<std::size_t> all = half[0];
      all.insert(all.end(), half[1].begin(), half[1].end());
      question.needs.push_back(added(all));
      question.text = fmt::format("What is the sum of the heights of {} and {}?", fmt::join(names[0], ", "),
                                  fmt::join(names[1], ", "));
    } else {
      // Two sums that do not depend on each other, and their difference.
      question.needs.push_back(added(half[0]));
      question.needs.push_back(added(half[1]));
      question.needs.push_back({{}, fmt::format("{{{}}} - {{{}}}", count, count + 1), {count, count + 1}});
      question.text = fmt::format("By how much are {} together higher than {} together?",
                                  fmt::join(names[0], ", "), fmt::join(names[1], ", "));
    }
    question.text += fmt::format(" (question {})", q + 1);
    question.answer = evaluated(question, world);
    world.questions.push_back(std::move(question));
  }
  return world;
}

enum class Way {
  kReact,          // One call a turn, as ReAct does.
  kReactParallel,  // All calls of a turn that can be made.
  kPlan,           // A plan, done once it is whole.
  kStreamed,       // A plan, done while it is written.
};

// Knows the question; reads the results of its calls from the conversation like any model.
class Oracle : public infer::ChatModel {
 public:
  Oracle(const Question& question, Way way) : question_(question), way_(way) {}
  const infer::ModelDescription& description() const override { return description_; }
  Result<infer::Prompt> render(const infer::ChatRequest& request, const infer::Transcript& so_far) override {
    infer::Prompt prompt;
    prompt.kept_bytes = so_far.text.size();
    prompt.text = so_far.text + fmt::format("[{} messages]", request.messages.size());
    return prompt;
  }
  Task<infer::ChatReply> generate(infer::ChatRequest request, infer::Prompt, infer::OnText) override {
    TSUKAI_CO_TRY_VOID(co_await sleep_for(kCallCost));
    infer::ChatReply reply;
    reply.message.role = infer::Role::kAssistant;
    const bool plans = way_ == Way::kPlan || way_ == Way::kStreamed;
    read_results(request);
    if (done() || (plans && asked_ > 0)) {
      reply.message.text = fmt::format("{}", values_.back());
    } else if (plans) {
      reply.message.calls.push_back({"call-plan", "plan", plan()});
    } else {
      for (std::size_t i = 0; i < question_.needs.size(); ++i) {
        if (known(i) || !std::all_of(question_.needs[i].over.begin(), question_.needs[i].over.end(),
                                     [&](auto over) { return known(over); }))
          continue;
        made_.push_back(i);
        reply.message.calls.push_back({fmt::format("call-{}", i), tool_of(i), arguments_of(i, false)});
        if (way_ == Way::kReact) break;
      }
    }
    ++asked_;
    std::string written = reply.message.text;
    for (const auto& call : reply.message.calls) written += call.name + call.arguments.print();
    TSUKAI_CO_TRY_VOID(co_await write(request, reply, written));
    reply.finish = reply.message.calls.empty() ? infer::FinishReason::kStop : infer::FinishReason::kCalls;
    reply.message.raw = reply.text = written;
    reply.usage.generated_tokens = static_cast<std::int64_t>(written.size() / kBytesPerToken + 1);
    co_return reply;
  }
  std::vector<std::string> unsupported_keywords(const infer::ToolDefinition&) const override { return {}; }

 private:
  bool known(std::size_t i) const { return i < values_.size() && !std::isnan(values_[i]); }
  bool done() const { return known(question_.needs.size() - 1); }
  std::string tool_of(std::size_t i) const {
    return question_.needs[i].entity.empty() ? "math__calculate" : "facts__height";
  }
  Json arguments_of(std::size_t i, bool in_plan) const {
    const auto& need = question_.needs[i];
    if (!need.entity.empty()) return {{"of", need.entity}};
    std::string text = need.expression;
    for (const auto over : need.over) {
      const auto mark = fmt::format("{{{}}}", over);
      auto at = text.find(mark);
      while (at > 0 && text[at - 1] == '$') at = text.find(mark, at + 1);  // One that is in place already.
      text.replace(at, mark.size(),
                   in_plan ? fmt::format("${{{}}}", over + 1) : fmt::format("{}", values_[over]));
    }
    return {{"expression", text}};
  }
  Json plan() const {
    Json steps = Json::array();
    for (std::size_t i = 0; i < question_.needs.size(); ++i)
      steps.push_back({{"tool", tool_of(i)}, {"arguments", arguments_of(i, true)}});
    return {{"steps", steps}};
  }
  void read_results(const infer::ChatRequest& request) {
    values_.assign(question_.needs.size(), NAN);
    std::size_t next = 0;
    for (const auto& message : request.messages) {
      if (message.role != infer::Role::kTool) continue;
      if (message.tool_name != "plan") {
        if (next < made_.size()) values_[made_[next++]] = std::strtod(message.text.c_str(), nullptr);
        continue;
      }
      for (const auto& line : split(message.text, '\n')) {  // "3 (done): 7"
        const auto colon = line.find("): ");
        const auto number = std::strtoul(line.c_str(), nullptr, 10);
        if (number == 0 || colon == std::string::npos) continue;
        values_.at(number - 1) = std::strtod(line.c_str() + colon + 3, nullptr);
      }
    }
  }
  // At the pace of the tokens.
  Task<void> write(infer::ChatRequest request, infer::ChatReply reply, std::string written) {
    const bool tells = way_ == Way::kStreamed && !reply.message.calls.empty() && request.on_call;
    if (!tells) co_return co_await sleep_for(kTokenCost * (written.size() / kBytesPerToken + 1));
    const auto arguments = reply.message.calls[0].arguments.print();
    // Each token is due at its time, however late the one before was.
    const auto began = std::chrono::steady_clock::now();
    std::size_t tokens = 0;
    for (std::size_t at = 0; at < arguments.size(); at += kBytesPerToken) {
      const auto due = began + kTokenCost * ++tokens;
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(due - std::chrono::steady_clock::now());
      if (left.count() > 0) TSUKAI_CO_TRY_VOID(co_await sleep_for(left));
      (void)request.on_call({0, "plan", std::string_view(arguments).substr(at, kBytesPerToken), at == 0});
    }
    co_return Result<void>();
  }

  const Question& question_;
  Way way_;
  infer::ModelDescription description_{"oracle", "scripted", "", "none", 1'000'000};
  std::vector<double> values_;
  std::vector<std::size_t> made_;  // Calls, in order.
  int asked_ = 0;
};

Task<mcp::ToolResult> slowly(Result<double> value) {
  TSUKAI_CO_TRY_VOID(co_await sleep_for(kToolCost));
  if (!value) co_return text_result(value.error().text(), true);
  co_return text_result(fmt::format("{}", *value));
}

struct Asked {
  double ms = 0;
  std::int64_t model_calls = 0, tool_calls = 0, tokens = 0;
  bool right = false;
  std::string end;
};

AgentFile agent_of(bool plans, bool real) {
  AgentFile file;
  file.name = "parallel-qa";
  file.model = "bench";
  file.instructions =
      real ? "Answer the question with one number. Look up heights with the tools, then calculate."
           : "Answer with one number.";
  file.planner = plans ? Planner::kPlan : Planner::kReact;
  file.servers.emplace_back().name = "facts";
  file.servers.emplace_back().name = "math";
  return file;
}

// The last number of a text.
double number_in(const std::string& text) {
  double number = NAN;
  for (std::size_t i = 0; i < text.size();) {
    char* end = nullptr;
    const double value = std::strtod(text.c_str() + i, &end);
    const auto used = static_cast<std::size_t>(end - (text.c_str() + i));
    if (used > 0) number = value;
    i += std::max<std::size_t>(1, used);
  }
  return number;
}

Task<Asked> ask(const World& world, const Question& question, bool plans, bool real,
                std::string database_path, OpenModel open_model) {
  FakeServers servers;
  const auto object = [](const char* name) {
    return Json{{"type", "object"},
                {"properties", {{name, {{"type", "string"}}}}},
                {"required", {name}},
                {"additionalProperties", false}};
  };
  servers.add(
      "facts", "height",
      [&world](Json arguments) {
        const auto found = world.facts.find(string_at(arguments, "of"));
        return slowly(found == world.facts.end()
                          ? Result<double>(fail(Code::kNotFound, "nothing is known of that"))
                          : Result<double>(found->second));
      },
      object("of"));
  servers.add(
      "math", "calculate",
      [](Json arguments) {
        const auto text = string_at(arguments, "expression");
        return slowly(Arithmetic(text).value());
      },
      object("expression"));
  RuntimeOptions options;
  options.database_path = std::move(database_path);
  options.user = "bench";
  options.connect = [&servers](mcp::ServerConfig config, mcp::ClientOptions) {
    return servers.connect(std::move(config));
  };
  const auto began = std::chrono::steady_clock::now();
  TSUKAI_CO_TRY(auto outcome, co_await run_agent(agent_of(plans, real), question.text, std::move(options),
                                                 std::move(open_model)));
  Asked asked;
  asked.ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - began).count();
  asked.model_calls = integer_at(*outcome.totals, "model_calls");
  asked.tool_calls = integer_at(*outcome.totals, "tool_calls");
  asked.tokens = integer_at(*outcome.totals, "generated_tokens");
  asked.right =
      outcome.state == RunState::kDone && std::abs(number_in(outcome.answer) - question.answer) < 1e-6;
  asked.end = std::string(name(outcome.state));
  co_return asked;
}

struct Sum {
  double ms = 0;
  std::int64_t model_calls = 0, tool_calls = 0, tokens = 0, right = 0, failed = 0;
};

void add(Sum& sum, const Result<Asked>& asked) {
  if (!asked) {
    ++sum.failed;
    fmt::print(stderr, "{}\n", asked.error().text());
    return;
  }
  sum.ms += asked->ms;
  sum.model_calls += asked->model_calls;
  sum.tool_calls += asked->tool_calls;
  sum.tokens += asked->tokens;
  sum.right += asked->right ? 1 : 0;
}

void print(std::string_view way, const Sum& sum, std::size_t count) {
  const auto n = static_cast<double>(count);
  fmt::print(
      "{:<24} {:>8.0f} ms a question, {:>5.2f} model calls, {:>5.2f} tool calls, {:>5.0f} tokens written, "
      "{}/{} right\n",
      way, sum.ms / n, static_cast<double>(sum.model_calls) / n, static_cast<double>(sum.tool_calls) / n,
      static_cast<double>(sum.tokens) / n, sum.right, count);
}

Sum all_at_once(const World& world, Way way) {
  asio::io_context context;
  Sum sum;
  for (std::size_t i = 0; i < world.questions.size(); ++i) {
    const auto& question = world.questions[i];
    OpenModel open = [&question, way](const std::string&, int) -> Result<std::unique_ptr<infer::ChatModel>> {
      return std::make_unique<Oracle>(question, way);
    };
    asio::co_spawn(
        context,
        ask(world, question, way == Way::kPlan || way == Way::kStreamed, false, ":memory:", std::move(open)),
        [&](std::exception_ptr, const Result<Asked>& asked) { add(sum, asked); });
  }
  context.run();
  return sum;
}

int scripted(const World& world) {
  std::map<Way, Sum> sums;
  const std::vector<std::pair<Way, std::string_view>> ways = {{Way::kReact, "react, a call a turn"},
                                                              {Way::kReactParallel, "react, calls together"},
                                                              {Way::kPlan, "plan, then do it"},
                                                              {Way::kStreamed, "plan, streamed"}};
  for (const auto& [way, title] : ways) {
    sums[way] = all_at_once(world, way);
    print(title, sums[way], world.questions.size());
  }
  const auto& react = sums[Way::kReact];
  const auto& streamed = sums[Way::kStreamed];
  fmt::print(
      "streamed plan against react: {:.2f} x less wall time, {:.2f} x fewer model calls; against plan then "
      "do it: {:.2f} x less wall time\n",
      react.ms / streamed.ms,
      static_cast<double>(react.model_calls) / static_cast<double>(streamed.model_calls),
      sums[Way::kPlan].ms / streamed.ms);
  const auto count = static_cast<std::int64_t>(world.questions.size());
  for (const auto& [way, sum] : sums) {
    if (sum.right != count) return 1;
  }
  return 0;
}

int real(const World& world, const std::string& path) {
  infer::LocalModelOptions options;
  options.path = path;
  for (const bool plans : {false, true}) {
    Sum sum;
    for (std::size_t i = 0; i < world.questions.size(); ++i) {
      OpenModel open = [&](const std::string&, int) -> Result<std::unique_ptr<infer::ChatModel>> {
        return infer::LocalModel::open(options);
      };
      asio::io_context context;
      add(sum, run_to_end(context, ask(world, world.questions[i], plans, true, ":memory:", std::move(open))));
    }
    print(plans ? "plan, streamed" : "react", sum, world.questions.size());
  }
  return 0;
}

}  // namespace
}  // namespace tsukai::agent

int main(int argc, char** argv) {
  using namespace tsukai::agent;
  const std::size_t questions = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 40;
  const auto seed = static_cast<unsigned>(argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 1);
  const auto world = made_up(questions, seed);
  fmt::print("{} questions, seed {}; the first: {}\n", questions, seed, world.questions.at(0).text);
  if (argc > 3) return real(world, argv[3]);
  fmt::print("a model call costs {} ms and {} ms a token written, a tool call {} ms\n", kCallCost.count(),
             kTokenCost.count(), kToolCost.count());
  return scripted(world);
}
