#include "agent/journal_page.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>

#include "agent/journal_store.h"
#include "support/text.h"

using namespace tsukai;
using namespace tsukai::agent;

namespace {

// A run with two model calls, parallel tools and an approval.
std::string full_run(JournalStore& store) {
  const std::string run = store.start("Find coffee near the <b>old gate</b> & order beans");
  auto model = [&](const char* step, const char* text, Json calls, int reused, int fresh) {
    store.append(run, Kind::kModelIntent, step, {{"text", "<|im_start|>user\n…"}});
    store.clock.advance(900);
    store.append(
        run, Kind::kModelResult, step,
        {{"message",
          {{"text", text}, {"calls", std::move(calls)}, {"reasoning", "I should look at the map."}}},
         {"usage", {{"reused_tokens", reused}, {"prefilled_tokens", fresh}, {"generated_tokens", 40}}}});
  };
  model("step-1", "", {{{"name", "maps__maps_around_search"}, {"arguments", {{"keywords", "coffee"}}}}}, 0,
        420);
  for (const char* call : {"step-1/call-1", "step-1/call-2"}) {
    store.append(run, Kind::kToolIntent, call,
                 {{"tool", "maps.maps_around_search"},
                  {"arguments", {{"keywords", "coffee"}, {"location", "120.1,30.2"}}}});
  }
  store.clock.advance(300);
  for (const char* call : {"step-1/call-1", "step-1/call-2"})
    store.append(run, Kind::kToolResult, call,
                 {{"observation", "Café Lune, 200 m\nOld Gate Roasters, 350 m"}});
  model("step-2", "", {{{"name", "shop__pay"}, {"arguments", {{"amount", 60}}}}}, 460, 80);
  REQUIRE(store.journal->ask_approval(run, "step-2/call-1", "shop.pay", Json{{"amount", 60}}, "ask: shop.pay")
              .has_value());
  REQUIRE(store.journal->give_approval(run, "step-2/call-1", true, "mika", "").has_value());
  store.clock.advance(700);
  REQUIRE(store.journal->use_approval(run, "step-2/call-1", "shop.pay", Json{{"amount", 60}})->has_value());
  store.append(run, Kind::kToolIntent, "step-2/call-1",
               {{"tool", "shop.pay"}, {"arguments", {{"amount", 60}}}});
  store.clock.advance(120);
  store.append(run, Kind::kToolResult, "step-2/call-1", {{"observation", "paid"}});
  model("step-3", "Café Lune is 200 m away; the beans are ordered.", Json::array(), 560, 30);
  const Json totals = {{"model_calls", 3},      {"tool_calls", 3},         {"prefilled_tokens", 530},
                       {"reused_tokens", 1020}, {"generated_tokens", 120}, {"prefix_hit_ratio", 1.0}};
  REQUIRE(store.journal
              ->finish_run(run, RunState::kDone, "Café Lune is 200 m away; the beans are ordered.",
                           Json{{"totals", totals}})
              .has_value());
  return run;
}

}  // namespace

TEST_SUITE("agent/journal/page") {
  TEST_CASE("the page shows task, answer, totals, timeline, every row and the proof") {
    JournalStore store;
    const std::string run = full_run(store);
    const std::string page = run_page(store.journal->export_run(run).value());
    const auto rows = store.journal->rows(run).value();
    for (const auto& row : rows) CHECK(contains(page, "id=\"row-" + std::to_string(row.seq) + "\""));
    for (const char* part : {"the beans are ordered", "prefix hit ratio", "<svg", "maps.maps_around_search, ",
                             "460 reused · 80 prefilled · 40 generated", "I should look at the map.",
                             "old gate", "is intact", "Café Lune, 200 m"}) {
      CHECK_MESSAGE(contains(page, part), part);
    }
    // For a person (or a browser) to look at.
    if (const char* path = std::getenv("TSUKAI_TEST_PAGE")) std::ofstream(path) << page;
  }

  TEST_CASE("nothing that a run holds becomes markup, and the page asks for nothing from elsewhere") {
    JournalStore store;
    const std::string evil = "</pre><script>alert(1)</script><img src=x onerror='y'>\"";
    const std::string run = store.journal->start_run(evil, evil, evil, Json{{evil, evil}}).value();
    store.append(run, Kind::kToolIntent, evil, {{"tool", evil}, {"arguments", {{evil, evil}}}});
    store.append(run, Kind::kToolResult, evil, {{"observation", evil}});
    store.finish(run, RunState::kFailed, evil);
    const std::string page = run_page(store.journal->export_run(run).value());
    CHECK_FALSE(contains(page, "<script"));
    CHECK_FALSE(contains(page, "<img"));
    CHECK_FALSE(contains(page, "onerror='"));
    CHECK_FALSE(contains(page, "http://"));
    CHECK_FALSE(contains(page, "https://"));
    CHECK(contains(page, "default-src 'none'"));
  }

  TEST_CASE("erased, damaged, unfinished and nonsensical exports still make a page") {
    JournalStore store;
    const std::string run = store.short_run(), open = store.short_run(false);
    CHECK(contains(run_page(store.journal->export_run(open).value()), "running"));
    store.execute(
        "UPDATE entry SET attempt=9 WHERE id=(SELECT entry_id FROM journal WHERE seq=2 AND run_id='" + open +
        "')");
    CHECK(contains(run_page(store.journal->export_run(open).value()), "The chain is damaged"));
    REQUIRE(store.journal->erase(run, "mika", "").has_value());
    CHECK(contains(run_page(store.journal->export_run(run).value()), "erased"));
    CHECK(contains(run_page({}), "</html>"));
    CHECK(contains(
        run_page(Json{{"run", 3}, {"rows", {1, "x", {{"seq", "y"}, {"body", 7}}}}, {"defects", {1}}}),
        "</html>"));
  }
}
