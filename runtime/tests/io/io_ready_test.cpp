// SPDX-License-Identifier: MIT
// runs: asan
#include <eddy/io/interest.hpp>
#include <eddy/io/readiness.hpp>

#include <gtest/gtest.h>

namespace {

using eddy::io::interest;
using eddy::io::ready;

constexpr auto both = interest::readable | interest::writable;

TEST(IoInterest, IsNeverEmpty) {
    static_assert(both.is_readable() && both.is_writable() && !both.is_priority());
    static_assert(interest::readable.add(interest::writable) == both);
    static_assert(both.remove(interest::readable) == interest::writable);
    static_assert(both.remove(interest::priority) == both);
    static_assert(!interest::readable.remove(both).has_value());
    static_assert(both.contains(interest::writable) && !interest::writable.contains(both));
}

TEST(IoReady, BehavesLikeSetOfConditions) {
    static_assert(ready().is_empty() && ready::from_bits(0xff) == ready::all);
    static_assert(((ready::readable | ready::error) & ready::error) == ready::error);
    static_assert((ready::all - ready::error).bits() == 47);
    static_assert(ready::read_closed.is_readable() && !ready::read_closed.is_writable());
    static_assert(ready::write_closed.is_writable() && !ready::write_closed.is_readable());
    static_assert(ready::from_bits(37) == (ready::readable | ready::read_closed | ready::priority));
}

TEST(IoReady, ClosedAndErrorSatisfyAffectedInterests) {
    static_assert(ready::readable.satisfies(interest::readable) && !ready::readable.satisfies(interest::writable));
    static_assert(ready::read_closed.satisfies(interest::readable) &&
                  !ready::read_closed.satisfies(interest::writable));
    static_assert(ready::write_closed.satisfies(interest::writable) &&
                  !ready::write_closed.satisfies(interest::readable));
    static_assert(ready::error.satisfies(interest::readable) && ready::error.satisfies(interest::writable));
    static_assert(ready::priority.satisfies(interest::priority) && !ready::priority.satisfies(interest::readable));
    static_assert(!ready::none.satisfies(both | interest::priority));
}

}  // namespace
