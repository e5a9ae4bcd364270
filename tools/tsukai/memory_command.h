// `tsukai memory`: what earlier runs left behind.
#pragma once

#include <cstdint>
#include <string>

#include "tools/tsukai/output.h"

namespace tsukai::cli {

struct MemoryArguments {
  std::string database;
  std::string scope;  // "user=mika,agent=day-out"; empty: the user's own.
  std::string user;
  std::string query;    // search
  std::int64_t id = 0;  // show
  std::size_t count = 20;
};

int memory_list_command(Output& output, const MemoryArguments& arguments);
int memory_search_command(Output& output, const MemoryArguments& arguments);
int memory_show_command(Output& output, const MemoryArguments& arguments);

}  // namespace tsukai::cli
