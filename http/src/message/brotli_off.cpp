// SPDX-License-Identifier: MIT
#include "message/coding.hpp"

// brotli.cpp without its library.

namespace eddy::detail {

constinit const body_coding brotli_coding = {"br", "", nullptr, nullptr, nullptr};

}  // namespace eddy::detail
