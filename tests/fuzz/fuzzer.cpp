// SPDX-License-Identifier: MIT
#include <cstddef>
#include <cstdint>
#include <span>

#include "fuzz/targets.hpp"

// What libFuzzer calls. EDDY_FUZZ_TARGET is one of the functions. An exception that comes out ends the process: it is
// found.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::EDDY_FUZZ_TARGET(std::as_bytes(std::span(data, size)));
    return 0;
}
