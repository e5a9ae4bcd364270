#include "tools/tsukai/cli_parts.h"

#include <fmt/format.h>

namespace tsukai::cli {
namespace {

constexpr double kTimeoutMax_s = 7 * 24 * 3600;

bool has_commands(const CLI::App* app) {
  return !app->get_subcommands([](const CLI::App*) { return true; }).empty();
}

}  // namespace

CLI::Validator number(double least, double most) {
  const auto check = [least, most](const std::string& text) {
    double value = 0;
    if (CLI::detail::lexical_cast(text, value) && value >= least && value <= most) return std::string();
    return fmt::format("takes a number from {} to {}, not \"{}\"", least, most, text);
  };
  return CLI::Validator(check, "", "number");
}

CLI::Validator whole_number(std::int64_t least, std::int64_t most) {
  const auto check = [least, most](const std::string& text) {
    std::int64_t value = 0;
    if (CLI::detail::lexical_cast(text, value) && value >= least && value <= most) return std::string();
    return fmt::format("takes a whole number from {} to {}, not \"{}\"", grouped(least), grouped(most), text);
  };
  return CLI::Validator(check, "", "whole number");
}

std::string HelpFormatter::make_usage(const CLI::App* app, std::string name) const {
  const auto own = usages_.find(app);
  if (own != usages_.end()) return fmt::format("Usage: {} {} [FLAGS]\n", name, own->second);
  std::string usage = "Usage: " + name;
  for (const CLI::Option* option : app->get_options()) {
    if (option->get_positional()) usage += " " + option->get_name(true);
  }
  return usage + (has_commands(app) ? " COMMAND\n" : " [FLAGS]\n");
}

std::string HelpFormatter::make_option_opts(const CLI::Option* option) const {
  return option->get_option_text().empty() ? "" : " " + option->get_option_text();
}

CLI::App* add_command(CLI::App* parent, const std::string& name, const std::string& about,
                      const std::string& example) {
  CLI::App* command = parent->add_subcommand(name, about);
  command->footer("Example:\n  " + example);
  return command;
}

void add_output_flags(CLI::App* command, ParsedCommand& line) {
  command->add_flag("--json", line.json, "The result, or the error, as JSON on standard output");
  command->add_flag("-q,--quiet", line.quiet, "The result alone: no headings, notes or progress");
}

void add_database_flag(CLI::App* command, std::string& database) {
  command
      ->add_option("--db", database,
                   "The database of runs and memory (default: ~/.local/share/tsukai/tsukai.db)")
      ->option_text("FILE");
}

CLI::Option* add_timeout_flag(CLI::App* command, double& timeout_s, const std::string& about) {
  return command->add_option("--timeout", timeout_s, about)
      ->option_text("SECONDS")
      ->check(number(0.001, kTimeoutMax_s));
}

void add_threads_flag(CLI::App* command, int& threads) {
  command->add_option("--threads", threads, "Threads of the model (default: one a core)")
      ->option_text("N")
      ->check(whole_number(1, 1024));
}

Error wrong_use(const std::string& path, const std::string& what, const std::string& remedy) {
  return Error(Code::kInvalidArgument, path + ": " + what, remedy);
}

}  // namespace tsukai::cli
