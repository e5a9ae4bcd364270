// Files from a server that cuts, stalls and lies.
#include "infer/pull/download.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <filesystem>

#include "base/hash.h"
#include "infer/support/loopback_hub.h"
#include "support/scratch_dir.h"

using namespace tsukai;
using namespace tsukai::infer;
using namespace tsukai::infer::test;
using namespace std::chrono_literals;

namespace {

std::string pattern(std::size_t bytes) {
  std::string out(bytes, ' ');
  for (std::size_t i = 0; i < bytes; ++i) out[i] = static_cast<char>('a' + i * i % 23);
  return out;
}
const std::string kWhole = pattern(100'000);

class Case {
 public:
  explicit Case(LoopbackHub::Script script) : hub_(std::move(script)) {
    request_.url = hub_.url() + "/m.gguf";
    request_.path = folder_ / "m.gguf";
    request_.sha256 = sha256_hex(kWhole);
    request_.retry_pause = 0ms;
    request_.idle_timeout = 100ms;
    request_.on_progress = [this](std::uint64_t bytes, std::uint64_t) { progress_.push_back(bytes); };
  }
  DownloadRequest& request() { return request_; }
  LoopbackHub& hub() { return hub_; }
  Result<Downloaded> fetch() { return hub_.run(download(hub_.client(), request_)); }
  std::string part() const { return read_file(request_.path + ".part"); }
  void leave_part(const std::string& bytes) { folder_.write("m.gguf.part", bytes); }

  void check_whole() {
    CHECK(read_file(request_.path) == kWhole);
    CHECK(!std::filesystem::exists(request_.path + ".part"));
    CHECK(std::ranges::is_sorted(progress_));
    CHECK(progress_.back() == kWhole.size());
  }
  Error refusal() {
    const auto got = fetch();
    REQUIRE(!got.has_value());
    CHECK(!std::filesystem::exists(request_.path));
    return got.error();
  }

 private:
  ScratchDir folder_;
  LoopbackHub hub_;
  DownloadRequest request_;
  std::vector<std::uint64_t> progress_;
};

}  // namespace

TEST_SUITE("infer/pull/download") {
  TEST_CASE("a file arrives whole, and what is there is checked, not fetched again") {
    Case one([](const std::string& request) { return honest(request, kWhole); });
    const auto got = one.fetch();
    REQUIRE_MESSAGE(got.has_value(), got.error().text());
    CHECK(got->bytes == kWhole.size());
    CHECK(got->bytes_fetched == kWhole.size());
    CHECK(got->sha256 == sha256_hex(kWhole));
    one.check_whole();
    CHECK(one.fetch()->bytes_fetched == 0);
    CHECK(one.hub().requests().size() == 1);
  }

  TEST_CASE("a connection that is cut is taken up where it ended") {
    int cuts = 0;
    Case one([&](const std::string& request) {
      WireAnswer answer = honest(request, kWhole);
      if (++cuts <= 3) answer.bytes.resize(answer.bytes.size() - answer.bytes.size() / 3);
      return answer;
    });
    const auto got = one.fetch();
    REQUIRE_MESSAGE(got.has_value(), got.error().text());
    CHECK(got->bytes_fetched == kWhole.size());  // Nothing twice.
    CHECK(one.hub().requests().size() == 4);
    one.check_whole();
  }

  TEST_CASE("a connection that stalls is given up and taken up again") {
    int stalls = 0;
    Case one([&](const std::string& request) {
      WireAnswer answer = honest(request, kWhole);
      if (++stalls <= 2) {
        answer.bytes.resize(answer.bytes.size() - 20'000);
        answer.hangs = true;
      }
      return answer;
    });
    const auto got = one.fetch();
    REQUIRE_MESSAGE(got.has_value(), got.error().text());
    one.check_whole();
    CHECK(one.hub().requests().size() == 3);
  }

  TEST_CASE("a server that can't resume starts again from the beginning") {
    int answers = 0;
    Case one([&](const std::string&) {
      WireAnswer answer = ok(kWhole);
      if (++answers == 1) answer.bytes.resize(50'000);
      return answer;
    });
    one.request().on_progress = nullptr;
    REQUIRE(one.fetch().has_value());
    CHECK(read_file(one.request().path) == kWhole);
  }

  TEST_CASE("what an earlier call left is gone on with; what is of another version is fetched anew") {
    Case cut([](const std::string& request) { return honest(request, kWhole); });
    cut.leave_part(kWhole.substr(0, 60'000));
    const auto got = cut.fetch();
    REQUIRE_MESSAGE(got.has_value(), got.error().text());
    CHECK(got->bytes_fetched == 40'000);
    cut.check_whole();

    Case other([](const std::string& request) { return honest(request, kWhole); });
    other.request().on_progress = nullptr;
    other.leave_part(std::string(60'000, 'x'));
    REQUIRE(other.fetch().has_value());
    CHECK(read_file(other.request().path) == kWhole);

    Case longer([](const std::string& request) { return honest(request, kWhole); });
    longer.request().on_progress = nullptr;
    longer.leave_part(std::string(kWhole.size() + 7, 'x'));
    REQUIRE(longer.fetch().has_value());
    CHECK(read_file(longer.request().path) == kWhole);
  }

  TEST_CASE("a cut that never heals ends in kTransport and keeps what has come") {
    Case one([](const std::string& request) {
      WireAnswer answer = honest(request, kWhole);
      if (range_of(request) > 0) return WireAnswer{};
      answer.bytes.resize(answer.bytes.size() - 10);
      return answer;
    });
    one.request().retries_max = 3;
    CHECK(one.refusal().code() == Code::kTransport);
    CHECK(one.part() == kWhole.substr(0, kWhole.size() - 10));
    CHECK(one.hub().requests().size() == 4);
  }

  TEST_CASE("lies are found: other bytes, another size, another range, more than was said") {
    Case bytes([](const std::string&) { return ok(pattern(99'999) + "!"); });
    CHECK(bytes.refusal().code() == Code::kProtocol);
    CHECK(bytes.part().empty());

    Case size([](const std::string&) { return ok(kWhole); });
    size.request().bytes = 99'000;
    CHECK(size.refusal().text().find("has 100000 bytes, expected 99000") != std::string::npos);

    Case range([](const std::string&) {
      return WireAnswer{head(206, 10, "Content-Range: bytes 5-14/100000\r\n") + "0123456789"};
    });
    range.leave_part(kWhole.substr(0, 50'000));
    CHECK(range.refusal().text().find("asked for bytes from 50000") != std::string::npos);

    // No length, so that only counting tells.
    Case more([](const std::string&) {
      return WireAnswer{"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + kWhole + "more"};
    });
    more.request().bytes = kWhole.size();
    CHECK(more.refusal().text().find("more than 100000 bytes arrive") != std::string::npos);

    Case limit([](const std::string&) { return ok(kWhole); });
    limit.request().bytes_max = 1'000;
    CHECK(limit.refusal().code() == Code::kExhausted);
  }

  TEST_CASE("statuses say what to do: not there, refused, later") {
    const auto code_of = [](int status) {
      Case one([status](const std::string&) { return WireAnswer{head(status, 0)}; });
      one.request().retries_max = 2;
      const Code code = one.refusal().code();
      CHECK(one.hub().requests().size() == (status == 503 || status == 429 ? 3 : 1));
      return code;
    };
    CHECK(code_of(404) == Code::kNotFound);
    CHECK(code_of(401) == Code::kDenied);
    CHECK(code_of(403) == Code::kDenied);
    CHECK(code_of(418) == Code::kProtocol);
    CHECK(code_of(429) == Code::kTransport);
    CHECK(code_of(503) == Code::kTransport);
  }

  TEST_CASE("a file that another process is fetching is left to it") {
    Case one([](const std::string& request) { return honest(request, kWhole); });
    one.leave_part("");
    const int other = ::open((one.request().path + ".part").c_str(), O_RDWR);
    REQUIRE(::flock(other, LOCK_EX) == 0);
    CHECK(one.refusal().code() == Code::kExhausted);
    ::close(other);
    CHECK(one.fetch().has_value());
  }
}
