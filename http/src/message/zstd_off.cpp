// SPDX-License-Identifier: MIT
#include "message/coding.hpp"

// zstd.cpp without its library.

namespace eddy::detail {

constinit const body_coding zstd_coding = {"zstd", "", nullptr, nullptr, nullptr};

}  // namespace eddy::detail
