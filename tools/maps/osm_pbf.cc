// OpenStreetMap PBF: blocks of Protocol Buffers, compressed with zlib.
//   file:   { uint32 big-endian length of header; BlobHeader; Blob } ...
//   blobs:  "OSMHeader" once, first; then "OSMData", each a PrimitiveBlock with its own string table
// Source: wiki.openstreetmap.org/wiki/PBF_Format.
#include <fmt/format.h>
#include <zlib.h>

#include <array>
#include <cmath>
#include <limits>

#include "tools/maps/osm_reader.h"

namespace tsukai::maps {
namespace {

constexpr std::size_t kHeaderBytesMax = 64 << 10;  // The format's own limits.
constexpr std::size_t kBlobBytesMax = 32 << 20;

// One Protocol Buffers message. After anything malformed, ok() is false and all values are empty.
class Fields {
 public:
  explicit Fields(std::string_view bytes) : rest_(bytes) {}

  // The next field, or false at the end or at something malformed.
  bool next() {
    if (!ok_ || rest_.empty()) return false;
    const std::uint64_t key = varint();
    number_ = key >> 3;
    value_ = 0;
    bytes_ = {};
    switch (key & 7) {
      case 0:
        value_ = varint();
        break;
      case 1:
        bytes_ = take(8);
        break;
      case 2:
        bytes_ = take(varint());
        break;
      case 5:
        bytes_ = take(4);
        break;
      default:
        ok_ = false;
    }
    return ok_;
  }
  bool ok() const { return ok_; }
  bool done() const { return rest_.empty(); }
  std::uint64_t number() const { return number_; }
  std::uint64_t value() const { return value_; }
  std::string_view bytes() const { return bytes_; }

  // For packed arrays.
  std::uint64_t varint() {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      if (rest_.empty()) break;
      const auto byte = static_cast<unsigned char>(rest_[0]);
      rest_.remove_prefix(1);
      value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    ok_ = false;
    rest_ = {};
    return 0;
  }
  std::int64_t signed_varint() {
    const std::uint64_t value = varint();
    return static_cast<std::int64_t>(value >> 1) ^ -static_cast<std::int64_t>(value & 1);
  }

 private:
  std::string_view take(std::uint64_t length) {
    if (length > rest_.size()) {
      ok_ = false;
      rest_ = {};
      return {};
    }
    const std::string_view taken = rest_.substr(0, length);
    rest_.remove_prefix(length);
    return taken;
  }

  std::string_view rest_;
  bool ok_ = true;
  std::uint64_t number_ = 0, value_ = 0;
  std::string_view bytes_;
};

std::int64_t zigzag(std::uint64_t value) {
  return static_cast<std::int64_t>(value >> 1) ^ -static_cast<std::int64_t>(value & 1);
}
// Deltas of hostile files overflow; they wrap, and the result is judged by its range.
std::int64_t sum(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
}

Error malformed(std::string_view what) {
  return Error(Code::kCorrupt, std::string(what), "download it again");
}

Result<std::string> unpack(std::string_view blob) {
  Fields fields(blob);
  std::string_view raw, packed;
  std::uint64_t raw_size = 0;
  bool other = false;
  while (fields.next()) {
    switch (fields.number()) {
      case 1:
        raw = fields.bytes();
        break;
      case 2:
        raw_size = fields.value();
        break;
      case 3:
        packed = fields.bytes();
        break;
      case 4:
      case 5:
      case 6:
      case 7:
        other = true;
        break;
      default:
        break;
    }
  }
  if (!fields.ok()) return fail(malformed("a block is malformed"));
  if (!raw.empty()) return std::string(raw);
  if (packed.empty() && other)
    return fail(Code::kUnsupported, "its blocks are not compressed with zlib",
                "convert it: osmium cat IN.osm.pbf -o OUT.osm.pbf");
  if (packed.empty()) return std::string();
  if (raw_size > kBlobBytesMax)
    return fail(
        malformed(fmt::format("a block claims {} bytes, at most {} are allowed", raw_size, kBlobBytesMax)));
  std::string out(raw_size, '\0');
  uLongf length = raw_size;
  const int code = uncompress(reinterpret_cast<Bytef*>(out.data()), &length,
                              reinterpret_cast<const Bytef*>(packed.data()), packed.size());
  if (code != Z_OK || length != raw_size) return fail(malformed("a block does not decompress"));
  return out;
}

Result<void> check_header(std::string_view bytes) {
  Fields fields(bytes);
  while (fields.next()) {
    if (fields.number() != 4) continue;
    const std::string_view feature = fields.bytes();
    if (feature != "OsmSchema-V0.6" && feature != "DenseNodes") {
      return fail(Code::kUnsupported, fmt::format("it requires the feature \"{}\"", feature.substr(0, 40)),
                  "convert it to a plain extract, for example with osmium");
    }
  }
  if (!fields.ok()) return fail(malformed("the file header is malformed"));
  return {};
}

class Block {
 public:
  Block(std::string_view bytes, OsmHandler& handler) : bytes_(bytes), handler_(handler) {}

