// SPDX-License-Identifier: MIT
#include <utility>

#include <eddy/sync/mpsc.hpp>
#include <eddy/task/spawn.hpp>

#include "eddy_cases.hpp"
#include "executor.hpp"

namespace bench::rt {

namespace {

using channel = eddy::sync::mpsc<std::uint64_t>;

constexpr std::size_t capacity = 128;
constexpr std::uint64_t messages = 1'000'000;

eddy::task<void> produce(channel::sender to, std::uint64_t first, std::uint64_t count) {
    for (std::uint64_t i = first; i < first + count; ++i) {
        const auto sent = co_await to.send(i);
        check(sent.has_value(), "there is a consumer");
    }
}

eddy::task<void> produce_without_waiting(channel::unbounded_sender to, std::uint64_t first, std::uint64_t count) {
    for (std::uint64_t i = first; i < first + count; ++i) check(to.send(i).has_value(), "there is a consumer");
    co_return;
}

template <class Receiver>
eddy::task<std::uint64_t> consume(Receiver from) {
    std::uint64_t sum = 0;
    for (;;) {
        const auto value = co_await from.recv();
        if (!value) co_return sum;
        sum += *value;
    }
}

/// Sends `count` messages in total from `Producers` tasks that run `Produce`.
template <std::uint64_t Producers, auto Produce, class Ends>
eddy::task<void> pass_on(Ends ends, std::uint64_t count) {
    auto consumer = eddy::spawn(consume(std::move(ends.receiver)));
    {
        const auto sender = std::move(ends.sender);
        const std::uint64_t each = count / Producers;
        for (std::uint64_t i = 0; i < Producers; ++i) eddy::spawn(Produce(sender, i * each, each)).detach();
    }
    const auto sum = co_await consumer;
    check(sum.value() == count * (count - 1) / 2, "each message arrives");
}

template <std::uint64_t Producers>
eddy::task<void> pass_on_bounded(std::uint64_t count) {
    return pass_on<Producers, &produce>(channel::channel(capacity), count);
}

template <std::uint64_t Producers>
eddy::task<void> pass_on_unbounded(std::uint64_t count) {
    return pass_on<Producers, &produce_without_waiting>(channel::unbounded_channel(), count);
}

double ns_per_message(flavour where, eddy::task<void> (*body)(std::uint64_t)) {
    return run_root(where, warm_up_and_measure(body, messages, messages));
}

}  // namespace

// ns per message from one or four tasks to one task over a channel of capacity 128, including spawning.
void mpsc_bounded_p1(flavour where) {
    report("mpsc_bounded_p1", where, "ns", ns_per_message(where, &pass_on_bounded<1>));
}

void mpsc_bounded_p4(flavour where) {
    report("mpsc_bounded_p4", where, "ns", ns_per_message(where, &pass_on_bounded<4>));
}

// ns per message from one or four tasks to one task over an unbounded channel, including spawning.
void mpsc_unbounded_p1(flavour where) {
    report("mpsc_unbounded_p1", where, "ns", ns_per_message(where, &pass_on_unbounded<1>));
}

void mpsc_unbounded_p4(flavour where) {
    report("mpsc_unbounded_p4", where, "ns", ns_per_message(where, &pass_on_unbounded<4>));
}

}  // namespace bench::rt
