#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>

#include "agent/child_run.h"
#include "agent/journal_page.h"
#include "agent/runtime.h"
#include "base/text.h"
#include "tools/tsukai/approval_prompt.h"
#include "tools/tsukai/files.h"
#include "tools/tsukai/interrupt.h"
#include "tools/tsukai/runs_command.h"

namespace tsukai::cli {
namespace {

struct Unit {
  std::string_view name;
  double factor;
};

Result<std::int64_t> parse_with_unit(const std::string& text, std::initializer_list<Unit> units,
                                     const std::string& takes) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && value > 0) {
    const std::string_view rest = trimmed(std::string_view(end, text.data() + text.size()));
    for (const Unit& unit : units) {
      const double whole = value * unit.factor;
      if (rest == unit.name && whole >= 1 && whole < 9e18) return static_cast<std::int64_t>(whole);
    }
  }
  return fail(Code::kInvalidArgument, fmt::format("\"{}\" is not {}", text, takes));
}

// Asks yes or no at the terminal; no where nobody sits.
Result<bool> sure(Output& output, const std::string& question) {
  if (!person_is_at_hand(output)) return false;
  output.note_write(question + " [y/N] ");
  asio::io_context context;
  TSUKAI_TRY(const auto line, run_interruptible(context, read_terminal_line()));
  return line && (trimmed(*line) == "y" || trimmed(*line) == "yes");
}

}  // namespace

Result<std::int64_t> parse_age_ms(const std::string& text) {
  return parse_with_unit(text, {{"s", 1e3}, {"min", 6e4}, {"h", 3.6e6}, {"d", 8.64e7}, {"w", 6.048e8}},
                         "an age such as 30d (s, min, h, d, w)");
}

Result<std::int64_t> parse_bytes(const std::string& text) {
  return parse_with_unit(text, {{"B", 1}, {"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9}, {"TB", 1e12}},
                         "a size such as 500MB (B, kB, MB, GB, TB)");
}

int runs_export_command(Output& output, const RunsArguments& arguments) {
  auto opened = open_run(arguments);
  if (!opened) return output.fail(opened.error());
  agent::Journal& journal = *opened->store.journal;
  auto exported = journal.export_run(opened->run.id);
  if (!exported) return output.fail(exported.error());
  auto children = agent::children_of(journal, opened->run.id);
  if (!children) return output.fail(children.error());
  for (const agent::ChildSummary& child : *children) {
    if (!child.begun) continue;
    auto inner = journal.export_run(child.run.id);
    if (!inner) return output.fail(inner.error());
    (*exported)["children"].push_back(
        {{"parent", child.parent}, {"step_key", child.step_key}, {"export", *inner}});
  }
  if (arguments.html.empty()) {
    output.document(*exported);
    return 0;
  }
  const std::string page = agent::run_page(*exported);
  if (arguments.html == "-") {
    output.write(page);
    return 0;
  }
  if (auto written = write_text_file(arguments.html, page); !written) return output.fail(written.error());
  if (output.json()) {
    output.document({{"run_id", opened->run.id}, {"file", arguments.html}, {"bytes", page.size()}});
  } else {
    output.note(fmt::format("wrote {} ({})", printable(arguments.html), bytes_text(page.size())));
  }
  return 0;
}

int runs_erase_command(Output& output, const RunsArguments& arguments) {
  auto opened = open_run(arguments);
  if (!opened) return output.fail(opened.error());
  const std::string run = opened->run.id;
  if (!arguments.yes) {
    auto agreed = sure(output, fmt::format("Forget for good what run {} held ({})?", run,
                                           printable(shortened(opened->run.task, 60))));
    if (!agreed) return output.fail(agreed.error());
    if (!*agreed) {
      return output.fail(Error(Code::kInvalidArgument, fmt::format("run {} was not erased", run),
                               "give --yes to do it without being asked"));
    }
  }
  // The runs that it started hold what it asked of them.
  agent::Journal& journal = *opened->store.journal;
  auto children = agent::children_of(journal, run);
  if (!children) return output.fail(children.error());
  Result<void> erased;
  for (auto child = children->rbegin(); erased && child != children->rend(); ++child) {
    if (child->begun) erased = journal.erase(child->run.id, agent::default_user(), arguments.reason);
  }
  if (erased) erased = journal.erase(run, agent::default_user(), arguments.reason);
  if (!erased) return output.fail(erased.error());
  // What memory keeps of it is another matter, and would be missed.
  if (output.json()) {
    output.document({{"run_id", run}, {"erased", true}});
  } else {
    output.line(fmt::format("run {} is forgotten; its chain of hashes is still there", run));
    output.note("what memory keeps of it: tsukai memory list");
  }
  return 0;
}

int runs_prune_command(Output& output, const RunsArguments& arguments) {
  agent::Retention retention;
  if (!arguments.older_than.empty()) {
    auto age = parse_age_ms(arguments.older_than);
    if (!age) return output.fail(std::move(age).error().in("--older-than"));
    retention.age_ms_max = *age;
  }
  if (!arguments.larger_than.empty()) {
    auto bytes = parse_bytes(arguments.larger_than);
    if (!bytes) return output.fail(std::move(bytes).error().in("--larger-than"));
    retention.bytes_max = *bytes;
  }
  if (retention.age_ms_max == 0 && retention.bytes_max == 0) {
    return output.fail(Error(Code::kInvalidArgument, "tsukai runs prune: which runs?",
                             "give --older-than 30d, --larger-than 500MB or both"));
  }
  auto store = open_store(arguments.follow.database);
  if (!store) return output.fail(store.error());
  std::vector<std::string> gone;
  if (*store) {
    auto pruned = (*store)->journal->prune(retention);
    if (!pruned) return output.fail(pruned.error());
    gone = *std::move(pruned);
  }
  if (output.json()) {
    output.document({{"deleted", gone}});
  } else if (output.quiet()) {
    for (const std::string& run : gone) output.line(run);
  } else {
    output.line(gone.empty() ? "nothing to delete"
                             : "deleted " + counted(static_cast<std::int64_t>(gone.size()), "run", "runs"));
  }
  return 0;
}

}  // namespace tsukai::cli
