// SPDX-License-Identifier: MIT
// Connections whose ring and whose kernel make every mistake that they may make, at random: each byte arrives, in order,
// nothing hangs, and nothing is left over.
#include <support/ring_faults.hpp>

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <ostream>
#include <string>

#include <support/conversation.hpp>
#include <support/net.hpp>
#include <support/runtime.hpp>
#include <support/stress.hpp>

namespace {

using namespace std::chrono_literals;
using support::fault_chances;
using support::ring_fault;
using support::ring_faults;

struct named_fault {
    ring_fault what;
    const char* name;
};

constexpr std::array all_faults{
    named_fault{ring_fault::interrupted, "InterruptedEnters"},
    named_fault{ring_fault::nothing_taken, "EntersThatTakeNothing"},
    named_fault{ring_fault::busy, "BusyRings"},
    named_fault{ring_fault::some_taken, "EntersThatTakeSome"},
    named_fault{ring_fault::short_send, "ShortSends"},
    named_fault{ring_fault::refused_send, "RefusedSends"},
    named_fault{ring_fault::ended_receive, "ReceivesThatEndByThemselves"},
    named_fault{ring_fault::ended_with_bytes, "ReceivesThatEndWithBytes"},
    named_fault{ring_fault::ended_poll, "WatchesThatEnd"},
};
static_assert(all_faults.size() == static_cast<std::size_t>(ring_fault::count));

struct ring_size {
    unsigned submissions;
    unsigned completions;
};

/// Where the connections are: on a loop (no workers), or on a runtime.
struct place {
    unsigned workers;
    ring_size size;
};

void PrintTo(const place& where, std::ostream* out) { *out << where.workers << " workers"; }

std::string name_of(const testing::TestParamInfo<place>& info) {
    const auto& [workers, size] = info.param;
    std::string name = workers == 0 ? "Core" : "Workers" + std::to_string(workers);
    if (size.submissions != 0) {
        name += "RingOf" + std::to_string(size.submissions) + "And" + std::to_string(size.completions);
    }
    return name;
}

class UringFaultsStress : public testing::TestWithParam<place> {
protected:
    /// Conversations with these faults, and that nothing is left. So many bytes a connection.
    void talk(const fault_chances& chances, std::uint64_t seed, std::size_t connections, std::uint64_t bytes) {
        const auto& [workers, size] = GetParam();
        const support::watchdog limit("conversations", support::is_sanitized ? 170s : 50s);
        const auto descriptors = support::fd_count();
        const auto buffers = support::mapped_buffers();
        {
            const ring_faults faults(seed, chances, size.submissions, size.completions);
            // First some that keep the ring busy, then those that let it sleep between any two parts.
            const auto talks = [&]() -> eddy::task<void> {
                co_await support::converse_all(connections, bytes, seed);
                co_await support::ask_all(2, bytes, seed);
                co_await support::tell_a_silent_peer(bytes, seed);
                co_await support::hear_a_deaf_peer(bytes, seed);
            };
            if (workers == 0) {
                auto loop = eddy::core::builder().driver(eddy::driver_kind::io_uring).build().value();
                loop.run(talks());
            } else {
                const auto pool = eddy::runtime::builder()
                                      .worker_threads(workers)
                                      .driver(eddy::driver_kind::io_uring)
                                      .build()
                                      .value();
                pool.block_on(talks());
            }
            EXPECT_GE(faults.rings_made(), 1u);
            EXPECT_EQ(faults.rings_alive(), 0u);
            EXPECT_EQ(faults.buffer_mistakes(), 0u);
            EXPECT_GT(faults.buffers_used(), 0u);
            // Queues of a few entries show something if they are too short at times.
            EXPECT_TRUE(size.submissions == 0 || faults.full_submissions() + faults.overflows() > 0);
            for (const auto& [what, name] : all_faults) {
                happened_[static_cast<std::size_t>(what)] += faults.happened(what);
            }
        }
        EXPECT_TRUE(support::comes_true([&] { return support::fd_count() == descriptors; }));
        EXPECT_EQ(support::mapped_buffers(), buffers);
    }

    void expect_happened(const named_fault& fault) const {
        EXPECT_GT(happened_[static_cast<std::size_t>(fault.what)], 0u) << fault.name << ": the test has shown nothing";
    }

private:
    std::array<std::uint64_t, all_faults.size()> happened_{};
};

TEST_P(UringFaultsStress, EachFaultAlone) {
    for (const auto& fault : all_faults) {
        SCOPED_TRACE(fault.name);
        for (std::uint64_t round = 0; round < support::rounds(50); ++round) {
            fault_chances chances;
            // What happens once a turn has fewer occasions than what happens once a send.
            talk(chances.set(fault.what, fault.what == ring_fault::ended_poll ? 300 : 100), support::seed() + round, 8,
                 200'000);
            if (HasFailure()) return;
        }
        expect_happened(fault);
    }
}

TEST_P(UringFaultsStress, AllFaultsTogether) {
    for (const unsigned chance : {10u, 100u, 300u}) {
        SCOPED_TRACE(chance);
        for (std::uint64_t round = 0; round < support::rounds(100); ++round) {
            talk(fault_chances().set_all(chance), support::seed() + round, 16, 100'000);
            if (HasFailure()) return;
        }
    }
    for (const auto& fault : all_faults) expect_happened(fault);
}

TEST_P(UringFaultsStress, NoFaultAtAll) {
    for (std::uint64_t round = 0; round < support::rounds(50); ++round) {
        talk(fault_chances(), support::seed() + round, 16, 500'000);
    }
}

INSTANTIATE_TEST_SUITE_P(Everywhere, UringFaultsStress,
                         testing::Values(place{0, {0, 0}}, place{0, {4, 8}}, place{2, {0, 0}}, place{2, {8, 16}}),
                         name_of);

}  // namespace
