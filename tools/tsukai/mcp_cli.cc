// The command line of `tsukai mcp`.
#include <fmt/format.h>

#include "tools/tsukai/cli_parts.h"
#include "tools/tsukai/mcp_command.h"
#include "tools/tsukai/mcp_login.h"
#include "tools/tsukai/mcp_pins.h"
#include "tools/tsukai/mcp_serve.h"

namespace tsukai::cli {
namespace {

constexpr const char* kServerAbout =
    "A name in .mcp.json, --config or --agent, or a URL; or none, and a command line behind --";
constexpr int kWordsMax = 256;

constexpr const char* kMcpExitCodes = R"(Exit codes say whose fault it was:
  0    done
  1    the tool's: it answered with an error
  2    yours: an argument, a flag, a file, a name that the server does not have
  3    the connection's: the server does not start, dies, hangs or can't be reached
  4    nobody's: a login is needed, or was refused
  6    the server's: it breaks the protocol, or lacks what was asked for
  7    the server's: a result is not what the tool's outputSchema promises
  130  interrupted

Example:
  tsukai mcp tools -- tsukai-maps)";

// What was typed behind `tsukai mcp COMMAND`.
struct McpWords {
  McpArguments mcp;
  std::vector<std::string> words;  // SERVER NAME VALUES...; without SERVER where a command stands behind --
  bool no_browser = false;
  ServeArguments serve;
};

// One command that talks to one server.
struct McpCommand {
  const char* name;
  const char* about;
  const char* example;
  const char* usage;  // Behind SERVER.
  const char* named;  // What its first word after SERVER names ("tool"); null: it takes no words.
  const char* where;  // Lists what there is to name.
  int (*run)(Output&, const McpArguments&);
};

constexpr McpCommand kCommands[] = {
    {"tools", "The tools of a server", "tsukai mcp tools -- tsukai-maps", "", nullptr, nullptr,
     mcp_tools_command},
    {"call", "Call a tool",
     "tsukai mcp call maps maps_geo address=\"Old Gate\" --agent examples/day-out.yaml\n"
     "  tsukai mcp call maps_geo '{\"address\": \"Old Gate\"}' -- tsukai-maps",
     " TOOL ['{JSON}' | KEY=VALUE... | KEY:=JSON...]", "tool", "tools", mcp_call_command},
    {"resources", "The resources of a server, and their templates",
     "tsukai mcp resources http://127.0.0.1:8931/mcp", "", nullptr, nullptr, mcp_resources_command},
    {"read", "Read a resource", "tsukai mcp read notes notes://today", " URI", "resource", "resources",
     mcp_read_command},
    {"prompts", "The prompts of a server", "tsukai mcp prompts notes", "", nullptr, nullptr,
     mcp_prompts_command},
    {"prompt", "The messages of a prompt", "tsukai mcp prompt notes summary day=today",
     " PROMPT [KEY=VALUE...]", "prompt", "prompts", mcp_prompt_command},
    {"complete", "Ask a server to complete an argument", "tsukai mcp complete notes summary day to",
     " PROMPT|URI-TEMPLATE ARGUMENT [BEGINNING [KEY=VALUE...]]", "prompt or template", "prompts",
     mcp_complete_command},
    {"ping", "Does a server answer, and how fast", "tsukai mcp ping -- tsukai-maps", "", nullptr, nullptr,
     mcp_ping_command},
    {"login", "Log in to a server, by a browser", "tsukai mcp login https://mcp.example.com/mcp", "", nullptr,
     nullptr, mcp_login_command},
    {"logout", "Forget a login", "tsukai mcp logout https://mcp.example.com/mcp", "", nullptr, nullptr,
     mcp_logout_command}};

// Sorts the words into server, name and values, and runs the command.
int run_with_words(Output& output, McpWords given, const ParsedCommand& line, const McpCommand& command) {
  const std::string path = std::string("tsukai mcp ") + command.name;
  auto& words = given.words;
  McpArguments& arguments = given.mcp;
  arguments.server.command = line.behind_dashes;
  arguments.browser = !given.no_browser;
  if (arguments.server.command.empty()) {
    if (words.empty()) {
      return output.fail(
          wrong_use(path, "the server is missing", "name one, or put its command line behind --"));
    }
    arguments.server.name = words.front();
    words.erase(words.begin());
  }
  if (command.named == nullptr && !words.empty()) {
    return output.fail(wrong_use(path, fmt::format("takes no further argument \"{}\"", words.front()),
                                 arguments.server.command.empty()
                                     ? "see " + path + " --help"
                                     : "the command line behind -- says the server already"));
  }
  if (command.named != nullptr) {
    if (words.empty()) {
      return output.fail(wrong_use(path, fmt::format("the {} is missing", command.named),
                                   fmt::format("tsukai mcp {} lists what a server has", command.where)));
    }
    arguments.name = words.front();
    arguments.values.assign(words.begin() + 1, words.end());
  }
  return command.run(output, arguments);
}

void add_files(CLI::App* command, McpWords& given, ParsedCommand& line) {
  CLI::Option* config =
      command->add_option("--config", given.mcp.server.config, "An mcpServers file (default: .mcp.json)");
  config->option_text("FILE");
  command->add_option("--agent", given.mcp.server.agent, "Take the servers of an agent file")
      ->option_text("FILE")
      ->excludes(config);
  command->add_option("--trace", given.mcp.trace, "Write every message as JSON Lines (-: standard error)")
      ->option_text("FILE");
  add_timeout_flag(command, given.mcp.server.timeout_s, "For starting the server, and for each call");
  add_output_flags(command, line);
}

void add_connection(CLI::App* command, McpWords& given) {
  command
      ->add_option("--env", given.mcp.server.environment, "For a command line behind --: one more variable")
      ->option_text("NAME=VALUE")
      ->allow_extra_args(false);
  command->add_option("--header", given.mcp.server.headers, "For a URL: one more header of each request")
      ->option_text("NAME:VALUE")
      ->allow_extra_args(false);
  command
      ->add_option("--era", given.mcp.server.era,
                   "auto, legacy, modern, or one revision such as 2025-06-18, which is then not negotiated")
      ->option_text("ERA");
  command->add_flag("--no-browser", given.no_browser, "Print the address of a login, open no browser");
}

void add_serve(CLI::App* mcp, ParsedCommand& line) {
  auto given = std::make_shared<ServeArguments>();
  CLI::App* serve = add_command(mcp, "serve", "Offer an agent to other programs as an MCP tool",
                                "tsukai mcp serve examples/day-out.yaml");
  serve->add_option("AGENT", given->run.agent, "An agent file (.yaml)")->required();
  serve->add_option("-p,--param", given->run.params, "A parameter of the agent file; may be given again")
      ->option_text("NAME=VALUE")
      ->allow_extra_args(false);
  serve->add_option("-m,--model", given->run.model, "The model (overrides the agent file's)")
      ->option_text("MODEL");
  serve->add_option("--user", given->run.follow.user, "Whose memory is used")->option_text("NAME");
  serve
      ->add_option("--http", given->program.http,
                   "Serve Streamable HTTP instead of standard input and output; prints the URL")
      ->expected(0, 1)
      ->option_text("[ADDRESS:PORT]");
  serve->add_option("--key", given->program.keys, "A bearer key that HTTP clients must send, or @FILE")
      ->option_text("KEY")
      ->allow_extra_args(false);
  serve->add_option("--host", given->program.hosts, "Another name that HTTP clients call this server by")
      ->option_text("NAME")
      ->allow_extra_args(false);
  add_threads_flag(serve, given->run.follow.threads);
  add_timeout_flag(serve, given->run.follow.timeout_s, "Stop each run after so long");
  add_database_flag(serve, given->run.follow.database);
  add_output_flags(serve, line);
  line.on(serve, [given](Output& output) { return mcp_serve_command(output, *given); });
}

void add_pins(CLI::App* mcp, ParsedCommand& line) {
  CLI::App* pins =
      add_command(mcp, "pins", "Definitions of tools as they were first used", "tsukai mcp pins list");
  pins->require_subcommand(1);
  const auto add = [&](const char* name, const char* about, const char* example,
                       int (*run)(Output&, const PinArguments&), bool needs_server) {
    auto given = std::make_shared<PinArguments>();
    CLI::App* command = add_command(pins, name, about, example);
    command->add_option("SERVER", given->server, "Its name in the agent file")->required(needs_server);
    if (needs_server) command->add_option("TOOL", given->tool, "One tool of it (default: all)");
    add_database_flag(command, given->database);
    add_output_flags(command, line);
    line.on(command, [given, run](Output& output) { return run(output, *given); });
  };
  add("list", "The pinned tools, and what has changed since", "tsukai mcp pins list --json",
      mcp_pins_list_command, false);
  add("accept", "Use changed tools from now on", "tsukai mcp pins accept maps", mcp_pins_accept_command,
      true);
  add("forget", "Pin whatever a server offers next", "tsukai mcp pins forget maps", mcp_pins_forget_command,
      true);
}

}  // namespace

