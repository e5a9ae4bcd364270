#include "agent/runtime.h"

#include <fmt/format.h>
#include <pwd.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "agent/run.h"
#include "agent/toolbox.h"
#include "infer/local_model.h"
#include "memory/memory.h"

namespace tsukai::agent {
namespace {

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

// What a run stands on, in the order in which it is torn down last.
struct Ground {
  Database database;
  std::unique_ptr<Journal> journal;
  std::unique_ptr<memory::Memory> memory;  // Null when the agent has none.
};

Result<std::unique_ptr<Ground>> open_ground(const std::string& path, bool with_memory, const Clock& clock) {
  TSUKAI_TRY(auto database, Database::open(path));
  auto ground = std::make_unique<Ground>(Ground{std::move(database), nullptr, nullptr});
  TSUKAI_TRY(ground->journal, Journal::open(ground->database, clock));
  if (with_memory) {
    TSUKAI_TRY(ground->memory, memory::Memory::open(ground->database, clock));
  }
  return ground;
}

}  // namespace

Result<std::string> default_database_path() {
  std::filesystem::path folder = environment("XDG_DATA_HOME");
  if (folder.empty()) {
    const auto home = environment("HOME");
    if (home.empty()) {
      return fail(Code::kInvalidArgument,
                  "neither XDG_DATA_HOME nor HOME is set, so there is no place for the database",
                  "name one with --db FILE");
    }
    folder = std::filesystem::path(home) / ".local" / "share";
  }
  folder /= "tsukai";
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) {
    return fail(Code::kTransport, fmt::format("{}: {}", folder.string(), error.message()),
                "name a database with --db FILE");
  }
  return (folder / "tsukai.db").string();
}

std::string default_user() {
  if (auto user = environment("TSUKAI_USER"); !user.empty()) return user;
  const auto* entry = getpwuid(geteuid());
  if (entry != nullptr && entry->pw_name != nullptr && *entry->pw_name != '\0') return entry->pw_name;
  auto user = environment("USER");
  return user.empty() ? fmt::format("uid-{}", geteuid()) : user;
}

OpenModel open_local_models() {
  return [](const std::string& model, int threads) -> Result<std::unique_ptr<infer::ChatModel>> {
    if (!model.ends_with(".gguf")) {
      return fail(Code::kInvalidArgument,
                  model.empty() ? std::string("the agent names no model")
                                : fmt::format("model \"{}\" is not supported by this build", model),
                  "name a local model file that ends in .gguf (`model:` in the agent file, or --model)");
    }
    infer::LocalModelOptions options;
    options.path = model;
    options.threads = threads;
    TSUKAI_TRY(auto opened, infer::LocalModel::open(std::move(options)));
    return std::unique_ptr<infer::ChatModel>(std::move(opened));
  };
}

Task<RunOutcome> run_agent(AgentFile file, std::string task, RuntimeOptions options, OpenModel open_model) {
  // From here on cancellation is asked for where it matters, so that servers are closed and the journal is
  // too.
  co_await asio::this_coro::throw_if_cancelled(false);
  const Clock& clock = options.clock == nullptr ? system_clock() : *options.clock;
  auto path = options.database_path;
  if (path.empty()) {
    TSUKAI_CO_TRY(path, default_database_path());
  }
  TSUKAI_CO_TRY(auto ground, open_ground(path, file.memory_recall > 0, clock));
  TSUKAI_CO_TRY(auto model, open_model(file.model, options.threads));

  ToolboxOptions tools;
  tools.servers = file.servers;
  tools.globs = file.tools;
  tools.policy = file.policy;
  tools.path = file.path;
  tools.connect = options.connect ? options.connect : ConnectServer(&mcp::Client::connect);
  tools.unsupported_keywords = [&model = *model](const infer::ToolDefinition& tool) {
    return model.unsupported_keywords(tool);
  };
  tools.tell = [&clock, on_event = options.on_event](std::string type, JsonValue data) {
    if (on_event) on_event({std::move(type), clock.wall_ms(), std::move(data)});
  };
  TSUKAI_CO_TRY(auto toolbox, co_await Toolbox::open(std::move(tools)));

  RunParts parts{.file = std::move(file),
                 .task = std::move(task),
                 .user = options.user.empty() ? default_user() : options.user,
                 .database_path = path,
                 .journal = *ground->journal,
                 .memory = ground->memory.get(),
                 .model = *model,
                 .toolbox = *toolbox,
                 .clock = clock,
                 .on_event = options.on_event};
  auto outcome = co_await execute_run(std::move(parts));
  // The run is over, cancelled or not; its servers still have to be reaped.
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  co_await toolbox->shutdown();
  co_return outcome;
}

}  // namespace tsukai::agent
