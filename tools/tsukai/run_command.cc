#include "tools/tsukai/run_command.h"

#include <fmt/format.h>

#include "agent/runtime.h"
#include "tools/tsukai/model_path.h"
#include "tools/tsukai/servers.h"

namespace tsukai::cli {

Result<agent::AgentFileOptions> agent_options(const std::vector<std::string>& params) {
  agent::AgentFileOptions options;
  options.supported.ask = true;
  for (const std::string& param : params) {
    const auto equals = param.find('=');
    if (equals == std::string::npos || equals == 0) {
      return fail(Code::kInvalidArgument, fmt::format("-p {}: not NAME=VALUE", param));
    }
    const std::string name = param.substr(0, equals);
    if (!options.params.emplace(name, param.substr(equals + 1)).second) {
      return fail(Code::kInvalidArgument, fmt::format("-p {}: given twice", name));
    }
  }
  return options;
}

Result<agent::AgentFile> agent_of(const RunArguments& arguments) {
  TSUKAI_TRY(const auto options, agent_options(arguments.params));
  agent::AgentFile file;
  if (!arguments.agent.empty()) {
    TSUKAI_TRY(file, agent::load_agent_file(arguments.agent, options));
  } else {
    if (!options.params.empty()) {
      return fail(Code::kInvalidArgument, "-p: only an agent file has parameters",
                  "name one before the task");
    }
    file.name = "default";
    file.instructions = "You are a helpful assistant. Use the tools where they help.";
    file.model = "smollm2";
  }
  if (!arguments.config.empty()) {
    TSUKAI_TRY(auto servers, read_server_file(arguments.config));
    for (auto& server : servers) file.servers.push_back(std::move(server));
  }
  if (!arguments.model.empty()) file.model = arguments.model;
  // Before anything is started: a model that can't be there is the most likely mistake.
  TSUKAI_TRY(file.model, resolve_model(file.model));
  return file;
}

int run_command(Output& output, const RunArguments& arguments) {
  auto file = agent_of(arguments);
  if (!file) return output.fail_line(file.error());
  return follow(output, arguments.follow, [&](agent::RuntimeOptions options, agent::OpenModel open) {
    return agent::run_agent(*std::move(file), arguments.task, std::move(options), std::move(open));
  });
}

}  // namespace tsukai::cli
