#include "tools/tsukai/agent_command.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "agent/agent_file.h"
#include "base/text.h"
#include "tools/tsukai/run_command.h"

namespace tsukai::cli {
namespace {

std::string budget_text(const agent::Budget& budget) {
  return fmt::format("{} steps, {} tool calls, {} tokens, {} s", grouped(budget.steps),
                     grouped(budget.tool_calls), grouped(budget.tokens), grouped(budget.seconds));
}

std::string_view type_name(agent::Parameter::Type type) {
  switch (type) {
    case agent::Parameter::Type::kString:
      return "string";
    case agent::Parameter::Type::kInteger:
      return "integer";
    case agent::Parameter::Type::kNumber:
      return "number";
    case agent::Parameter::Type::kBoolean:
      return "boolean";
  }
  return "string";
}

Json params_json(const std::vector<agent::Parameter>& params) {
  Json list = Json::array();
  for (const agent::Parameter& param : params) {
    Json one = {{"name", param.name}, {"type", std::string(type_name(param.type))}};
    if (!param.description.empty()) one["description"] = param.description;
    if (!param.otherwise.is_null()) one["default"] = *param.otherwise;
    if (!param.choices.is_null()) one["enum"] = *param.choices;
    list.push_back(std::move(one));
  }
  return list;
}

Json agents_json(const std::vector<agent::ChildAgent>& agents) {
  Json list = Json::array();
  for (const agent::ChildAgent& child : agents) {
    list.push_back({{"name", child.name},
                    {"file", child.path},
                    {"description", child.description},
                    {"share", child.share},
                    {"params", params_json(child.params)}});
  }
  return list;
}

// "city (string), days (integer, 2)"
std::string params_text(const std::vector<agent::Parameter>& params) {
  std::string text;
  for (const agent::Parameter& param : params) {
    const std::string otherwise = param.otherwise.is_null() ? "" : ", " + param.otherwise.print();
    text +=
        fmt::format("{}{} ({}{})", text.empty() ? "" : ", ", param.name, type_name(param.type), otherwise);
  }
  return text;
}

}  // namespace

int agent_check_command(Output& output, const std::string& path, const std::vector<std::string>& params) {
  auto options = agent_options(params);
  if (!options) return output.fail(options.error());
  options->params_required = false;
  auto file = agent::load_agent_file(path, *options);
  if (!file) {
    const int exit = static_cast<int>(exit_code(file.error().code()));
    if (file.error().code() != Code::kInvalidArgument) return output.fail(file.error());
    if (output.json()) {
      Json document = error_json(file.error());
      document["mistakes"] = split(file.error().message(), '\n');
      output.document(document);
      return exit;
    }
    return output.fail(file.error());
  }
  std::vector<std::string> servers;
  for (const mcp::ServerConfig& server : file->servers) servers.push_back(server.name);
  if (output.json()) {
    output.document({{"ok", true},
                     {"name", file->name},
                     {"model", file->model},
                     {"servers", servers},
                     {"memory_scope", file->memory_scope},
                     {"params", params_json(file->params)},
                     {"agents", agents_json(file->agents)},
                     {"policy_rules", file->policy.size()},
                     {"budget",
                      {{"steps", file->budget.steps},
                       {"tool_calls", file->budget.tool_calls},
                       {"tokens", file->budget.tokens},
                       {"seconds", file->budget.seconds},
                       {"depth", file->budget.depth}}}});
    return 0;
  }
  if (output.quiet()) return 0;
  output.line(output.paint(Style::kGreen, "ok") + " " + printable(path));
  Table table({{""}, {"", Align::kLeft, true}});
  table.add({"name", file->name});
  table.add({"model", file->model});
  table.add({"servers", servers.empty() ? "none" : fmt::format("{}", fmt::join(servers, ", "))});
  if (!file->tools.empty()) table.add({"tools", fmt::format("{}", fmt::join(file->tools, ", "))});
  if (!file->params.empty()) table.add({"params", params_text(file->params)});
  for (const agent::ChildAgent& child : file->agents) {
    const std::string params = child.params.empty() ? "" : "; " + params_text(child.params);
    table.add({"agent", fmt::format("{}: {}{}", child.name, child.description, params)});
  }
  table.add({"memory", file->memory_recall == 0 ? "off"
                                                : fmt::format("recalls {} of {}", file->memory_recall,
                                                              fmt::join(file->memory_scope, ", "))});
  table.add({"policy", counted(static_cast<std::int64_t>(file->policy.size()), "rule", "rules")});
  table.add({"budget", budget_text(file->budget)});
  for (const std::string& line : table.lines(output.width(), false)) output.line("  " + line);
  return 0;
}

}  // namespace tsukai::cli
