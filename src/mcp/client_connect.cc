// Finding out which era a server belongs to, in the order that the specification of 2026-07-28 gives.
#include <fmt/format.h>

#include <boost/asio/redirect_error.hpp>
#include <nlohmann/json.hpp>

#include "mcp/client_core.h"
#include "mcp/version.h"
#include "mcp/wire.h"

namespace tsukai::mcp {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

constexpr milliseconds kProbeMax{4'000};  // Legacy servers may leave an unknown method without an answer.

bool modern_error(const RpcError& error) {
  return error.code == kHeaderMismatch || error.code == kMissingClientCapability ||
         error.code == kUnsupportedVersion;
}

std::string joined(const Json* versions) {
  std::string out;
  if (versions == nullptr || !versions->is_array()) return "none";
  for (const auto& one : *versions) {
    if (one.is_string()) out += (out.empty() ? "" : ", ") + one.get<std::string>();
  }
  return out;
}

bool names(const Json* versions, std::string_view wanted) {
  if (versions == nullptr || !versions->is_array()) return false;
  for (const auto& one : *versions) {
    if (one.is_string() && one.get<std::string>() == wanted) return true;
  }
  return false;
}

}  // namespace

ClientCore::ClientCore(asio::any_io_executor given, ServerConfig what, ClientOptions how)
    : executor(given),
      config(std::move(what)),
      options(std::move(how)),
      began(steady_clock::now()),
      gate(given),
      capabilities(Json::object()),
      log_level(options.log_level),
      renewed(given),
      cancelling(given) {
  renewed.expires_at(steady_clock::time_point::max());
}
ClientCore::~ClientCore() = default;

milliseconds ClientCore::left() const {
  const auto gone = std::chrono::duration_cast<milliseconds>(steady_clock::now() - began);
  return std::max(config.start_timeout - gone, milliseconds(1));
}

// Says what a silent server was doing instead.
Error ClientCore::explained(Error error) const {
  if (error.code() != Code::kTimeout) return error;
  return Error(Code::kTimeout,
               fmt::format("server {} did not answer within {} ms{}", config.name,
                           config.start_timeout.count(), link ? link->notes() : ""),
               "is it an MCP server, and does it need longer to start?");
}

LinkEvents ClientCore::events() {
  // Events of a link that was replaced must not reach its successor's session.
  auto weak = weak_from_this();
  const auto* mine = session.get();
  const auto live = [weak, mine]() -> std::shared_ptr<ClientCore> {
    auto core = weak.lock();
    return core && core->session.get() == mine ? core : nullptr;
  };
  return {[live](const Message& message) {
            if (auto core = live()) core->take(message);
          },
          [live](std::int64_t id, const LinkFailure& failure) {
            auto core = live();
            if (!core) return;
            core->last_http_status = failure.http_status;
            if (!failure.session_gone.empty()) core->session_gone = failure.session_gone;
            core->session->fail_call(id, failure.error);
          },
          [live](Error why) {
            if (auto core = live()) core->session->break_off(std::move(why));
          }};
}

Task<void> ClientCore::start_process() {
  if (link) co_await link->shutdown();
  session =
      std::make_unique<Session>(executor, [this](const Message& message) { return link->send(message, {}); });
  TSUKAI_CO_TRY(link, start_stdio_link(executor, config, options.on_message, events()));
  co_return Result<void>();
}

void ClientCore::start_http() {
  session =
      std::make_unique<Session>(executor, [this](const Message& message) { return link->send(message, {}); });
  link = make_http_link(executor, config, options.authorizer, options.on_message, events());
}

Task<void> ClientCore::connect() {
  const bool http = config.command.empty();
  if (http && config.url.empty()) {
    co_return fail(Code::kInvalidArgument, fmt::format("server {} has neither command nor url", config.name));
  }
  const auto& pinned = config.protocol_version;
  if (!pinned.empty() && pinned != kModernVersion && !is_legacy(pinned)) {
    co_return fail(Code::kInvalidArgument,
                   fmt::format("server {}: revision {} is not known", config.name, pinned),
                   fmt::format("known are {} and {}", kModernVersion, fmt::join(kLegacyVersions, ", ")));
  }
  if (config.era == Era::kAuto && !pinned.empty())
    config.era = pinned == kModernVersion ? Era::kModern : Era::kLegacy;
  auto outcome = co_await (http ? connect_http() : connect_stdio());
  if (!outcome) co_return fail(explained(std::move(outcome).error()));
  listen();
  co_return Result<void>();
}

Task<void> ClientCore::connect_stdio() {
  TSUKAI_CO_TRY_VOID(co_await start_process());
  if (config.era == Era::kLegacy) co_return co_await initialize();
  if (config.era == Era::kModern && !config.protocol_version.empty()) {
    modern = true;
    version = config.protocol_version;
    co_return Result<void>();
  }
  auto found = co_await discover(config.era == Era::kModern ? left() : std::min(kProbeMax, left() / 2),
                                 config.era == Era::kModern);
  if (found && *found) co_return Result<void>();
  if (!found && config.era == Era::kModern) co_return fail(std::move(found).error());
  const bool died = !found && found.error().code() == Code::kTransport;
  if (!found && !died && found.error().code() != Code::kTimeout) co_return fail(std::move(found).error());
  if (!died) {
    // A server that answers, or is only slow to start, need not be started again: initialize is its first
    // valid request. Only where that kills it, it starts anew.
    auto opened = co_await initialize();
    if (opened || opened.error().code() != Code::kTransport) co_return opened;
  }
  TSUKAI_CO_TRY_VOID(co_await start_process());
  co_return co_await initialize();
}

Task<void> ClientCore::connect_http() {
  if (!config.legacy_sse) {
    start_http();
    if (config.era == Era::kModern && !config.protocol_version.empty()) {
      modern = true;
      version = config.protocol_version;
      co_return Result<void>();
    }
    if (config.era != Era::kLegacy) {
      const bool required = config.era == Era::kModern;
      auto found = co_await discover(required ? left() : std::min(kProbeMax, left() / 2), required);
      if (found && *found) co_return Result<void>();
      // Only an answer, or silence, says that this is a legacy server.
      const bool silent = !found && found.error().code() == Code::kTimeout;
      if (!found &&
          (required || found.error().code() == Code::kDenied || (last_http_status == 0 && !silent))) {
        co_return fail(std::move(found).error());
      }
    }
    last_http_status = 0;
    auto opened = co_await initialize();
    const bool elsewhere = last_http_status == 400 || last_http_status == 404 || last_http_status == 405;
    if (opened || !elsewhere) co_return opened;
    co_await link->shutdown();
  }
  session =
      std::make_unique<Session>(executor, [this](const Message& message) { return link->send(message, {}); });
  auto sse = co_await with_deadline(open_sse_link(config, options.authorizer, options.on_message, events()),
                                    left(), "the event stream of server " + config.name);
  if (!sse) co_return fail(std::move(sse).error());
  link = *std::move(sse);
  co_return co_await initialize();
}

Task<bool> ClientCore::discover(milliseconds limit, bool required) {
  modern = true;
  version = kModernVersion;
  auto reply = co_await exchange("server/discover", Json::object(), {limit, limit, {}, false, {}}, {});
  modern = false;
  if (!reply) co_return fail(std::move(reply).error());
  const Json* versions = nullptr;
  if (!*reply) {
    versions = find(*reply->error().data, "supported");
    const auto& error = reply->error();
    if (!modern_error(error) && !required) co_return false;
    if (error.code != kUnsupportedVersion || names(versions, kModernVersion)) {
      co_return fail(Code::kProtocol, fmt::format("server {} refused server/discover: {} (error {})",
                                                  config.name, error.message, error.code));
    }
  } else {
    const Json& answer = ***reply;
    versions = find(answer, "supportedVersions");
    if (names(versions, kModernVersion)) {
      modern = described = true;
      if (const Json* can = find(answer, "capabilities"); can != nullptr && can->is_object())
        capabilities = *can;
      instructions = string_at(answer, "instructions");
      const Json* meta = find(answer, "_meta");
      const Json* info = meta != nullptr ? find(*meta, kMetaServerInfo) : nullptr;
      if (info == nullptr) info = find(answer, "serverInfo");
      if (info != nullptr) server = parse_implementation(*info);
      co_return true;
    }
  }
  for (auto legacy : kLegacyVersions) {
    if (!required && names(versions, legacy)) co_return false;
  }
  // Servers without any of that are legacy ones that answer whatever they are asked.
  if (versions == nullptr && !required) co_return false;
  co_return fail(Code::kProtocol,
                 fmt::format("server {} speaks the revisions {}; tsukai {} and {} to {}", config.name,
                             joined(versions), kModernVersion, kLegacyVersions.back(), kLatestLegacy));
}

Task<void> ClientCore::initialize() {
  modern = false;
  const std::string asked =
      config.protocol_version.empty() ? std::string(kLatestLegacy) : config.protocol_version;
  Json params = {{"protocolVersion", asked},
                 {"capabilities", client_capabilities()},
                 {"clientInfo", {{"name", "tsukai"}, {"version", TSUKAI_VERSION}}}};
  auto reply = co_await session->call("initialize", std::move(params), {left(), left(), {}, false, {}});
  if (!reply) co_return fail(std::move(reply).error());
  if (!*reply) {
    const auto& error = reply->error();
    if (const Json* supported = find(*error.data, "supported"); supported != nullptr) {
      co_return fail(Code::kProtocol, fmt::format("server {} speaks the revisions {}, not {}", config.name,
                                                  joined(supported), asked));
    }
    if (error.refused && last_http_status == 0) last_http_status = 400;
    co_return fail(Code::kProtocol, fmt::format("server {} refused initialize: {} (error {})", config.name,
                                                error.message, error.code));
  }
  const Json& answer = ***reply;
  version = string_at(answer, "protocolVersion");
  if (!is_legacy(version)) {
    co_return fail(
        Code::kProtocol,
        version.empty()
            ? fmt::format("server {}: initialize was answered without protocolVersion", config.name)
            : fmt::format("server {} speaks revision {} of the protocol, tsukai {} to {}", config.name,
                          version, kLegacyVersions.back(), kLatestLegacy));
  }
  described = true;
  if (const Json* can = find(answer, "capabilities"); can != nullptr && can->is_object()) capabilities = *can;
  if (const Json* info = find(answer, "serverInfo")) server = parse_implementation(*info);
  instructions = string_at(answer, "instructions");
  link->opened(version);
  TSUKAI_CO_TRY_VOID(co_await link->post(notification("notifications/initialized", {})));
  if (options.on_log && find(*capabilities, "logging") != nullptr && !log_level.empty()) {
    (void)co_await session->call("logging/setLevel", Json{{"level", log_level}}, call_options({}));
  }
  co_return Result<void>();
}

Task<void> ClientCore::renew(std::string gone) {
  while (renewing) {
    boost::system::error_code error;
    co_await renewed.async_wait(asio::redirect_error(asio::use_awaitable, error));
    if ((co_await asio::this_coro::cancellation_state).cancelled() != asio::cancellation_type::none) {
      co_return fail(Code::kCancelled, "the call was cancelled");
    }
  }
  if (link->session_id() != gone) co_return Result<void>();  // Somebody else was faster.
  renewing = true;
  struct Done {
    ClientCore& core;
    ~Done() {
      core.renewing = false;
      core.renewed.cancel();
    }
  } done{*this};
  began = steady_clock::now();
  cache.clear();
  TSUKAI_CO_TRY_VOID(co_await initialize());
  for (const auto& uri : std::set<std::string>(subscribed)) {
    (void)co_await session->call("resources/subscribe", Json{{"uri", uri}}, call_options({}));
  }
  co_return Result<void>();
}

asio::awaitable<void> ClientCore::shutdown() {
  auto self = shared_from_this();
  co_await asio::this_coro::reset_cancellation_state(asio::disable_cancellation());
  co_await cancelling.drained();
  session->break_off(Error(Code::kCancelled, "the client was closed"));
  co_await gate.close();
  if (link) co_await link->shutdown();
}

}  // namespace tsukai::mcp
