// shop_load: many clients at once in one shop over HTTP, who repeat calls as clients do whose answers got
// lost. Prints JSON: how quick it was, whether every invariant of the ledger holds and every key was
// honoured.
//
//   shop_load [CALLS] [CLIENTS] [--fast]
//
// The server runs on a thread of its own, on a file in the temporary folder, with every write durable unless
// --fast is given. Exit code 1 when an invariant or a key was broken.
#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/post.hpp>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <future>
#include <map>
#include <nlohmann/json.hpp>
#include <thread>

#include "base/gate.h"
#include "base/http_client.h"
#include "base/random.h"
#include "tools/shop/ledger.h"
#include "tools/shop/tools.h"

using namespace tsukai;
using namespace tsukai::shop;

namespace {

using Steady = std::chrono::steady_clock;

struct Figures {
  std::vector<double> ms;
  std::map<std::string, std::string> first;  // Answer to the first successful call of each key.
  std::int64_t refused = 0, repeated = 0, repeated_at_once = 0, misused = 0;
  std::int64_t broken_keys = 0;  // A repeated call with another answer, or another call under a used key.
  std::string error;
};

struct Load {
  std::string url;
  int calls_left = 0;
  HttpClient* http = nullptr;
  Figures figures;
};

struct Reply {
  bool refused = false;
  std::string text;  // Structured content, printed; of a refusal what was said.
};

Task<Reply> call(Load& load, std::string tool, Json arguments) {
  --load.calls_left;
  Json params = {{"name", tool}, {"arguments", std::move(arguments)}};
  params["_meta"] = {{"io.modelcontextprotocol/protocolVersion", "2026-07-28"},
                     {"io.modelcontextprotocol/clientCapabilities", Json::object()}};
  HttpRequest request{.method = "POST", .url = load.url};
  request.headers = {{"Content-Type", "application/json"},
                     {"Accept", "application/json, text/event-stream"},
                     {"MCP-Protocol-Version", "2026-07-28"},
                     {"Mcp-Method", "tools/call"},
                     {"Mcp-Name", tool},
                     {"Authorization", "Bearer load"}};
  request.body =
      print_json({{"jsonrpc", "2.0"}, {"id", 1}, {"method", "tools/call"}, {"params", std::move(params)}});
  const auto start = Steady::now();
  TSUKAI_CO_TRY(const HttpResponse response, co_await load.http->fetch(std::move(request)));
  load.figures.ms.push_back(std::chrono::duration<double, std::milli>(Steady::now() - start).count());
  std::string body = response.body;
  if (const auto data = body.rfind("data: {"); !body.starts_with('{') && data != std::string::npos)
    body = body.substr(data + 6, body.find('\n', data) - data - 6);
  TSUKAI_CO_TRY(const Json answer, parse_json(body));
  const Json* result = find(answer, "result");
  if (result == nullptr) co_return fail(Code::kProtocol, "no result: " + body);
  if (!bool_at(*result, "isError")) co_return Reply{false, print_json(result->at("structuredContent"))};
  ++load.figures.refused;
  co_return Reply{true, result->at("content").at(0).at("text").get<std::string>()};
}

// A customer: fills a cart, orders, pays, cancels, sends back; and repeats what it said before.
class Customer {
 public:
  Customer(Load& load, int number)
      : load_(load), number_(number), random_(static_cast<std::uint64_t>(number) + 1) {}

  Task<void> shop_until_done() {
    while (load_.calls_left > 0) TSUKAI_CO_TRY_VOID(co_await one());
    co_return Result<void>();
  }

 private:
  struct Write {
    std::string tool;
    Json arguments;
  };

  Task<void> one() {
    const auto draw = random_.below(100);
    if (draw < 25) {
      TSUKAI_CO_TRY_VOID(
          co_await call(load_, "search_products", Json{{"query", draw < 12 ? "coffee beans" : "茶杯"}}));
      co_return Result<void>();
    }
    if (draw < 30) {
      TSUKAI_CO_TRY_VOID(co_await call(load_, "view_cart", Json{{"cart", cart()}}));
      co_return Result<void>();
    }
    if (draw < 42 && !done_.empty()) {
      ++load_.figures.repeated;
      const Write again = done_[random_.below(done_.size())];
      co_return co_await write(again);
    }
    if (draw < 44 && !done_.empty()) co_return co_await misuse(done_[random_.below(done_.size())]);
    co_return co_await write(next());
  }

