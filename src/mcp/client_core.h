// ClientCore: what a connected client knows and does, shared with its coroutines in the background.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/gate.h"
#include "base/json_schema.h"
#include "mcp/client.h"
#include "mcp/client_link.h"
#include "mcp/param_headers.h"
#include "mcp/session.h"
#include "mcp/task_state.h"

namespace tsukai::mcp {

struct ClientCore : std::enable_shared_from_this<ClientCore> {
  static constexpr int kRoundsMax = 16;                  // Of questions before one answer (2026-07-28).
  static constexpr std::size_t kQuestionsMax = 64;       // Of the server, being answered at once.
  static constexpr std::size_t kCachedMax = 256;         // Answers kept as long as ttlMs allows.
  static constexpr std::size_t kPagesMax = 1000;         // Of one list,
  static constexpr std::size_t kItemsMax = 10'000;       // and what stands on them.
  static constexpr std::size_t kSubscribedMax = 1024;    // Resources.
  static constexpr std::size_t kTaskQuestionsMax = 256;  // Of one task.

  ClientCore(asio::any_io_executor executor, ServerConfig config, ClientOptions options);
  ~ClientCore();

  // --- client_connect.cc: finding the era
  Task<void> connect();
  Task<void> connect_stdio();
  Task<void> connect_http();
  Task<void> start_process();
  void start_http();
  LinkEvents events();
  // Asks with server/discover. True: a modern server, and all is known of it; false: it is none.
  Task<bool> discover(std::chrono::milliseconds limit, bool required);
  Task<void> initialize();
  // The session is gone: begins another, once for all who meet that.
  Task<void> renew(std::string gone);
  std::chrono::milliseconds left() const;  // Of start_timeout.
  Error explained(Error error) const;

  // --- client_requests.cc
  // The raw answer. In the modern era with _meta, in the legacy one with a renewed session where that helps.
  Task<Reply> exchange(std::string method, JsonValue params, RequestOptions options, HttpHeaders extra);
  // What a request is sent with, and what was true then.
  struct Sending {
    RequestOptions options;
    std::string session_id;
    bool modern = false;
  };
  Sending sending(RequestOptions options, const HttpHeaders& extra);
  // Looks at the answer; true: the request is worth to be sent once more, by exchange_again().
  bool worth_again(const Sending& sent, const Result<Reply>& reply);
  Task<Reply> exchange_again(std::string gone, Result<Reply> reply, std::string method, JsonValue params,
                             RequestOptions options, HttpHeaders extra);
  // A result that is complete: questions of the server have been answered. Its errors are ours.
  Task<JsonValue> request(std::string method, JsonValue params, OnProgress on_progress = {},
                          HttpHeaders extra = {});
  // The same; an error of the server comes as it is.
  // `first`: sent instead of `params` the first time, where it goes on with a request that asked; null: not
  // so.
  Task<Reply> ask(std::string method, JsonValue params, OnProgress on_progress, HttpHeaders extra,
                  JsonValue first = {});
  bool parks(const std::string& method, const Json& questions) const;
  // All pages of a list, from the cache where it is fresh.
  Task<std::vector<JsonValue>> list(std::string method, std::string member);
  Error from_peer(const std::string& what, const RpcError& error) const;
  RequestOptions call_options(OnProgress on_progress) const;
  // What every request of the modern era says of us.
  std::shared_ptr<const Stamp> stamp();
  bool offers(const char* capability) const;
  void learn_server(const Json& result);

  // --- client_questions.cc: what servers ask and tell
  void take(const Message& message);
  // Who answers elicitation/create, and whether addresses too; empty: nobody.
  const QuestionHandler& on_elicitation() const;
  bool elicits_urls() const;
  Json client_capabilities() const;
  asio::awaitable<Reply> answer(std::string method, JsonValue params);
  static Task<void> run_answer(std::shared_ptr<ClientCore> core, Message message);
  // The answers to inputRequests.
  Task<Json> answer_all(JsonValue questions);
  // The same where a person has given some of them.
  Task<Json> answer_rest(JsonValue questions, JsonValue given);
  void changed(Changed kind);
  static Task<void> run_changed(std::shared_ptr<ClientCore> core, Changed kind);
  static Task<void> run_listen(std::shared_ptr<ClientCore> core);
  void listen();  // Starts, or starts anew with what is wanted now.
  void warn(const std::string& what) const;

  // --- client_tasks.cc: calls that their server made tasks of
  bool calls_as_task(const std::string& tool, bool preferred) const;  // 2025-11-25: must say so in the call.
  // Waits for the end, at most until then; gives what the call would have been answered. Cancels the task
  // when it gives up.
  Task<Reply> follow_task(TaskState task, std::chrono::steady_clock::time_point end, OnProgress on_progress);
  Task<TaskState> task_now(std::string id, std::chrono::steady_clock::time_point end);
  Task<Reply> task_result(std::string id, std::chrono::steady_clock::time_point end);
  Task<void> answer_task(TaskState task, std::set<std::string>& answered);
  static Task<void> run_cancel(std::shared_ptr<ClientCore> core, std::string id);
  // True: the message was about a task that somebody waits for.
  bool take_task_news(const Message& message);

  asio::awaitable<void> shutdown();

  asio::any_io_executor executor;
  ServerConfig config;
  ClientOptions options;
  std::chrono::steady_clock::time_point began;
  std::unique_ptr<Session> session;
  std::unique_ptr<ClientLink> link;
  Gate gate;

  bool modern = false;
  bool described = false;  // The server said what it can do.
  std::string version;
  Implementation server;
  std::string instructions;
  JsonValue capabilities;
  std::string log_level;
  std::shared_ptr<const Stamp> stamped;  // Null: not made yet;
  std::string stamped_level;             // for this level.

  std::string session_gone;  // The last one that was lost,
  bool renewing = false;     // and whether another is being opened.
  asio::steady_timer renewed;
  int last_http_status = 0;  // Of a request that was lost while connecting.

  struct Cached {
    std::chrono::steady_clock::time_point until;
    std::vector<JsonValue> items;
  };
  std::map<std::string, Cached> cache;
  struct KnownTool {
    std::vector<ParamHeader> headers;
    std::optional<JsonValue> output_schema;
    std::optional<JsonSchema> compiled;
    std::string task_support;  // "required", "optional"; 2025-11-25.
  };
  std::map<std::string, KnownTool> tools;

  std::map<std::string, Gate::Child> answering;  // By the id of the server's request, as text.
  struct Refresh {
    bool pending = false, running = false;
  };
  std::array<Refresh, 3> refresh;
  std::set<std::string> subscribed;
  struct TaskWatch {
    OnProgress on_progress;
    asio::steady_timer* wake;  // Cancelled when there is news.
  };
  std::map<std::string, TaskWatch> watched;  // Tasks waited for, by id.
  Gate cancelling;                           // Requests to cancel tasks: sent before the connection closes.
  Gate::Child listening;
  bool is_listening = false;
};

}  // namespace tsukai::mcp
