#include "tools/tsukai/cli.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include "base/text.h"
#include "tools/tsukai/cli_parts.h"
#include "tools/tsukai/doctor_command.h"
#include "tools/tsukai/interrupt.h"
#include "tools/tsukai/memory_command.h"
#include "tools/tsukai/model_command.h"
#include "tools/tsukai/model_measure_command.h"
#include "tools/tsukai/model_pull_command.h"
#include "tools/tsukai/output.h"
#include "tools/tsukai/usage_text.h"

namespace tsukai::cli {
namespace {

constexpr const char* kExitCodes = R"(Exit codes:
  0    done
  1    the task failed, or a tool answered with an error
  2    usage: an argument, a flag or a file you wrote is wrong
  3    a component is missing or broken: a model, a server, the database
  4    stopped by a budget, a policy or --timeout
  5    waiting for a person
  130  interrupted

Example:
  tsukai run examples/day-out.yaml "Find an Old Gate coffee shop.")";

// What the flags and arguments are bound to, but for those of runs (cli_runs.cc).
struct CommandLine : ParsedCommand {
  GenerateArguments generate;
  PullArguments pull;
  EmbedArguments embed;
  BenchArguments bench;
  std::string model, text;
  bool control = false;
  MemoryArguments memory;
  std::string doctor_database;
};

constexpr const char* kModelForms =
    "A .gguf file, a Hugging Face folder, smollm2, or what was pulled (hf:ORG/REPO[:FILE], ...)";

void add_model_flags(CLI::App* command, ModelFlags& flags) {
  add_threads_flag(command, flags.threads);
  command->add_option("--context", flags.context, "Tokens of context (default: as trained, at most 8,192)")
      ->option_text("N")
      ->check(whole_number(16, 16'777'216));
  command
      ->add_option("--kv", flags.kv, "How keys and values are kept: 16bit (default) or 8bit, half the memory")
      ->option_text("BITS")
      ->check(CLI::IsMember({"16bit", "8bit"}));
}

void add_memory(CLI::App& app, CommandLine& line) {
  CLI::App* memory =
      add_command(&app, "memory", "What is remembered of earlier runs", "tsukai memory search coffee");
  memory->require_subcommand(1);
  CLI::App* list = add_command(memory, "list", "The newest memories", "tsukai memory list --user mika");
  line.on(list, [&line](Output& output) { return memory_list_command(output, line.memory); });
  CLI::App* search =
      add_command(memory, "search", "Memories that match", "tsukai memory search \"coffee old gate\"");
  search->add_option("QUERY", line.memory.query, "Words to look for")->required();
  line.on(search, [&line](Output& output) { return memory_search_command(output, line.memory); });
  CLI::App* show = add_command(memory, "show", "One memory, whole", "tsukai memory show 1");
  show->add_option("ID", line.memory.id, "Its number in list or search")->required();
  line.on(show, [&line](Output& output) { return memory_show_command(output, line.memory); });
  for (CLI::App* command : {list, search}) {
    command
        ->add_option("--scope", line.memory.scope,
                     "Whose: keys of tenant, user, agent, session (default: the user's)")
        ->option_text("KEY=VALUE,...");
    command->add_option("--user", line.memory.user, "The same as --scope user=NAME")
        ->option_text("NAME")
        ->excludes("--scope");
    command->add_option("-n,--count", line.memory.count, "How many (default: 20)")
        ->option_text("N")
        ->check(whole_number(1, 1'000'000));
  }
  for (CLI::App* command : {list, search, show}) {
    add_database_flag(command, line.memory.database);
    add_output_flags(command, line);
  }
}

void add_model_store(CLI::App* model, CommandLine& line) {
  CLI::App* pull =
      add_command(model, "pull", "Fetch a model into the cache folder; goes on where it broke off",
                  "tsukai model pull hf:Qwen/Qwen3-0.6B-GGUF:Q8_0");
  pull->add_option("SOURCE", line.pull.source, "hf:ORG/REPO[:FILE], ms:ORG/REPO[:FILE] or a URL")->required();
  pull->add_option("--sha256", line.pull.sha256, "What the file at a URL must hash to")->option_text("HEX");
  add_timeout_flag(pull, line.pull.timeout_s, "Give up after so long");
  line.on(pull, [&line](Output& output) { return model_pull_command(output, line.pull); });
  CLI::App* list = add_command(model, "list", "The models in the cache folder", "tsukai model list");
  line.on(list, [](Output& output) { return model_list_command(output); });
  for (CLI::App* command : {pull, list}) add_output_flags(command, line);
}

void add_model_measures(CLI::App* model, CommandLine& line) {
  CLI::App* embed =
      add_command(model, "embed", "Texts as vectors", "tsukai model embed smollm2 \"Old Gate\" --json");
  embed->add_option("MODEL", line.embed.model, kModelForms)->required();
  embed->add_option("TEXT", line.embed.texts, "The texts (-: the lines of standard input)")->required();
  embed->add_flag("--mean", line.embed.mean, "The mean of all positions, in place of the last one");
  add_model_flags(embed, line.embed.flags);
  line.on(embed, [&line](Output& output) { return model_embed_command(output, line.embed); });
  CLI::App* bench =
      add_command(model, "bench", "How fast a model reads and writes here", "tsukai model bench smollm2");
  bench->add_option("MODEL", line.bench.model, kModelForms)->required();
  bench->add_option("--prompt", line.bench.prompt_tokens, "Tokens read (default: 512)")
      ->option_text("N")
      ->check(whole_number(1, 1'000'000));
  bench->add_option("-n,--tokens", line.bench.tokens, "Tokens written (default: 128)")
      ->option_text("N")
      ->check(whole_number(1, 1'000'000));
  bench->add_option("--repeats", line.bench.repeats, "Times (default: 3)")
      ->option_text("N")
      ->check(whole_number(1, 1000));
  add_model_flags(bench, line.bench.flags);
  line.on(bench, [&line](Output& output) { return model_bench_command(output, line.bench); });
  for (CLI::App* command : {embed, bench}) add_output_flags(command, line);
}

void add_model(CLI::App& app, CommandLine& line) {
  CLI::App* model = add_command(&app, "model", "Look into a model file, or ask the model directly",
                                "tsukai model info smollm2");
  model->require_subcommand(1);
  CLI::App* info = add_command(model, "info", "What is in a model file", "tsukai model info smollm2");
  info->add_option("MODEL", line.model, kModelForms)->required();
  line.on(info, [&line](Output& output) { return model_info_command(output, line.model); });

  GenerateArguments& generate = line.generate;
  CLI::App* make = add_command(model, "generate", "Let a model answer, or continue a text",
                               "tsukai model generate smollm2 \"What is a map?\" --tokens 60");
  make->add_option("MODEL", generate.model, kModelForms)->required();
  make->add_option("PROMPT", generate.prompt, "What to say to it (-: standard input)")->required();
  make->add_option("--system", generate.system, "The system message")->option_text("TEXT");
  make->add_flag("--plain", generate.plain, "Continue the text as it is, without the model's chat template")
      ->excludes("--system");
  make->add_option("--schema", generate.schema, "Answer with JSON of this JSON Schema")->option_text("FILE");
  make->add_option("-n,--tokens", generate.tokens_max, "Tokens at most (default: 256)")
      ->option_text("N")
      ->check(whole_number(1, 1'000'000));
  make->add_option("--temperature", generate.temperature, "0: always the likeliest token (default)")
      ->option_text("T")
      ->check(number(0, 10));
  make->add_option("--top-p", generate.top_p, "Only the likeliest tokens that make up P (default: 1)")
      ->option_text("P")
      ->check(number(0, 1));
  make->add_option("--top-k", generate.top_k, "Only the K likeliest tokens (default: all)")
      ->option_text("K")
      ->check(whole_number(0, 1'000'000));
  make->add_option("--min-p", generate.min_p, "Only tokens at least P times as likely as the likeliest")
      ->option_text("P")
      ->check(number(0, 1));
  make->add_option("--seed", generate.seed, "The same seed draws the same tokens (default: 0)")
      ->option_text("N");
  make->add_option("--stop", generate.stop, "End before this text; may be given more than once")
      ->option_text("TEXT")
      ->expected(1)
      ->take_all();
  make->add_option("--logit-bias", generate.logit_bias, "Add BIAS to a token's logit; more than once")
      ->option_text("TOKEN=BIAS")
      ->expected(1)
      ->take_all();
  make->add_option("--logprobs", generate.logprobs,
                   "With --plain and --json: how likely each token was, and N others")
      ->option_text("N")
      ->check(whole_number(0, 20))
      ->needs("--plain");
  make->add_option("--thinking", generate.thinking, "off, or how many tokens of thinking at most")
      ->option_text("N|off")
      ->check(CLI::IsMember({"off"}) | whole_number(1, 1'000'000));
  add_model_flags(make, generate.flags);
  add_timeout_flag(make, generate.timeout_s, "Give up after so long");
  line.on(make, [&line](Output& output) { return model_generate_command(output, line.generate); });

  CLI::App* tokenize =
      add_command(model, "tokenize", "The tokens of a text", "tsukai model tokenize smollm2 \"Old Gate\"");
  tokenize->add_option("MODEL", line.model, kModelForms)->required();
  tokenize->add_option("TEXT", line.text, "The text (-: standard input)")->required();
  tokenize->add_flag("--control", line.control, "Control tokens spelled in the text become those tokens");
  line.on(tokenize, [&line](Output& output) {
    return model_tokenize_command(output, line.model, line.text, line.control);
  });
  for (CLI::App* command : {info, make, tokenize}) add_output_flags(command, line);
  add_model_store(model, line);
  add_model_measures(model, line);
}

void add_doctor(CLI::App& app, CommandLine& line) {
  CLI::App* doctor =
      add_command(&app, "doctor", "What works on this machine, what is missing, what to do", "tsukai doctor");
  add_database_flag(doctor, line.doctor_database);
  add_output_flags(doctor, line);
  line.on(doctor, [&line](Output& output) { return doctor_command(output, line.doctor_database); });
}

CommandShape shape_of(const CLI::App* app) {
  CommandShape shape;
  for (const CLI::App* at = app; at != nullptr; at = at->get_parent()) {
    shape.path = at->get_name() + (shape.path.empty() ? "" : " ") + shape.path;
  }
  for (const CLI::App* command : app->get_subcommands([](const CLI::App*) { return true; })) {
    shape.commands.push_back(command->get_name());
  }
  for (const CLI::Option* option : app->get_options()) {
    for (const std::string& flag : option->get_lnames()) shape.flags.push_back("--" + flag);
    for (const std::string& flag : option->get_snames()) shape.flags.push_back("-" + flag);
    if (option->get_positional() && option->get_required() && option->count() == 0) {
      shape.needed.push_back(option->get_name(true));
    }
  }
  return shape;
}

// The parser's complaint about a flag's value: "--threads: takes a whole number ...".
std::string complaint(const CLI::ParseError& error) {
  const std::string what = error.what();
  if (error.get_name() == "ArgumentMismatch") return what.substr(0, what.find(':')) + " needs a value";
  return what.substr(0, what.find('\n'));
}

Error usage_error(const CLI::App& app, const CLI::ParseError& error) {
  const CLI::App* leaf = &app;
  while (!leaf->get_subcommands().empty()) leaf = leaf->get_subcommands().front();
  const CommandShape shape = shape_of(leaf);
  // A word left over is the cause even where the parser noticed something missing first.
  for (const CLI::App* at = leaf; at != nullptr; at = at->get_parent()) {
    const auto left = at->remaining();
    const auto word =
        std::find_if(left.begin(), left.end(), [](const std::string& one) { return one != "--"; });
    if (word != left.end()) return unexpected_word(shape, *word);
  }
  const std::string kind = error.get_name();
  if (kind == "RequiredError") return incomplete(shape);
  return wrong_value(shape, complaint(error));
}

// Programs beside this one (tsukai-maps) can be named without a path in agent files.
void add_own_folder_to_path() {
  std::error_code failed;
  const auto program = std::filesystem::read_symlink("/proc/self/exe", failed);
  if (failed) return;
  const char* path = std::getenv("PATH");
  const std::string longer =
      (path == nullptr || *path == '\0' ? "/usr/local/bin:/usr/bin:/bin" : std::string(path)) + ":" +
      program.parent_path().string();
  setenv("PATH", longer.c_str(), 1);
}

}  // namespace

