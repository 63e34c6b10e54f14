// SPDX-License-Identifier: MIT
#pragma once

#include <unistd.h>
#include <cstdlib>

#include <gtest/gtest.h>

/// Runs `f` in a separate process, which must end within five seconds and without a failure.
#define EXPECT_COMES_BACK(...)                                                       \
    EXPECT_EXIT(                                                                     \
        {                                                                            \
            ::alarm(5);                                                              \
            (__VA_ARGS__)();                                                         \
            std::_Exit(::testing::Test::HasFailure() ? EXIT_FAILURE : EXIT_SUCCESS); \
        },                                                                           \
        ::testing::ExitedWithCode(EXIT_SUCCESS), "")
