// SPDX-License-Identifier: MIT
#include "cases.hpp"
#include "runtime.hpp"

namespace bench::peer {

namespace {

constexpr std::uint64_t levels = 1000;

task<std::uint64_t> descend(std::uint64_t left) {
    if (left == 0) co_return opaque(left);
    co_return 1 + co_await descend(left - 1);
}

task<std::uint64_t> child(std::uint64_t x) { co_return opaque(x) + 1; }

// An awaitable owns its coroutine frame, which is on the heap, and hides the coroutine from the compiler.
[[gnu::noinline]] task<std::uint64_t> hidden_child(std::uint64_t x) { return child(x); }

task<void> descend_often(std::uint64_t times) {
    for (std::uint64_t i = 0; i < times; ++i) {
        const auto depth = co_await descend(levels);
        check(depth == levels, "a level counts one");
    }
}

template <task<std::uint64_t> (*Child)(std::uint64_t)>
task<void> await_children(std::uint64_t count) {
    std::uint64_t sum = 0;
    for (std::uint64_t i = 0; i < count; ++i) sum += co_await Child(i);
    check(sum == count * (count + 1) / 2, "a child adds one");
}

}  // namespace

// ns per level of a recursion with 1,000 levels in which nothing suspends.
void await_deep(flavour where) {
    report("await_deep", where, "ns", run_root(where, warm_up_and_measure(&descend_often, 1000, 1000 * levels)));
}

// ns per child that never suspends and is visible to the compiler.
void await_ready(flavour where) {
    const double ns = run_root(where, warm_up_and_measure(&await_children<&child>, 10'000'000, 10'000'000));
    report("await_ready", where, "ns", ns);
}

// ns per child that never suspends and is opaque to the compiler.
void await_opaque(flavour where) {
    const double ns = run_root(where, warm_up_and_measure(&await_children<&hidden_child>, 10'000'000, 10'000'000));
    report("await_opaque", where, "ns", ns);
}

}  // namespace bench::peer
