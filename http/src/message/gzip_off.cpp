// SPDX-License-Identifier: MIT
#include "message/coding.hpp"

// gzip.cpp without zlib.

namespace eddy::detail {

constinit const body_coding gzip_coding = {"gzip", "x-gzip", nullptr, nullptr, nullptr};

}  // namespace eddy::detail
