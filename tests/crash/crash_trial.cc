#include "crash/crash_trial.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <set>

#include "agent/decisions.h"
#include "agent/progress.h"
#include "agent/records.h"
#include "agent/recovery.h"
#include "crash/asking_client.h"
#include "crash/unkeyed_client.h"
#include "support/await.h"
#include "tools/shop/ledger.h"
#include "tools/shop/shop.h"

namespace tsukai::agent {
namespace {

constexpr unsigned kWorkSecondsMax = 120;  // Beyond this a process hangs.
constexpr std::size_t kToldBytesMax = 2'000;

const std::set<std::string> kReads = {"search_products", "get_product", "order_status"};

Task<std::unique_ptr<mcp::Client>> connect_shop(mcp::ServerConfig config, mcp::ClientOptions options,
                                                Tools tools, std::string sent_path) {
  auto on_sampling = options.on_sampling;
  TSUKAI_CO_TRY(auto shop, co_await mcp::Client::connect(std::move(config), std::move(options)));
  auto asking = std::make_unique<AskingClient>(std::move(shop), std::move(on_sampling));
  if (tools == Tools::kKeyed) co_return asking;
  co_return std::make_unique<UnkeyedClient>(std::move(asking), std::move(sent_path));
}

constexpr const char* kAgentName = "crasher";

// The run that the trial is about, and the one that it starts; oldest first.
Result<std::vector<RunSummary>> runs_of(Journal& journal) {
  TSUKAI_TRY(auto runs, journal.list(10, std::nullopt));
  std::reverse(runs.begin(), runs.end());
  const auto roots =
      std::count_if(runs.begin(), runs.end(), [](const auto& run) { return run.agent == kAgentName; });
  if (roots > 1 || runs.size() > 2 || (roots == 1 && runs[0].agent != kAgentName))
    return fail(Code::kInternal, fmt::format("{} runs, {} of them begun by hand", runs.size(), roots));
  return runs;
}

// As in Left::observations.
std::string full_key(const RunSummary& run, const std::string& step_key) {
  return run.agent == kAgentName ? step_key : fmt::format("{}:{}", kChildName, step_key);
}

std::string tool_of(const infer::ToolCall& call) { return call.name.substr(std::string("shop__").size()); }

Result<std::vector<std::string>> lines_of(Database& database, const std::string& sql, int columns) {
  TSUKAI_TRY(auto row, database.prepare(sql));
  std::vector<std::string> lines;
  for (;;) {
    TSUKAI_TRY(const bool more, row.step());
    if (!more) return lines;
    std::string line;
    for (int i = 0; i < columns; ++i) line += (i > 0 ? " " : "") + row.text(i);
    lines.push_back(std::move(line));
  }
}

void append_line(const std::string& path, const std::string& line) {
  const int file = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
  const auto bytes = line + "\n";
  if (file < 0 || ::write(file, bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size()))
    std::abort();
  ::close(file);
}

std::vector<Json> json_lines(const std::string& path) {
  std::vector<Json> values;
  std::istringstream in(read_file(path));
  for (std::string line; std::getline(in, line);) {
    if (auto value = parse_json(line))
      values.push_back(*std::move(value));  // A cut line was not acknowledged.
  }
  return values;
}

Result<RunOutcome> go_on(const RuntimeOptions& options, const OpenModel& open) {
  std::string id;
  {
    TSUKAI_TRY(auto database, Database::open(options.database_path));
    TSUKAI_TRY(auto journal, Journal::open(database, system_clock()));
    TSUKAI_TRY(const auto runs, runs_of(*journal));
    if (runs.empty()) return fail(Code::kNotFound, "there is no run yet");
    id = runs[0].id;
  }
  return await(resume_run(id, options, open));
}

}  // namespace

Result<std::unique_ptr<Start>> Start::make() {
  auto start = std::make_unique<Start>();
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  start->shop_program = (self.parent_path() / "tsukai-shop").string();
  if (::access(start->shop_program.c_str(), X_OK) != 0)
    return fail(Code::kNotFound, start->shop_program + " is not there", "build the target tsukai-shop");
  const auto path = start->folder / "shop.db";
  {
    TSUKAI_TRY(auto shop, shop::Shop::open(path, {}, system_clock()));
    TSUKAI_TRY_VOID(shop.database().checkpoint());
  }
  start->shop_bytes = read_file(path);
  TSUKAI_TRY(start->goods, Goods::of(path));
  return start;
}

Trial::Trial(const Start& start, Tools tools, std::string what)
    : start_(start), tools_(tools), what_(std::move(what)) {
  folder_.write("shop.db", start.shop_bytes);
}

void Trial::say(const std::string& fault) const { fmt::print("  {}, {}: {}\n", what_, name(tools_), fault); }

// In the child: begins the run, or goes on with the one there is. 5: it waits for a person.
int Trial::run_here() const {
  RuntimeOptions options;
  options.database_path = folder_ / "tsukai.db";
  options.user = "mika";
  options.connect = [tools = tools_, sent = folder_ / "sent"](mcp::ServerConfig config,
                                                              mcp::ClientOptions client) {
    return connect_shop(std::move(config), std::move(client), tools, sent);
  };
  // What a person at the terminal has seen is acknowledged.
  options.on_event = [told = folder_ / "told"](const Event& event) {
    if (event.type == "tool_result") append_line(told, print_json(*event.data));
    if (event.type != "child" || string_at((*event.data)["event"], "type") != "tool_result") return;
    Json data = (*event.data)["event"]["data"];
    data["call_id"] = fmt::format("{}:{}", kChildName, string_at(data, "call_id"));
    append_line(told, print_json(data));
  };
  const OpenModel open = [this](const std::string&, int) -> Result<std::unique_ptr<infer::ChatModel>> {
    return std::make_unique<ShopModel>(start_.goods);
  };
  const Json shop_entry = {{"command", start_.shop_program},
                           {"args", {"--fast", "--data", folder_ / "shop.db"}},  // Durable beyond kill -9.
                           {"trusted", true}};
  const auto file =
      agent_file_from({{"name", kAgentName},
                       {"model", "scripted.gguf"},
                       {"planner", "auto"},
                       {"memory", {{"scope", Json::array({"user"})}, {"recall", 2}}},
                       {"budget", {{"tokens", 10'000'000}}},
                       {"policy", Json::array({{{"ask", "shop.pay"}}, {{"allow", "shop.sampling"}}})},
                       {"servers", {{"shop", shop_entry}}},
                       {"agents", {{kChildName, {{"agent", {{"servers", {{"shop", shop_entry}}}}}}}}}},
                      "");
  if (!file) {
    say(file.error().text());
    return 3;
  }
  auto outcome = go_on(options, open);
  if (!outcome && outcome.error().code() == Code::kNotFound)
    outcome = await(run_agent(*file, "twelve steps", options, open));
  // Killed after its end, before it could say so: there is nothing left to resume.
  if (!outcome && outcome.error().message().find("has ended (done)") != std::string::npos) return 0;
  if (!outcome) {
    say(outcome.error().text());
    return 3;
  }
  if (outcome->state != RunState::kDone && outcome->state != RunState::kWaiting) say(outcome->answer);
  return outcome->state == RunState::kDone ? 0 : outcome->state == RunState::kWaiting ? 5 : 1;
}

int Trial::work(const std::string& crash_at, std::int64_t kill_after_us) {
  std::fflush(stdout);
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(kWorkSecondsMax);
    if (crash_at.empty())
      ::unsetenv("TSUKAI_CRASH_AT");
    else
      ::setenv("TSUKAI_CRASH_AT", crash_at.c_str(), 1);
    const int code = run_here();
    std::fflush(stdout);
    ::_exit(code);
  }
  if (kill_after_us >= 0) {
    ::usleep(static_cast<useconds_t>(kill_after_us));
    ::kill(child, SIGKILL);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  // Its server was orphaned to this process (PR_SET_CHILD_SUBREAPER in main): what it was doing is done or
  // never will be before anyone looks.
  while (::waitpid(-1, nullptr, 0) > 0) {
  }
  return status;
}

// What the shop answered to such a call, if one of those that were sent had its effect; "" if none had.
Result<std::string> Trial::answer_in_shop(const std::string& tool, const Json& arguments) const {
  TSUKAI_TRY(auto database, Database::open(folder_ / "shop.db", {.read_only = true}));
  for (const auto& sent : json_lines(folder_ / "sent")) {
    if (string_at(sent, "tool") != tool || sent["arguments"] != arguments) continue;
    TSUKAI_TRY(auto row, database.prepare("SELECT text FROM request WHERE key=?1"));
    TSUKAI_TRY(const bool done, row.bind(1, string_at(sent, "key")).step());
    if (done) return row.text(0);
  }
  return std::string();
}

Result<void> Trial::settle_unknown(Journal& journal, const RunSummary& run) {
  TSUKAI_TRY(const auto rows, journal.rows(run.id));
  TSUKAI_TRY(auto progress, Progress::of(rows));
  if (progress.steps.empty()) return {};
  for (const auto& call : progress.steps.back().calls) {
    if (call.stage != CallProgress::Stage::kUnknown) continue;
    ++unknown_;
    TSUKAI_TRY(const auto answer, answer_in_shop(tool_of(call.call), *call.call.arguments));
    TSUKAI_TRY_VOID(resolve_call(journal, run.id, call.step_key,
                                 answer.empty() ? Resolution::kRetry : Resolution::kDone, answer, "mika"));
  }
  return {};
}

Result<void> Trial::be_the_person() {
  TSUKAI_TRY(auto database, Database::open(folder_ / "tsukai.db"));
  TSUKAI_TRY(auto journal, Journal::open(database, system_clock()));
  TSUKAI_TRY(const auto pending, journal->pending_approvals(""));
  for (const auto& asked : pending) {
    TSUKAI_TRY_VOID(journal->give_approval(asked.run, asked.step_key, true, "mika", "fine"));
  }
  TSUKAI_TRY(const auto runs, runs_of(*journal));
  for (const auto& run : runs) {
    if (run.state == RunState::kRunning || run.state == RunState::kWaiting)
      TSUKAI_TRY_VOID(settle_unknown(*journal, run));
  }
  return {};
}

// A child works while its parent waits for it: its rows stand between CHILD_STARTED and CHILD_DONE.
Result<std::vector<Trial::Written>> Trial::rows() const {
  TSUKAI_TRY(auto database, Database::open(folder_ / "tsukai.db"));
  TSUKAI_TRY(auto journal, Journal::open(database, system_clock()));
  TSUKAI_TRY(const auto runs, runs_of(*journal));
  std::vector<Written> all;
  if (runs.empty()) return all;
  TSUKAI_TRY(const auto mine, journal->rows(runs[0].id));
  for (const auto& row : mine) {
    all.push_back({row, false});
    if (row.kind != Kind::kChildStarted || runs.size() < 2) continue;
    TSUKAI_TRY(const auto theirs, journal->rows(runs[1].id));
    for (const auto& each : theirs) all.push_back({each, true});
  }
  return all;
}

Result<Left> Trial::left() const {
  Left left;
  {
    TSUKAI_TRY(auto database, Database::open(folder_ / "tsukai.db"));
    TSUKAI_TRY(auto journal, Journal::open(database, system_clock()));
    TSUKAI_TRY(const auto runs, runs_of(*journal));
    if (runs.size() != 2) return fail(Code::kInternal, fmt::format("{} runs instead of two", runs.size()));
    for (const auto& run : runs) {
      TSUKAI_TRY(const auto defects, journal->verify(run.id));
      if (!defects.empty()) return fail(Code::kCorrupt, defects[0]);
      if (run.state != RunState::kDone)
        return fail(Code::kInternal, fmt::format("the run is {}", agent::name(run.state)));
      TSUKAI_TRY(const auto all, journal->rows(run.id));
      for (const auto& row : all) {
        const auto& payload = *row.payload;
        if (row.kind == Kind::kToolResult || row.kind == Kind::kChildDone)
          left.observations[full_key(run, row.step_key)] = string_at(payload, "observation");
        if (row.kind != Kind::kSignal || string_at(payload, "name") != "resolve") continue;
        const auto& word = payload["payload"];
        if (string_at(word, "action") == "done")
          left.observations[full_key(run, string_at(word, "call"))] = string_at(word, "result");
      }
    }
    left.answer = runs[0].answer;
    TSUKAI_TRY(auto count, database.prepare("SELECT count(*) FROM episode"));
    TSUKAI_TRY_VOID(count.step());
    left.episodes = count.integer(0);
  }
  TSUKAI_TRY(auto shop, Database::open(folder_ / "shop.db", {.read_only = true}));
  TSUKAI_TRY(const auto problems, shop::check_ledger(shop));
  if (!problems.empty()) return fail(Code::kCorrupt, "the shop: " + problems[0]);
  TSUKAI_TRY(
      left.ledger,
      lines_of(shop, "SELECT effect, purchase, what, quantity, amount FROM ledger ORDER BY 1, 2, 3, 4, 5",
               5));
  TSUKAI_TRY(left.shop, lines_of(shop, "SELECT id, stock, reserved, sold FROM product ORDER BY id", 4));
  for (const auto& [sql, columns] :
       {std::pair{"SELECT cart, product, quantity FROM cart_line ORDER BY 1, 2", 3},
        std::pair{"SELECT id, cart, status, total, paid, refunded FROM purchase ORDER BY id", 6},
        std::pair{"SELECT purchase, product, quantity, returned, amount FROM purchase_line ORDER BY 1, 2",
                  5}}) {
    TSUKAI_TRY(const auto lines, lines_of(shop, sql, columns));
    left.shop.insert(left.shop.end(), lines.begin(), lines.end());
  }
  return left;
}

// Parked is a call alone whose process died between TOOL_STARTED and TOOL_RESULT, and that neither takes a
// key nor is idempotent nor only reads.
Result<void> Trial::check_unknown(Tally& tally) const {
  TSUKAI_TRY(auto database, Database::open(folder_ / "tsukai.db"));
  TSUKAI_TRY(auto journal, Journal::open(database, system_clock()));
  TSUKAI_TRY(const auto runs, runs_of(*journal));
  for (const auto& run : runs) {
    TSUKAI_TRY(const auto rows, journal->rows(run.id));
    std::map<std::string, std::size_t> started;
    std::size_t died = 0;  // The newest change of owner.
    for (std::size_t i = 0; i < rows.size(); ++i) {
      const auto& row = rows[i];
      if (row.kind == Kind::kLeaseTaken) died = i;
      if (row.kind == Kind::kToolStarted) started[row.step_key] = i;
      if (row.kind == Kind::kToolResult) started.erase(row.step_key);
      if (row.kind != Kind::kToolUnknown) continue;
      TSUKAI_TRY(const auto call, call_from(*row.payload));
      const auto tool = tool_of(call);
      const bool in_flight = started.contains(row.step_key) && started[row.step_key] < died;
      if (in_flight && tools_ == Tools::kUnkeyed && !kReads.contains(tool) && tool != kIdempotentTool)
        continue;
      ++tally.unexpected_unknown;
      say(fmt::format("{} {} need not have been parked", row.step_key, tool));
    }
  }
  return {};
}

// What was told is in the journal, and as it was told.
Result<void> Trial::check_told(const Left& mine, Tally& tally) const {
  for (const auto& told : json_lines(folder_ / "told")) {
    const auto key = string_at(told, "call_id"), text = string_at(told, "text");
    const auto kept = mine.observations.find(key);
    if (kept != mine.observations.end() && (kept->second == text || text.size() > kToldBytesMax)) continue;
    ++tally.lost;
    say(fmt::format("the result of {} was told and is not in the journal", key));
  }
  return {};
}

// Each write of the shop was done under the key of one call of these runs.
Result<void> Trial::check_keys(Tally& tally) const {
  if (tools_ != Tools::kKeyed) return {};
  TSUKAI_TRY(auto database, Database::open(folder_ / "tsukai.db"));
  TSUKAI_TRY(auto journal, Journal::open(database, system_clock()));
  TSUKAI_TRY(const auto runs, runs_of(*journal));
  std::set<std::string> keys;
  for (const auto& run : runs) {
    TSUKAI_TRY(const auto rows, journal->rows(run.id));
    for (const auto& row : rows) {
      if (row.kind == Kind::kToolIntent) keys.insert(idempotency_key(run.id, row.step_key));
    }
  }
  TSUKAI_TRY(auto shop, Database::open(folder_ / "shop.db", {.read_only = true}));
  TSUKAI_TRY(const auto used, lines_of(shop, "SELECT key FROM request", 1));
  for (const auto& key : used) {
    if (keys.contains(key)) continue;
    ++tally.duplicated;
    say("the shop did something under a key that is no call's: " + key);
  }
  return {};
}

Result<void> Trial::compare(const Left& whole, Tally& tally) const {
  TSUKAI_TRY(const auto mine, left());
  std::vector<std::string> more, missing;
  std::set_difference(mine.ledger.begin(), mine.ledger.end(), whole.ledger.begin(), whole.ledger.end(),
                      std::back_inserter(more));
  std::set_difference(whole.ledger.begin(), whole.ledger.end(), mine.ledger.begin(), mine.ledger.end(),
                      std::back_inserter(missing));
  for (const auto& effect : more) say("happened once too often: " + effect);
  for (const auto& effect : missing) say("never happened: " + effect);
  tally.duplicated += static_cast<int>(more.size()) + (mine.episodes > whole.episodes ? 1 : 0);
  tally.lost += static_cast<int>(missing.size()) + (mine.episodes < whole.episodes ? 1 : 0);
  if (mine.episodes != whole.episodes) say(fmt::format("{} episodes are remembered", mine.episodes));
  for (const auto& [key, text] : whole.observations) {
    const auto found = mine.observations.find(key);
    if (found == mine.observations.end()) {
      ++tally.lost;
      say("no observation of " + key);
    } else if (found->second != text) {
      ++tally.broken;
      say(fmt::format("{} is \"{}\" and not \"{}\"", key, found->second, text));
    }
  }
  if (mine.shop != whole.shop || mine.answer != whole.answer ||
      mine.observations.size() != whole.observations.size()) {
    ++tally.broken;
    say("the shop, the answer or the observations are not those of the run that nobody killed");
  }
  TSUKAI_TRY_VOID(check_unknown(tally));
  TSUKAI_TRY_VOID(check_keys(tally));
  return check_told(mine, tally);
}

}  // namespace tsukai::agent
