// A journal with its database and clock, for tests.
#pragma once

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "agent/journal.h"
#include "support/fake_clock.h"

namespace tsukai::agent {

struct JournalStore {
  explicit JournalStore(const std::string& path = ":memory:", DatabaseOptions options = {})
      : database(std::move(*Database::open(path, options))) {
    auto opened = Journal::open(database, clock);
    REQUIRE_MESSAGE(opened.has_value(), (opened ? "" : opened.error().text()));
    journal = std::move(*opened);
  }
  std::string start(const std::string& task = "task") {
    auto id = journal->start_run("day-out", task, "mika", Json{{"seed", 7}});
    REQUIRE_MESSAGE(id.has_value(), (id ? "" : id.error().text()));
    return *id;
  }
  void append(const std::string& run, Kind kind, const std::string& step, const Json& payload) {
    clock.advance(10);
    auto row = journal->append(run, kind, step, 1, payload);
    REQUIRE_MESSAGE(row.has_value(), (row ? "" : row.error().text()));
  }
  void finish(const std::string& run, RunState state = RunState::kDone,
              const std::string& answer = "forty-two") {
    auto done = journal->finish_run(run, state, answer, Json{{"totals", {{"steps", 1}}}});
    REQUIRE_MESSAGE(done.has_value(), (done ? "" : done.error().text()));
  }
  // A question, one tool call, its result and, when `end`, the answer: five rows.
  std::string short_run(bool end = true) {
    const std::string run = start("what is six by seven?");
    append(run, Kind::kModelIntent, "step-1", {{"new_text", "what is six by seven?"}});
    append(run, Kind::kToolIntent, "step-1/call-1",
           {{"tool", "calculator"}, {"arguments", {{"a", 6}, {"b", 7}}}});
    append(run, Kind::kToolResult, "step-1/call-1", {{"text", "42"}});
    if (end) finish(run);
    return run;
  }
  std::vector<std::string> defects(const std::string& run) {
    auto found = journal->verify(run);
    return found ? *found : std::vector<std::string>{found.error().text()};
  }
  std::vector<Kind> kinds(const std::string& run) {
    std::vector<Kind> out;
    const auto rows = journal->rows(run).value();
    for (const auto& row : rows) out.push_back(row.kind);
    return out;
  }
  void execute(const std::string& sql) {
    auto done = database.execute(sql);
    REQUIRE_MESSAGE(done.has_value(), (sql + ": " + (done ? "" : done.error().text())));
  }
  std::vector<std::vector<std::string>> query(const std::string& sql, int columns) {
    auto statement = database.prepare(sql);
    REQUIRE_MESSAGE(statement.has_value(), sql);
    std::vector<std::vector<std::string>> rows;
    while (statement->step().value()) {
      rows.emplace_back();
      for (int c = 0; c < columns; ++c) rows.back().push_back(statement->text(c));
    }
    return rows;
  }
  FakeClock clock;
  Database database;
  std::unique_ptr<Journal> journal;
};

}  // namespace tsukai::agent
