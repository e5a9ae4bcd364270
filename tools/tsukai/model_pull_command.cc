#include "tools/tsukai/model_pull_command.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "base/http_client.h"
#include "infer/pull/pull.h"
#include "tools/tsukai/interrupt.h"
#include "tools/tsukai/model_path.h"

namespace tsukai::cli {
namespace {

constexpr std::size_t kBarCells = 20;
constexpr std::size_t kProgressCells = 79;
constexpr std::chrono::milliseconds kRedraw{100};

std::string environment(const char* name, const std::string& otherwise) {
  const char* value = std::getenv(name);
  std::string text = value != nullptr && *value != '\0' ? value : otherwise;
  while (text.ends_with('/')) text.pop_back();
  return text;
}

// One line on the terminal of standard error, drawn again as bytes come.
class ProgressBar {
 public:
  explicit ProgressBar(Output& output) : output_(output), shown_(output.err_is_terminal()) {}
  ~ProgressBar() { clear(); }

  void show(const std::string& name, std::uint64_t bytes, std::uint64_t all) {
    const auto now = std::chrono::steady_clock::now();
    if (name != name_) {
      name_ = name;
      since_ = now;
      first_ = bytes;
    } else if (now - drawn_ < kRedraw && bytes != all) {
      return;
    }
    drawn_ = now;
    const double seconds = std::chrono::duration<double>(now - since_).count();
    const double speed = seconds > 0.5 ? static_cast<double>(bytes - std::min(first_, bytes)) / seconds : 0;
    if (!shown_) return;
    output_.note_write("\r\x1b[2K" + progress_text(name, bytes, all, speed, kProgressCells));
    dirty_ = true;
  }
  void clear() {
    if (dirty_) output_.note_write("\r\x1b[2K");
    dirty_ = false;
  }

 private:
  Output& output_;
  bool shown_, dirty_ = false;
  std::string name_;
  std::uint64_t first_ = 0;
  std::chrono::steady_clock::time_point since_, drawn_;
};

Task<infer::Pulled> pull(infer::ModelSource source, infer::PullOptions options) {
  const auto client = HttpClient::make(co_await asio::this_coro::executor);
  co_return co_await infer::pull_model(*client, std::move(source), std::move(options));
}

}  // namespace

std::string progress_text(const std::string& name, std::uint64_t bytes, std::uint64_t all, double bytes_per_s,
                          std::size_t width) {
  std::string text = name + " ";
  if (all > 0) {
    const double part = std::min(1.0, static_cast<double>(bytes) / static_cast<double>(all));
    const auto filled = static_cast<std::size_t>(part * kBarCells);
    text +=
        fmt::format("[{}{}] {} % · {} of {}", std::string(filled, '#'), std::string(kBarCells - filled, '-'),
                    static_cast<int>(part * 100), bytes_text(bytes), bytes_text(all));
  } else {
    text += bytes_text(bytes);
  }
  if (bytes_per_s > 0) text += " · " + bytes_text(static_cast<std::uint64_t>(bytes_per_s)) + "/s";
  return cut_to_width(text, width);
}

int model_pull_command(Output& output, const PullArguments& arguments) {
  auto source = infer::parse_model_source(arguments.source);
  if (!source) return output.fail(source.error());
  infer::PullOptions options;
  options.cache = model_cache();
  options.sha256 = arguments.sha256;
  options.hugging_face = environment("HF_ENDPOINT", options.hugging_face);
  options.model_scope = environment("MODELSCOPE_ENDPOINT", options.model_scope);
  options.token = environment("HF_TOKEN", "");
  ProgressBar bar(output);
  options.on_progress = [&bar](const std::string& name, std::uint64_t bytes, std::uint64_t all,
                               std::size_t index, std::size_t count) {
    bar.show(count > 1 ? fmt::format("{} ({} of {})", name, index, count) : name, bytes, all);
  };
  asio::io_context context;
  const std::chrono::milliseconds limit(static_cast<std::int64_t>(arguments.timeout_s * 1000));
  auto pulled = run_interruptible(context, pull(*std::move(source), std::move(options)), limit);
  bar.clear();
  if (!pulled) return output.fail(pulled.error());
  std::uint64_t fetched = 0;
  std::size_t unchecked = 0;
  Json files = Json::array();
  for (const infer::PulledFile& file : pulled->files) {
    fetched += file.bytes_fetched;
    unchecked += file.checked ? 0 : 1;
    files.push_back({{"path", file.path},
                     {"bytes", file.bytes},
                     {"bytes_fetched", file.bytes_fetched},
                     {"sha256", file.sha256},
                     {"checked", file.checked}});
  }
  if (output.json()) {
    output.document({{"path", pulled->path}, {"files", std::move(files)}});
    return 0;
  }
  output.line(pulled->path);
  std::string note =
      fmt::format("{}, {} fetched", counted(static_cast<std::int64_t>(pulled->files.size()), "file", "files"),
                  bytes_text(fetched));
  if (unchecked > 0) {
    note += fmt::format(" · the source tells no SHA-256 of {}",
                        unchecked == pulled->files.size()
                            ? "any"
                            : counted(static_cast<std::int64_t>(unchecked), "file", "files"));
  } else {
    note += " · every SHA-256 is right";
  }
  output.note(output.paint_note(Style::kDim, note));
  return 0;
}

int model_list_command(Output& output) {
  const auto models = infer::list_cached(model_cache());
  if (output.json()) {
    Json list = Json::array();
    for (const auto& model : models)
      list.push_back({{"name", model.name}, {"path", model.path}, {"bytes", model.bytes}});
    output.document({{"cache", model_cache()}, {"models", std::move(list)}});
    return 0;
  }
  if (models.empty()) {
    output.note("no models in " + model_cache() + "; fetch one with: tsukai model pull hf:ORG/REPO");
    return 0;
  }
  if (output.quiet()) {
    for (const auto& model : models) output.line(model.name);
    return 0;
  }
  Table table({{"MODEL", Align::kLeft, true}, {"SIZE", Align::kRight}});
  for (const auto& model : models) table.add({model.name, bytes_text(model.bytes)});
  output.table(table);
  return 0;
}

}  // namespace tsukai::cli