  std::string cart() const { return "cart-" + std::to_string(number_); }

  Write next() {
    const std::string key = fmt::format("c{}-{}", number_, ++keys_);
    if (!paid_.empty() && random_.below(3) == 0)
      return {"refund", {{"order_id", take(paid_)}, {"idempotency_key", key}}};
    if (!due_.empty()) {
      const auto [order, amount] = *due_.begin();
      due_.erase(due_.begin());
      if (random_.below(3) == 0) return {"cancel_order", {{"order_id", order}, {"idempotency_key", key}}};
      return {"pay", {{"order_id", order}, {"amount", amount}, {"idempotency_key", key}}};
    }
    if (in_cart_ > 0 && random_.below(2) == 0) {
      in_cart_ = 0;
      return {"check_out", {{"cart", cart()}, {"idempotency_key", key}}};
    }
    ++in_cart_;
    return {"add_to_cart",
            {{"cart", cart()},
             {"product_id", fmt::format("P{:03}", 1 + random_.below(150))},
             {"quantity", 1 + random_.below(2)},
             {"idempotency_key", key}}};
  }

  static std::string take(std::vector<std::string>& from) {
    std::string last = from.back();
    from.pop_back();
    return last;
  }

  Task<void> write(Write write) {
    if (random_.below(20) == 0) {
      // Twice at the same time, as after a timeout that came too early.
      ++load_.figures.repeated_at_once;
      std::optional<Result<Reply>> first, second;
      co_await both_end(keep(call(load_, write.tool, write.arguments), &first),
                        keep(call(load_, write.tool, write.arguments), &second));
      const auto &one = *first, &two = *second;
      if (!one) co_return fail(one.error());
      if (!two) co_return fail(two.error());
      if (!one->refused && !two->refused && one->text != two->text) ++load_.figures.broken_keys;
      note(write, one->refused ? *two : *one);
      co_return Result<void>();
    }
    TSUKAI_CO_TRY(const Reply reply, co_await call(load_, write.tool, write.arguments));
    note(write, reply);
    co_return Result<void>();
  }

  void note(const Write& write, const Reply& reply) {
    const std::string key = write.arguments.at("idempotency_key");
    const auto known = load_.figures.first.find(key);
    if (known != load_.figures.first.end()) {
      if (reply.refused || reply.text != known->second) ++load_.figures.broken_keys;
      return;
    }
    if (reply.refused) return;
    load_.figures.first.emplace(key, reply.text);
    done_.push_back(write);
    const Json answer = parse_json(reply.text).value();
    if (write.tool == "check_out")
      due_.emplace(answer.at("order_id"), answer.at("total_minor").get<std::int64_t>());
    if (write.tool == "pay") paid_.push_back(answer.at("order_id"));
  }

  // A used key for another action must be refused.
  Task<void> misuse(Write write) {
    ++load_.figures.misused;
    const std::string key = write.arguments.at("idempotency_key");
    TSUKAI_CO_TRY(const Reply reply,
                  co_await call(load_, "add_to_cart",
                                Json{{"product_id", "P001"}, {"quantity", 77}, {"idempotency_key", key}}));
    if (!reply.refused || reply.text.find("idempotency_key") == std::string::npos)
      ++load_.figures.broken_keys;
    co_return Result<void>();
  }

