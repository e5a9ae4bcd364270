#include "agent/tool_pins.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <nlohmann/json.hpp>

#include "base/hash.h"
#include "base/text.h"

namespace tsukai::agent {
namespace {

constexpr std::size_t kDifferencesMax = 20;
constexpr std::size_t kValueBytesShown = 200;

std::vector<std::string> migrations() {
  return {R"(
CREATE TABLE tool_pin(
  server TEXT NOT NULL,
  origin TEXT NOT NULL,      -- sha256 of the command line or the URL
  tool TEXT NOT NULL,
  shown TEXT NOT NULL,       -- the command or URL, without what may be secret
  version TEXT NOT NULL,     -- as the server says
  program TEXT NOT NULL,     -- sha256 over size and time of the program's files; '' over HTTP
  sha256 TEXT NOT NULL,      -- of the pinned definition
  definition TEXT NOT NULL,  -- '' : too long
  pinned_ms INTEGER NOT NULL,
  offered TEXT,              -- a definition that nobody has accepted; '' : too long
  offered_sha256 TEXT,
  offered_ms INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (server, origin, tool)
) STRICT;)"};
}

// At most so many bytes, whole characters, from `from` on.
std::string shown(const Json& value, std::size_t from = 0) {
  const auto text = print_json(value);
  const auto inside = [&](std::size_t at) {
    return at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80;
  };
  while (from > 0 && inside(from)) --from;
  std::size_t end = std::min(text.size(), from + kValueBytesShown);
  while (end > from && inside(end)) --end;
  return (from > 0 ? "..." : "") + text.substr(from, end - from) + (end < text.size() ? "..." : "");
}

// Where a change in two long texts begins to be worth showing.
std::size_t change_begins(const Json& before, const Json& now) {
  const auto a = print_json(before), b = print_json(now);
  const auto same = std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin();
  const auto at = static_cast<std::size_t>(same);
  return at < kValueBytesShown / 2 ? 0 : at - kValueBytesShown / 4;
}

void differ(const std::string& path, const Json& before, const Json& now, std::vector<std::string>& out) {
  if (before == now || out.size() > kDifferencesMax) return;
  if (!before.is_object() || !now.is_object()) {
    const auto from = change_begins(before, now);
    out.push_back(fmt::format("{}: {} -> {}", path, shown(before, from), shown(now, from)));
    return;
  }
  const auto below = [&](const std::string& key) { return path.empty() ? key : path + "." + key; };
  for (const auto& [key, value] : before.items()) {
    const auto* other = find(now, key);
    if (other != nullptr)
      differ(below(key), value, *other, out);
    else
      out.push_back(fmt::format("{}: {} is gone", below(key), shown(value)));
  }
  for (const auto& [key, value] : now.items()) {
    if (!before.contains(key)) out.push_back(fmt::format("{}: {} is new", below(key), shown(value)));
  }
}

// The file that a word of a command line names; "" when it names none.
std::string file_named(const std::string& word, bool is_command) {
  struct stat status{};
  const auto is_file = [&](const std::string& path) {
    return stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode);
  };
  if (!is_command || word.find('/') != std::string::npos) return is_file(word) ? word : std::string();
  const char* path = std::getenv("PATH");
  std::string folders = path == nullptr ? "" : path;
  for (std::size_t at = 0; at <= folders.size();) {
    const auto colon = std::min(folders.find(':', at), folders.size());
    const auto candidate = folders.substr(at, colon - at) + "/" + word;
    if (colon > at && is_file(candidate)) return candidate;
    at = colon + 1;
  }
  return {};
}

// Changes whenever one of the program's files that its command line names is another one.
std::string program_digest(const mcp::ServerConfig& config) {
  if (config.command.empty()) return {};
  std::string text;
  const auto add = [&](const std::string& path) {
    struct stat status{};
    if (path.empty() || stat(path.c_str(), &status) != 0) return;
    text +=
        fmt::format("{}\n{} {}.{:09}\n", path, status.st_size, status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
  };
  add(file_named(config.command, true));
  for (const auto& word : config.args) add(file_named(word, false));
  return sha256_hex(text);
}

std::string origin_of(const mcp::ServerConfig& config) {
  Json parts = Json::array({config.command, config.url});
  for (const auto& word : config.args) parts.push_back(word);
  return sha256_hex(print_json(parts));
}

std::string shown_origin(const mcp::ServerConfig& config) {
  return config.command.empty() ? config.url.substr(0, config.url.find('?')) : config.command;
}

std::string kept(const Json& definition) {
  auto text = print_json(definition);
  return text.size() > ToolPins::kDefinitionBytesMax ? std::string() : text;
}

JsonValue definition_from(const std::string& text) {
  auto value = parse_json(text);
  return value ? JsonValue(*std::move(value)) : JsonValue();
}

class SqlitePins : public ToolPins {
 public:
  SqlitePins(Database& database, const Clock& clock) : database_(database), clock_(clock) {}

  Result<std::vector<ToolChange>> check(const mcp::ServerConfig& config, const std::string& version,
                                        const std::vector<mcp::Tool>& tools) override {
    const Key key{config.name, origin_of(config)};
    TSUKAI_TRY(const auto known, known_pins(key));
    const auto program = program_digest(config);
    std::vector<ToolChange> changes;
    std::vector<Write> writes;
    for (const auto& tool : tools) {
      const auto now = pinned_part(tool);
      const auto sha256 = sha256_hex(print_json(now));
      const auto found = known.find(tool.name);
      if (found == known.end()) {
        writes.push_back({Write::kPin, tool.name, now, sha256});
        continue;
      }
      const auto& pin = found->second;
      const bool same_program = pin.version == version && pin.program == program;
      if (pin.sha256 == sha256) {
        // What was offered meanwhile is withdrawn; an upgrade that changed nothing here is the new standard.
        if (pin.is_offered || !same_program) writes.push_back({Write::kPin, tool.name, now, sha256});
        continue;
      }
      ToolChange change{tool.name, false, {}, {}};
      if (config.trusted)
        change.why = "its server is trusted";
      else if (!config.command.empty() && pin.version != version)
        change.why = fmt::format("its server was upgraded from {} to {}", pin.version, version);
      else if (!config.command.empty() && pin.program != program)
        change.why = "its server's program is another one";
      change.accepted = !change.why.empty();
      change.differences = pin.definition.empty()
                               ? std::vector<std::string>{"the definition is too long to be compared"}
                               : differences(*definition_from(pin.definition), now);
      if (change.accepted || pin.offered_sha256 != sha256)
        writes.push_back({change.accepted ? Write::kPin : Write::kOffer, tool.name, now, sha256});
      changes.push_back(std::move(change));
    }
    if (!writes.empty()) {
      TSUKAI_TRY_VOID(database_.write([&]() -> Result<void> {
        for (const auto& write : writes)
          TSUKAI_TRY_VOID(apply(key, shown_origin(config), version, program, write));
        return {};
      }));
    }
    return changes;
  }

  Result<std::vector<ToolPin>> list(const std::string& server) override {
    TSUKAI_TRY(
        auto rows,
        database_.prepare("SELECT server, tool, shown, sha256, definition, pinned_ms, offered, offered_ms "
                          "FROM tool_pin WHERE ?1 = '' OR server = ?1 ORDER BY server, origin, tool"));
    rows.bind(1, server);
    std::vector<ToolPin> pins;
    while (true) {
      TSUKAI_TRY(const bool more, rows.step());
      if (!more) return pins;
      ToolPin pin{rows.text(0),   rows.text(1), rows.text(2), rows.text(3), definition_from(rows.text(4)),
                  rows.integer(5)};
      if (!rows.is_null(6)) pin.offered = definition_from(rows.text(6));
      pin.offered_ms = rows.integer(7);
      pins.push_back(std::move(pin));
    }
  }

  Result<std::size_t> accept(const std::string& server, const std::string& tool) override {
    return change(
        "UPDATE tool_pin SET sha256 = offered_sha256, definition = offered, pinned_ms = ?3, offered = NULL, "
        "offered_sha256 = NULL, offered_ms = 0 WHERE server = ?1 AND (?2 = '' OR tool = ?2) AND offered IS "
        "NOT NULL",
        server, tool, true);
  }
  Result<std::size_t> forget(const std::string& server, const std::string& tool) override {
    return change("DELETE FROM tool_pin WHERE server = ?1 AND (?2 = '' OR tool = ?2)", server, tool, false);
  }

 private:
  struct Key {
    std::string server, origin;
  };
  struct Known {
    std::string sha256, definition, version, program;
    bool is_offered = false;
    std::string offered_sha256;
  };
  struct Write {
    enum { kPin, kOffer } what;
    std::string tool;
    Json definition;
    std::string sha256;
  };

  Result<std::map<std::string, Known>> known_pins(const Key& key) {
    TSUKAI_TRY(auto rows, database_.prepare("SELECT tool, sha256, definition, version, program, offered, "
                                            "offered_sha256 FROM tool_pin WHERE server = ? AND origin = ?"));
    rows.bind(1, key.server).bind(2, key.origin);
    std::map<std::string, Known> known;
    while (true) {
      TSUKAI_TRY(const bool more, rows.step());
      if (!more) return known;
      known[rows.text(0)] = {rows.text(1), rows.text(2),     rows.text(3),
                             rows.text(4), !rows.is_null(5), rows.text(6)};
    }
  }

  Result<void> apply(const Key& key, const std::string& from, const std::string& version,
                     const std::string& program, const Write& write) {
    if (write.what == Write::kOffer) {
      TSUKAI_TRY(auto offer,
                 database_.prepare("UPDATE tool_pin SET offered = ?, offered_sha256 = ?, "
                                   "offered_ms = ? WHERE server = ? AND origin = ? AND tool = ?"));
      offer.bind(1, kept(write.definition)).bind(2, write.sha256).bind(3, clock_.wall_ms());
      offer.bind(4, key.server).bind(5, key.origin).bind(6, write.tool);
      return offer.run();
    }
    TSUKAI_TRY(auto pin, database_.prepare(
                             "INSERT OR REPLACE INTO tool_pin(server, origin, tool, shown, version, program, "
                             "sha256, definition, pinned_ms) VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?)"));
    pin.bind(1, key.server).bind(2, key.origin).bind(3, write.tool).bind(4, from).bind(5, version);
    pin.bind(6, program).bind(7, write.sha256).bind(8, kept(write.definition)).bind(9, clock_.wall_ms());
    return pin.run();
  }

  Result<std::size_t> change(const char* sql, const std::string& server, const std::string& tool,
                             bool with_time) {
    std::size_t count = 0;
    TSUKAI_TRY_VOID(database_.write([&]() -> Result<void> {
      TSUKAI_TRY(auto statement, database_.prepare(sql));
      statement.bind(1, server).bind(2, tool);
      if (with_time) statement.bind(3, clock_.wall_ms());
      TSUKAI_TRY_VOID(statement.run());
      count = static_cast<std::size_t>(database_.changes());
      return {};
    }));
    return count;
  }

  Database& database_;
  const Clock& clock_;
};

}  // namespace

Json pinned_part(const mcp::Tool& tool) {
  Json out = {{"name", tool.name}, {"description", tool.description}};
  out["inputSchema"] = tool.input_schema.is_null() ? Json::object() : *tool.input_schema;
  if (!tool.title.empty()) out["title"] = tool.title;
  if (tool.output_schema) out["outputSchema"] = **tool.output_schema;
  if (const auto* annotations = find(*tool.whole, "annotations")) out["annotations"] = *annotations;
  return out;
}

std::vector<std::string> differences(const Json& before, const Json& now) {
  std::vector<std::string> out;
  differ("", before, now, out);
  if (out.size() > kDifferencesMax) {
    out.resize(kDifferencesMax);
    out.push_back("... and more");
  }
  return out;
}

Result<std::unique_ptr<ToolPins>> ToolPins::open(Database& database, const Clock& clock) {
  if (auto done = database.migrate("tool_pins", migrations()); !done)
    return fail(std::move(done).error().in("open the pins of tools"));
  return std::unique_ptr<ToolPins>(std::make_unique<SqlitePins>(database, clock));
}

}  // namespace tsukai::agent
