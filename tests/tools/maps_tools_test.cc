#include <sys/wait.h>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "support/fake_clock.h"
#include "support/tool_calls.h"
#include "tools/maps/tools.h"
#include "tools/support/small_city.h"

using namespace tsukai;
using namespace tsukai::maps;

namespace {

Service& service() {
  static FakeClock clock;
  static Service instance(small_map(), Language::kEnglish, clock);
  return instance;
}

Result<Answer> call(std::string_view name, const Json& arguments) {
  constexpr std::size_t kTextMax = 3000;
  for (const ToolEntry& entry : tools()) {
    if (entry.tool.name == name)
      return checked_call(entry.tool, arguments, kTextMax,
                          [&] { return entry.function(service(), arguments); });
  }
  FAIL("no such tool: ", name);
  return fail(Code::kNotFound, "no such tool");
}
Json good(std::string_view name, const Json& arguments) { return structured_of(call(name, arguments)); }
std::string bad(std::string_view name, const Json& arguments) { return error_of(call(name, arguments)); }

std::string location_of(const std::string& name) {
  return good("maps_geo", {{"address", name}}).at("return").at(0).at("location");
}

struct Run {
  int exit_code = 0;
  std::string out, err;
};

// Runs the program itself with a file as its standard input.
Run run(const std::string& arguments, const std::string& input, const std::string& environment = "") {
  ScratchDir scratch;
  const std::string in = scratch.write("in", input);
  const std::string command = environment + " " TSUKAI_BIN_DIR "/tsukai-maps " + arguments + " <" + in +
                              " >" + (scratch / "out") + " 2>" + (scratch / "err");
  const int status = std::system(command.c_str());
  return {WEXITSTATUS(status), read_file(scratch / "out"), read_file(scratch / "err")};
}

const char* const kHello =
    "{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"initialize\",\"params\":{\"protocolVersion\":\"2025-06-18\","
    "\"capabilities\":{},"
    "\"clientInfo\":{\"name\":\"test\",\"version\":\"1\"}}}\n{\"jsonrpc\":\"2.0\",\"method\":\"notifications/"
    "initialized\"}\n";

}  // namespace

