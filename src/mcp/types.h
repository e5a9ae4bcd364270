// The values of the Model Context Protocol that the rest of tsukai sees.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/json.h"

namespace tsukai::mcp {

// Hints of a server about its tool. Untrusted unless the operator marks the server trusted.
struct ToolAnnotations {
  std::string title;
  bool read_only = false;
  bool destructive = true;
  bool idempotent = false;
  bool open_world = true;
};

struct Tool {
  std::string name;
  std::string title;
  std::string description;
  JsonValue input_schema;
  std::optional<JsonValue> output_schema;
  ToolAnnotations annotations;
  bool has_annotations = false;
  JsonValue whole;  // The definition as received: unknown members survive here.
};

// What a tool answered. An error of the tool (is_error) is an answer, not a failure of the call.
struct ToolResult {
  JsonValue content;  // Array of content blocks, as in the specification.
  std::optional<JsonValue> structured_content;
  bool is_error = false;
  JsonValue whole;  // The whole result, unknown members included.
  // Not null: no answer yet. The server asks a person first (2026-07-28; ClientOptions::elicitation_parks):
  // its whole result, for Client::continue_call().
  JsonValue asked;

  // The text blocks joined by line breaks; other blocks as one line that names kind, MIME type and size.
  std::string text() const;
};

struct Implementation {
  std::string name;
  std::string title;
  std::string version;
};

}  // namespace tsukai::mcp
