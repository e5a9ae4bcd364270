#include <doctest/doctest.h>

#include "infer/support/random_schema.h"

TEST_SUITE("infer/grammar/random") {
  TEST_CASE("texts under 60 random schemas satisfy them") {
    for (const auto& line : tsukai::infer::check_random_schemas(1, 60)) FAIL_CHECK(line);
  }
}