  Result<void> read() {
    std::vector<std::string_view> groups;
    Fields fields(bytes_);
    while (fields.next()) {
      switch (fields.number()) {
        case 1:
          read_strings(fields.bytes());
          break;
        case 2:
          groups.push_back(fields.bytes());
          break;
        case 17:
          granularity_ = static_cast<std::int64_t>(fields.value());
          break;
        case 19:
          lat_offset_ = static_cast<std::int64_t>(fields.value());
          break;
        case 20:
          lng_offset_ = static_cast<std::int64_t>(fields.value());
          break;
        default:
          break;
      }
    }
    if (!fields.ok() || !strings_ok_) return fail(malformed("a block is malformed"));
    for (const std::string_view group : groups) {
      Fields members(group);
      while (members.next()) {
        Result<void> done;
        if (members.number() == 1) done = read_node(members.bytes());
        if (members.number() == 2) done = read_dense(members.bytes());
        if (members.number() == 3) done = read_way(members.bytes());
        if (!done) return done;
      }
      if (!members.ok()) return fail(malformed("a group of objects is malformed"));
    }
    return {};
  }

 private:
  void read_strings(std::string_view bytes) {
    Fields fields(bytes);
    while (fields.next()) {
      if (fields.number() == 1) strings_.push_back(fields.bytes());
    }
    strings_ok_ = fields.ok();
  }

  Result<Point> point(std::int64_t lat, std::int64_t lng) const {
    const Point at{1e-9 * (static_cast<double>(lng_offset_) +
                           static_cast<double>(granularity_) * static_cast<double>(lng)),
                   1e-9 * (static_cast<double>(lat_offset_) +
                           static_cast<double>(granularity_) * static_cast<double>(lat))};
    if (!(std::abs(at.lat) <= 90) || !(std::abs(at.lng) <= 180))
      return fail(malformed("a node lies outside the globe"));
    return at;
  }

  Result<void> add_tag(std::uint64_t key, std::uint64_t value) {
    if (key >= strings_.size() || value >= strings_.size())
      return fail(malformed("a tag refers to a string that is not there"));
    if (tags_.size() >= kTagsMax)
      return fail(malformed(fmt::format("an object has more than {} tags", kTagsMax)));
    tags_.emplace_back(strings_[key], strings_[value]);
    return {};
  }

  Result<void> read_tags(std::string_view keys, std::string_view values) {
    tags_.clear();
    Fields k(keys), v(values);
    while (!k.done() && !v.done()) {
      TSUKAI_TRY_VOID(add_tag(k.varint(), v.varint()));
    }
    if (!k.ok() || !v.ok() || !k.done() || !v.done())
      return fail(malformed("an object's tags are malformed"));
    return {};
  }

  Result<void> read_node(std::string_view bytes) {
    Fields fields(bytes);
    std::int64_t id = 0, lat = 0, lng = 0;
    std::string_view keys, values;
    while (fields.next()) {
      switch (fields.number()) {
        case 1:
          id = zigzag(fields.value());
          break;
        case 2:
          keys = fields.bytes();
          break;
        case 3:
          values = fields.bytes();
          break;
        case 8:
          lat = zigzag(fields.value());
          break;
        case 9:
          lng = zigzag(fields.value());
          break;
        default:
          break;
      }
    }
    if (!fields.ok()) return fail(malformed("a node is malformed"));
    TSUKAI_TRY_VOID(read_tags(keys, values));
    TSUKAI_TRY(const Point at, point(lat, lng));
    return handler_.node(id, at, tags_);
  }

