// One trial of the crash tests: the files it stands on, the processes that work on it and are killed, the
// person it waits for, and what is left of it in the end.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "agent/runtime.h"
#include "crash/shop_task.h"
#include "support/scratch_dir.h"

namespace tsukai::agent {

// What all trials begin with.
struct Start {
  ScratchDir folder;
  std::string shop_program;  // tsukai-shop
  std::string shop_bytes;    // Its file, with the catalogue and nothing else.
  Goods goods;

  static Result<std::unique_ptr<Start>> make();
};

// Whether the tools of the shop take idempotency keys, as they do, or are declared without
// (unkeyed_client.h).
enum class Tools { kKeyed, kUnkeyed };
inline const char* name(Tools tools) { return tools == Tools::kKeyed ? "keyed" : "unkeyed"; }

// What an ended trial left. Equal for equal runs: without times, keys and the order of what ran side by side.
struct Left {
  std::vector<std::string> ledger;  // What the shop did, sorted: "charge O1001 card 0 5200".
  std::vector<std::string> shop;    // Its stock, carts and orders.
  // By step key, a child's with its agent before it; those that a person told included.
  std::map<std::string, std::string> observations;
  std::string answer;
  std::int64_t episodes = 0;
};

struct Tally {
  int trials = 0, kills = 0, duplicated = 0, lost = 0, unknown = 0, unexpected_unknown = 0, broken = 0;
};

class Trial {
 public:
  Trial(const Start& start, Tools tools, std::string what);

  // A process that begins the run, or goes on with it. It kills itself at `crash_at` (crash_point.h; "": it
  // does not), or is killed after `kill_after_us` (< 0: it is not). Gives its wait status, once all it
  // started are gone as well.
  int work(const std::string& crash_at, std::int64_t kill_after_us);
  // Plays the person: approves what is asked, and looks at what really happened to settle what is unknown.
  Result<void> be_the_person();

  // In the order of writing.
  struct Written {
    Row row;
    bool by_child = false;
  };
  Result<std::vector<Written>> rows() const;
  Result<Left> left() const;
  // Counts into `tally` what is not as it is in `whole`, the end of a run that nobody killed, and says so.
  Result<void> compare(const Left& whole, Tally& tally) const;
  int unknown() const { return unknown_; }

 private:
  int run_here() const;
  Result<std::string> answer_in_shop(const std::string& tool, const Json& arguments) const;
  Result<void> settle_unknown(Journal& journal, const RunSummary& run);
  Result<void> check_unknown(Tally& tally) const;
  Result<void> check_told(const Left& mine, Tally& tally) const;
  Result<void> check_keys(Tally& tally) const;
  void say(const std::string& fault) const;

  const Start& start_;
  const Tools tools_;
  const std::string what_;
  ScratchDir folder_;
  int unknown_ = 0;
};

}  // namespace tsukai::agent
