// What the files that describe the command line share. CLI11 is included by these alone: it is slow to
// compile.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "base/error.h"
#include "tools/tsukai/output.h"

namespace tsukai::cli {

// Flags' values. CLI11's own checks print their bounds as raw doubles.
CLI::Validator number(double least, double most);
CLI::Validator whole_number(std::int64_t least, std::int64_t most);

// Help without CLI11's type and exclusion marks; a command may say itself how it is used.
class HelpFormatter : public CLI::Formatter {
 public:
  void set_usage(const CLI::App* command, std::string usage) { usages_[command] = std::move(usage); }

 protected:
  std::string make_usage(const CLI::App* app, std::string name) const override;
  std::string make_option_opts(const CLI::Option* option) const override;

 private:
  std::map<const CLI::App*, std::string> usages_;
};

// What was typed, as far as every command has it.
struct ParsedCommand {
  bool json = false, quiet = false;
  std::vector<std::string> behind_dashes;  // `tsukai mcp`: the command line of a server.
  std::function<int(Output&)> command;     // What the chosen command does.
  std::shared_ptr<HelpFormatter> help = std::make_shared<HelpFormatter>();

  // What `app` does when it is the one that was typed.
  void on(CLI::App* app, std::function<int(Output&)> does) {
    app->callback([this, does = std::move(does)] { command = does; });
  }
};

CLI::App* add_command(CLI::App* parent, const std::string& name, const std::string& about,
                      const std::string& example);
void add_output_flags(CLI::App* command, ParsedCommand& line);
void add_database_flag(CLI::App* command, std::string& database);
CLI::Option* add_timeout_flag(CLI::App* command, double& timeout_s, const std::string& about);
void add_threads_flag(CLI::App* command, int& threads);

Error wrong_use(const std::string& path, const std::string& what, const std::string& remedy);

// The commands of cli_runs.cc. `line` outlives the parsing and the command.
void add_run(CLI::App& app, ParsedCommand& line);
void add_chat(CLI::App& app, ParsedCommand& line);
void add_agent(CLI::App& app, ParsedCommand& line);
void add_runs(CLI::App& app, ParsedCommand& line);

// mcp_cli.cc, the same.
void add_mcp(CLI::App& app, ParsedCommand& line);

}  // namespace tsukai::cli