  // Ids and coordinates as differences; tags of all nodes in one array, a zero after each node's.
  Result<void> read_dense(std::string_view bytes) {
    Fields fields(bytes);
    std::array<std::string_view, 4> arrays;
    while (fields.next()) {
      if (fields.number() == 1) arrays[0] = fields.bytes();
      if (fields.number() == 8) arrays[1] = fields.bytes();
      if (fields.number() == 9) arrays[2] = fields.bytes();
      if (fields.number() == 10) arrays[3] = fields.bytes();
    }
    if (!fields.ok()) return fail(malformed("a list of nodes is malformed"));
    Fields ids(arrays[0]), lats(arrays[1]), lngs(arrays[2]), tags(arrays[3]);
    std::int64_t id = 0, lat = 0, lng = 0;
    while (!ids.done()) {
      id = sum(id, ids.signed_varint());
      lat = sum(lat, lats.signed_varint());
      lng = sum(lng, lngs.signed_varint());
      tags_.clear();
      while (!tags.done()) {
        const std::uint64_t key = tags.varint();
        if (key == 0) break;
        TSUKAI_TRY_VOID(add_tag(key, tags.varint()));
      }
      if (!ids.ok() || !lats.ok() || !lngs.ok() || !tags.ok())
        return fail(malformed("a list of nodes ends too early"));
      TSUKAI_TRY(const Point at, point(lat, lng));
      TSUKAI_TRY_VOID(handler_.node(id, at, tags_));
    }
    return {};
  }

  Result<void> read_way(std::string_view bytes) {
    Fields fields(bytes);
    std::int64_t id = 0;
    std::string_view keys, values, refs;
    while (fields.next()) {
      if (fields.number() == 1) id = static_cast<std::int64_t>(fields.value());
      if (fields.number() == 2) keys = fields.bytes();
      if (fields.number() == 3) values = fields.bytes();
      if (fields.number() == 8) refs = fields.bytes();
    }
    if (!fields.ok()) return fail(malformed("a way is malformed"));
    TSUKAI_TRY_VOID(read_tags(keys, values));
    nodes_.clear();
    Fields differences(refs);
    std::int64_t node = 0;
    while (!differences.done()) {
      node = sum(node, differences.signed_varint());
      if (nodes_.size() >= kWayNodesMax)
        return fail(malformed(fmt::format("way {} has more than {} nodes", id, kWayNodesMax)));
      nodes_.push_back(node);
    }
    if (!differences.ok()) return fail(malformed("a way's nodes are malformed"));
    return handler_.way(id, nodes_, tags_);
  }

  std::string_view bytes_;
  OsmHandler& handler_;
  std::vector<std::string_view> strings_;
  bool strings_ok_ = true;
  std::int64_t granularity_ = 100, lat_offset_ = 0, lng_offset_ = 0;
  OsmTags tags_;
  std::vector<std::int64_t> nodes_;
};

}  // namespace

Result<void> read_osm_pbf(std::string_view bytes, OsmHandler& handler) {
  bool header_seen = false;
  for (std::size_t at = 0; at < bytes.size();) {
    const auto here = [&](Error error) {
      return fail(std::move(error).in(fmt::format("block at byte {}", at)));
    };
    if (bytes.size() - at < 4) return here(malformed("the file is cut short"));
    std::size_t length = 0;
    for (std::size_t i = 0; i < 4; ++i) length = length << 8 | static_cast<unsigned char>(bytes[at + i]);
    if (length > kHeaderBytesMax) return here(malformed(fmt::format("its header claims {} bytes", length)));
    if (bytes.size() - at - 4 < length) return here(malformed("the file is cut short"));
    Fields fields(bytes.substr(at + 4, length));
    std::string_view type;
    std::uint64_t size = 0;
    while (fields.next()) {
      if (fields.number() == 1) type = fields.bytes();
      if (fields.number() == 3) size = fields.value();
    }
    if (!fields.ok()) return here(malformed("its header is malformed"));
    if (size > kBlobBytesMax)
      return here(malformed(fmt::format("it claims {} bytes, at most {} are allowed", size, kBlobBytesMax)));
    if (bytes.size() - at - 4 - length < size) return here(malformed("the file is cut short"));
    if (type == "OSMHeader" || type == "OSMData") {
      if ((type == "OSMHeader") == header_seen)
        return here(malformed(header_seen ? "a second file header" : "data before the file header"));
      auto unpacked = unpack(bytes.substr(at + 4 + length, size));
      if (!unpacked) return here(std::move(unpacked).error());
      auto done = header_seen ? Block(*unpacked, handler).read() : check_header(*unpacked);
      if (!done) return here(std::move(done).error());
      header_seen = true;
    }
    at += 4 + length + size;
  }
  return {};
}

}  // namespace tsukai::maps