void add_mcp(CLI::App& app, ParsedCommand& line) {
  CLI::App* mcp =
      add_command(&app, "mcp", "Any MCP server, from the command line", "tsukai mcp tools -- tsukai-maps");
  mcp->footer(kMcpExitCodes);
  mcp->require_subcommand(1);
  auto given = std::make_shared<McpWords>();
  CLI::App* list = add_command(mcp, "list", "The servers of a file, and how they are",
                               "tsukai mcp list --agent examples/day-out.yaml");
  add_files(list, *given, line);
  line.on(list, [given](Output& output) { return mcp_list_command(output, given->mcp); });
  for (const McpCommand& command : kCommands) {
    CLI::App* one = add_command(mcp, command.name, command.about, command.example);
    line.help->set_usage(one, fmt::format("SERVER{} (or no SERVER, and -- COMMAND...)", command.usage));
    one->add_option("SERVER", given->words,
                    fmt::format("{}{}{}", kServerAbout, command.named == nullptr ? "" : "; then the ",
                                command.named == nullptr ? "" : command.named))
        ->expected(0, kWordsMax);
    add_files(one, *given, line);
    add_connection(one, *given);
    line.on(one, [given, &line, &command](Output& output) {
      return run_with_words(output, *given, line, command);
    });
  }
  add_pins(mcp, line);
  add_serve(mcp, line);
}

}  // namespace tsukai::cli
