// SPDX-License-Identifier: MIT
#include "bodies.hpp"
#include "eddy_cases.hpp"
#include "executor.hpp"

namespace bench::rt {

namespace {

eddy::task<std::uint64_t> descend(std::uint64_t left) {
    if (left == 0) co_return opaque(left);
    co_return 1 + co_await descend(left - 1);
}

eddy::task<std::uint64_t> child(std::uint64_t x) { co_return opaque(x) + 1; }

[[gnu::noinline]] eddy::boxed_future<std::uint64_t> boxed_child(std::uint64_t x) { return child(x); }

eddy::task<void> await_children(std::uint64_t count) {
    std::uint64_t sum = 0;
    for (std::uint64_t i = 0; i < count; ++i) sum += co_await child(i);
    check(sum == count * (count + 1) / 2, "a child adds one");
}

}  // namespace

eddy::task<void> descend_often(std::uint64_t times) {
    for (std::uint64_t i = 0; i < times; ++i) {
        const auto depth = co_await descend(await_levels);
        check(depth == await_levels, "a level counts one");
    }
}

eddy::task<void> await_boxed_children(std::uint64_t count) {
    std::uint64_t sum = 0;
    for (std::uint64_t i = 0; i < count; ++i) sum += co_await boxed_child(i);
    check(sum == count * (count + 1) / 2, "a child adds one");
}

// ns per level of a recursion with 1,000 levels in which nothing suspends.
void await_deep(flavour where) {
    report("await_deep", where, "ns", run_root(where, warm_up_and_measure(&descend_often, 1000, 1000 * await_levels)));
}

// ns per child that never suspends and is visible to the compiler.
void await_ready(flavour where) {
    report("await_ready", where, "ns", run_root(where, warm_up_and_measure(&await_children, 10'000'000, 10'000'000)));
}

// ns per child that never suspends: a type-erased future on the heap, which is opaque to the compiler.
void await_opaque(flavour where) {
    const double ns = run_root(where, warm_up_and_measure(&await_boxed_children, 10'000'000, 10'000'000));
    report("await_opaque", where, "ns", ns);
}

}  // namespace bench::rt
