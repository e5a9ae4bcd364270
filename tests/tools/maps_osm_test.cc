#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>

#include "base/random.h"
#include "support/scratch_dir.h"
#include "tools/maps/map.h"
#include "tools/maps/map_file.h"
#include "tools/maps/osm_import.h"
#include "tools/maps/osm_reader.h"
#include "tools/maps/road_graph.h"
#include "tools/support/osm_writer.h"

using namespace tsukai;
using namespace tsukai::maps;

namespace {

const Point kCorner{10.0, 50.0};
Point at(double east_m, double north_m) { return rounded(moved(kCorner, east_m, north_m)); }

// A square of streets: A one-way to the east along the south, a footpath across, a cafe and a park.
OsmFile small_town() {
  return {{{1, at(0, 0), {}},
           {2, at(400, 0), {}},
           {3, at(400, 300), {}},
           {4, at(0, 300), {{"highway", "crossing"}}},
           {5,
            at(200, 20),
            {{"amenity", "cafe"},
             {"name", "Corner Cafe"},
             {"name:zh", "街角咖啡"},
             {"addr:street", "South Street"},
             {"addr:housenumber", "7"},
             {"opening_hours", "Mo-Su 08:00-18:00"}}},
           {6, at(60, 200), {}},
           {7, at(160, 200), {}},
           {8, at(160, 260), {}},
           {9, at(10, 10), {{"place", "town"}, {"name", "Littleton"}, {"population", "4000"}}},
           {10, at(20, 30), {{"amenity", "bench"}}}},
          {{100, {1, 2}, {{"highway", "residential"}, {"name", "South Street"}, {"oneway", "yes"}}},
           {101, {2, 3, 4, 1}, {{"highway", "secondary"}, {"name", "Ring Road"}, {"maxspeed", "40"}}},
           {102, {1, 3}, {{"highway", "footway"}}},
           {103, {3, 99}, {{"highway", "residential"}, {"name", "Border Road"}}},
           {104, {6, 7, 8, 6}, {{"leisure", "park"}, {"name", "Rose Garden"}}}}};
}

City imported(const std::string& path, ImportReport* report = nullptr) {
  ImportReport own;
  auto city = import_osm(path, "", report != nullptr ? *report : own);
  REQUIRE_MESSAGE(city.has_value(), (city ? "" : city.error().text()));
  return std::move(*city);
}

Error refused(const std::string& path) {
  ImportReport report;
  auto city = import_osm(path, "", report);
  REQUIRE_FALSE(city.has_value());
  CHECK(city.error().message().find(path) != std::string::npos);
  CHECK_FALSE(city.error().remedy().empty());
  return city.error();
}

struct Nothing : OsmHandler {
  Result<void> node(std::int64_t, Point, const OsmTags&) override { return {}; }
  Result<void> way(std::int64_t, const std::vector<std::int64_t>&, const OsmTags&) override { return {}; }
};

}  // namespace

