#pragma once
// Where real trained models lie, for tests that need them.

#include <catch2/catch_test_macros.hpp>
#include <cstdlib>
#include <string>

/// The path of `relative` below the folder that HEED_TEST_MODELS names; without one the test is
/// skipped with that reason.
inline std::string test_model(const std::string& relative) {
  const char* folder = std::getenv("HEED_TEST_MODELS");
  if (folder == nullptr || *folder == 0) SKIP("HEED_TEST_MODELS names no folder of real models");
  return std::string(folder) + "/" + relative;
}
