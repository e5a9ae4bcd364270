#include "tools/tsukai/doctor_command.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <thread>

#include "agent/runtime.h"
#include "base/database.h"
#include "base/random.h"
#include "base/text.h"
#include "infer/cuda/device.h"
#include "infer/local_model.h"
#include "tools/tsukai/model_path.h"

namespace tsukai::cli {
namespace {
namespace fs = std::filesystem;

enum class Verdict { kWorks, kMissing, kBroken };  // kMissing: something optional is absent.

struct Finding {
  std::string what;
  Verdict verdict = Verdict::kWorks;
  std::string details;
  std::string remedy;
  bool core = false;  // Nothing works without it.
};

std::string_view name(Verdict verdict) {
  switch (verdict) {
    case Verdict::kWorks:
      return "works";
    case Verdict::kMissing:
      return "missing";
    case Verdict::kBroken:
      return "broken";
  }
  return "broken";
}

Finding check_processor() {
  const auto kernels = infer::available_kernels();
  if (kernels.empty())
    return {"processor", Verdict::kBroken, "no kernels for this processor", "build for this machine"};
  return {"processor", Verdict::kWorks,
          fmt::format("kernels {} · {}", fmt::join(kernels, ", "),
                      counted(std::thread::hardware_concurrency(), "thread", "threads")),
          ""};
}

Finding check_cuda() {
  const infer::CudaDevices found = infer::cuda_devices();
  if (found.devices.empty()) return {"cuda", Verdict::kMissing, found.why_none, ""};
  std::vector<std::string> names;
  for (const infer::CudaDevice& device : found.devices) {
    names.push_back(fmt::format("{} ({}, capability {}.{})", device.name, bytes_text(device.memory_bytes),
                                device.capability_major, device.capability_minor));
  }
  return {"cuda", Verdict::kWorks, fmt::format("{}", fmt::join(names, ", ")), ""};
}

Finding check_memory() {
  const std::uint64_t page = static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
  const std::uint64_t whole = static_cast<std::uint64_t>(sysconf(_SC_PHYS_PAGES)) * page;
  const std::uint64_t free = static_cast<std::uint64_t>(sysconf(_SC_AVPHYS_PAGES)) * page;
  return {"memory", Verdict::kWorks, fmt::format("{}, {} free", bytes_text(whole), bytes_text(free)), ""};
}

// Writes, reads and removes a database of its own beside the real one: the folder, its disk and its locks
// work.
Result<std::string> try_database_in(const fs::path& folder) {
  const fs::path probe = folder / (".doctor-" + random_id(8) + ".db");
  const auto attempt = [&]() -> Result<std::string> {
    TSUKAI_TRY(auto database, Database::open(probe));
    TSUKAI_TRY_VOID(
        database.write([&] { return database.execute("CREATE TABLE probe(value TEXT) STRICT"); }));
    TSUKAI_TRY(auto version, database.prepare("SELECT sqlite_version()"));
    TSUKAI_TRY(const bool row, version.step());
    return row ? version.text(0) : std::string();
  };
  auto version = attempt();
  std::error_code ignored;
  for (const char* suffix : {"", "-wal", "-shm", ".lock"}) fs::remove(probe.string() + suffix, ignored);
  return version;
}

Finding check_database(const std::string& given) {
  auto path = given.empty() ? agent::default_database_path() : Result<std::string>(given);
  if (!path) return {"database", Verdict::kBroken, path.error().message(), path.error().remedy()};
  const fs::path folder = fs::absolute(*path).parent_path();
  auto version = try_database_in(folder);
  if (!version) {
    return {"database", Verdict::kBroken, fmt::format("{}: {}", folder.string(), version.error().message()),
            version.error().remedy().empty() ? "give --db FILE in a folder that you can write to"
                                             : version.error().remedy()};
  }
  std::error_code missing;
  const auto bytes = fs::file_size(*path, missing);
  return {"database", Verdict::kWorks,
          fmt::format("SQLite {} · {} ({})", *version, *path, missing ? "none yet" : bytes_text(bytes)), ""};
}

Finding check_model() {
  const std::string path = smollm2_path();
  std::error_code ignored;
  if (!fs::exists(path, ignored)) {
    return {"model smollm2", Verdict::kMissing, "not fetched",
            "run tools/fetch_smollm2.sh, or use any .gguf file"};
  }
  auto info = infer::read_model_file_info(path);
  if (!info)
    return {"model smollm2", Verdict::kBroken, info.error().message(),
            "remove the file and run tools/fetch_smollm2.sh"};
  return {"model smollm2", Verdict::kWorks,
          fmt::format("{} {} · {}", info->name, info->quantisation, bytes_text(info->file_bytes)), ""};
}

// Where a program of PATH lies; empty when nowhere.
std::string find_program(const std::string& program) {
  const char* path = std::getenv("PATH");
  for (const std::string& folder : split(path == nullptr ? "" : path, ':')) {
    const std::string candidate = (fs::path(folder.empty() ? "." : folder) / program).string();
    if (access(candidate.c_str(), X_OK) == 0 && fs::is_regular_file(candidate)) return candidate;
  }
  return {};
}

Finding check_program(const std::string& program, const std::string& what_for, const std::string& remedy) {
  const std::string path = find_program(program);
  if (path.empty()) return {program, Verdict::kMissing, "not on PATH; " + what_for, remedy};
  return {program, Verdict::kWorks, path, ""};
}

std::vector<Finding> examine(const std::string& database) {
  Finding processor = check_processor();
  Finding store = check_database(database);
  processor.core = true;
  store.core = true;
  return {std::move(processor),
          check_cuda(),
          check_memory(),
          std::move(store),
          check_model(),
          check_program("tsukai-maps", "the example agents use it",
                        "cmake --build build/release --target tsukai-maps"),
          check_program("npx", "MCP servers written in JavaScript need it", "apt-get install npm"),
          check_program("python3", "MCP servers written in Python need it", "apt-get install python3")};
}

std::string mark(const Output& output, Verdict verdict) {
  switch (verdict) {
    case Verdict::kWorks:
      return output.paint(Style::kGreen, "works  ");
    case Verdict::kMissing:
      return output.paint(Style::kYellow, "missing");
    case Verdict::kBroken:
      return output.paint(Style::kRed, "broken ");
  }
  return {};
}

}  // namespace

int doctor_command(Output& output, const std::string& database) {
  output.busy("looking around");
  const auto findings = examine(database);
  bool core_works = true;
  for (const Finding& finding : findings) {
    if (finding.core && finding.verdict != Verdict::kWorks) core_works = false;
  }
  if (output.json()) {
    Json list = Json::array();
    for (const Finding& finding : findings) {
      Json entry = {{"what", finding.what},
                    {"verdict", std::string(name(finding.verdict))},
                    {"details", finding.details}};
      if (!finding.remedy.empty()) entry["remedy"] = finding.remedy;
      list.push_back(std::move(entry));
    }
    output.document({{"version", TSUKAI_VERSION}, {"ok", core_works}, {"findings", std::move(list)}});
  } else {
    if (!output.quiet()) output.line(fmt::format("tsukai {}", TSUKAI_VERSION));
    for (const Finding& finding : findings) {
      if (output.quiet() && finding.verdict == Verdict::kWorks) continue;
      output.line(fmt::format("{}  {:<14} {}", mark(output, finding.verdict), finding.what,
                              printable(finding.details)));
      if (!finding.remedy.empty()) output.line(fmt::format("{:24} → {}", "", finding.remedy));
    }
  }
  return static_cast<int>(core_works ? Exit::kDone : Exit::kComponent);
}

}  // namespace tsukai::cli
