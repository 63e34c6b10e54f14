// SPDX-License-Identifier: MIT
#pragma once

#include <cctype>
#include <cstddef>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

namespace support {

/// Returns whether `text` is a name of a metric or a label.
inline bool is_metric_name(std::string_view text) {
    if (text.empty() || std::isdigit(static_cast<unsigned char>(text[0])) != 0) return false;
    for (const unsigned char one : text)
        if (std::isalnum(one) == 0 && one != '_') return false;
    return true;
}

/// Returns whether `text` is `{name="value",...}`, with escaped values.
inline bool are_labels(std::string_view text) {
    if (!text.starts_with('{')) return false;
    do {
        text.remove_prefix(1);
        const auto equals = text.find("=\"");
        if (equals == text.npos || !is_metric_name(text.substr(0, equals))) return false;
        text.remove_prefix(equals + 2);
        while (!text.empty() && text[0] != '"') {
            if (text[0] == '\\') {
                if (text.size() < 2 || std::string_view("\\\"n").find(text[1]) == std::string_view::npos) return false;
                text.remove_prefix(1);
            }
            text.remove_prefix(1);
        }
        if (text.empty()) return false;
        text.remove_prefix(1);
    } while (text.starts_with(','));
    return text == "}";
}

/// Checks the text format of Prometheus, and what promtool(1) checks. Returns the value of each sample.
inline std::map<std::string, double> samples_in(const std::string& text) {
    std::map<std::string, double> samples;
    std::set<std::string> seen;
    std::string name;
    std::string type;
    double last_bucket = 0;  // of the present histogram
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        if (line.starts_with('#')) {
            std::istringstream words(line);
            std::string hash;
            std::string what;
            std::string of;
            words >> hash >> what >> of;
            if (what == "HELP") {
                EXPECT_TRUE(seen.insert(of).second) << line;
                EXPECT_TRUE(is_metric_name(of)) << line;
                std::string help;
                EXPECT_TRUE(words >> help) << line;
                name = of;
                type.clear();
            } else {
                EXPECT_EQ(what, "TYPE") << line;
                EXPECT_EQ(of, name) << line;
                words >> type;
                EXPECT_TRUE(type == "counter" || type == "gauge" || type == "histogram") << line;
                EXPECT_EQ(type == "counter", of.ends_with("_total")) << line;
                last_bucket = 0;
            }
            continue;
        }
        const auto space = line.rfind(' ');
        EXPECT_NE(space, line.npos) << line;
        const auto sample = line.substr(0, space);
        const auto end = sample.find('{');
        auto base = sample.substr(0, end);
        const auto labels = end == std::string::npos ? std::string() : sample.substr(end);
        EXPECT_TRUE(labels.empty() || are_labels(labels)) << line;
        double value = -1;
        std::istringstream number(line.substr(space + 1));
        EXPECT_TRUE(number >> value && number.eof() && value >= 0) << line;
        EXPECT_FALSE(type.empty()) << line;
        if (type == "histogram") {
            const bool is_bucket = base.ends_with("_bucket");
            EXPECT_EQ(is_bucket, labels.find("le=\"") != labels.npos) << line;
            if (is_bucket) {
                EXPECT_GE(value, last_bucket) << line << ": buckets are cumulative";
                last_bucket = labels.ends_with("le=\"+Inf\"}") ? 0 : value;
                if (labels.ends_with("le=\"+Inf\"}")) samples[base + "/all"] = value;
            } else if (base.ends_with("_count")) {
                EXPECT_EQ(value, samples[base.substr(0, base.size() - 6) + "_bucket/all"]) << line;
            }
            for (const std::string_view suffix : {"_bucket", "_sum", "_count"})
                if (base.ends_with(suffix)) {
                    base.resize(base.size() - suffix.size());
                    break;
                }
        }
        EXPECT_EQ(base, name) << line << ": the samples of a metric are in one group";
        EXPECT_TRUE(samples.emplace(sample, value).second) << line;
    }
    EXPECT_TRUE(text.empty() || text.ends_with('\n'));
    std::erase_if(samples, [](const auto& one) { return one.first.ends_with("_bucket/all"); });
    return samples;
}

}  // namespace support
