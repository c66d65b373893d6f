#pragma once
// Arrays out of an .npz file (a zip of .npy files, stored or deflated): recorded results in tests.

#include <string>

#include "models/tensors/npy.h"

/// The member `name` (without ".npy") of the archive; a missing file or member fails the test.
heed::Npy read_npz(const std::string& path, const std::string& name);
