#include "tools/tsukai/memory_command.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "agent/runtime.h"
#include "base/clock.h"
#include "tools/tsukai/store.h"

namespace tsukai::cli {
namespace {

Result<memory::Scope> scope_of(const MemoryArguments& arguments) {
  if (!arguments.scope.empty()) {
    auto scope = memory::Scope::parse(arguments.scope);
    if (!scope) return fail(std::move(scope).error().in("--scope"));
    return scope;
  }
  memory::Scope scope;
  scope.user = arguments.user.empty() ? agent::default_user() : arguments.user;
  return scope;
}

Json episode_json(const memory::Episode& episode) {
  return {{"id", episode.id},           {"scope", episode.scope.print()},
          {"run_id", episode.run_id},   {"at", iso_time(episode.at_ms)},
          {"task", episode.task},       {"outcome", episode.outcome},
          {"details", *episode.details}};
}

void add_row(Table& table, const memory::Episode& episode) {
  table.add({std::to_string(episode.id), ago_text(episode.at_ms, system_clock().wall_ms()), episode.task,
             episode.outcome});
}

Table episode_table() {
  return Table(
      {{"ID", Align::kRight}, {"WHEN"}, {"TASK", Align::kLeft, true}, {"OUTCOME", Align::kLeft, true}});
}

}  // namespace

int memory_list_command(Output& output, const MemoryArguments& arguments) {
  auto scope = scope_of(arguments);
  if (!scope) return output.fail(scope.error());
  auto store = open_store(arguments.database);
  if (!store) return output.fail(store.error());
  std::vector<memory::Episode> episodes;
  if (*store) {
    auto found = (*store)->memory->list(*scope, arguments.count, 0);
    if (!found) return output.fail(found.error());
    episodes = *std::move(found);
  }
  if (output.json()) {
    Json list = Json::array();
    for (const memory::Episode& episode : episodes) list.push_back(episode_json(episode));
    output.document({{"scope", scope->print()}, {"episodes", std::move(list)}});
    return 0;
  }
  Table table = episode_table();
  for (const memory::Episode& episode : episodes) {
    if (output.quiet()) output.line(std::to_string(episode.id));
    add_row(table, episode);
  }
  if (output.quiet()) return 0;
  if (table.empty()) {
    output.note("nothing is remembered for " + scope->print());
  } else {
    output.table(table);
  }
  return 0;
}

int memory_search_command(Output& output, const MemoryArguments& arguments) {
  auto scope = scope_of(arguments);
  if (!scope) return output.fail(scope.error());
  auto store = open_store(arguments.database);
  if (!store) return output.fail(store.error());
  std::vector<memory::Recalled> matches;
  if (*store) {
    auto found = (*store)->memory->search(arguments.query, *scope, arguments.count);
    if (!found) return output.fail(found.error());
    matches = *std::move(found);
  }
  if (output.json()) {
    Json list = Json::array();
    for (const memory::Recalled& match : matches) {
      Json entry = episode_json(match.episode);
      entry["score"] = match.score;
      list.push_back(std::move(entry));
    }
    output.document({{"scope", scope->print()}, {"query", arguments.query}, {"matches", std::move(list)}});
    return 0;
  }
  Table table = episode_table();
  for (const memory::Recalled& match : matches) {
    if (output.quiet()) output.line(std::to_string(match.episode.id));
    add_row(table, match.episode);
  }
  if (output.quiet()) return 0;
  if (table.empty()) {
    output.note("nothing remembered for " + scope->print() + " matches");
  } else {
    output.table(table);
  }
  return 0;
}

int memory_show_command(Output& output, const MemoryArguments& arguments) {
  auto store = open_store(arguments.database);
  if (!store) return output.fail(store.error());
  if (!*store) return output.fail(nothing_stored("memory"));
  auto episode = (*store)->memory->get(arguments.id);
  if (!episode) return output.fail(episode.error());
  if (!*episode) {
    return output.fail(Error(Code::kNotFound, fmt::format("there is no memory {}", arguments.id),
                             "tsukai memory list shows what there is"));
  }
  const memory::Episode& found = **episode;
  if (output.json()) {
    output.document(episode_json(found));
    return 0;
  }
  if (!output.quiet()) {
    Table table({{""}, {"", Align::kLeft, true}});
    table.add({"memory", std::to_string(found.id)});
    table.add({"when", iso_time(found.at_ms)});
    table.add({"scope", found.scope.print()});
    table.add({"run", found.run_id});
    for (const std::string& line : table.lines(output.width(), false)) output.line(line);
    output.line("");
  }
  output.line(output.paint(Style::kBold, printable(found.task)));
  output.line(printable(found.outcome));
  if (!output.quiet() && found.details->is_object() && !found.details->empty()) {
    output.line("");
    output.line(printable(print_json_pretty(*found.details)));
  }
  return 0;
}

}  // namespace tsukai::cli
