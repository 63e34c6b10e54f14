// SPDX-License-Identifier: MIT
// A typical user's program, compiled with warnings as errors. eddy's headers must not cause warnings, not even those
// that arise in the optimizer (GCC 12's -Wmaybe-uninitialized reports futures and outputs stored in a function's own
// memory).
#include <eddy/prelude.hpp>
#include <eddy/proto.hpp>

#include <expected>
#include <memory>
#include <numeric>
#include <string>
#include <system_error>
#include <utility>
#include <variant>
#include <vector>

using namespace std::chrono_literals;

namespace {

static eddy::task_local<std::string> request;

eddy::task<int> number(int n) {
    co_await eddy::yield_now();
    co_return n;
}

eddy::task<eddy::result<std::string>> text(std::string t) {
    co_await eddy::yield_now();
    if (t.empty()) co_return std::unexpected(std::make_error_code(std::errc::invalid_argument));
    co_return t;
}

eddy::task<std::vector<int>> numbers(int n) {
    std::vector<int> all;
    for (int i = 0; i < n; ++i) all.push_back(co_await number(i));
    co_return all;
}

eddy::task<std::unique_ptr<int>> boxed(int n) { co_return std::make_unique<int>(co_await number(n)); }

eddy::task<void> forever() { co_await eddy::time::sleep(1h); }

eddy::task<int> a_join_set_of_results() {
    eddy::join_set<eddy::result<std::string>> set;
    for (int i = 0; i < 5; ++i) set.spawn(text(std::string(static_cast<std::size_t>(i), 'x')));
    int size = 0;
    while (auto output = co_await set.join_next()) {
        if (*output && **output) size += static_cast<int>((**output)->size());
    }
    set.spawn(text("x"));
    while (auto output = co_await set.join_next_with_id()) size += output->output.has_value() ? 1 : 0;

    eddy::join_set<int> more;
    more.spawn(number(1));
    more.spawn_blocking([] { return 2; });
    const auto all = co_await std::move(more).join_all();
    co_return size + std::accumulate(all.begin(), all.end(), 0);  // 14
}

eddy::task<int> a_timeout_around_a_scope() {
    std::vector<int> parts(4);
    const auto ended =
        co_await eddy::time::timeout(1h, eddy::scope([&](auto& s) -> eddy::task<void> {
                                         for (auto& each : parts) {
                                             s.spawn([&]() -> eddy::task<void> { each = co_await number(1); });
                                         }
                                         co_return;
                                     }));
    const auto elapsed = co_await eddy::time::timeout(1ms, eddy::scope([](auto& s) -> eddy::task<void> {
                                                          s.spawn(forever());
                                                          co_return;
                                                      }));
    co_return ended && !elapsed ? std::accumulate(parts.begin(), parts.end(), 0) : -100;  // 4
}

eddy::task<void> nothing() { co_return; }

eddy::task<int> deadlines_around_scopes() {
    const auto ended = co_await eddy::with_deadline(1h, eddy::scope([](auto& s) -> eddy::task<int> {
                                                        s.spawn(eddy::time::sleep(1us));
                                                        co_return 3;
                                                    }));
    const auto cleaned = co_await eddy::with_deadline(
        1h, eddy::shielded(eddy::finally(eddy::scope([](auto&) -> eddy::task<int> { co_return 4; }), nothing)));
    co_return ended.value_or(-100) + cleaned.value_or(-100);  // 7
}

eddy::task<int> tasks_with_a_name() {
    auto all = numbers(4);
    int sum = 0;
    for (const int each : co_await std::move(all)) sum += each;
    auto borrowed = numbers(3);
    for (const int each : co_await borrowed) sum += each;
    auto box = boxed(1);
    co_return sum + *co_await box;  // 10
}

eddy::task<int> spawned() {
    std::vector<eddy::join_handle<std::unique_ptr<int>>> handles;
    for (int i = 0; i < 3; ++i) handles.push_back(eddy::spawn(boxed(i)));
    int sum = 0;
    for (auto& each : handles) sum += *(co_await each).value();
    auto closure = eddy::spawn(
        [n = std::make_unique<int>(1)]() -> eddy::task<std::vector<int>> { co_return co_await numbers(*n + 1); });
    sum += static_cast<int>((co_await closure).value().size());
    auto named = eddy::task_builder().name("named").spawn(text("ab"));
    if (auto output = co_await named; output && *output) sum += static_cast<int>((*output)->size());
    auto bound = eddy::spawn(request.scope("abc", text("x")));
    sum += (co_await bound).value().has_value() ? 1 : 0;
    auto aborted = eddy::spawn(forever());
    aborted.abort();
    const auto why = co_await aborted;
    co_return why ? -100 : sum;  // 8
}

eddy::task<eddy::result<int>> combined() {
    const auto [a, b] = co_await eddy::join(text("a"), numbers(2));
    const auto first = co_await eddy::select(text("abc"), forever());
    const auto both = co_await eddy::try_(eddy::try_join(text("d"), text("ef")));
    eddy::result<std::string> known("gh");
    const auto last = co_await eddy::try_(eddy::ready(known).and_then([](const std::string& t) { return text(t); }));
    const auto quick = co_await eddy::try_(eddy::time::timeout(1h, text("ijk").map([](auto t) { return t; })));
    if (!quick) co_return std::unexpected(quick.error());
    co_return static_cast<int>(a->size() + b.size() + std::get<0>(first)->size() + both.first.size() +
                               both.second.size() + last.size() + quick->size());  // 14
}

eddy::task<int> services() {
    auto pair = eddy::io::duplex(64);
    const auto service = [](const std::string& t) -> eddy::task<eddy::result<std::string>> { co_return t + t; };
    const eddy::proto::boxed_service<std::string, std::string> boxed = service;
    const auto limited = boxed | eddy::proto::concurrency_limit(4) | eddy::proto::timeout(1h);
    auto served = eddy::spawn(
        eddy::proto::pipelined(eddy::codec::framed(std::move(pair.first), eddy::codec::lines_codec(64)), limited));
    int size = 0;
    {
        const eddy::proto::pipelined_client client(
            eddy::codec::framed(std::move(pair.second), eddy::codec::lines_codec(64)));
        const auto robust = client | eddy::proto::retry(eddy::proto::retry_policy()) | eddy::proto::circuit_breaker() |
                            eddy::proto::buffer(4) | eddy::proto::load_shed();
        const auto answer = co_await robust("abc");
        if (answer) size = static_cast<int>(answer->size());
    }
    const auto ended = co_await served;
    co_return ended && *ended ? size : -100;  // 6
}

eddy::task<int> everything() {
    int sum = co_await a_join_set_of_results();
    sum += co_await a_timeout_around_a_scope();
    sum += co_await deadlines_around_scopes();
    sum += co_await tasks_with_a_name();
    sum += co_await spawned();
    sum += (co_await combined()).value_or(-100);
    sum += co_await services();
    co_return sum;
}

}  // namespace

int main() {
    const int sum = eddy::run(everything());
    eddy::core loop;
    const auto on_a_loop = loop.run(eddy::time::timeout(1h, text("abc")));
    const auto waited = eddy::wait(eddy::select(numbers(2), eddy::pending<std::string>()));
    return sum == 63 && on_a_loop && *on_a_loop && waited.index() == 0 ? 0 : 1;
}
