// OpenStreetMap XML through expat. Entity declarations are refused: no extract has them, and they can
// explode.
#include <expat.h>
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <memory>
#include <optional>

#include "tools/maps/osm_reader.h"

namespace tsukai::maps {
namespace {

constexpr std::size_t kChunkBytes = 1 << 20;
constexpr int kDepthMax = 16;

struct Parsing {
  XML_Parser parser = nullptr;
  OsmHandler* handler = nullptr;
  std::optional<Error> error;
  int depth = 0;
  bool in_osm = false;
  char kind = 0;  // 'n', 'w', or 0 outside of both.
  std::int64_t id = 0;
  Point at;
  std::vector<std::int64_t> nodes;
  std::vector<std::pair<std::string, std::string>> tags;

  void stop(Error why) {
    if (error) return;
    error = std::move(why);
    XML_StopParser(parser, XML_FALSE);
  }
  std::string line() const {
    return fmt::format("line {}", static_cast<unsigned long>(XML_GetCurrentLineNumber(parser)));
  }
  void malformed(std::string_view what) {
    stop(Error(Code::kCorrupt, fmt::format("{}: {}", line(), what), "download it again"));
  }
};

std::string_view attribute(const char** attributes, std::string_view name) {
  for (; attributes[0] != nullptr; attributes += 2) {
    if (name == attributes[0]) return attributes[1];
  }
  return {};
}

template <typename T>
bool read(std::string_view text, T& value) {
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  return problem == std::errc() && end == text.data() + text.size() && !text.empty();
}

void begin(void* data, const char* raw_name, const char** attributes) {
  Parsing& p = *static_cast<Parsing*>(data);
  const std::string_view name = raw_name;
  if (++p.depth > kDepthMax) return p.malformed("elements are nested too deeply");
  if (p.depth == 1) {
    p.in_osm = name == "osm";
    if (!p.in_osm)
      p.stop(Error(Code::kInvalidArgument, fmt::format("the document is <{}>, not <osm>", name),
                   "give an OpenStreetMap extract"));
    return;
  }
  if (p.depth == 2) {
    p.kind = name == "node" ? 'n' : name == "way" ? 'w' : 0;
    p.tags.clear();
    p.nodes.clear();
    if (p.kind == 0) return;
    if (!read(attribute(attributes, "id"), p.id))
      return p.malformed(fmt::format("<{}> without a numeric id", name));
    if (p.kind == 'w') return;
    if (!read(attribute(attributes, "lat"), p.at.lat) || !read(attribute(attributes, "lon"), p.at.lng) ||
        !(std::abs(p.at.lat) <= 90) || !(std::abs(p.at.lng) <= 180)) {
      // Deleted nodes of history files have no place.
      if (attribute(attributes, "visible") == "false")
        p.kind = 0;
      else
        p.malformed(fmt::format("node {} has no valid lat and lon", p.id));
    }
    return;
  }
  if (p.kind == 0 || p.depth != 3) return;
  if (name == "tag") {
    if (p.tags.size() >= kTagsMax) return p.malformed(fmt::format("more than {} tags", kTagsMax));
    p.tags.emplace_back(attribute(attributes, "k"), attribute(attributes, "v"));
  } else if (name == "nd" && p.kind == 'w') {
    std::int64_t ref = 0;
    if (!read(attribute(attributes, "ref"), ref)) return p.malformed("<nd> without a numeric ref");
    if (p.nodes.size() >= kWayNodesMax)
      return p.malformed(fmt::format("more than {} nodes in way {}", kWayNodesMax, p.id));
    p.nodes.push_back(ref);
  }
}

void end(void* data, const char*) {
  Parsing& p = *static_cast<Parsing*>(data);
  if (p.depth-- != 2 || p.kind == 0 || p.error) return;
  OsmTags tags(p.tags.begin(), p.tags.end());
  auto done = p.kind == 'n' ? p.handler->node(p.id, p.at, tags) : p.handler->way(p.id, p.nodes, tags);
  p.kind = 0;
  if (!done) p.stop(std::move(done).error());
}

void declares_entity(void* data, const char*, int, const char*, int, const char*, const char*, const char*,
                     const char*) {
  static_cast<Parsing*>(data)->malformed("entity declarations are not allowed");
}

}  // namespace

Result<void> read_osm_xml(std::string_view bytes, OsmHandler& handler) {
  const std::unique_ptr<XML_ParserStruct, decltype(&XML_ParserFree)> parser(XML_ParserCreate("UTF-8"),
                                                                            &XML_ParserFree);
  Parsing parsing;
  parsing.parser = parser.get();
  parsing.handler = &handler;
  XML_SetUserData(parser.get(), &parsing);
  XML_SetElementHandler(parser.get(), begin, end);
  XML_SetEntityDeclHandler(parser.get(), declares_entity);
  for (std::size_t at = 0;;) {
    const std::size_t length = std::min(kChunkBytes, bytes.size() - at);
    const bool last = at + length == bytes.size();
    const auto status = XML_Parse(parser.get(), bytes.data() + at, static_cast<int>(length), last);
    if (parsing.error) return fail(std::move(*parsing.error));
    if (status != XML_STATUS_OK) {
      return fail(Code::kCorrupt,
                  fmt::format("{}: {}", parsing.line(), XML_ErrorString(XML_GetErrorCode(parser.get()))),
                  "download it again");
    }
    at += length;
    if (last) return {};
  }
}

}  // namespace tsukai::maps
