// SPDX-License-Identifier: MIT
#include <tmc/qu_mpsc_bounded.hpp>
#include <tmc/spawn_tuple.hpp>

#include "cases.hpp"
#include "runtime.hpp"

namespace bench::peer {

namespace {

using channel = tmc::qu_mpsc_bounded<std::uint64_t>;

constexpr std::uint64_t round_trips = 200'000;

tmc::task<void> ask(channel& to, channel& from, std::uint64_t times) {
    for (std::uint64_t i = 0; i < times; ++i) {
        const bool sent = co_await to.push(i);
        check(sent, "the answering task receives");
        auto answered = co_await from.pull();
        check(answered.value() == i + 1, "the answer is the next number");
    }
}

tmc::task<double> ask_by_the_clock(channel& to, channel& from, std::uint64_t times) {
    co_await ask(to, from, times / 10);
    const auto start = clock::now();
    co_await ask(to, from, times);
    to.close();
    co_return per_operation(clock::now() - start, times);
}

tmc::task<void> answer(channel& from, channel& to) {
    while (auto asked = co_await from.pull()) {
        const bool sent = co_await to.push(asked.value() + 1);
        check(sent, "the asking task waits for the answer");
    }
}

tmc::task<double> talk() {
    channel asked(1);
    channel answered(1);
    auto results = co_await tmc::spawn_tuple(ask_by_the_clock(asked, answered, round_trips), answer(asked, answered));
    co_return std::get<0>(results);
}

}  // namespace

// ns per round trip over two channels of capacity 1.
void pingpong_chan(flavour where) { report("pingpong_chan", where, "ns", run_root(where, talk())); }

}  // namespace bench::peer