int run_command_line(int argc, char** argv) {
  ignore_broken_pipes();
  add_own_folder_to_path();
  std::vector<std::string> words(argv + 1, argv + argc);
  CommandLine line;
  // Behind -- stands a server's command line, whose flags are not ours.
  if (!words.empty() && words.front() == "mcp") {
    const auto dashes = std::find(words.begin(), words.end(), "--");
    if (dashes != words.end()) {
      line.behind_dashes.assign(dashes + 1, words.end());
      words.erase(dashes, words.end());
    }
  }

  CLI::App app("tsukai runs agents: model, loop, tools, memory and journal in one program.", "tsukai");
  app.set_version_flag("--version", std::string("tsukai ") + TSUKAI_VERSION, "The version");
  app.footer(kExitCodes);
  app.require_subcommand(1);
  app.formatter(line.help);
  app.set_help_flag("-h,--help", "This text");
  add_run(app, line);
  add_chat(app, line);
  add_agent(app, line);
  add_runs(app, line);
  add_memory(app, line);
  add_mcp(app, line);
  add_model(app, line);
  add_doctor(app, line);

  const bool json = std::find(words.begin(), words.end(), "--json") != words.end();
  try {
    if (words.empty()) throw CLI::CallForHelp();
    std::reverse(words.begin(), words.end());  // As CLI11 wants them.
    app.parse(words);
  } catch (const CLI::Success& asked) {  // --help, --version
    Output output(false, false);
    std::string text;
    if (asked.get_name() == "CallForHelp") {
      text = app.help();
    } else {
      text = std::string(asked.what()) + "\n";
    }
    output.write(text);
    return output.finish(0);
  } catch (const CLI::ParseError& error) {
    Output output(json, false);
    return output.finish(output.fail(usage_error(app, error)));
  }
  Output output(line.json, line.quiet);
  return output.finish(line.command(output));
}

}  // namespace tsukai::cli