TEST_SUITE("tools/maps/tools") {
  TEST_CASE("all twelve of Amap's tools are there, read-only, with both schemas") {
    std::vector<std::string> names;
    for (const ToolEntry& entry : tools()) {
      names.push_back(entry.tool.name);
      CHECK(entry.tool.annotations.read_only);
      CHECK_FALSE(entry.tool.annotations.destructive);
      CHECK(entry.tool.output_schema.has_value());
    }
    CHECK(names == std::vector<std::string>{"maps_regeocode", "maps_geo", "maps_ip_location", "maps_weather",
                                            "maps_search_detail", "maps_bicycling", "maps_direction_walking",
                                            "maps_direction_driving", "maps_direction_transit_integrated",
                                            "maps_distance", "maps_text_search", "maps_around_search"});
  }

  TEST_CASE("geocoding finds a sight, and its coordinates lead back to its district") {
    const Json place = good("maps_geo", {{"address", "Old Gate"}, {"city", "Lanwan"}}).at("return").at(0);
    CHECK(place.at("city") == "Lanwan");
    CHECK(place.at("street") == "Gate Street");
    CHECK(good("maps_regeocode", {{"location", place.at("location")}}).at("district") ==
          place.at("district"));
    CHECK(good("maps_geo", {{"address", "老城门"}}).at("return").at(0).at("city") == "岚湾市");
  }

  TEST_CASE("an unknown address gives the nearest names") {
    CHECK(bad("maps_geo", {{"address", "Lighthous"}}).find("White Heron Lighthouse") != std::string::npos);
  }

  TEST_CASE("the errand of the example works: coffee near the old gate, its details, the way there") {
    const std::string gate = location_of("Old Gate");
    const Json pois =
        good("maps_around_search", {{"location", gate}, {"keywords", "coffee beans"}, {"radius", "600"}})
            .at("pois");
    REQUIRE(pois.size() >= 3);
    CHECK(pois.size() <= kPlacesMax);
    CHECK(pois.at(0).at("typecode") == "050500");
    const Json detail = good("maps_search_detail", {{"id", pois.at(0).at("id")}});
    CHECK(detail.at("name") == pois.at(0).at("name"));
    CHECK(detail.at("open_time") == "08:00-18:00");
    CHECK(detail.at("tag").get<std::string>().find("coffee beans") != std::string::npos);
    const Json path =
        good("maps_direction_walking", {{"origin", gate}, {"destination", detail.at("location")}})
            .at("route")
            .at("paths")
            .at(0);
    int sum = 0;
    for (const Json& step : path.at("steps")) sum += std::stoi(step.at("distance").get<std::string>());
    CHECK(path.at("distance") == std::to_string(sum));
  }

  TEST_CASE("answers are in the language of the question") {
    CHECK(good("maps_text_search", {{"keywords", "门楼咖啡烘焙坊"}}).at("pois").at(0).at("name") ==
          "门楼咖啡烘焙坊");
    CHECK(good("maps_text_search", {{"keywords", "コーヒー焙煎所"}}).at("pois").at(0).at("type") == "カフェ");
    CHECK(good("maps_text_search", {{"keywords", "Gatehouse"}}).at("pois").at(0).at("name") ==
          "Gatehouse Coffee Roasters");
  }

  TEST_CASE("kinds of places are understood by name and by Amap's code") {
    for (const char* types : {"museum", "博物馆", "140100", "museums"}) {
      CAPTURE(types);
      const Json pois = good("maps_text_search", {{"keywords", ""}, {"types", types}}).at("pois");
      REQUIRE_FALSE(pois.empty());
      for (const Json& poi : pois) CHECK(poi.at("typecode") == "140100");
    }
    const Json cafes = good("maps_text_search", {{"keywords", "old gate"}, {"types", "050000"}}).at("pois");
    REQUIRE_FALSE(cafes.empty());
    for (const Json& poi : cafes) CHECK(poi.at("typecode").get<std::string>().starts_with("05"));
  }

  TEST_CASE("a search that finds nothing says what to try") {
    auto nothing =
        call("maps_around_search",
             {{"location", location_of("Old Gate")}, {"keywords", "university"}, {"radius", "300"}});
    REQUIRE(nothing.has_value());
    CHECK(nothing->structured->at("pois").empty());
    CHECK(nothing->text.find("raise radius") != std::string::npos);
    CHECK(good("maps_text_search", {{"keywords", "xylophonist"}}).at("pois").empty());
  }

  TEST_CASE("a name works where coordinates are asked for, and a wrong one names similar places") {
    CHECK(good("maps_distance", {{"origins", "Old Gate"}, {"destination", "City Museum"}, {"type", "0"}})
              .at("results")
              .at(0)
              .at("duration") == "0");
    CHECK(bad("maps_direction_walking", {{"origin", "Old Gat"}, {"destination", "City Museum"}})
              .find("Old Gate") != std::string::npos);
  }

  TEST_CASE("wrong arguments say what to change") {
    const std::string gate = location_of("Old Gate");
    CHECK(bad("maps_regeocode", {{"location", "30.24,150.14"}}).find("latitude comes second") !=
          std::string::npos);
    CHECK(bad("maps_regeocode", {{"location", "150.14"}}).find("two numbers") != std::string::npos);
    CHECK(bad("maps_regeocode", {{"location", "10,10"}}).find("not on this map") != std::string::npos);
    CHECK(bad("maps_around_search", {{"location", gate}, {"radius", "far"}}).find("radius is \"far\"") !=
          std::string::npos);
    CHECK(bad("maps_around_search", {{"location", gate}, {"radius", "nan"}}).find("metres from 1") !=
          std::string::npos);
    CHECK(bad("maps_search_detail", {{"id", "B0LW99999"}}).find("B0LW99999") != std::string::npos);
    CHECK(bad("maps_distance", {{"origins", gate}, {"destination", gate}, {"type", "2"}})
              .find("type is \"2\"") != std::string::npos);
    CHECK(bad("maps_weather", {{"city", "Atlantis"}}).find("Lanwan") != std::string::npos);
    CHECK(bad("maps_ip_location", {{"ip", "300.1.1.1"}}).find("no IP address") != std::string::npos);
    CHECK(bad("maps_ip_location", {{"ip", "8.8.8.8"}}).find("public address") != std::string::npos);
  }

  TEST_CASE("distances: straight line, on foot and by car, for several origins") {
    const std::string gate = location_of("Old Gate"), tower = location_of("Drum Tower"),
                      museum = location_of("City Museum");
    const auto metres = [&](const char* type) {
      const Json results =
          good("maps_distance", {{"origins", gate + "|" + tower}, {"destination", museum}, {"type", type}})
              .at("results");
      REQUIRE(results.size() == 2);
      CHECK(results.at(1).at("origin_id") == "2");
      return std::stoi(results.at(0).at("distance").get<std::string>());
    };
    CHECK(metres("3") >= metres("0"));
    CHECK(metres("1") > 0);
    std::string many = gate;
    for (std::size_t i = 0; i < kOriginsMax; ++i) many += "|" + gate;
    CHECK(bad("maps_distance", {{"origins", many}, {"destination", museum}}).find("at most 20") !=
          std::string::npos);
  }

  TEST_CASE("cars are quicker than bicycles, bicycles than feet, and each has its steps") {
    const Json from_to = {{"origin", location_of("Central Station")},
                          {"destination", location_of("Opera House")}};
    const Json walk = good("maps_direction_walking", from_to).at("route").at("paths").at(0);
    const Json drive = good("maps_direction_driving", from_to).at("route").at("paths").at(0);
    const Json cycle = good("maps_bicycling", from_to).at("data").at("paths").at(0);
    CHECK(std::stoi(drive.at("duration").get<std::string>()) < cycle.at("duration").get<int>());
    CHECK(cycle.at("duration").get<int>() < std::stoi(walk.at("duration").get<std::string>()));
    CHECK_FALSE(drive.at("steps").empty());
  }

  TEST_CASE("a metro journey is walked, ridden and walked, and beats walking") {
    const Json route =
        good("maps_direction_transit_integrated", {{"origin", location_of("Old Gate")},
                                                   {"destination", location_of("Lanwan University")},
                                                   {"city", "Lanwan"},
                                                   {"cityd", "Lanwan"}})
            .at("route");
    const Json transit = route.at("transits").at(0);
    REQUIRE(transit.at("segments").size() >= 2);
    const Json first = transit.at("segments").front().at("bus").at("buslines").at(0);
    CHECK(first.at("departure_stop").at("name") == "Old Gate Station");
    CHECK(transit.at("segments").back().at("bus").at("buslines").empty());
    CHECK(std::stoi(transit.at("duration").get<std::string>()) <
          std::stoi(route.at("distance").get<std::string>()) / 1.25);
    double walked = 0;
    for (const Json& segment : transit.at("segments"))
      walked += std::stod(segment.at("walking").at("distance").get<std::string>());
    CHECK(std::abs(walked - std::stod(transit.at("walking_distance").get<std::string>())) < 3);
  }

  TEST_CASE("weather is dated from the clock and the same whenever it is asked on a day") {
    const Json one = good("maps_weather", {{"city", "Lanwan"}}),
               two = good("maps_weather", {{"city", "岚湾市"}});
    REQUIRE(one.at("forecasts").size() == 4);
    CHECK(one.at("forecasts").at(0).at("date") == iso_time(service().clock().wall_ms()).substr(0, 10));
    CHECK(one.at("forecasts").at(3).at("daytemp") == two.at("forecasts").at(3).at("daytemp"));
  }
}