  Load& load_;
  int number_;
  Random random_;
  int keys_ = 0, in_cart_ = 0;
  std::vector<Write> done_;
  std::map<std::string, std::int64_t> due_;
  std::vector<std::string> paid_;
};

Task<void> customer(Load& load, int number) {
  Customer one(load, number);
  auto done = co_await one.shop_until_done();
  if (!done && load.figures.error.empty()) load.figures.error = done.error().text();
  co_return Result<void>();
}

Task<void> all_customers(Load& load, int clients) {
  const auto executor = co_await asio::this_coro::executor;
  auto http = HttpClient::make(executor);
  load.http = http.get();
  Gate gate(executor);
  for (int i = 0; i < clients; ++i) gate.spawn(customer(load, i));
  co_await gate.drained();
  co_await gate.close();
  co_return Result<void>();
}

// The shop's server on a thread of its own, until the end of the program.
class ServerThread {
 public:
  explicit ServerThread(Shop& shop) : server_(mcp::Server::make({{"tsukai-shop", "", "1"}, ""})) {
    add_tools(*server_, shop);
    std::promise<std::uint16_t> listening;
    auto port = listening.get_future();
    thread_ = std::thread([this, &listening] {
      mcp::HttpServeOptions options;
      options.bearer_keys = {"load"};
      options.on_listening = [&](std::uint16_t bound) { listening.set_value(bound); };
      Gate gate(context_.get_executor());
      gate.spawn(server_->serve_http(std::move(options)));
      context_.run();
    });
    url_ = fmt::format("http://127.0.0.1:{}/mcp", port.get());
  }
  const std::string& url() const { return url_; }
  // Nothing is in flight any more; what listens may be dropped with the process.
  [[noreturn]] void exit_with(int code) {
    std::fflush(stdout);
    std::_Exit(code);
  }

 private:
  asio::io_context context_;
  std::unique_ptr<mcp::Server> server_;
  std::thread thread_;
  std::string url_;
};

double at_share(const std::vector<double>& sorted, double share) {
  return sorted.empty()
             ? 0
             : sorted[std::min(sorted.size() - 1,
                               static_cast<std::size_t>(share * static_cast<double>(sorted.size())))];
}

}  // namespace

int main(int argc, char** argv) {
  const bool fast = argc > 1 && std::string(argv[argc - 1]) == "--fast";
  const int numbers = argc - (fast ? 2 : 1);
  const int calls = numbers > 0 ? std::atoi(argv[1]) : 100'000;
  const int clients = numbers > 1 ? std::atoi(argv[2]) : 64;
  const auto folder = std::filesystem::temp_directory_path() / ("shop_load-" + random_id(8));
  std::filesystem::create_directories(folder);
  const std::string path = (folder / "shop.db").string();
  auto shop = Shop::open(path, {.every_write_durable = !fast}, system_clock());
  if (!shop) {
    fmt::print(stderr, "shop_load: {}\n", shop.error().text());
    return 3;
  }
  ServerThread server(*shop);
  Load load{.url = server.url(), .calls_left = calls};
  const auto start = Steady::now();
  asio::io_context context;
  (void)run_to_end(context, all_customers(load, clients));
  const double seconds = std::chrono::duration<double>(Steady::now() - start).count();

  auto database = Database::open(path, {.read_only = true});
  const auto sums = sum_ledger(*database);
  const auto problems = check_ledger(*database);
  Figures& figures = load.figures;
  std::sort(figures.ms.begin(), figures.ms.end());
  std::int64_t requests = 0;
  for (const auto& [tool, count] : sums->calls) requests += count;
  // Every key that a client was answered for is in the file once, and no other is.
  const bool keys_ok =
      figures.broken_keys == 0 && requests == static_cast<std::int64_t>(figures.first.size());
  const Json out = {{"clients", clients},
                    {"calls", figures.ms.size()},
                    {"every_write_durable", !fast},
                    {"seconds", seconds},
                    {"calls_per_s", static_cast<double>(figures.ms.size()) / seconds},
                    {"p50_ms", at_share(figures.ms, 0.5)},
                    {"p99_ms", at_share(figures.ms, 0.99)},
                    {"refused", figures.refused},
                    {"keys_used", figures.first.size()},
                    {"repeated", figures.repeated},
                    {"repeated_at_once", figures.repeated_at_once},
                    {"misused", figures.misused},
                    {"keys_honoured", keys_ok},
                    {"invariants_hold", problems && problems->empty()},
                    {"problems", problems ? Json(*problems) : Json(problems.error().text())},
                    {"error", figures.error},
                    {"ledger", *to_json(*sums)}};
  fmt::print("{}\n", print_json_pretty(out));
  std::error_code ignored;
  std::filesystem::remove_all(folder, ignored);
  server.exit_with(keys_ok && problems && problems->empty() && figures.error.empty() ? 0 : 1);
}
