// SPDX-License-Identifier: MIT
#include <cstdlib>

#include "measure.hpp"
#include "raw_cases.hpp"
#include "raw_job.hpp"

namespace bench::raw {

namespace {

constexpr std::uint64_t levels = 1000;

/// A heap allocation like that of a coroutine frame, which the compiler cannot elide.
class frame {
public:
    frame() : block_(opaque(std::malloc(block_size))) {}
    frame(const frame&) = delete;
    frame& operator=(const frame&) = delete;
    ~frame() { std::free(block_); }

private:
    void* block_;
};

[[gnu::noinline]] std::uint64_t descend(std::uint64_t left) {
    const frame mine;
    return left == 0 ? opaque(left) : 1 + descend(left - 1);
}

std::uint64_t child(std::uint64_t x) { return opaque(x) + 1; }

[[gnu::noinline]] std::uint64_t framed_child(std::uint64_t x) {
    const frame mine;
    return child(x);
}

void descend_often(std::uint64_t times) {
    for (std::uint64_t i = 0; i < times; ++i) check(descend(levels) == levels, "a level counts one");
}

template <std::uint64_t (*Child)(std::uint64_t)>
void call_children(std::uint64_t count) {
    std::uint64_t sum = 0;
    for (std::uint64_t i = 0; i < count; ++i) sum += Child(i);
    check(sum == count * (count + 1) / 2, "a child adds one");
}

void measure(void (*body)(std::uint64_t), std::uint64_t times, std::uint64_t operations, std::string_view metric,
             flavour where) {
    body(times / 10);
    const auto start = clock::now();
    body(times);
    report(metric, where, "ns", per_operation(clock::now() - start, operations));
}

}  // namespace

void await_deep(flavour where) { measure(&descend_often, 1000, 1000 * levels, "await_deep", where); }

void await_ready(flavour where) { measure(&call_children<&child>, 10'000'000, 10'000'000, "await_ready", where); }

void await_opaque(flavour where) {
    measure(&call_children<&framed_child>, 10'000'000, 10'000'000, "await_opaque", where);
}

}  // namespace bench::raw
