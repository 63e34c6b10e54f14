// SPDX-License-Identifier: MIT
// runs: asan, plain
#include <eddy/future/future.hpp>

#include <gtest/gtest.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

#include "support/fragile.hpp"

namespace {

using eddy::not_ready;
using eddy::poll_result;

struct immovable {
    explicit immovable(int value) noexcept : number(value) {}
    immovable(const immovable&) = delete;
    immovable& operator=(const immovable&) = delete;
    int number;
};

// poll_result<T> is trivially copyable if T is, so that a function can return it in registers.
static_assert(std::is_trivially_copyable_v<poll_result<int>>);
static_assert(std::is_trivially_copy_constructible_v<poll_result<int>>);
static_assert(std::is_trivially_destructible_v<poll_result<int>>);
static_assert(sizeof(poll_result<void*>) == 2 * sizeof(void*));
static_assert(std::is_copy_constructible_v<poll_result<std::string>>);
static_assert(std::is_nothrow_move_constructible_v<poll_result<std::string>>);
static_assert(std::is_nothrow_move_assignable_v<poll_result<std::string>>);
static_assert(!std::is_trivially_destructible_v<poll_result<std::string>>);
static_assert(!std::is_copy_constructible_v<poll_result<std::unique_ptr<int>>>);
static_assert(!std::is_copy_assignable_v<poll_result<std::unique_ptr<int>>>);
static_assert(std::is_nothrow_move_constructible_v<poll_result<std::unique_ptr<int>>>);
static_assert(!std::is_nothrow_move_constructible_v<poll_result<support::fragile>>);
static_assert(!std::is_move_constructible_v<poll_result<immovable>>);

constexpr int doubled(int number) {
    poll_result<int> answer = number;
    poll_result<int> copy = not_ready;
    copy = answer;
    *copy *= 2;
    return copy ? *copy : 0;
}
static_assert(doubled(21) == 42);
static_assert(!poll_result<int>(not_ready).is_ready());

TEST(PollResult, CopyAndMoveKeepTheOutput) {
    const poll_result<std::string> first = std::string("a text that is too long for the object itself");
    poll_result<std::string> copy = first;
    EXPECT_EQ(*copy, *first);
    const poll_result<std::string> moved = std::move(copy);
    EXPECT_EQ(*moved, *first);
    EXPECT_EQ(moved->size(), first->size());
    const poll_result<std::string> none = not_ready;
    EXPECT_FALSE(poll_result<std::string>(none).is_ready());
}

TEST(PollResult, AssignmentReplacesTheOutput) {
    const auto counted = std::make_shared<int>(1);
    poll_result<std::shared_ptr<int>> answer = counted;
    EXPECT_EQ(counted.use_count(), 2);
    answer = not_ready;
    EXPECT_FALSE(answer.is_ready());
    EXPECT_EQ(counted.use_count(), 1);
    answer = counted;
    const auto& same = answer;
    answer = same;  // to itself
    EXPECT_EQ(counted.use_count(), 2);
    poll_result<std::shared_ptr<int>> other = not_ready;
    other = std::move(answer);
    EXPECT_EQ(*other, counted);
    EXPECT_EQ(counted.use_count(), 2);
    other = poll_result<std::shared_ptr<int>>(std::in_place, std::make_shared<int>(2));
    EXPECT_EQ(counted.use_count(), 1);
    EXPECT_EQ(**other, 2);
}

TEST(PollResult, CopyAssignmentLeavesTheSourceUnchanged) {
    const poll_result<std::string> from = std::string("a text that is too long for the object itself");
    const poll_result<std::string> none = not_ready;
    poll_result<std::string> into = not_ready;
    into = from;
    EXPECT_EQ(*into, *from);
    auto& same = into;
    into = std::move(same);  // to itself
    EXPECT_EQ(*into, *from);
    into = none;
    EXPECT_FALSE(into.is_ready());
}

#if defined(_GLIBCXX_ASSERTIONS)
TEST(PollResultDeathTest, AccessToAMissingOutputIsReported) {
    poll_result<std::string> none = not_ready;
    const auto& unchanged = none;
    EXPECT_DEATH(static_cast<void>(*none), "is_ready_");
    EXPECT_DEATH(static_cast<void>(*unchanged), "is_ready_");
    EXPECT_DEATH(static_cast<void>(*std::move(none)), "is_ready_");
    EXPECT_DEATH(static_cast<void>(none->size()), "is_ready_");
    EXPECT_DEATH(static_cast<void>(unchanged->size()), "is_ready_");
}
#endif

TEST(PollResult, DestructorDestroysTheOutput) {
    const auto counted = std::make_shared<int>(1);
    {
        const poll_result<std::shared_ptr<int>> answer(std::in_place, counted);
        EXPECT_EQ(counted.use_count(), 2);
        EXPECT_EQ(*std::move(poll_result<std::shared_ptr<int>>(answer)), counted);
    }
    EXPECT_EQ(counted.use_count(), 1);
}

TEST(PollResult, HoldsAnOutputThatCannotMove) {
    const poll_result<immovable> answer(std::in_place, 3);
    EXPECT_EQ(answer->number, 3);
}

TEST(PollResult, ThrowingMoveLeavesTargetNotReady) {
    poll_result<support::fragile> from(std::in_place, 1);
    poll_result<support::fragile> into(std::in_place, 2);
    {
        const support::failing_move next(0);
        EXPECT_THROW(into = std::move(from), std::runtime_error);
    }
    EXPECT_FALSE(into.is_ready());
    EXPECT_TRUE(from.is_ready());
}

}  // namespace
