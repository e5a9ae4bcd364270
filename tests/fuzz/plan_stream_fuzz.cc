// A plan read piece by piece is the plan read whole: however it is cut the same steps come, those that come
// are the first steps of the whole plan, and before them stands nothing that could not begin one.
#include <cstdint>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "planner/plan_stream.h"

namespace {

using namespace tsukai;
using namespace tsukai::planner;

Json steps_json(const std::vector<PlanStep>& steps) {
  Json out = Json::array();
  for (const auto& step : steps) out.push_back(plan_step_json(step));
  return out;
}

std::vector<PlanStep> read_in_pieces(std::string_view text, std::size_t bytes) {
  PlanStream stream;
  std::vector<PlanStep> all;
  for (std::size_t at = 0; at < text.size(); at += bytes) {
    for (auto& step : stream.feed(text.substr(at, bytes))) all.push_back(std::move(step));
  }
  if (stream.given() != all.size()) std::abort();
  return all;
}

// The text up to the last byte of the last step that is given.
std::string up_to_last_step(std::string_view text) {
  PlanStream stream;
  std::size_t end = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (!stream.feed(text.substr(at, 1)).empty()) end = at + 1;
  }
  return std::string(text.substr(0, end));
}

std::size_t count(std::string_view text, std::string_view part) {
  std::size_t found = 0;
  for (std::size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++found;
  return found;
}

// What the stream leaves to the whole plan: escapes and byte order marks, long names and long values.
bool left_to_the_whole(std::string_view text, const Json& json) {
  if (text.find('\\') != text.npos || text.starts_with("\xEF\xBB\xBF") || text.size() > kPlanStepBytesMax)
    return true;
  for (const auto& [name, value] : json.items()) {
    if (name.size() >= 64) return true;
  }
  return false;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data + 1), size - 1);
  const auto steps = read_in_pieces(text, 1 + data[0] % 9);
  const auto given = steps_json(steps);
  if (given != steps_json(read_in_pieces(text, text.size() + 1))) std::abort();
  if (!steps.empty()) {
    const auto begun = parse_json(up_to_last_step(text) + "]}");
    if (!begun || begun->at("steps").size() != steps.size()) std::abort();
    for (std::size_t i = 0; i < steps.size(); ++i) {
      const auto step = parse_plan_step(begun->at("steps").at(i), i + 1);
      if (!step || plan_step_json(*step) != given[i]) std::abort();
    }
  }
  const auto json = parse_json(text);
  if (!json || count(text, "\"steps\"") != 1)
    return 0;  // Of two lists JSON has the last, the stream the first.
  const auto plan = Plan::parse(*json);
  if (!plan) return 0;
  const auto whole = steps_json(plan->steps);
  if (given.size() > whole.size()) std::abort();
  for (std::size_t i = 0; i < given.size(); ++i) {
    if (given[i] != whole[i]) std::abort();
  }
  if (given.size() != whole.size() && !left_to_the_whole(text, *json)) std::abort();
  return 0;
}
