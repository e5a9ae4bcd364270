#include "tools/maps/tools.h"

#include <boost/asio/post.hpp>
#include <nlohmann/json.hpp>
#include <vector>

#include "mcp/tool_schema.h"

namespace tsukai::maps {
namespace {

using namespace mcp::schema;

Json route(const char* outer, Json figure) {
  const Json step = object({{"instruction", text()},
                            {"road", text()},
                            {"distance", figure},
                            {"orientation", text()},
                            {"duration", figure}});
  const Json path = object({{"distance", figure}, {"duration", figure}, {"steps", list(step)}});
  return object({{outer, object({{"origin", text()}, {"destination", text()}, {"paths", list(path)}})}});
}

Json poi(bool around) {
  Members fields = {{"id", text()},       {"name", text()}, {"address", text()},
                    {"typecode", text()}, {"type", text()}, {"location", text("longitude,latitude")}};
  if (around) fields.emplace_back("distance", text("metres from the centre"));
  return object(std::move(fields));
}

Json transit() {
  const Json name = object({{"name", text()}});
  const Json walking_step = object({{"instruction", text()},
                                    {"road", text()},
                                    {"distance", text()},
                                    {"action", text()},
                                    {"assistant_action", text()}});
  const Json walking = object({{"origin", text()},
                               {"destination", text()},
                               {"distance", text()},
                               {"duration", text()},
                               {"steps", list(walking_step)}});
  const Json line = object({{"name", text()},
                            {"departure_stop", name},
                            {"arrival_stop", name},
                            {"distance", text()},
                            {"duration", text()},
                            {"via_stops", list(name)}});
  const Json segment = object({{"walking", walking}, {"bus", object({{"buslines", list(line)}})}},
                              {{"entrance", object({}, {{"name", text()}})},
                               {"exit", object({}, {{"name", text()}})},
                               {"railway", object({}, {{"name", text()}, {"trip", text()}})}});
  const Json whole =
      object({{"duration", text()}, {"walking_distance", text()}, {"segments", list(segment)}});
  return object({{"route", object({{"origin", text()},
                                   {"destination", text()},
                                   {"distance", text()},
                                   {"transits", list(whole)}})}});
}

// Every tool reads a local file: nothing changes, and the same question has the same answer (weather: within
// a day).
ToolEntry entry(const char* name, const char* title, const char* description, Json input, Json output,
                ToolFunction function) {
  return {tool(name, title, description, std::move(input), std::move(output)), function};
}

std::vector<ToolEntry> build() {
  const Json from = text("Start, as longitude,latitude"), to = text("End, as longitude,latitude");
  const Json from_to = object({{"origin", from}, {"destination", to}});
  std::vector<ToolEntry> all;
  all.push_back(entry(
      "maps_regeocode", "Coordinates to address", "Address of the coordinates longitude,latitude.",
      object({{"location", text("longitude,latitude")}}),
      object({{"provice", text()}, {"city", text()}, {"district", text()}}, {{"formatted_address", text()}}),
      regeocode));
  const Json geocode = object({{"country", text()},
                               {"province", text()},
                               {"city", text()},
                               {"citycode", text()},
                               {"district", text()},
                               {"street", text()},
                               {"number", text()},
                               {"adcode", text()},
                               {"location", text("longitude,latitude")},
                               {"level", text()}},
                              {{"formatted_address", text()}});
  all.push_back(entry("maps_geo", "Address to coordinates",
                      "Coordinates of an address or of a place by its name.",
                      object({{"address", text("Address or name of a place, for example Old Gate")}},
                             {{"city", text("City")}}),
                      object({{"return", list(geocode)}}), geo));
  all.push_back(
      entry("maps_ip_location", "Location of an IP address", "City of an IP address.",
            object({{"ip", text("IP address")}}),
            object({{"province", text()}, {"city", text()}, {"adcode", text()}, {"rectangle", text()}}),
            ip_location));
  const Json cast = object({{"date", text()},
                            {"week", text()},
                            {"dayweather", text()},
                            {"nightweather", text()},
                            {"daytemp", text()},
                            {"nighttemp", text()},
                            {"daywind", text()},
                            {"nightwind", text()},
                            {"daypower", text()},
                            {"nightpower", text()},
                            {"daytemp_float", text()},
                            {"nighttemp_float", text()}});
  all.push_back(entry("maps_weather", "Weather", "Weather of a city, today and the next three days.",
                      object({{"city", text("City name or adcode")}}),
                      object({{"city", text()}, {"forecasts", list(cast)}}), weather));
  all.push_back(entry("maps_search_detail", "Details of a place",
                      "Opening hours, telephone, rating, prices of a place, by its id.",
                      object({{"id", text("id of a place from a search")}}),
                      object({{"id", text()},
                              {"name", text()},
                              {"location", text()},
                              {"address", text()},
                              {"business_area", text()},
                              {"city", text()},
                              {"type", text()},
                              {"alias", text()}},
                             {{"tel", text()},
                              {"open_time", text()},
                              {"rating", text()},
                              {"cost", text()},
                              {"price_level", text()},
                              {"tag", text()}}),
                      search_detail));
  all.push_back(entry("maps_bicycling", "Directions by bicycle", "Cycling route between two coordinates.",
                      from_to, route("data", number()), bicycling));
  all.push_back(entry("maps_direction_walking", "Directions on foot",
                      "Walking route between two coordinates: distance, time, steps.", from_to,
                      route("route", text()), direction_walking));
  all.push_back(entry("maps_direction_driving", "Directions by car", "Driving route between two coordinates.",
                      from_to, route("route", text()), direction_driving));
  all.push_back(entry("maps_direction_transit_integrated", "Directions by metro",
                      "Metro and walking route between two coordinates.",
                      object({{"origin", from},
                              {"destination", to},
                              {"city", text("City of the start")},
                              {"cityd", text("City of the end")}}),
                      transit(), direction_transit));
  const Json measured = object({{"origin_id", text()},
                                {"dest_id", text()},
                                {"distance", text("metres")},
                                {"duration", text("seconds")}});
  all.push_back(
      entry("maps_distance", "Distance", "Distance between coordinates.",
            object({{"origins", text("One or more longitude,latitude, separated by |")}, {"destination", to}},
                   {{"type", text("0 straight line, 1 by car, 3 on foot")}}),
            object({{"results", list(measured)}}), distance));
  all.push_back(entry(
      "maps_text_search", "Search places", "Find places by words: name, kind, street.",
      object({{"keywords", text("Words, for example coffee old gate")}},
             {{"city", text("City")},
              {"types", text("Kind of place, for example cafe")},
              {"cursor", text("next_cursor of the answer before")}}),
      object(
          {{"suggestion", object({{"keywords", list(text())}, {"ciytes", list(object({{"name", text()}}))}})},
           {"pois", list(poi(false))}},
          {{"next_cursor", text()}}),
      text_search));
  all.push_back(entry("maps_around_search", "Search around a point",
                      "Find places within a radius of coordinates, nearest first.",
                      object({{"location", text("Centre, as longitude,latitude")}},
                             {{"keywords", text("Words, for example coffee")},
                              {"radius", text("Metres, 1000 if left out")},
                              {"cursor", text("next_cursor of the answer before")}}),
                      object({{"pois", list(poi(true))}}, {{"next_cursor", text()}}), around_search));
  for (ToolEntry& one : all)
    one.routes = one.tool.name.find("direction") != std::string::npos || one.tool.name == "maps_bicycling" ||
                 one.tool.name == "maps_distance";
  return all;
}

// Answers come from memory and a local file within milliseconds, but for the first route on a large map.
Task<mcp::ToolOutput> answered(Service& service, const ToolEntry& entry, Json arguments,
                               mcp::CallContext& context) {
  if (entry.routes && !service.roads_are_read()) {
    context.progress(1, 2, "reading the road network");
    // Lets that leave before this thread is busy.
    co_await asio::post(asio::deferred);
  }
  auto answer = entry.function(service, arguments);
  if (!answer) co_return fail(std::move(answer).error());
  co_return mcp::ToolOutput{std::move(answer->structured), std::move(answer->text)};
}

}  // namespace

std::span<const ToolEntry> tools() {
  static const std::vector<ToolEntry> all = build();
  return all;
}

void add_tools(mcp::Server& server, Service& service, mcp::Misbehaviour misbehaviour) {
  const mcp::Misbehaving misbehaving(misbehaviour);
  for (const ToolEntry& entry : tools()) {
    server.add_tool(entry.tool, misbehaving([&service, &entry](Json arguments, mcp::CallContext& context) {
                      return answered(service, entry, std::move(arguments), context);
                    }));
  }
}

}  // namespace tsukai::maps
