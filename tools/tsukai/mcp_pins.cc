#include "tools/tsukai/mcp_pins.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "agent/tool_pins.h"
#include "base/clock.h"
#include "tools/tsukai/store.h"

namespace tsukai::cli {
namespace {

// The pins of the database and all they need; `pins` is null when nothing was ever run.
struct OpenPins {
  std::optional<Store> store;
  std::unique_ptr<agent::ToolPins> pins;
};

Result<OpenPins> open_pins(const std::string& path) {
  OpenPins open;
  TSUKAI_TRY(open.store, open_store(path));
  if (open.store) {
    TSUKAI_TRY(open.pins, agent::ToolPins::open(*open.store->database, system_clock()));
  }
  return open;
}

std::vector<std::string> changes_of(const agent::ToolPin& pin) {
  if (!pin.offered) return {};
  if (pin.definition.is_null() || pin.offered->is_null())
    return {"the definition is too long to be compared"};
  return agent::differences(*pin.definition, **pin.offered);
}

Json pin_json(const agent::ToolPin& pin) {
  Json out = {{"server", pin.server},
              {"tool", pin.tool},
              {"from", pin.from},
              {"sha256", pin.sha256},
              {"pinned_at", iso_time(pin.pinned_ms)},
              {"definition", *pin.definition},
              {"changed", pin.offered.has_value()}};
  if (!pin.offered) return out;
  out["changed_at"] = iso_time(pin.offered_ms);
  out["offered"] = **pin.offered;
  out["differences"] = changes_of(pin);
  return out;
}

using Change = Result<std::size_t> (agent::ToolPins::*)(const std::string&, const std::string&);

int change_pins(Output& output, const PinArguments& arguments, Change change, const char* done,
                const std::string& none) {
  auto open = open_pins(arguments.database);
  if (!open) return output.fail(open.error());
  std::size_t count = 0;
  if (open->pins) {
    auto changed = ((*open->pins).*change)(arguments.server, arguments.tool);
    if (!changed) return output.fail(changed.error());
    count = *changed;
  }
  if (count == 0) return output.fail(Error(Code::kNotFound, none, "see tsukai mcp pins list"));
  if (output.json())
    output.document({{"server", arguments.server}, {done, count}});
  else
    output.note(fmt::format("{} of {}: {}", counted(static_cast<std::int64_t>(count), "tool", "tools"),
                            arguments.server, done));
  return 0;
}

}  // namespace

int mcp_pins_list_command(Output& output, const PinArguments& arguments) {
  auto open = open_pins(arguments.database);
  if (!open) return output.fail(open.error());
  std::vector<agent::ToolPin> pins;
  if (open->pins) {
    auto found = open->pins->list(arguments.server);
    if (!found) return output.fail(found.error());
    pins = *std::move(found);
  }
  if (output.json()) {
    Json list = Json::array();
    for (const agent::ToolPin& pin : pins) list.push_back(pin_json(pin));
    output.document({{"pins", std::move(list)}});
    return 0;
  }
  Table table({{"SERVER"}, {"TOOL"}, {"FROM", Align::kLeft, true}, {"PINNED"}, {"STATE"}});
  for (const agent::ToolPin& pin : pins) {
    if (output.quiet()) output.line(pin.server + "." + pin.tool);
    table.add({pin.server, pin.tool, pin.from, ago_text(pin.pinned_ms, system_clock().wall_ms()),
               pin.offered ? "changed, not accepted" : "as pinned"});
  }
  if (output.quiet()) return 0;
  if (table.empty()) {
    output.note("no tool is pinned: a run pins those of its servers");
    return 0;
  }
  output.table(table);
  for (const agent::ToolPin& pin : pins) {
    if (!pin.offered) continue;
    output.line(fmt::format("\n{}.{} since {}:", pin.server, pin.tool,
                            ago_text(pin.offered_ms, system_clock().wall_ms())));
    for (const std::string& line : changes_of(pin)) output.line("  " + line);
  }
  return 0;
}

int mcp_pins_accept_command(Output& output, const PinArguments& arguments) {
  return change_pins(output, arguments, &agent::ToolPins::accept, "accepted",
                     fmt::format("no changed tool of {} waits to be accepted", arguments.server));
}

int mcp_pins_forget_command(Output& output, const PinArguments& arguments) {
  return change_pins(output, arguments, &agent::ToolPins::forget, "forgotten",
                     fmt::format("no such tool of {} is pinned", arguments.server));
}

}  // namespace tsukai::cli
