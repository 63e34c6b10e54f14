// SPDX-License-Identifier: MIT
#include "message/coding.hpp"

// zstd.cpp without its library.

namespace eddy::detail {

constinit const body_coding zstd_coding = {"zstd", "", 0, nullptr, nullptr};

}  // namespace eddy::detail
