// SPDX-License-Identifier: MIT
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <optional>

#include <eddy/runtime/core.hpp>
#include <eddy/runtime/runtime.hpp>

#include "support/gate.hpp"
#include "support/net.hpp"
#include "support/runtime/more_descriptors.hpp"
#include "support/runtime/ring_faults.hpp"
#include "support/stress.hpp"

namespace support {

/// The fixture of tests that require io_uring and choose the faults and the sizes of their rings.
class uring_test : public testing::Test {
protected:
    /// Sets the faults and the sizes of the rings that are made from now on. Call it before the first event loop is
    /// made. Without a call, rings have the library's sizes and no faults.
    void begin(const fault_chances& chances, unsigned submissions = 0, unsigned completions = 0) {
        faults_.reset();
        faults_.emplace(seed(), chances, submissions, completions);
    }
    [[nodiscard]] ring_faults& faults() { return *faults_; }

    [[nodiscard]] static eddy::core make_core() {
        return eddy::core::builder().driver(eddy::driver_kind::io_uring).build().value();
    }
    [[nodiscard]] static eddy::runtime make_runtime(unsigned workers) {
        return eddy::runtime::builder().worker_threads(workers).driver(eddy::driver_kind::io_uring).build().value();
    }

    void SetUp() override { begin({}); }
    /// Checks that the test's event loops and connections have left no descriptor, ring or buffer.
    void TearDown() override {
        EXPECT_TRUE(comes_true([&] { return fd_count() == descriptors_; }))
            << fd_count() << " descriptors are open instead of " << descriptors_;
        EXPECT_EQ(faults_->rings_alive(), 0u);
        EXPECT_EQ(faults_->buffer_mistakes(), 0u);
        EXPECT_EQ(mapped_buffers(), mapped_);
    }

private:
    const more_descriptors more_;
    const std::size_t descriptors_ = fd_count();
    const std::size_t mapped_ = mapped_buffers();
    std::optional<ring_faults> faults_;
};

}  // namespace support
