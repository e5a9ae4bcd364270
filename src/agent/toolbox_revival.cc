// Servers that were lost in the middle of a run, or did not start, are started again; servers whose tools
// change meanwhile.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <boost/asio/redirect_error.hpp>
#include <nlohmann/json.hpp>
#include <utility>

#include "agent/find_tools.h"
#include "agent/run_loop.h"
#include "agent/tool_names.h"
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
  if (server.reviving || !revivals_) return;
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
  if (server.client) co_await server.client->shutdown();
  auto client = co_await options_.connect(config, client_options(index));
  if (!client) co_return false;
  auto tools = co_await with_deadline((*client)->list_tools(), config.start_timeout, "tools/list");
  if (!tools || co_await was_cancelled()) {
    co_await (*client)->shutdown();
    co_return false;
  }
  server.client = *std::move(client);
  server.failure.reset();
  tools_changed(index, *std::move(tools));
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
  const auto& name = options_.servers[index].name;
  server.tools = std::move(now);
  server.refused.clear();
  check_pins(index);
  if (!bound_) return;
  const auto offered = [&](const std::string& tool) {
    return std::any_of(server.tools.begin(), server.tools.end(),
                       [&](const mcp::Tool& each) { return each.name == tool; });
  };
  std::vector<std::string> lost;
  const auto look_at = [&](const auto& tools) {
    for (const auto& tool : tools) {
      if (tool.agent || tool.server != index) continue;
      const auto& own = tool.tool.name;
      if (offered(own))
        server.gone.erase(own);
      else if (server.gone.insert(own).second)
        lost.push_back(own);
    }
  };
  look_at(tools_);
  look_at(later_);
  if (!lost.empty()) notice(fmt::format("{} no longer offers {}", name, fmt::join(lost, ", ")));
  std::erase_if(arrivals_, [&](const BoundTool& tool) {
    return tool.server == index && (!offered(tool.tool.name) || server.refused.contains(tool.tool.name));
  });
  if (const auto added = take_arrivals(index); !added.empty())
    notice(fmt::format("{} offers new tools: {}", name, fmt::join(added, ", ")));
}

// What the server offers and the run does not know: bound, to be admitted. Gives their names.
std::vector<std::string> Toolbox::take_arrivals(std::size_t index) {
  std::vector<std::string> added;
  for (const auto& tool : servers_[index].tools) {
    const auto qualified = qualified_name(options_.servers[index].name, tool.name);
    const auto same = [&](const BoundTool& each) { return each.qualified == qualified; };
    const auto* known = find(model_tool_name(options_.servers[index].name, tool.name));
    if (known != nullptr && same(*known)) continue;
    if (std::any_of(arrivals_.begin(), arrivals_.end(), same)) continue;
    auto bound = bind(index, tool);
    if (!bound) continue;
    if (tools_.size() + later_.size() + arrivals_.size() >= kToolsMax) {
      notice(fmt::format("{} is left out: the run has {} tools already", qualified, kToolsMax));
      break;
    }
    arrivals_.push_back(*std::move(bound));
    added.push_back(tool.name);
  }
  return added;
}

const BoundTool* Toolbox::add_later(BoundTool tool) {
  narrow(tool.definition, tool);
  const auto& added = later_.emplace_back(std::move(tool));
  later_by_name_[added.definition.name] = &added;
  return &added;
}

std::vector<const BoundTool*> Toolbox::admit_arrivals(const std::string&) {
  std::vector<const BoundTool*> admitted;
  std::size_t bytes = 0, taken = 0;
  for (auto& tool : arrivals_) {
    bytes += bytes_of({tool.definition});
    if (taken > 0 && bytes > kArrivalBytesMax) break;
    ++taken;
    // Two of the names may be one to the model: the first has it.
    if (find(tool.definition.name) == nullptr) admitted.push_back(add_later(std::move(tool)));
  }
  arrivals_.erase(arrivals_.begin(), arrivals_.begin() + static_cast<std::ptrdiff_t>(taken));
  return admitted;
}

void Toolbox::take_up(const Json& began_with, const Json& told_later) {
  const auto names = [](const Json& record) {
    std::set<std::string> out;
    for (const auto& tool : record) out.insert(string_at(tool, "name"));
    return out;
  };
  const auto first = names(began_with), later = names(told_later);
  auto all = std::exchange(tools_, {});
  definitions_.clear();
  by_name_.clear();
  for (auto& tool : all) {
    if (first.contains(tool.definition.name))
      add_tool(std::move(tool));
    else if (later.contains(tool.definition.name))
      add_later(std::move(tool));
    else if (!tool.agent)
      arrivals_.push_back(std::move(tool));
  }
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
  if (server.client && co_await with_deadline(server.client->ping(), kPingWait, "ping")) {
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