TEST_SUITE("tools/maps/program") {
  TEST_CASE("the program lists and answers over standard input and ends with it") {
    const Run served =
        run("--data " + small_city_file(),
            std::string(kHello) +
                "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/list\"}\n"
                "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"tools/"
                "call\",\"params\":{\"name\":\"maps_geo\",\"arguments\":{\"address\":\"Old Gate\"}}}\n"
                "{\"jsonrpc\":\"2.0\",\"id\":3,\"method\":\"tools/"
                "call\",\"params\":{\"name\":\"maps_geo\",\"arguments\":{\"address\":\"Qwertz\"}}}\n");
    CHECK(served.exit_code == 0);
    CHECK(served.err.empty());
    Json answers = Json::object();
    for (std::size_t at = 0, end; (end = served.out.find('\n', at)) != std::string::npos; at = end + 1) {
      const Json message = parse_json(served.out.substr(at, end - at)).value();
      answers[std::to_string(message.at("id").get<int>())] = message.at("result");
    }
    CHECK(answers.at("1").at("tools").size() == 12);
    CHECK(answers.at("2").at("structuredContent").at("return").at(0).at("street") == "Gate Street");
    CHECK(answers.at("3").at("isError") == true);
  }

  TEST_CASE("without --data the city is made once in the cache folder, also by two programs at once") {
    ScratchDir cache;
    const std::string set = "XDG_CACHE_HOME=" + cache.path();
    const std::string both = set + " " TSUKAI_BIN_DIR "/tsukai-maps </dev/null & " + set +
                             " " TSUKAI_BIN_DIR "/tsukai-maps </dev/null; a=$?; wait $! && exit $a";
    CHECK(WEXITSTATUS(std::system(("sh -c '" + both + "'").c_str())) == 0);
    int files = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::recursive_directory_iterator(cache.path()))
      files += entry.is_regular_file();
    CHECK(files == 1);
    CHECK(run("", "", set).exit_code == 0);
  }

  TEST_CASE("calls fail on purpose at the rate asked for, the same ones each time") {
    std::string calls = kHello;
    for (int id = 1; id <= 40; ++id) {
      calls += "{\"jsonrpc\":\"2.0\",\"id\":" + std::to_string(id) +
               ",\"method\":\"tools/"
               "call\",\"params\":{\"name\":\"maps_weather\",\"arguments\":{\"city\":\"Lanwan\"}}}\n";
    }
    const auto failures = [&](const std::string& flags) {
      const Run served = run("--data " + small_city_file() + " " + flags, calls);
      CHECK(served.exit_code == 0);
      std::vector<int> failed;
      for (std::size_t at = 0, end; (end = served.out.find('\n', at)) != std::string::npos; at = end + 1) {
        const Json message = parse_json(served.out.substr(at, end - at)).value();
        if (message.at("result").value("isError", false)) failed.push_back(message.at("id").get<int>());
      }
      std::sort(failed.begin(), failed.end());
      return failed;
    };
    CHECK(failures("--latency 2").empty());
    CHECK(failures("--fail-rate 1").size() == 40);
    const auto some = failures("--fail-rate 0.3 --seed 5");
    CHECK(some.size() > 3);
    CHECK(some.size() < 25);
    CHECK(failures("--fail-rate 0.3 --seed 5 --latency 1") == some);
    CHECK(failures("--fail-rate 0.3 --seed 6") != some);
    CHECK(run("--fail-rate 2", "").exit_code == 2);
  }

  TEST_CASE("a missing or damaged map ends with code 3 and one line, a wrong flag with code 2") {
    ScratchDir scratch;
    scratch.write("bad.db", std::string(5000, 'x'));
    for (const char* name : {"missing.db", "bad.db"}) {
      const Run broken = run("--data " + (scratch / name), "");
      CHECK(broken.exit_code == 3);
      CHECK(broken.err.find(name) != std::string::npos);
      CHECK(std::count(broken.err.begin(), broken.err.end(), '\n') == 1);
    }
    CHECK(run("--dta x", "").exit_code == 2);
    CHECK(run("--help", "").out.find("--data") != std::string::npos);
    CHECK(run("--version", "").out.starts_with("tsukai-maps "));
  }
}
