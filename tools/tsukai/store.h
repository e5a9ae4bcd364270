// Opening the database that runs and memory live in.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "agent/journal.h"
#include "base/database.h"
#include "memory/memory.h"

namespace tsukai::cli {

// The database with both of its modules. Empty when the default database does not exist yet: nothing was ever
// run.
struct Store {
  std::unique_ptr<Database> database;
  std::unique_ptr<agent::Journal> journal;
  std::unique_ptr<memory::Memory> memory;
};
// `path` empty: the default. kNotFound when a path was given and is not there.
Result<std::optional<Store>> open_store(const std::string& path);

// For commands that mean one run or one episode.
Error nothing_stored(const std::string& what);

}  // namespace tsukai::cli