TEST_SUITE("tools/maps/osm") {
  TEST_CASE("XML and every form of PBF give the same town") {
    ScratchDir scratch;
    const OsmFile town = small_town();
    for (const auto& [name, bytes] : {std::pair<std::string, std::string>{"a.osm", to_xml(town)},
                                      {"raw.osm.pbf", to_pbf(town, Pack::kRaw, false)},
                                      {"zlib.osm.pbf", to_pbf(town, Pack::kZlib, false)},
                                      {"dense.osm.pbf", to_pbf(town, Pack::kZlib, true)}}) {
      CAPTURE(name);
      ImportReport report;
      const City city = imported(scratch.write(name, bytes), &report);
      CHECK(report.nodes == 10);
      CHECK(report.ways == 5);
      CHECK(report.missing_nodes == 1);
      CHECK(city.region.city.en == "Littleton");
      CHECK(city.edges.size() == 5);
      REQUIRE(city.places.size() == 2);
      CHECK(city.places[0].name.zh == "街角咖啡");
      CHECK(city.places[0].number == 7);
      CHECK(city.places[1].category == "park");
      CHECK(distance_m(city.places[0].at, at(200, 20)) < 0.5);
    }
  }

  TEST_CASE("an imported town is searched and routed like any other") {
    ScratchDir scratch;
    const City city = imported(scratch.write("town.osm.pbf", to_pbf(small_town(), Pack::kZlib, true)));
    REQUIRE(write_map(scratch / "town.db", city).has_value());
    auto map = Map::open(scratch / "town.db");
    REQUIRE(map.has_value());
    auto found = map->search({.text = "咖啡"});
    REQUIRE(found->size() == 1);
    CHECK(found->front().address(Language::kEnglish) == "7 South Street");
    auto roads = RoadGraph::load(map->database());
    REQUIRE(roads.has_value());
    CHECK(roads->route(at(0, 0), at(400, 0), Mode::kDrive)->length_m == doctest::Approx(400).epsilon(0.01));
    CHECK(roads->route(at(400, 0), at(0, 0), Mode::kDrive)->length_m == doctest::Approx(1000).epsilon(0.01));
    CHECK(roads->route(at(400, 0), at(0, 0), Mode::kWalk)->length_m == doctest::Approx(400).epsilon(0.01));
    CHECK(roads->route(at(0, 0), at(400, 300), Mode::kWalk)->length_m == doctest::Approx(500).epsilon(0.01));
  }

  TEST_CASE("osmium, where it is installed, reads our files as we mean them") {
    if (std::system("command -v osmium >/dev/null") != 0) {
      MESSAGE("osmium-tool is not installed: not checked here");
      return;
    }
    ScratchDir scratch;
    for (const auto& [name, bytes] : {std::pair<std::string, std::string>{"a.osm", to_xml(small_town())},
                                      {"b.osm.pbf", to_pbf(small_town(), Pack::kZlib, true)}}) {
      const std::string path = scratch.write(name, bytes);
      REQUIRE(std::system(
                  ("osmium fileinfo -e -g data.count.nodes " + path + " >" + (scratch / "count") + " 2>&1")
                      .c_str()) == 0);
      CHECK(read_file(scratch / "count") == "10\n");
      // And we read what osmium writes of it, in both formats.
      for (const char* suffix : {".osm", ".osm.pbf"}) {
        const std::string again = scratch / (std::string("again") + suffix);
        REQUIRE(std::system(
                    ("osmium cat --overwrite -o " + again + " " + path + " >/dev/null 2>&1").c_str()) == 0);
        CHECK(imported(again).places.size() == 2);
      }
    }
  }

  TEST_CASE("tags decide who may use a road") {
    const auto town_with = [](Tags tags) {
      ScratchDir scratch;
      tags.emplace_back("name", "Road");
      return imported(
                 scratch.write("a.osm", to_xml({{{1, at(0, 0), {}}, {2, at(100, 0), {}}},
                                                {{1, {1, 2}, tags}, {2, {1, 2}, {{"highway", "footway"}}}}})))
          .edges.front();
    };
    CHECK(town_with({{"highway", "motorway"}}).access == kDriveForward);
    CHECK(town_with({{"highway", "residential"}, {"oneway", "-1"}, {"oneway:bicycle", "no"}}).access ==
          (kWalk | kCycle | kDriveBack));
    CHECK(town_with({{"highway", "service"}, {"access", "private"}, {"foot", "yes"}}).access == kWalk);
    CHECK(town_with({{"highway", "primary"}, {"bicycle", "no"}, {"maxspeed", "30 mph"}}).access ==
          (kWalk | kDrive));
    CHECK(town_with({{"highway", "primary"}, {"maxspeed", "30 mph"}}).speed_kmh == 48);
    CHECK(town_with({{"highway", "primary"}, {"maxspeed", "signals"}}).speed_kmh == 60);
  }

  TEST_CASE(
      "a file that is missing, empty, cut short, packed as a whole or something else is refused in one "
      "sentence") {
    ScratchDir scratch;
    const std::string xml = to_xml(small_town()), pbf = to_pbf(small_town(), Pack::kZlib, true);
    CHECK(refused(scratch / "missing.osm").code() == Code::kNotFound);
    CHECK(refused(scratch.write("empty.osm", "")).code() == Code::kCorrupt);
    CHECK(refused(scratch.write("cut.osm", xml.substr(0, xml.size() / 2))).message().find("line ") !=
          std::string::npos);
    CHECK(refused(scratch.write("cut.osm.pbf", pbf.substr(0, pbf.size() - 5))).message().find("cut short") !=
          std::string::npos);
    CHECK(refused(scratch.write("packed.osm.gz", "\x1f\x8b\x08 and so on")).code() == Code::kUnsupported);
    CHECK(refused(scratch.write("page.osm", "<html><body/></html>")).message().find("<html>") !=
          std::string::npos);
    CHECK(refused(scratch.write("text.osm", "once upon a time")).code() == Code::kInvalidArgument);
    CHECK(refused(scratch.write("bare.osm", "<osm></osm>")).message().find("neither a road nor") !=
          std::string::npos);
    CHECK(refused(scratch.path()).message().find("not a file") != std::string::npos);
  }

  TEST_CASE(
      "hostile XML is refused: exploding entities, deep nesting, numbers that are none, nodes off the "
      "globe") {
    ScratchDir scratch;
    const std::string bomb =
        "<!DOCTYPE osm [<!ENTITY a \"aaaaaaaaaa\"><!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\">]><osm><node "
        "id=\"1\" lat=\"0\" lon=\"0\"><tag k=\"name\" v=\"&b;\"/></node></osm>";
    CHECK(refused(scratch.write("bomb.osm", bomb)).message().find("entity declarations") !=
          std::string::npos);
    std::string deep = "<osm>";
    for (int i = 0; i < 100; ++i) deep += "<a>";
    CHECK(refused(scratch.write("deep.osm", deep)).message().find("too deeply") != std::string::npos);
    CHECK(refused(scratch.write("id.osm", "<osm><node id=\"x\" lat=\"0\" lon=\"0\"/></osm>"))
              .message()
              .find("numeric id") != std::string::npos);
    CHECK(refused(scratch.write("globe.osm", "<osm><node id=\"1\" lat=\"91\" lon=\"0\"/></osm>"))
              .message()
              .find("node 1") != std::string::npos);
    CHECK(refused(scratch.write("nan.osm", "<osm><node id=\"1\" lat=\"nan\" lon=\"0\"/></osm>")).code() ==
          Code::kCorrupt);
  }

  TEST_CASE("hostile PBF is refused: blocks that claim too much, bombs, missing strings, unknown features") {
    ScratchDir scratch;
    const std::string header = pbf_block("OSMHeader", bytes_field(4, "OsmSchema-V0.6"), Pack::kRaw);
    CHECK(refused(scratch.write("a.osm.pbf", header + std::string("\x7f\xff\xff\xff", 4) + "xxxx"))
              .message()
              .find("claims") != std::string::npos);
    const std::string blob = number_field(2, 1ull << 40) + bytes_field(3, "zz");
    const std::string blob_header = bytes_field(1, "OSMData") + number_field(3, blob.size());
    const std::string bomb =
        std::string("\0\0\0", 3) + static_cast<char>(blob_header.size()) + blob_header + blob;
    CHECK(refused(scratch.write("b.osm.pbf", header + bomb)).message().find("at most") != std::string::npos);
    const std::string strings = bytes_field(1, bytes_field(1, ""));
    const std::string way = bytes_field(
        2, bytes_field(3, number_field(1, 5) + bytes_field(2, varint(9)) + bytes_field(3, varint(9))));
    CHECK(refused(scratch.write("c.osm.pbf", header + pbf_block("OSMData", strings + way, Pack::kZlib)))
              .message()
              .find("string that is not there") != std::string::npos);
    CHECK(refused(scratch.write("d.osm.pbf", pbf_block("OSMHeader", bytes_field(4, "Sort.Type_then_Wormhole"),
                                                       Pack::kRaw)))
              .code() == Code::kUnsupported);
    CHECK(refused(scratch.write("e.osm.pbf", header + header)).message().find("second file header") !=
          std::string::npos);
  }

  TEST_CASE("ten thousand damaged files end in an error or in a smaller map, never in a crash") {
    const std::string pbf = to_pbf(small_town(), Pack::kRaw, true), xml = to_xml(small_town());
    Random random(4);
    int refused_count = 0;
    for (int k = 0; k < 10'000; ++k) {
      std::string bytes = k % 2 == 0 ? pbf : xml;
      for (std::uint64_t edits = 1 + random.below(4); edits > 0; --edits)
        bytes[random.below(bytes.size())] = static_cast<char>(random.below(256));
      if (random.below(4) == 0) bytes.resize(random.below(bytes.size()));
      Nothing nothing;
      refused_count += !(k % 2 == 0 ? read_osm_pbf(bytes, nothing) : read_osm_xml(bytes, nothing));
    }
    CHECK(refused_count > 2000);
  }
}
