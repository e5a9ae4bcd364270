// A sequence's K and V in a file, so that another process goes on where this one stopped.
//
//   "TSUKAIKV" u32 version(1) u32 page_tokens u64 page_bytes u64 tokens
//   u32 length + identity (model digest, kernels, KV type: what must agree for the same bits to come out)
//   tokens as i32, sha256 of all bytes so far (64 hex digits)
//   each page: its bytes, sha256 of them (64 hex digits)
// Little-endian.
#pragma once

#include <span>
#include <string>

#include "infer/backend.h"
#include "infer/kv_cache.h"

namespace tsukai::infer {

// See Engine::save and Engine::load. On the engine thread, between steps.
Result<std::size_t> save_session(Backend& backend, KvCache& cache, std::span<const TokenId> tokens,
                                 const std::string& identity, const std::string& path);
Result<std::size_t> load_session(Backend& backend, KvCache& cache, std::size_t vocabulary,
                                 const std::string& identity, const std::string& path);

}  // namespace tsukai::infer
