// SPDX-License-Identifier: MIT
#include <cstddef>
#include <cstdint>
#include <span>

#include "fuzz/targets.hpp"

// libFuzzer calls this function. EDDY_FUZZ_TARGET is one of the targets. An exception ends the process, which reports a
// failure.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    fuzz::EDDY_FUZZ_TARGET(std::as_bytes(std::span(data, size)));
    return 0;
}
