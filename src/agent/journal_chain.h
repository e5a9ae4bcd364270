// The hash chain of the journal: what exactly is hashed. Source of truth for docs/formats/journal.md.
#pragma once

#include <string>
#include <string_view>

#include "agent/journal.h"

namespace tsukai::agent {

// prev_hash of a run's first row.
std::string chain_start(const std::string& run);

// sha256(salt, newline, body). The salt keeps the hash of an erased short payload from being guessed back.
std::string payload_hash(std::string_view salt, std::string_view body);

// sha256 of the canonical JSON array [run, seq, kind, step_key, attempt, at_ms, payload_sha256, prev_hash].
std::string row_hash(const std::string& run, const Row& row, std::string_view kind_text);

// The body of a payload: canonical JSON {"data": what the caller gave} and, in the first and last rows,
// "run": the columns of table run that the chain must vouch for.
std::string payload_body(const Json& data);
std::string payload_body(const Json& data, const Json& run);

}  // namespace tsukai::agent
