#pragma once
// Arrays out of an .npz file (a zip of .npy files, stored or deflated): recorded results in tests.

#include <cstdint>
#include <string>
#include <vector>

#include "models/tensors/npy.h"

/// The member `name` (without ".npy") of the archive; a missing file or member fails the test.
heed::Npy read_npz(const std::string& path, const std::string& name);

/// The content of a .gz file; one that is missing or damaged fails the test.
std::vector<uint8_t> read_gzip(const std::string& path);
