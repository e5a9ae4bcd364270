#include <algorithm>
#include <nlohmann/json.hpp>

#include "agent/crash_point.h"
#include "agent/run_loop.h"

namespace tsukai::agent {

void Run::tell(const std::string& type, Json data) {
  if (!parts_.on_event) return;
  Event event{type, parts_.clock.wall_ms(), std::move(data)};
  if (staged_.empty() && !flushing_)
    parts_.on_event(event);
  else
    staged_.emplace_back(std::move(event));
}

void Run::tell_soon(const std::string& type, Json data) {
  const auto is_event = [](const Staged& each) { return std::holds_alternative<Event>(each); };
  if (flushing_ || std::any_of(staged_.begin(), staged_.end(), is_event)) return tell(type, std::move(data));
  if (parts_.on_event) parts_.on_event({type, parts_.clock.wall_ms(), std::move(data)});
}

Result<void> Run::stage(Kind kind, const std::string& key, Json payload, int attempt) {
  Row row;
  row.kind = kind;
  row.step_key = key;
  row.attempt = attempt;
  row.at_ms = parts_.clock.wall_ms();
  row.payload = std::move(payload);
  staged_.emplace_back(Entry{kind, key, attempt, row.payload});
  ++rows_staged_;
  return progress_.apply(row);
}

Result<void> Run::note(Kind kind, const std::string& key, Json payload) {
  Row row;
  row.kind = kind;
  row.step_key = key;
  row.at_ms = parts_.clock.wall_ms();
  row.payload = std::move(payload);
  return progress_.apply(row);
}

Task<void> Run::flush() {
  TSUKAI_CHECK(!flushing_, "one flush at a time");
  if (rows_staged_ == 0) co_return Result<void>();
  auto batch = std::exchange(staged_, {});
  // Shared with the writer's thread: the rows are not copied on their way there.
  const auto entries = std::make_shared<std::vector<Entry>>();
  entries->reserve(std::exchange(rows_staged_, 0));
  for (auto& each : batch) {
    if (auto* entry = std::get_if<Entry>(&each)) entries->push_back(std::move(*entry));
  }
  for (const auto& entry : *entries) crash_point("before", name(entry.kind));
  flushing_ = true;
  auto written = co_await journaled_void([run = id_, entries](Journal& journal) -> Result<void> {
    TSUKAI_TRY_VOID(journal.append_all(run, *entries));
    return {};
  });
  flushing_ = false;
  if (!written) co_return fail(std::move(written).error());
  for (const auto& entry : *entries) crash_point("after", name(entry.kind));
  for (const auto& each : batch) {
    if (const auto* event = std::get_if<Event>(&each)) parts_.on_event(*event);
  }
  // Told while the rows were on their way, with no row of its own before it.
  while (!staged_.empty() && std::holds_alternative<Event>(staged_.front())) {
    const auto event = std::get<Event>(std::move(staged_.front()));
    staged_.pop_front();
    parts_.on_event(event);
  }
  co_return Result<void>();
}

Task<void> Run::flush_unless(std::shared_ptr<const bool> answered) {
  // A cancelled run still learns whether its rows are on the disk.
  co_await asio::this_coro::throw_if_cancelled(false);
  if (*answered) co_return Result<void>();
  co_return co_await flush();
}

Task<void> Run::journaled_void(std::function<Result<void>(Journal&)> ask) {
  if (parts_.writer == nullptr) co_return ask(parts_.journal);
  co_return co_await parts_.writer->with(std::move(ask));
}

}  // namespace tsukai::agent
