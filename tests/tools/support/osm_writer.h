// Writes OpenStreetMap extracts in the real formats, for tests.
#pragma once

#include <zlib.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "tools/maps/geo.h"

namespace tsukai::maps {

using Tags = std::vector<std::pair<std::string, std::string>>;
struct OsmNode {
  std::int64_t id;
  Point at;
  Tags tags;
};
struct OsmWay {
  std::int64_t id;
  std::vector<std::int64_t> nodes;
  Tags tags;
};
struct OsmFile {
  std::vector<OsmNode> nodes;
  std::vector<OsmWay> ways;
};

inline std::string to_xml(const OsmFile& file) {
  std::string out =
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<osm version=\"0.6\" generator=\"tsukai tests\">\n";
  const auto tags = [&](const Tags& all) {
    for (const auto& [key, value] : all) out += "    <tag k=\"" + key + "\" v=\"" + value + "\"/>\n";
  };
  for (const OsmNode& node : file.nodes) {
    out += "  <node id=\"" + std::to_string(node.id) + "\" version=\"1\" lat=\"" +
           std::to_string(node.at.lat) + "\" lon=\"" + std::to_string(node.at.lng) + "\">\n";
    tags(node.tags);
    out += "  </node>\n";
  }
  for (const OsmWay& way : file.ways) {
    out += "  <way id=\"" + std::to_string(way.id) + "\" version=\"1\">\n";
    for (const std::int64_t node : way.nodes) out += "    <nd ref=\"" + std::to_string(node) + "\"/>\n";
    tags(way.tags);
    out += "  </way>\n";
  }
  return out + "</osm>\n";
}

// Protocol Buffers, as far as PBF needs them.
inline std::string varint(std::uint64_t value) {
  std::string out;
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  return out + static_cast<char>(value);
}
inline std::string zigzag_varint(std::int64_t value) {
  return varint((static_cast<std::uint64_t>(value) << 1) ^ static_cast<std::uint64_t>(value >> 63));
}
inline std::string number_field(int field, std::uint64_t value) {
  return varint(static_cast<std::uint64_t>(field) << 3) + varint(value);
}
inline std::string bytes_field(int field, const std::string& bytes) {
  return varint(static_cast<std::uint64_t>(field) << 3 | 2) + varint(bytes.size()) + bytes;
}

enum class Pack { kRaw, kZlib };
inline std::string pbf_block(const std::string& type, const std::string& content, Pack pack) {
  std::string blob;
  if (pack == Pack::kRaw) {
    blob = bytes_field(1, content);
  } else {
    uLongf length = compressBound(content.size());
    std::string packed(length, '\0');
    compress(reinterpret_cast<Bytef*>(packed.data()), &length, reinterpret_cast<const Bytef*>(content.data()),
             content.size());
    packed.resize(length);
    blob = number_field(2, content.size()) + bytes_field(3, packed);
  }
  const std::string header = bytes_field(1, type) + number_field(3, blob.size());
  std::string length;
  for (int shift = 24; shift >= 0; shift -= 8) length += static_cast<char>(header.size() >> shift);
  return length + header + blob;
}

// `dense`: nodes as differences in arrays, as nearly all real files have them.
inline std::string to_pbf(const OsmFile& file, Pack pack, bool dense) {
  std::vector<std::string> strings = {""};
  const auto index = [&](const std::string& text) {
    for (std::size_t i = 1; i < strings.size(); ++i) {
      if (strings[i] == text) return i;
    }
    strings.push_back(text);
    return strings.size() - 1;
  };
  const auto units = [](double degrees) {
    return static_cast<std::int64_t>(degrees * 1e7 + (degrees < 0 ? -0.5 : 0.5));
  };
  const auto keys_and_values = [&](const Tags& tags) {
    std::string keys, values;
    for (const auto& [key, value] : tags) keys += varint(index(key)), values += varint(index(value));
    return std::pair(keys, values);
  };
  std::string nodes, ids, lats, lngs, tags;
  std::int64_t id = 0, lat = 0, lng = 0;
  for (const OsmNode& node : file.nodes) {
    const std::int64_t y = units(node.at.lat), x = units(node.at.lng);
    if (dense) {
      ids += zigzag_varint(node.id - id), lats += zigzag_varint(y - lat), lngs += zigzag_varint(x - lng);
      id = node.id, lat = y, lng = x;
      for (const auto& [key, value] : node.tags) tags += varint(index(key)) + varint(index(value));
      tags += varint(0);
    } else {
      const auto [keys, values] = keys_and_values(node.tags);
      nodes += bytes_field(1, varint(1 << 3) + zigzag_varint(node.id) + bytes_field(2, keys) +
                                  bytes_field(3, values) + varint(8 << 3) + zigzag_varint(y) +
                                  varint(9 << 3) + zigzag_varint(x));
    }
  }
  if (dense)
    nodes = bytes_field(
        2, bytes_field(1, ids) + bytes_field(8, lats) + bytes_field(9, lngs) + bytes_field(10, tags));
  std::string ways;
  for (const OsmWay& way : file.ways) {
    std::string refs;
    std::int64_t before = 0;
    for (const std::int64_t node : way.nodes) refs += zigzag_varint(node - before), before = node;
    const auto [keys, values] = keys_and_values(way.tags);
    ways += bytes_field(3, number_field(1, static_cast<std::uint64_t>(way.id)) + bytes_field(2, keys) +
                               bytes_field(3, values) + bytes_field(8, refs));
  }
  std::string table;
  for (const std::string& text : strings) table += bytes_field(1, text);
  const std::string block = bytes_field(1, table) + bytes_field(2, nodes) + bytes_field(2, ways);
  const std::string header =
      bytes_field(4, "OsmSchema-V0.6") + bytes_field(4, "DenseNodes") + bytes_field(16, "tsukai tests");
  return pbf_block("OSMHeader", header, pack) + pbf_block("OSMData", block, pack);
}

}  // namespace tsukai::maps
