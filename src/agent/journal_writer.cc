#include "agent/journal_writer.h"

#include <nlohmann/json.hpp>
#include <optional>

namespace tsukai::agent {
namespace {

// Runs `ask` on the writer's thread and brings its value back.
template <typename T>
Task<T> on_writer(Writer& writer, std::shared_ptr<Journal> journal, std::function<Result<T>(Journal&)> ask) {
  // Shared: the work may outlive this coroutine when its event loop is torn down.
  auto value = std::make_shared<std::optional<T>>();
  auto done = co_await writer.write([value, journal, ask = std::move(ask)](Database&) -> Result<void> {
    TSUKAI_TRY(*value, ask(*journal));
    return {};
  });
  if (!done) co_return fail(std::move(done).error());
  co_return std::move(**value);
}

}  // namespace

Result<std::unique_ptr<JournalWriter>> JournalWriter::open(Writer& writer, const Clock& clock) {
  std::unique_ptr<JournalWriter> self(new JournalWriter(writer));
  TSUKAI_TRY_VOID(writer.write_and_wait([&](Database& database) -> Result<void> {
    TSUKAI_TRY(self->journal_, Journal::open(database, clock));
    return {};
  }));
  return self;
}

Task<std::string> JournalWriter::start_run(std::string agent, std::string task, std::string user,
                                           JsonValue payload) {
  std::function<Result<std::string>(Journal&)> ask = [=](Journal& journal) {
    return journal.start_run(agent, task, user, *payload);
  };
  co_return co_await on_writer<std::string>(writer_, journal_, std::move(ask));
}

Task<Row> JournalWriter::append(std::string run, Kind kind, std::string step_key, int attempt,
                                JsonValue payload) {
  std::vector<Entry> entries;
  entries.push_back({kind, std::move(step_key), attempt, std::move(payload)});
  auto rows = co_await append_all(std::move(run), std::move(entries));
  if (!rows) co_return fail(std::move(rows).error());
  co_return std::move(rows->front());
}

Task<std::vector<Row>> JournalWriter::append_all(std::string run, std::vector<Entry> entries) {
  std::function<Result<std::vector<Row>>(Journal&)> ask = [=](Journal& journal) {
    return journal.append_all(run, entries);
  };
  co_return co_await on_writer<std::vector<Row>>(writer_, journal_, std::move(ask));
}

Task<void> JournalWriter::finish_run(std::string run, RunState state, std::string answer, JsonValue payload) {
  co_return co_await with([=](Journal& journal) { return journal.finish_run(run, state, answer, *payload); });
}

Task<void> JournalWriter::with(std::function<Result<void>(Journal&)> body) {
  auto journal = journal_;
  co_return co_await writer_.write([journal, body = std::move(body)](Database&) { return body(*journal); });
}

}  // namespace tsukai::agent
