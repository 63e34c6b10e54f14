// SPDX-License-Identifier: MIT
// The table of http/tests/http_corpus.py: requests that servers may frame differently, and what eddy must do with them.
// covers: P147
// runs: once
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <fstream>
#include <string>
#include <string_view>

#include "support/bytes_of_hex.hpp"
#include "support/http/http_transcript.hpp"

namespace {

/// Writes CR and LF as the table does.
std::string shown(std::string_view text) {
    std::string all;
    for (const char c : text) {
        if (c == '\r') {
            all += "\\r";
        } else if (c == '\n') {
            all += "\\n";
        } else {
            all += c;
        }
    }
    return all;
}

TEST(HttpCorpus, AmbiguousRequestsAreFramedAsExpected) {
    std::ifstream table(EDDY_HTTP_CORPUS);
    std::size_t messages = 0;
    for (std::string line; std::getline(table, line); ++messages) {
        const auto first = line.find('\t');
        const auto second = line.find('\t', first + 1);
        const auto message = support::bytes_of_hex(std::string_view(line).substr(first + 1, second - first - 1));
        const auto expected = line.substr(second + 1);
        // All bytes at once, and one after the other.
        for (const std::size_t step : {message.size(), std::size_t{1}})
            EXPECT_EQ(shown(support::requests_in(message, step)), expected)
                << line.substr(0, first) << ", step " << step;
    }
    EXPECT_GE(messages, 400U);
}

}  // namespace
