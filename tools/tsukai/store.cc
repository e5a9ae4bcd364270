#include "tools/tsukai/store.h"

#include <filesystem>

#include "agent/runtime.h"

namespace tsukai::cli {

Result<std::optional<Store>> open_store(const std::string& path) {
  std::string file = path;
  std::error_code ignored;
  if (file.empty()) {
    TSUKAI_TRY(file, agent::default_database_path());
    if (!std::filesystem::exists(file, ignored)) return std::optional<Store>();
  } else if (!std::filesystem::exists(file, ignored)) {
    return fail(Code::kNotFound, "--db " + file + ": no such file", "tsukai run --db FILE makes one");
  }
  DatabaseOptions options;
  options.create = false;
  TSUKAI_TRY(auto database, Database::open(file, options));
  Store store;
  store.database = std::make_unique<Database>(std::move(database));
  TSUKAI_TRY(store.journal, agent::Journal::open(*store.database, system_clock()));
  TSUKAI_TRY(store.memory, memory::Memory::open(*store.database, system_clock()));
  return std::optional<Store>(std::move(store));
}

Error nothing_stored(const std::string& what) {
  return Error(Code::kNotFound, "there is no " + what + " yet", "tsukai run \"...\" makes the first");
}

}  // namespace tsukai::cli
