#include "agent/journal_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>
#include <vector>

#include "base/clock.h"
#include "base/text.h"

namespace tsukai::agent {
namespace {

constexpr std::string_view kStyle = R"css(
:root{--ink:#1b1f24;--dim:#667085;--line:#e4e7ec;--paper:#fff;--wash:#f6f7f9;--model:#4f6bed;--tool:#12908e;--person:#c2620e;--bad:#c4320a;--reused:#a9b8f8}
@media(prefers-color-scheme:dark){:root{--ink:#e6e8eb;--dim:#98a2b3;--line:#30363d;--paper:#14171a;--wash:#1d2125;--reused:#34427f}}
*{box-sizing:border-box}body{margin:0 auto;max-width:1080px;padding:24px;font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper)}
h1{font-size:22px;margin:0 0 4px}h2{font-size:16px;margin:28px 0 8px}.dim{color:var(--dim)}.task{font-size:17px;white-space:pre-wrap;margin:12px 0}
.answer{white-space:pre-wrap;background:var(--wash);border-left:3px solid var(--model);padding:12px 16px;border-radius:4px}
.badge{display:inline-block;padding:1px 10px;border-radius:12px;font-size:13px;color:#fff;background:var(--tool)}.badge.bad{background:var(--bad)}.badge.wait{background:var(--person)}
.facts{display:grid;grid-template-columns:repeat(auto-fill,minmax(150px,1fr));gap:8px}.fact{background:var(--wash);border-radius:6px;padding:8px 12px}.fact b{display:block;font-size:18px;font-weight:600}
.row{border:1px solid var(--line);border-left:4px solid var(--line);border-radius:6px;margin:8px 0;padding:8px 14px}.row.model{border-left-color:var(--model)}.row.tool{border-left-color:var(--tool)}.row.person{border-left-color:var(--person)}.row.bad{border-left-color:var(--bad)}
.head{display:flex;gap:10px;align-items:baseline;flex-wrap:wrap}.head .kind{font-weight:600}.head .at{margin-left:auto;color:var(--dim);font-variant-numeric:tabular-nums}
pre{white-space:pre-wrap;overflow-wrap:anywhere;background:var(--wash);border-radius:4px;padding:8px 10px;margin:6px 0;font:13px/1.45 ui-monospace,monospace}
details summary{cursor:pointer;color:var(--dim);font-size:13px}.bar{display:flex;height:8px;border-radius:4px;overflow:hidden;background:var(--wash);margin:6px 0}
.bar i{display:block}.reused{background:var(--reused)}.new{background:var(--model)}.out{background:var(--tool)}
svg{width:100%;height:auto;background:var(--wash);border-radius:6px}svg text{font:11px system-ui,sans-serif;fill:var(--ink)}.seal{font:12px ui-monospace,monospace;color:var(--dim);overflow-wrap:anywhere}
)css";

std::string escaped(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        // Controls other than white space are no HTML characters.
        if (static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t' && c != '\r')
          out += "\xef\xbf\xbd";
        else
          out += c;
    }
  }
  return out;
}

std::string duration(double ms) {
  if (ms < 1000) return fmt::format("{:.0f} ms", ms);
  if (ms < 120'000) return fmt::format("{:.1f} s", ms / 1000);
  return fmt::format("{:.0f} min {:.0f} s", std::floor(ms / 60'000), std::fmod(ms, 60'000) / 1000);
}

std::string pre(std::string_view text) {
  return text.empty() ? std::string() : "<pre>" + escaped(text) + "</pre>";
}
std::string folded(std::string_view title, const std::string& inner) {
  return fmt::format("<details><summary>{}</summary>{}</details>", escaped(title), inner);
}

// One journal row as exported.
struct Shown {
  explicit Shown(const Json& row)
      : seq(integer_at(row, "seq")),
        kind(string_at(row, "kind")),
        step(string_at(row, "step_key")),
        at_ms(integer_at(row, "at_ms")),
        attempt(integer_at(row, "attempt", 1)),
        hash(string_at(row, "hash")),
        erased(bool_at(row, "erased")) {
    const Json* body = find(row, "body");
    const Json* found = body == nullptr ? nullptr : find(*body, "data");
    if (found != nullptr) data = *found;
  }
  std::int64_t seq;
  std::string kind, step;
  std::int64_t at_ms, attempt;
  std::string hash;
  bool erased;
  Json data;
};

std::string_view lane_of(const std::string& kind) {
  if (kind.starts_with("MODEL") || kind.starts_with("SAMPLING")) return "model";
  if (kind == "TOOL_UNKNOWN" || kind == "CANCELLED") return "bad";
  if (kind.starts_with("TOOL") || kind.starts_with("CHILD")) return "tool";
  if (kind.starts_with("APPROVAL") || kind == "SIGNAL") return "person";
  return "";
}

// Prompt tokens found in the cache, computed, and generated, to scale.
std::string token_bar(const Json& usage) {
  const double reused = number_at(usage, "reused_tokens"), fresh = number_at(usage, "prefilled_tokens"),
               made = number_at(usage, "generated_tokens");
  const double all = reused + fresh + made;
  if (all <= 0) return {};
  return fmt::format(
      "<div class=bar><i class=reused style=\"width:{:.2f}%\"></i><i class=new "
      "style=\"width:{:.2f}%\"></i><i class=out "
      "style=\"width:{:.2f}%\"></i></div><div class=dim>{:.0f} reused · {:.0f} prefilled · {:.0f} generated "
      "tokens</div>",
      100 * reused / all, 100 * fresh / all, 100 * made / all, reused, fresh, made);
}

std::string calls(const Json& list) {
  std::string out;
  if (!list.is_array()) return out;
  for (const auto& call : list) {
    const Json* arguments = find(call, "arguments");
    out += pre(string_at(call, "name") + " " + (arguments == nullptr ? "" : print_json(*arguments)));
  }
  return out;
}

// What a person wants to see of a row; all else is folded below it.
std::string body_of(const Shown& row) {
  const Json& data = row.data;
  if (row.erased) return "<div class=dim>erased</div>";
  std::string out;
  if (row.kind == "MODEL_INTENT" || row.kind == "SAMPLING_INTENT") {
    out = folded("what the prompt adds", pre(string_at(data, "text")));
  } else if (row.kind == "MODEL_RESULT" || row.kind == "SAMPLING_RESULT") {
    const Json* message = find(data, "message");
    if (message != nullptr) {
      if (const std::string thought = string_at(*message, "reasoning"); !thought.empty())
        out += folded("reasoning", pre(thought));
      out += pre(string_at(*message, "text"));
      if (const Json* list = find(*message, "calls")) out += calls(*list);
    } else {
      out += pre(string_at(data, "text"));
    }
    if (const Json* usage = find(data, "usage")) out += token_bar(*usage);
  } else if (row.kind == "TOOL_INTENT" || row.kind == "APPROVAL_ASKED") {
    std::string name = string_at(data, "tool", string_at(data, "name"));
    const Json* arguments = find(data, "arguments");
    out = pre(name + " " + (arguments == nullptr ? "" : print_json(*arguments)));
  } else if (row.kind == "CHILD_STARTED") {
    const std::string run = string_at(data, "run");
    const Json* arguments = find(data, "arguments");
    out = fmt::format("<div class=dim>agent {0}, <a href=\"#run-{1}\">run {1}</a></div>{2}",
                      escaped(string_at(data, "agent")), escaped(run),
                      pre(arguments == nullptr ? "" : string_at(*arguments, "task")));
  } else if (row.kind == "TOOL_RESULT" || row.kind == "CHILD_DONE") {
    out = pre(string_at(data, "observation", string_at(data, "text")));
  }
  if (!data.empty()) out += folded("all of it", pre(print_json_pretty(data)));
  return out;
}

struct Span {
  std::string label;
  std::string_view lane;
  std::int64_t from_ms, to_ms;
};

// From intent to result, by step key.
std::vector<Span> spans_of(const std::vector<Shown>& rows) {
  std::map<std::string, const Shown*> begun;
  std::vector<Span> spans;
  for (const Shown& row : rows) {
    if (row.kind == "MODEL_INTENT" || row.kind == "TOOL_INTENT" || row.kind == "APPROVAL_ASKED" ||
        row.kind == "CHILD_STARTED" || row.kind == "SAMPLING_INTENT")
      begun[row.step] = &row;
    if (row.kind != "MODEL_RESULT" && row.kind != "TOOL_RESULT" && row.kind != "APPROVAL_GIVEN" &&
        row.kind != "CHILD_DONE" && row.kind != "SAMPLING_RESULT")
      continue;
    const auto from = begun.find(row.step);
    if (from == begun.end()) continue;
    const std::string tool = string_at(from->second->data, "tool", string_at(from->second->data, "name"));
    spans.push_back({tool.empty() ? row.step : tool, lane_of(row.kind), from->second->at_ms, row.at_ms});
    if (row.kind != "APPROVAL_GIVEN") begun.erase(from);
  }
  return spans;
}

std::string timeline(const std::vector<Shown>& rows) {
  const auto spans = spans_of(rows);
  if (spans.empty()) return {};
  const std::int64_t from = rows.front().at_ms, to = std::max(rows.back().at_ms, from + 1);
  constexpr int kWidth = 1000, kLane = 22;
  const double scale = static_cast<double>(kWidth) / static_cast<double>(to - from);
  // The first lane that is free when a span begins.
  std::vector<std::int64_t> free_at;
  std::string bars;
  for (const Span& span : spans) {
    std::size_t lane = 0;
    while (lane < free_at.size() && free_at[lane] > span.from_ms) ++lane;
    if (lane == free_at.size()) free_at.push_back(0);
    free_at[lane] = span.to_ms;
    const double x = static_cast<double>(span.from_ms - from) * scale;
    const double width = std::max(2.0, static_cast<double>(span.to_ms - span.from_ms) * scale);
    const int y = static_cast<int>(lane) * kLane + 4;
    const std::string colour = fmt::format("var(--{})", span.lane.empty() ? "dim" : span.lane);
    const std::string title =
        fmt::format("{}, {}", span.label, duration(static_cast<double>(span.to_ms - span.from_ms)));
    bars += fmt::format(
        "<g><title>{}</title><rect x=\"{:.1f}\" y=\"{}\" width=\"{:.1f}\" height=\"{}\" rx=\"2\" "
        "fill=\"{}\"/>",
        escaped(title), x, y, width, kLane - 6, colour);
    // A label that fits beside or within its bar.
    if (width > 7.0 * static_cast<double>(span.label.size())) {
      bars += fmt::format("<text x=\"{:.1f}\" y=\"{}\" style=\"fill:#fff\">{}</text>", x + 4, y + 12,
                          escaped(span.label));
    }
    bars += "</g>";
  }
  const int height = static_cast<int>(free_at.size()) * kLane + 22;
  return fmt::format(
      "<h2>Timeline</h2><svg viewBox=\"0 0 {0} {1}\" role=\"img\" aria-label=\"timeline\">{2}<text x=\"4\" "
      "y=\"{3}\">0</text><text x=\"{4}\" "
      "y=\"{3}\" text-anchor=\"end\">{5}</text></svg>",
      kWidth, height, bars, height - 6, kWidth - 4, duration(static_cast<double>(to - from)));
}

std::string fact(std::string_view label, const std::string& value) {
  return fmt::format("<div class=fact><b>{}</b><span class=dim>{}</span></div>", escaped(value),
                     escaped(label));
}

std::string facts(const Json& run, const std::vector<Shown>& rows) {
  const Json* totals = find(run, "totals");
  std::string out = "<div class=facts>";
  if (!rows.empty())
    out += fact("wall time", duration(static_cast<double>(rows.back().at_ms - rows.front().at_ms)));
  static constexpr std::pair<const char*, const char*> kShown[] = {{"model_calls", "model calls"},
                                                                   {"tool_calls", "tool calls"},
                                                                   {"prefilled_tokens", "tokens prefilled"},
                                                                   {"reused_tokens", "tokens reused"},
                                                                   {"generated_tokens", "tokens generated"}};
  if (totals != nullptr) {
    for (const auto& [key, label] : kShown) {
      if (find(*totals, key) != nullptr) out += fact(label, std::to_string(integer_at(*totals, key)));
    }
    if (find(*totals, "prefix_hit_ratio") != nullptr)
      out += fact("prefix hit ratio", fmt::format("{:.3f}", number_at(*totals, "prefix_hit_ratio")));
  }
  return out + "</div>";
}

std::string row_html(const Shown& row, std::int64_t start_ms, const std::string& run) {
  return fmt::format(
      "<div class=\"row {}\" id=\"{}row-{}\"><div class=head><span class=dim>{}</span><span "
      "class=kind>{}</span><span class=dim>{}{}</span>"
      "<span class=at>+{}</span></div>{}</div>\n",
      lane_of(row.kind), run.empty() ? "" : escaped(run) + "-", row.seq, row.seq, escaped(row.kind),
      escaped(row.step), row.attempt > 1 ? fmt::format(" attempt {}", row.attempt) : "",
      duration(static_cast<double>(row.at_ms - start_ms)), body_of(row));
}

const Json& member(const Json& value, std::string_view key) {
  static const Json nothing = Json::object();
  const Json* found = find(value, key);
  return found == nullptr ? nothing : *found;
}

std::vector<Shown> rows_of(const Json& exported) {
  std::vector<Shown> rows;
  if (const Json& list = member(exported, "rows"); list.is_array()) {
    for (const auto& row : list) rows.emplace_back(row);
  }
  return rows;
}

// The run of another agent that this one gave a task to, folded.
std::string child_html(const Json& child) {
  const Json& exported = member(child, "export");
  const Json& run = member(exported, "run");
  const auto rows = rows_of(exported);
  const std::string id = string_at(run, "id");
  std::string inner = fmt::format("<div class=task>{}</div>", escaped(string_at(run, "task")));
  if (const std::string answer = string_at(run, "answer"); !answer.empty())
    inner += fmt::format("<div class=answer>{}</div>", escaped(answer));
  inner += facts(run, rows) + timeline(rows);
  for (const Shown& row : rows) inner += row_html(row, rows.front().at_ms, id);
  inner += fmt::format("<p class=seal>head {}</p>", escaped(string_at(run, "head")));
  return fmt::format(
      "<div class=row id=\"run-{0}\">{1}</div>\n", escaped(id),
      folded(fmt::format("{} · {} · run {} · {} of {}", string_at(run, "agent"), string_at(run, "state"), id,
                         string_at(child, "step_key"), string_at(child, "parent")),
             inner));
}

std::string children_html(const Json& exported) {
  const Json& list = member(exported, "children");
  if (!list.is_array() || list.empty()) return {};
  std::string out = "<h2>Other agents</h2>\n";
  for (const auto& child : list) out += child_html(child);
  return out;
}

}  // namespace

std::string run_page(const Json& exported) {
  const Json& run = member(exported, "run");
  const auto rows = rows_of(exported);
  const std::string state = string_at(run, "state");
  const std::string_view mood = state == "done"                            ? ""
                                : state == "waiting" || state == "running" ? " wait"
                                                                           : " bad";
  std::string page = fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
      "content=\"width=device-width, initial-scale=1\">"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
      "'unsafe-inline'\">"
      "<title>{0}: {1}</title><style>{2}</style></head><body>\n",
      escaped(string_at(run, "agent")), escaped(shortened(string_at(run, "task"), 60)), kStyle);
  page += fmt::format("<h1>{} <span class=\"badge{}\">{}</span></h1><div class=dim>run {} · {} · {}</div>\n",
                      escaped(string_at(run, "agent")), mood, escaped(state), escaped(string_at(run, "id")),
                      escaped(string_at(run, "user")), iso_time(integer_at(run, "started_ms")));
  page += fmt::format("<div class=task>{}</div>\n", escaped(string_at(run, "task")));
  if (const std::string answer = string_at(run, "answer"); !answer.empty())
    page += fmt::format("<div class=answer>{}</div>\n", escaped(answer));
  page += "<h2>Totals</h2>" + facts(run, rows) + "\n" + timeline(rows) + "\n<h2>Steps</h2>\n";
  for (const Shown& row : rows) page += row_html(row, rows.front().at_ms, {});
  page += children_html(exported);
  const Json* defects = find(exported, "defects");
  page += "<h2>Proof</h2>\n";
  if (defects != nullptr && defects->is_array() && defects->empty()) {
    page += fmt::format("<p>The chain of {} rows is intact.</p>", rows.size());
  } else if (defects != nullptr && defects->is_array()) {
    page += "<p>The chain is damaged:</p><ul>";
    for (const auto& defect : *defects)
      page += "<li>" + escaped(defect.is_string() ? defect.get<std::string>() : print_json(defect)) + "</li>";
    page += "</ul>";
  }
  page += fmt::format("<p class=seal>head {}</p>\n</body></html>\n", escaped(string_at(run, "head")));
  return page;
}

}  // namespace tsukai::agent
