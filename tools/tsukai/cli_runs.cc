// The command line of runs and agent files: run, agent, runs.
#include <fmt/format.h>

#include "base/text.h"
#include "tools/tsukai/agent_command.h"
#include "tools/tsukai/chat_command.h"
#include "tools/tsukai/cli_parts.h"
#include "tools/tsukai/run_command.h"
#include "tools/tsukai/runs_command.h"

namespace tsukai::cli {
namespace {

struct RunWords {
  RunArguments run;
  std::string first, second;
};

void add_params_flag(CLI::App* command, std::vector<std::string>& params) {
  command->add_option("-p,--param", params, "A parameter of the agent file; may be given again")
      ->option_text("NAME=VALUE")
      ->allow_extra_args(false);
}

// What lets a run go on, and so needs a model.
void add_follow_flags(CLI::App* command, FollowArguments& follow) {
  add_threads_flag(command, follow.threads);
  add_timeout_flag(command, follow.timeout_s, "Stop the run after so long");
}

// What begins a run.
void add_run_flags(CLI::App* command, RunArguments& run, ParsedCommand& line) {
  add_params_flag(command, run.params);
  command
      ->add_option(
          "-m,--model", run.model,
          "A .gguf file, smollm2, or PROVIDER:MODEL such as ollama:qwen3:8b (overrides the agent file's)")
      ->option_text("MODEL");
  command->add_option("--config", run.config, "Also use the servers of this mcpServers file")
      ->option_text("FILE");
  command
      ->add_option("--user", run.follow.user,
                   "Whose memory is used (default: $TSUKAI_USER, else the login name)")
      ->option_text("NAME");
  add_follow_flags(command, run.follow);
  add_database_flag(command, run.follow.database);
  add_output_flags(command, line);
}

int run_with_words(Output& output, const RunWords& words) {
  const bool two = !words.second.empty();
  const bool is_file = words.first.ends_with(".yaml") || words.first.ends_with(".yml");
  RunArguments arguments = words.run;
  if (two || is_file) arguments.agent = words.first;
  arguments.task = two ? words.second : is_file ? std::string() : words.first;
  if (trimmed(arguments.task).empty()) {
    return output.fail(
        wrong_use("tsukai run", "the task is missing",
                  fmt::format("write tsukai run {}\"what to do\"", is_file ? words.first + " " : "")));
  }
  return run_command(output, arguments);
}

void add_reading(CLI::App* runs, ParsedCommand& line, const std::shared_ptr<RunsArguments>& arguments,
                 std::vector<CLI::App*>& all) {
  CLI::App* list = add_command(runs, "list", "The newest runs", "tsukai runs list --state waiting");
  list->add_option("--state", arguments->state,
                   "Only running, done, failed, stopped, waiting or cancelled ones")
      ->option_text("STATE");
  list->add_option("-n,--count", arguments->count, "How many (default: 20)")
      ->option_text("N")
      ->check(whole_number(1, 1'000'000));
  line.on(list, [arguments](Output& output) { return runs_list_command(output, *arguments); });
  CLI::App* show = add_command(runs, "show", "What a run did, step by step", "tsukai runs show last");
  show->add_flag("--prompts", arguments->prompts, "The prompt of each model call, rebuilt from the journal");
  show->add_flag("--mermaid", arguments->mermaid, "The plans it made, as Mermaid flowcharts");
  line.on(show, [arguments](Output& output) { return runs_show_command(output, *arguments); });
  CLI::App* verify = add_command(runs, "verify", "Check a run's chain of hashes", "tsukai runs verify last");
  line.on(verify, [arguments](Output& output) { return runs_verify_command(output, *arguments); });
  CLI::App* replay =
      add_command(runs, "replay", "Run the loop again over what was recorded: does it come to the same?",
                  "tsukai runs replay last --regenerate");
  replay->add_flag("--regenerate", arguments->regenerate,
                   "Let the model say it again too: the same tokens must come");
  replay->add_option("-m,--model", arguments->model, "Where the run's model is now (with --regenerate)")
      ->option_text("MODEL");
  add_threads_flag(replay, arguments->follow.threads);
  line.on(replay, [arguments](Output& output) { return runs_replay_command(output, *arguments); });
  CLI::App* exporting = add_command(runs, "export", "The whole run as JSON, or as a page to look at",
                                    "tsukai runs export last --html run.html");
  exporting->add_option("--html", arguments->html, "Write a self-contained HTML page (-: standard output)")
      ->option_text("FILE");
  line.on(exporting, [arguments](Output& output) { return runs_export_command(output, *arguments); });
  all.insert(all.end(), {list, show, verify, replay, exporting});
}

void add_going_on(CLI::App* runs, ParsedCommand& line, const std::shared_ptr<RunsArguments>& arguments,
                  std::vector<CLI::App*>& all) {
  const auto add_call = [&](CLI::App* command) {
    command->add_option("CALL", arguments->call,
                        "Which call, such as step-2/call-1; may be left out when only one waits");
    command->add_flag("--no-resume", arguments->no_resume, "Leave the word; do not go on with the run here");
  };
  CLI::App* resume = add_command(runs, "resume", "Go on with a run that waits, or whose process died",
                                 "tsukai runs resume last");
  line.on(resume, [arguments](Output& output) { return runs_resume_command(output, *arguments); });
  CLI::App* approve = add_command(runs, "approve", "Allow or refuse a call that asks, and go on",
                                  "tsukai runs approve last step-2/call-1 --deny --reason \"too dear\"");
  approve->add_flag("--deny", arguments->deny, "Refuse it: the model is told so");
  approve
      ->add_option("--content", arguments->content,
                   "Answer the form of a call whose server asks; without it, and for an address: yes")
      ->option_text("JSON");
  approve->add_option("--reason", arguments->reason, "Why; the model is told when it is refused")
      ->option_text("TEXT");
  line.on(approve, [arguments](Output& output) { return runs_approve_command(output, *arguments); });
  CLI::App* resolve = add_command(runs, "resolve", "Say what became of a call nobody knows the outcome of",
                                  "tsukai runs resolve last --done '{\"order\": 7}'");
  CLI::Option* done =
      resolve->add_option("--done", arguments->result, "It took effect, and this was its answer");
  done->option_text("JSON")->each([arguments](const std::string&) { arguments->done = true; });
  resolve->add_flag("--retry", arguments->retry, "It did not: make it again");
  resolve->add_flag("--abort", arguments->abort, "Neither can be said: end the run as failed");
  line.on(resolve, [arguments](Output& output) { return runs_resolve_command(output, *arguments); });
  CLI::App* fork = add_command(runs, "fork", "Begin a new run from a step of an old one",
                               "tsukai runs fork last --step 2 --say \"Prefer places with a garden.\"");
  fork->add_option("--step", arguments->step,
                   "The first step to do anew (default, with --say: the one after the last)")
      ->option_text("N")
      ->check(whole_number(1, 1'000'000));
  fork->add_option("--say", arguments->say, "Add a message to the model")->option_text("TEXT");
  line.on(fork, [arguments](Output& output) { return runs_fork_command(output, *arguments); });
  for (CLI::App* command : {resume, approve, resolve, fork}) add_follow_flags(command, arguments->follow);
  CLI::App* cancel = add_command(runs, "cancel", "End a run, or ask the process that works on it to end it",
                                 "tsukai runs cancel last");
  line.on(cancel, [arguments](Output& output) { return runs_cancel_command(output, *arguments); });
  all.insert(all.end(), {resume, approve, resolve, fork, cancel});
  for (CLI::App* command : {approve, resolve}) {
    command->add_option("RUN", arguments->run, "A run's id, the beginning of one, or last")->required();
    add_call(command);
  }
}

void add_forgetting(CLI::App* runs, ParsedCommand& line, const std::shared_ptr<RunsArguments>& arguments,
                    std::vector<CLI::App*>& all) {
  CLI::App* erase = add_command(runs, "erase", "Forget all that an ended run held; its chain of hashes stays",
                                "tsukai runs erase last --reason \"asked to\" --yes");
  erase->add_option("--reason", arguments->reason, "Why; this stays in the journal")->option_text("TEXT");
  erase->add_flag("-y,--yes", arguments->yes, "Do not ask");
  line.on(erase, [arguments](Output& output) { return runs_erase_command(output, *arguments); });
  CLI::App* prune = add_command(runs, "prune", "Delete ended runs by age and size, the oldest first",
                                "tsukai runs prune --older-than 30d --larger-than 500MB");
  prune->add_option("--older-than", arguments->older_than, "Runs that ended so long ago")->option_text("30d");
  prune->add_option("--larger-than", arguments->larger_than, "The oldest, until all together are not larger")
      ->option_text("500MB");
  line.on(prune, [arguments](Output& output) { return runs_prune_command(output, *arguments); });
  all.insert(all.end(), {erase, prune});
}

}  // namespace

void add_run(CLI::App& app, ParsedCommand& line) {
  CLI::App* run =
      add_command(&app, "run", "Run a task; the answer on standard output, the steps on standard error",
                  "tsukai run examples/day-out.yaml \"Find an Old Gate coffee shop.\"");
  line.help->set_usage(run, "[AGENT.yaml] TASK");
  const auto words = std::make_shared<RunWords>();
  run->add_option("AGENT.yaml", words->first, "An agent file; may be left out");
  run->add_option("TASK", words->second, "What to do, in quotation marks");
  add_run_flags(run, words->run, line);
  line.on(run, [words](Output& output) { return run_with_words(output, *words); });
}

void add_chat(CLI::App& app, ParsedCommand& line) {
  CLI::App* chat =
      add_command(&app, "chat", "Talk with an agent, turn by turn", "tsukai chat examples/day-out.yaml");
  line.help->set_usage(chat, "[AGENT.yaml]");
  const auto arguments = std::make_shared<ChatArguments>();
  chat->add_option("AGENT.yaml", arguments->run.agent, "An agent file; may be left out");
  chat->add_option("--from", arguments->from,
                   "Go on from an earlier run: its id, the beginning of it, or last")
      ->option_text("RUN");
  add_run_flags(chat, arguments->run, line);
  line.on(chat, [arguments](Output& output) { return chat_command(output, *arguments); });
}

void add_agent(CLI::App& app, ParsedCommand& line) {
  CLI::App* agent =
      add_command(&app, "agent", "Work on agent files", "tsukai agent check examples/day-out.yaml");
  agent->require_subcommand(1);
  CLI::App* check = add_command(agent, "check", "Every mistake in an agent file, with line and remedy",
                                "tsukai agent check examples/day-out.yaml");
  const auto path = std::make_shared<std::string>();
  const auto params = std::make_shared<std::vector<std::string>>();
  check->add_option("AGENT", *path, "An agent file (.yaml)")->required();
  add_params_flag(check, *params);
  add_output_flags(check, line);
  line.on(check, [path, params](Output& output) { return agent_check_command(output, *path, *params); });
}

void add_runs(CLI::App& app, ParsedCommand& line) {
  CLI::App* runs =
      add_command(&app, "runs", "Earlier runs: look, decide, go on, keep, forget", "tsukai runs show last");
  runs->require_subcommand(1);
  const auto arguments = std::make_shared<RunsArguments>();
  std::vector<CLI::App*> all;
  add_reading(runs, line, arguments, all);
  add_going_on(runs, line, arguments, all);
  add_forgetting(runs, line, arguments, all);
  for (CLI::App* command : all) {
    const std::string name = command->get_name();
    // approve and resolve have theirs, before CALL.
    if (name != "list" && name != "prune" && name != "approve" && name != "resolve") {
      command->add_option("RUN", arguments->run, "A run's id, the beginning of one, or last")->required();
    }
    add_database_flag(command, arguments->follow.database);
    add_output_flags(command, line);
  }
}

}  // namespace tsukai::cli
