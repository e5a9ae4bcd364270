// Servers that were lost in the middle of a run are started again; servers whose tools change meanwhile.
#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/redirect_error.hpp>
#include <nlohmann/json.hpp>

#include "agent/run_loop.h"
#include "agent/toolbox.h"

namespace tsukai::agent {
namespace {

using std::chrono::milliseconds;

// Half a minute in all, and then the server stays away.
constexpr int kRetriesMax = 7;
constexpr milliseconds kRetryWait{250}, kRetryWaitMax{10'000};
constexpr milliseconds kPingWait{2'000};

}  // namespace

void Toolbox::tell_started(std::size_t index, std::chrono::steady_clock::time_point began) {
  const auto& server = *servers_[index].client;
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - began;
  options_.tell("server_started", Json{{"server", options_.servers[index].name},
                                       {"implementation", server.server().name},
                                       {"version", server.server().version},
                                       {"protocol", server.protocol_version()},
                                       {"tools", servers_[index].tools.size()},
                                       {"took_ms", took.count()}});
}

void Toolbox::begin_revival(std::size_t index) {
  auto& server = servers_[index];
  if (server.reviving || !server.client || !revivals_) return;
  server.reviving = revivals_->spawn(revive(index));
}

Task<void> Toolbox::up(std::size_t index) {
  const auto& server = servers_[index];
  while (server.reviving) {
    boost::system::error_code error;
    co_await revived_->async_wait(asio::redirect_error(asio::use_awaitable, error));
    if (co_await was_cancelled()) co_return fail(Code::kCancelled, "waiting for the server was cancelled");
  }
  if (!server.client) co_return fail(Code::kTransport, "the server is not there");
  co_return Result<void>();
}

// Not to be stopped in its middle: a client that was started is either used or shut down.
Task<bool> Toolbox::start_again(std::size_t index) {
  auto& server = servers_[index];
  const auto& config = options_.servers[index];
  const auto began = std::chrono::steady_clock::now();
  co_await server.client->shutdown();
  auto client = co_await options_.connect(config, client_options(index));
  if (!client) co_return false;
  auto tools = co_await with_deadline((*client)->list_tools(), config.start_timeout, "tools/list");
  if (!tools || co_await was_cancelled()) {
    co_await (*client)->shutdown();
    co_return false;
  }
  server.client = *std::move(client);
  server.tools = *std::move(tools);
  server.failure.reset();
  server.refused.clear();
  check_pins(index);
  tell_started(index, began);
  co_return true;
}

Task<void> Toolbox::take_change(std::weak_ptr<Toolbox*> self, std::size_t index, mcp::Changed kind) {
  if (kind != mcp::Changed::kTools) co_return Result<void>();
  std::shared_ptr<mcp::Client> client;
  if (const auto toolbox = self.lock()) client = (*toolbox)->servers_[index].client;
  if (!client) co_return Result<void>();  // Still being started: it is listed yet.
  TSUKAI_CO_TRY(auto tools, co_await client->list_tools());
  if (const auto toolbox = self.lock()) (*toolbox)->tools_changed(index, std::move(tools));
  co_return Result<void>();
}

void Toolbox::tools_changed(std::size_t index, std::vector<mcp::Tool> now) {
  auto& server = servers_[index];
  const auto names = [&](const std::vector<mcp::Tool>& those, const std::vector<mcp::Tool>& without) {
    std::string text;
    for (const auto& tool : those) {
      const bool in_both = std::any_of(without.begin(), without.end(),
                                       [&](const auto& other) { return other.name == tool.name; });
      if (!in_both) text += (text.empty() ? "" : ", ") + tool.name;
    }
    return text;
  };
  const auto& name = options_.servers[index].name;
  if (const auto added = names(now, server.tools); !added.empty())
    notice(fmt::format("{} offers new tools, which the next run has: {}", name, added));
  if (const auto gone = names(server.tools, now); !gone.empty())
    notice(fmt::format("{} no longer offers {}", name, gone));
  server.tools = std::move(now);
  server.refused.clear();
  check_pins(index);
}

Task<void> Toolbox::revive(std::size_t index) {
  co_await asio::this_coro::throw_if_cancelled(false);
  auto& server = servers_[index];
  struct Done {
    Toolbox& toolbox;
    Server& server;
    ~Done() {
      server.reviving = false;
      toolbox.revived_->cancel();
    }
  } done{*this, server};
  // One request was lost, which need not be the end of all.
  if (co_await with_deadline(server.client->ping(), kPingWait, "ping")) {
    server.failure.reset();
    co_return Result<void>();
  }
  auto wait = kRetryWait;
  for (int attempt = 1; attempt <= kRetriesMax; ++attempt) {
    TSUKAI_CO_TRY_VOID(co_await sleep_for(wait));
    TSUKAI_CO_TRY(const bool there, co_await start_again(index));
    if (there || co_await was_cancelled()) co_return Result<void>();
    wait = std::min(wait * 2, kRetryWaitMax);
  }
  notice(fmt::format("{} could not be started again, {} times", options_.servers[index].name, kRetriesMax));
  co_return Result<void>();
}

}  // namespace tsukai::agent
