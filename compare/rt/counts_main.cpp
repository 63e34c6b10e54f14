// SPDX-License-Identifier: MIT
// Runs a case of the runtime a given number of times, for a tool that counts its instructions. The cases need neither a
// second thread nor I/O.
//
//     eddy_counts CASE TIMES
//
// Exits with status 2 if the name is unknown, and aborts if a result is wrong. compare/counts.py runs it twice under
// valgrind, with different TIMES. The difference is the cost of the additional repetitions, without start-up.
#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "bodies.hpp"
#include "protocol.hpp"

namespace {

namespace rt = bench::rt;

eddy::task<void> arm_and_drop_beside_others(std::uint64_t count) {
    std::vector<eddy::time::sleep_future> others;
    co_await rt::arm_many(others);
    co_await rt::arm_and_drop(count);
}

template <auto Skynet>
eddy::task<void> skynet_often(std::uint64_t times) {
    for (std::uint64_t i = 0; i < times; ++i) {
        const auto sum = co_await Skynet(0, 100);
        bench::check(sum == 4950, "skynet's sum");
    }
}

template <auto Fib>
eddy::task<void> fib_often(std::uint64_t times) {
    for (std::uint64_t i = 0; i < times; ++i) {
        const auto number = co_await Fib(10);
        bench::check(number == 55, "the 10th Fibonacci number");
    }
}

struct counted_case {
    std::string_view name;
    eddy::task<void> (*body)(std::uint64_t);
};

constexpr std::array cases{
    counted_case{"spawn_join_one", &rt::join_one_at_a_time},
    counted_case{"spawn_join_batch", &rt::join_in_batches},
    counted_case{"chained_spawn", &rt::chains},
    counted_case{"pingpong_chan", &rt::round_trips_over_channels},
    counted_case{"yield_1", &rt::yield_often},
    counted_case{"yield_1000", &rt::yield_together},
    counted_case{"await_deep", &rt::descend_often},
    counted_case{"await_opaque", &rt::await_boxed_children},
    counted_case{"skynet", &skynet_often<&rt::spawned_skynet>},
    counted_case{"fib", &fib_often<&rt::spawned_fib>},
    counted_case{"skynet_scope", &skynet_often<&rt::scoped_skynet>},
    counted_case{"skynet_scope_body", &skynet_often<&rt::skynet_of_bodies>},
    counted_case{"fib_scope", &fib_often<&rt::scoped_fib>},
    counted_case{"timer_arm_cancel", &rt::arm_and_drop},
    counted_case{"timer_arm_cancel_live", &arm_and_drop_beside_others},
    counted_case{"timer_arm_cancel_100k", &rt::arm_many_and_drop},
};

}  // namespace

int main(int argc, char** argv) {
    const auto found = argc == 3 ? std::ranges::find(cases, argv[1], &counted_case::name) : cases.end();
    if (found == cases.end()) {
        std::fprintf(stderr, "usage: %s CASE TIMES, where CASE is one of\n", argv[0]);
        for (const auto& one : cases) std::fprintf(stderr, "    %s\n", one.name.data());
        return 2;
    }
    eddy::core().run(found->body(std::strtoull(argv[2], nullptr, 10)));
}
