// SPDX-License-Identifier: MIT
#pragma once

#include <unistd.h>
#include <cstdlib>

#include <gtest/gtest.h>

/// Calls the argument, a function without parameters, in a separate process (a death test). Expects that the process
/// ends within five seconds and without a failure.
#define EXPECT_COMES_BACK(...)                                                       \
    EXPECT_EXIT(                                                                     \
        {                                                                            \
            ::alarm(5);                                                              \
            (__VA_ARGS__)();                                                         \
            std::_Exit(::testing::Test::HasFailure() ? EXIT_FAILURE : EXIT_SUCCESS); \
        },                                                                           \
        ::testing::ExitedWithCode(EXIT_SUCCESS), "")
