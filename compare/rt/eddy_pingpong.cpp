// SPDX-License-Identifier: MIT
#include <utility>

#include <eddy/sync/mpsc.hpp>
#include <eddy/sync/oneshot.hpp>

#include "bodies.hpp"
#include "eddy_cases.hpp"
#include "executor.hpp"

// One task asks, the other task answers. The asking task measures the time.

namespace bench::rt {

namespace {

using channel = eddy::sync::mpsc<std::uint64_t>;
using answer = eddy::sync::oneshot<std::uint64_t>;

/// A number, and the sender for its successor. It has a constructor because GCC 12 destroys an aggregate in a co_await
/// twice.
struct question {
    question(std::uint64_t of, answer::sender to) noexcept : number(of), back(std::move(to)) {}

    std::uint64_t number;
    answer::sender back;
};

using questions = eddy::sync::mpsc<question>;

constexpr std::uint64_t round_trips = 200'000;

// ---- Two channels ----

eddy::task<void> ask(const channel::sender& to, channel::receiver& from, std::uint64_t times) {
    for (std::uint64_t i = 0; i < times; ++i) {
        const auto sent = co_await to.send(i);
        check(sent.has_value(), "the answering task receives");
        const auto answered = co_await from.recv();
        check(answered == i + 1, "the answer is the next number");
    }
}

eddy::task<double> ask_by_the_clock(channel::sender to, channel::receiver from, std::uint64_t times) {
    co_await ask(to, from, times / 10);
    co_return co_await ns_per_operation(times, ask(to, from, times));
}

eddy::task<void> answer_by_channel(channel::receiver from, channel::sender to) {
    for (;;) {
        const auto asked = co_await from.recv();
        if (!asked) co_return;
        const auto sent = co_await to.send(*asked + 1);
        check(sent.has_value(), "the asking task waits for the answer");
    }
}

// ---- A oneshot for each answer ----

eddy::task<void> ask_with_oneshots(questions::sender& to, std::uint64_t times) {
    for (std::uint64_t i = 0; i < times; ++i) {
        answer::ends ends = answer::channel();
        const auto sent = co_await to.send(question(i, std::move(ends.sender)));
        check(sent.has_value(), "the answering task receives");
        const auto answered = co_await ends.receiver;
        check(answered == i + 1, "the answer is the next number");
    }
}

eddy::task<double> ask_with_oneshots_by_the_clock(questions::sender to, std::uint64_t times) {
    co_await ask_with_oneshots(to, times / 10);
    co_return co_await ns_per_operation(times, ask_with_oneshots(to, times));
}

eddy::task<void> answer_by_oneshots(questions::receiver from) {
    for (;;) {
        auto asked = co_await from.recv();
        if (!asked) co_return;
        check(asked->back.send(asked->number + 1).has_value(), "the asking task waits for the answer");
    }
}

}  // namespace

eddy::task<void> round_trips_over_channels(std::uint64_t times) {
    auto asked = channel::channel(1);
    auto answered = channel::channel(1);
    auto answerer = eddy::spawn(answer_by_channel(std::move(asked.receiver), std::move(answered.sender)));
    {
        const auto to = std::move(asked.sender);
        auto from = std::move(answered.receiver);
        co_await ask(to, from, times);
    }
    co_await answerer;
}

// ns per round trip over two channels of capacity 1.
void pingpong_chan(flavour where) {
    auto asked = channel::channel(1);
    auto answered = channel::channel(1);
    report("pingpong_chan", where, "ns",
           talk(where, ask_by_the_clock(std::move(asked.sender), std::move(answered.receiver), round_trips),
                answer_by_channel(std::move(asked.receiver), std::move(answered.sender))));
}

// ns per round trip in which the question carries a oneshot sender for the answer.
void pingpong_oneshot(flavour where) {
    auto asked = questions::channel(1);
    report("pingpong_oneshot", where, "ns",
           talk(where, ask_with_oneshots_by_the_clock(std::move(asked.sender), round_trips),
                answer_by_oneshots(std::move(asked.receiver))));
}

}  // namespace bench::rt
