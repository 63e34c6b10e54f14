// SPDX-License-Identifier: MIT
#pragma once

#include <gtest/gtest.h>

#include <string>

#include <eddy/runtime/core.hpp>
#include <eddy/runtime/runtime.hpp>

namespace support {

inline eddy::runtime runtime_with(unsigned workers) {
    return *eddy::runtime::builder().worker_threads(workers).build();
}

/// Runs the future that `main` makes on runtimes with 1, 2 and 4 workers.
template <class Fn>
void on_pools(Fn main) {
    for (const unsigned workers : {1u, 2u, 4u}) {
        const ::testing::ScopedTrace trace(__FILE__, __LINE__, std::to_string(workers) + " workers");
        const eddy::runtime rt = runtime_with(workers);
        rt.block_on(main());
    }
}

/// Runs the future that `main` makes on an event loop, and on runtimes with 1, 2 and 4 workers.
template <class Fn>
void everywhere(Fn main) {
    {
        const ::testing::ScopedTrace trace(__FILE__, __LINE__, "a core");
        eddy::core core;
        core.run(main());
    }
    on_pools(main);
}

}  // namespace support
