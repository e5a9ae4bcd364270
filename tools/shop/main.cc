// tsukai-shop: an MCP server that is a shop.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "tools/shop/ledger.h"
#include "tools/shop/tools.h"

using namespace tsukai;
using namespace tsukai::shop;

namespace {

int complain(const Error& error, Exit code) {
  fmt::print(stderr, "tsukai-shop: {}\n", error.text());
  return static_cast<int>(code);
}

// $XDG_DATA_HOME/tsukai/shop.db, else ~/.local/share/tsukai/shop.db.
Result<std::string> default_data() {
  const auto variable = [](const char* name) {
    const char* value = std::getenv(name);
    return std::filesystem::path(value != nullptr ? value : "");
  };
  std::filesystem::path folder = variable("XDG_DATA_HOME");
  if (folder.empty() && !variable("HOME").empty()) folder = variable("HOME") / ".local" / "share";
  if (folder.empty()) {
    return fail(Code::kNotFound,
                "neither $XDG_DATA_HOME nor $HOME is set, so there is no folder for the shop",
                "give --data FILE");
  }
  std::error_code error;
  std::filesystem::create_directories(folder / "tsukai", error);
  if (error) {
    return fail(Code::kDenied, fmt::format("create {}: {}", (folder / "tsukai").string(), error.message()),
                "give --data FILE");
  }
  return (folder / "tsukai" / "shop.db").string();
}

int serve(const std::string& path, const ShopOptions& options, const mcp::ServerProgram& program) {
  auto shop = Shop::open(path, options, system_clock());
  if (!shop) return complain(shop.error(), Exit::kComponent);
  auto server = mcp::Server::make(
      {.implementation = {"tsukai-shop", "tsukai shop", TSUKAI_VERSION},
       .instructions =
           "A shop in Lanwan. Search, add to the cart, check out, pay. Amounts are integers in minor "
           "units: 2600 is 26.00 CNY. Payments are simulated."});
  add_tools(*server, *shop, program.misbehaviour);
  return program.serve(*server);
}

int ledger(const std::string& path, bool json, bool check, bool entries) {
  auto database = Database::open(path, {.read_only = true});
  if (!database) return complain(database.error(), Exit::kComponent);
  auto tables = database->prepare("SELECT 1 FROM sqlite_schema WHERE name='ledger'");
  if (!tables) return complain(tables.error(), Exit::kComponent);
  if (!tables->step().value_or(false)) {
    return complain(Error(Code::kInvalidArgument, fmt::format("{} is not the file of a shop", path),
                          "choose another with --data, or start tsukai-shop on it first"),
                    Exit::kComponent);
  }
  const auto sums = sum_ledger(*database);
  if (!sums) return complain(Error(sums.error()).in(path), Exit::kComponent);
  std::vector<std::string> problems;
  if (check) {
    auto found = check_ledger(*database);
    if (!found) return complain(found.error(), Exit::kComponent);
    problems = std::move(*found);
  }
  std::vector<JsonValue> listed;
  constexpr std::size_t kEntriesMax = 1'000'000;
  if (entries) {
    auto found = ledger_entries(*database, 0, kEntriesMax);
    if (!found) return complain(found.error(), Exit::kComponent);
    listed = std::move(*found);
  }
  if (json) {
    Json out = *to_json(*sums);
    if (check) out["problems"] = problems;
    if (entries) {
      out["ledger"] = Json::array();
      for (const JsonValue& entry : listed) out["ledger"].push_back(*entry);
    }
    fmt::print("{}\n", print_json(out));
  } else {
    for (const JsonValue& entry : listed) fmt::print("{}\n", entry.print());
    for (const auto& [tool, count] : sums->calls) fmt::print("{:<18} {:>8}\n", tool, count);
    fmt::print(
        "{} entries; pieces: {} in stock, {} reserved, {} sold of {}; taken {}, given back {}, kept {}\n",
        sums->entries, sums->stock, sums->reserved, sums->sold, sums->initial, money(sums->charged),
        money(sums->refunded), money(sums->kept));
    if (check && problems.empty()) fmt::print("every invariant holds\n");
  }
  for (const std::string& problem : problems) fmt::print(stderr, "tsukai-shop: {}\n", problem);
  return static_cast<int>(problems.empty() ? Exit::kDone : Exit::kTaskFailed);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app(
      "tsukai-shop: an MCP server that is a shop, over standard input and output or HTTP. Payments are "
      "simulated.");
  app.footer(
      "Every write takes an idempotency key and is done once for it; the ledger counts what was done.\n\n"
      "Examples:\n"
      "  tsukai mcp call search_products query=\"coffee beans\" -- tsukai-shop\n"
      "  tsukai-shop --data shop.db --http 127.0.0.1:8931 --key secret\n"
      "  tsukai-shop ledger --data shop.db --check --json\n"
      "In .mcp.json: {\"mcpServers\": {\"shop\": {\"command\": \"tsukai-shop\"}}}\n\n"
      "Exit codes: 0 done, 1 an invariant is broken (ledger --check), 2 wrong arguments, 3 the file is "
      "missing or "
      "broken.");
  app.set_version_flag("--version", std::string("tsukai-shop ") + TSUKAI_VERSION);
  std::string data;
  ShopOptions options;
  app.add_option("--data", data,
                 "The shop's file, made when it is not there (default $XDG_DATA_HOME/tsukai/shop.db or "
                 "~/.local/share/tsukai/shop.db)")
      ->type_name("FILE");
  app.add_option("--seed", options.seed, "Which catalogue a new file gets, and which calls fail")
      ->type_name("N");
  mcp::ServerProgram program{.name = "tsukai-shop", .port = 8931};
  program.add_options(app);
  app.add_option(
         "--language", options.language,
         "Language of names in answers: en, zh or ja; questions in Chinese or Japanese are answered in kind")
      ->transform(CLI::CheckedTransformer(std::map<std::string, Language>{
          {"en", Language::kEnglish}, {"zh", Language::kChinese}, {"ja", Language::kJapanese}}))
      ->option_text("LANGUAGE");
  bool fast = false;
  app.add_flag("--fast", fast,
               "Do not wait for the disk: a power cut may lose the last writes, though never half of one");
  CLI::App* ledger_command = app.add_subcommand("ledger", "Tell what was done: calls, goods, money");
  bool json = false, check = false, entries = false;
  ledger_command->add_option("--data", data, "The shop's file")->type_name("FILE");
  ledger_command->add_flag("--json", json, "As JSON");
  ledger_command->add_flag("--check", check, "Verify every invariant; exit code 1 when one is broken");
  ledger_command->add_flag("--entries", entries, "List every entry");
  app.require_subcommand(0, 1);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    return code == 0 ? 0 : static_cast<int>(Exit::kUsage);
  }
  if (auto right = program.check(); !right) return complain(right.error(), Exit::kUsage);
  if (data.empty()) {
    auto path = default_data();
    if (!path) return complain(path.error(), Exit::kComponent);
    data = *path;
  }
  if (ledger_command->parsed()) return ledger(data, json, check, entries);
  options.every_write_durable = !fast;
  program.misbehaviour.seed = options.seed;
  return serve(data, options, program);
}
