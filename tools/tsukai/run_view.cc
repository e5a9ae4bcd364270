#include "tools/tsukai/run_view.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/text.h"
#include "tools/tsukai/timeline.h"

namespace tsukai::cli {
namespace {

constexpr std::size_t kFoldedCells = 100;  // Where there is no terminal.
constexpr std::size_t kFoldedCellsMin = 20;
constexpr std::string_view kIndent = "  ";
constexpr std::size_t kPlanMargin = 3;  // Lines of the terminal that are not the tree's.

std::string tool_label(const Json& data) {
  const std::string server = string_at(data, "server");
  const std::string tool = string_at(data, "tool");
  return server.empty() ? tool : server + "." + tool;
}

}  // namespace

void RunView::show(const agent::Event& event) {
  const Json& data = *event.data;
  if (event.type == "child" && !output_.json()) {
    show_child(data, 1);
    return;
  }
  if (event.type == "run_started") run_id_ = string_at(data, "run_id");
  if (output_.json()) {
    output_.json_line({{"type", event.type}, {"at_ms", event.at_ms}, {"data", data}});
    return;
  }
  if (event.type != "text") end_text();
  if (in_plan(event)) return;
  if (event.type == "plan" || event.type == "plan_step") return show_plan(event);
  // Whatever else is said goes above the tree, and the tree stays the last.
  const bool drawn = !plan_lines_.empty();
  if (event.type == "run_done" || event.type == "text")
    plan_lines_.clear();
  else
    erase_plan();
  show_other(event);
  if (drawn && plan_lines_.empty() && event.type == "notice") draw_plan();
}

void RunView::show_other(const agent::Event& event) {
  const Json& data = *event.data;
  if (event.type == "run_started") {
    const auto resumed = integer_at(data, "resumed_at_step");
    // The same run, after a person decided; or the next of a conversation.
    if (shown_ && (resumed > 0 || kind_ == Kind::kChat)) return;
    shown_ = true;
    const Json* model = find(data, "model");
    std::string description = model == nullptr ? std::string() : string_at(*model, "name");
    if (model != nullptr && !string_at(*model, "quantisation").empty()) {
      description += " " + string_at(*model, "quantisation");
    }
    output_.note(printable(fmt::format("{} · {} · run {}{}", string_at(data, "agent"), description, run_id_,
                                       resumed > 0 ? fmt::format(" · from step {}", resumed) : "")));
  } else if (event.type == "server_started") {
    if (shown_) return;
    output_.note(output_.paint_note(
        Style::kDim, printable(fmt::format("{} is up: {}", string_at(data, "server"),
                                           counted(integer_at(data, "tools"), "tool", "tools")))));
  } else if (event.type == "server_failed") {
    const Json* error = find(data, "error");
    const std::string message = error == nullptr     ? ""
                                : error->is_string() ? error->get<std::string>()
                                                     : string_at(*error, "message");
    output_.note(output_.paint_note(
        Style::kYellow,
        printable(fmt::format("{} is not available: {}", string_at(data, "server"), message))));
  } else if (event.type == "tool_changed") {
    show_changed_tool(data);
  } else if (event.type == "recalled") {
    const Json* episodes = find(data, "episodes");
    const auto count =
        episodes != nullptr && episodes->is_array() ? static_cast<std::int64_t>(episodes->size()) : 0;
    if (count > 0) {
      output_.note(
          output_.paint_note(Style::kDim, "remembered " + counted(count, "earlier run", "earlier runs")));
    }
  } else if (event.type == "step_started") {
    text_.clear();
    calls_ = 0;
    must_call_ = string_at(data, "tool_choice") == "required";
    if (kind_ == Kind::kRun) {
      output_.note(output_.paint_note(Style::kBold, fmt::format("step {}", integer_at(data, "step"))));
    }
    output_.busy("the model reads");
  } else if (event.type == "text") {
    show_text(string_at(data, "text"));
  } else if (event.type == "tool_call") {
    show_call(data);
  } else if (event.type == "tool_result") {
    show_result(data);
  } else if (event.type == "notice") {
    const std::string message = string_at(data, "message");
    if (!heard_.empty() && message == "to the model: " + heard_) return;
    output_.note(output_.paint_note(Style::kYellow, wrapped(printable(message), output_.note_width())));
  }
}

void RunView::show_changed_tool(const Json& data) {
  const std::string server = string_at(data, "server"), tool = string_at(data, "tool");
  const bool accepted = bool_at(data, "accepted");
  const std::string what =
      accepted ? fmt::format("{}.{} has changed ({})", server, tool, string_at(data, "why"))
               : fmt::format("{}.{} has changed and is left out; to use it: tsukai mcp pins accept {} {}",
                             server, tool, server, tool);
  output_.note(output_.paint_note(accepted ? Style::kDim : Style::kYellow, printable(what)));
  const Json* differences = find(data, "differences");
  if (differences == nullptr || !differences->is_array()) return;
  for (const Json& line : *differences) {
    if (line.is_string())
      output_.note(
          output_.paint_note(Style::kDim, fmt::format("{}{}", kIndent, printable(line.get<std::string>()))));
  }
}

// Of an agent at work on a task only what it does and what came of it, one step further in.
void RunView::show_child(const Json& data, std::size_t depth) {
  const Json* event = find(data, "event");
  if (event == nullptr) return;
  const std::string type = string_at(*event, "type");
  const Json* found = find(*event, "data");
  if (found == nullptr) return;
  const Json& inner = *found;
  if (type == "child") {
    show_child(inner, depth + 1);
    return;
  }
  const std::string agent = printable(string_at(data, "agent"));
  std::string line(depth * 2 + kIndent.size(), ' ');
  const auto room_behind = [&](std::string_view label) {
    return room(line.size() + display_width(label) + 4);  // The arrow, the spaces about it, the last cell.
  };
  line += agent + " ";
  if (type == "tool_call") {
    const Json* arguments = find(inner, "arguments");
    const std::string text = arguments == nullptr ? "{}" : print_json(*arguments);
    const std::string label = printable(tool_label(inner));
    const auto cells = room_behind(label);
    line += fmt::format("{} {} {}", output_.paint_note(Style::kCyan, "→"), label,
                        output_.paint_note(Style::kDim, cut_to_width(text, cells)));
  } else if (type == "tool_result") {
    line += fmt::format("{} {}",
                        output_.paint_note(bool_at(inner, "is_error") ? Style::kRed : Style::kGreen, "←"),
                        cut_to_width(string_at(inner, "text"), room_behind("")));
  } else if (type == "notice" || type == "server_failed") {
    line += output_.paint_note(Style::kYellow,
                               printable(string_at(inner, "message", string_at(inner, "server"))));
  } else {
    return;
  }
  end_text();
  output_.note(line);
}

void RunView::show_plan(const agent::Event& event) {
  const Json& data = *event.data;
  const bool whole = event.type == "plan";
  const std::string key = string_at(data, whole ? "call_id" : "plan");
  if (key != plan_key_) {
    plan_ = {};
    plan_key_ = key;
    plan_lines_.clear();
  }
  if (const Json* steps = find(data, "steps"); whole && steps != nullptr && steps->is_array()) {
    for (const Json& step : *steps) plan_.add(step);
  }
  if (!whole) plan_.add(data);
  if (output_.note_height() > 0) return draw_plan();
  if (!whole) return;
  const auto paint = [this](Style style, std::string_view text) { return output_.paint_note(style, text); };
  output_.note(fmt::format("{}plan of {}", kIndent,
                           counted(static_cast<std::int64_t>(plan_.size()), "step", "steps")));
  for (const auto& line : plan_.lines(output_.note_width(), paint)) output_.note(std::string(kIndent) + line);
}

bool RunView::in_plan(const agent::Event& event) {
  if (plan_key_.empty() || output_.note_height() == 0) return false;
  if (event.type != "tool_call" && event.type != "tool_result") return false;
  const Json& data = *event.data;
  const std::string call = string_at(data, "call_id");
  if (call == plan_key_) {  // The plan itself, which is over with its steps.
    if (bool_at(data, "is_error")) return false;
    plan_lines_.clear();
    return true;
  }
  if (!call.starts_with(plan_key_ + "/")) return false;
  const std::string id = call.substr(plan_key_.size() + 1);
  if (!plan_.has(id)) return false;
  if (event.type == "tool_call")
    plan_.begin(id);
  else
    plan_.end(id, string_at(data, "outcome"), string_at(data, "text"),
              static_cast<std::int64_t>(number_at(data, "took_ms")));
  draw_plan();
  return true;
}

// A terminal that became narrower has broken the lines that no longer fit.
std::string RunView::above_plan() {
  const auto width = std::max<std::size_t>(1, output_.note_width());
  std::size_t rows = 0;
  for (const auto cells : plan_lines_) rows += std::max<std::size_t>(1, (cells + width - 1) / width);
  plan_lines_.clear();
  return rows == 0 ? std::string() : fmt::format("\x1b[{}A\x1b[J", rows);
}

void RunView::erase_plan() {
  if (!plan_lines_.empty()) output_.note_write(above_plan());
}

void RunView::draw_plan() {
  const auto paint = [this](Style style, std::string_view text) { return output_.paint_note(style, text); };
  const auto plain = [](Style, std::string_view text) { return std::string(text); };
  const auto width = output_.note_width();
  const auto cells = width > 2 * kIndent.size() ? width - kIndent.size() - 1 : 0;
  auto lines = plan_.lines(cells, paint), bare = plan_.lines(cells, plain);
  // Lines that have left the screen can't be drawn again: of a long tree the end is shown.
  const auto room = std::max<std::size_t>(output_.note_height(), kPlanMargin + 2) - kPlanMargin;
  std::string text = above_plan();
  if (lines.size() > room) {
    const auto hidden = lines.size() - room + 1;
    const auto above = fmt::format("… {} steps above", hidden);
    for (auto* all : {&lines, &bare})
      all->erase(all->begin(), all->begin() + static_cast<std::ptrdiff_t>(hidden));
    lines.insert(lines.begin(), paint(Style::kDim, above));
    bare.insert(bare.begin(), above);
  }
  for (std::size_t i = 0; i < lines.size(); ++i) {
    text += fmt::format("{}{}\n", kIndent, lines[i]);
    plan_lines_.push_back(kIndent.size() + display_width(bare[i]));
  }
  output_.note_write(text);
  if (plan_.over() < plan_.size())
    output_.busy(fmt::format("{} of {} steps done", plan_.over(), plan_.size()));
}

void RunView::show_text(std::string_view text) {
  text_ += text;
  // Piped, the answer alone matters, and it comes whole. A turn that must be a call has nothing to say but
  // the call, which is shown when it is complete.
  if (!output_.err_is_terminal() || must_call_) return;
  in_text_ = true;
  const auto shown = wrap_.feed(printable(text), output_.note_width());
  if (!shown.empty()) output_.note_write(shown);
}

void RunView::end_text() {
  if (in_text_) output_.note_write(wrap_.flush(output_.note_width()) + "\n");
  in_text_ = false;
}

void RunView::show_call(const Json& data) {
  output_.busy(tool_label(data));
  if (!called_.insert(string_at(data, "call_id")).second) return;  // Shown before a person was asked.
  ++calls_;
  const Json* arguments = find(data, "arguments");
  output_.note(fmt::format(
      "{}{} {} {}", kIndent, output_.paint_note(Style::kCyan, "→"), printable(tool_label(data)),
      output_.paint_note(Style::kDim, cut_to_width(arguments == nullptr ? "{}" : print_json(*arguments),
                                                   room(display_width(tool_label(data)) + 5)))));
  output_.busy(tool_label(data));
}

void RunView::show_result(const Json& data) {
  const bool is_error = bool_at(data, "is_error");
  // Calls of one step run side by side, and their results come in any order.
  const std::string whose = calls_ > 1 ? printable(tool_label(data)) + ": " : "";
  const std::string took = duration_text(static_cast<std::int64_t>(number_at(data, "took_ms")));
  output_.note(
      fmt::format("{}{} {} {}", kIndent, output_.paint_note(is_error ? Style::kRed : Style::kGreen, "←"),
                  whose + cut_to_width(string_at(data, "text"), room(whose.size() + took.size() + 5)),
                  output_.paint_note(Style::kDim, took)));
}

std::size_t RunView::room(std::size_t taken) const {
  const std::size_t width = output_.note_width();
  if (width == 0) return kFoldedCells;
  return width > taken + kFoldedCellsMin ? width - taken : kFoldedCellsMin;
}

void RunView::show_totals(const std::string& run_id, const Json& totals) {
  end_text();
  if (output_.json()) return;
  output_.note(output_.paint_note(Style::kDim, wrapped(totals_text(totals), output_.note_width())));
  output_.note(output_.paint_note(Style::kDim, fmt::format("look again: tsukai runs show {}", run_id)));
}

bool RunView::streamed(const std::string& answer) const {
  return output_.err_is_terminal() && output_.out_is_terminal() && !output_.quiet() && !output_.json() &&
         trimmed(text_) == trimmed(answer);
}

}  // namespace tsukai::cli
