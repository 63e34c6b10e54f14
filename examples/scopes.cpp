// SPDX-License-Identifier: MIT
// Scopes: children run in parallel and may refer to their parent's locals; the parent continues when all have ended.
//     $ ./scopes
//     1 + 2 + ... + 1000 = 500500
//     1 + 2 + ... + 100000 = 5000050000
//     a child has failed: Connection refused
//     a child has thrown: no such table
#include <eddy/prelude.hpp>

#include <array>
#include <cstddef>
#include <cstdio>
#include <numeric>
#include <span>
#include <stdexcept>
#include <vector>

namespace {

using namespace std::chrono_literals;

// docs: scope
/// Takes references: in a scope, the task cannot outlive the objects that they refer to.
eddy::task<void> add_up(std::span<const int> part, int& sum) {
    sum = std::accumulate(part.begin(), part.end(), 0);
    co_return;
}

eddy::task<int> sum_in_parallel(const std::vector<int>& numbers) {
    std::array<int, 4> sums{};
    const std::size_t size = numbers.size() / sums.size();
    co_await eddy::scope([&](auto& s) -> eddy::task<void> {
        for (std::size_t i = 0; i < sums.size(); ++i) {
            // Children may refer to `numbers` and `sums`, which belong to the coroutine that awaits the scope. They
            // must not refer to locals of this body, which ends before them. So the span is passed by value.
            const auto part = std::span(numbers).subspan(i * size, size);
            s.spawn(add_up(part, sums[i]));
        }
        co_return;
    });
    // All children have ended, so the sums need no lock and no join handle.
    co_return std::accumulate(sums.begin(), sums.end(), 0);
}
// docs: end

// docs: halves
/// Adds up the halves in parallel, if there are enough numbers. The numbers must outlive the task.
eddy::task<long> sum_of_halves(std::span<const int> numbers) {
    if (numbers.size() < 1000) co_return std::accumulate(numbers.begin(), numbers.end(), 0L);
    const std::size_t half = numbers.size() / 2;
    const auto [left, right] =
        co_await eddy::scope(sum_of_halves(numbers.first(half)), sum_of_halves(numbers.subspan(half)));
    co_return left + right;
}
// docs: end

eddy::task<eddy::result<void>> refused() {
    co_await eddy::yield_now();
    co_return std::unexpected(std::make_error_code(std::errc::connection_refused));
}

eddy::task<void> throws() {
    co_await eddy::yield_now();
    throw std::runtime_error("no such table");
}

/// The first failure cancels the other children and the body. When all of them have ended, it is the scope's outcome.
eddy::task<void> first_failure() {
    // docs: failure
    auto outcome = co_await eddy::scope([](auto& s) -> eddy::task<eddy::result<void>> {
        s.spawn(refused());
        s.spawn(eddy::time::sleep(1h));  // cancelled: this program does not take an hour
        co_return eddy::ok();
    });
    // The body's output is a result, so the child's error is the scope's error.
    if (!outcome) std::printf("a child has failed: %s\n", outcome.error().message().c_str());
    // docs: end

    try {
        co_await eddy::scope([](auto& s) -> eddy::task<void> {
            s.spawn(throws());
            co_await eddy::time::sleep(1h);  // the body is cancelled as well
        });
    } catch (const std::exception& thrown) {
        std::printf("a child has thrown: %s\n", thrown.what());
    }
}

eddy::task<void> async_main() {
    std::vector<int> numbers(1000);
    std::iota(numbers.begin(), numbers.end(), 1);
    std::printf("1 + 2 + ... + 1000 = %d\n", co_await sum_in_parallel(numbers));
    numbers.resize(100'000);
    std::iota(numbers.begin(), numbers.end(), 1);
    std::printf("1 + 2 + ... + 100000 = %ld\n", co_await sum_of_halves(numbers));
    co_await first_failure();
}

}  // namespace

int main() { return eddy::run(async_main()); }
