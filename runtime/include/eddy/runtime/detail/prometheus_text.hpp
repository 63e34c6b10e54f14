// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include <eddy/detail/export.hpp>

namespace eddy::detail {

/// The labels of a sample: `metric_labels().add("worker", "1")`. Values are escaped.
class EDDY_API metric_labels {
public:
    metric_labels& add(std::string_view name, std::string_view value);
    /// Returns `{worker="1"}`, or an empty text if there are none.
    [[nodiscard]] std::string text() const { return list_.empty() ? list_ : "{" + list_ + "}"; }

private:
    std::string list_;
};

/// Appends the text format of Prometheus, version 0.0.4: for each metric the lines HELP and TYPE, then its samples.
/// Nothing is written about a metric without samples.
/// Lifetime: refers to the string.
class EDDY_API prometheus_text {
public:
    explicit prometheus_text(std::string& to) noexcept : to_(to) {}

    /// Begins a metric. The texts are written as they are.
    /// Lifetime: they are used until the next call.
    prometheus_text& begin(std::string_view name, std::string_view type, std::string_view help);
    prometheus_text& sample(std::uint64_t value, const metric_labels& labels = {}, std::string_view suffix = "");
    prometheus_text& sample(double value, const metric_labels& labels = {}, std::string_view suffix = "");
    /// Appends the samples of a histogram. `bounds` are in seconds; `counts` has one element more, and is not
    /// cumulative.
    prometheus_text& histogram(std::span<const double> bounds, std::span<const std::uint64_t> counts, double sum,
                               const metric_labels& labels = {});

private:
    void append(std::string_view digits, const metric_labels& labels, std::string_view suffix);

    std::string& to_;
    std::string_view name_;
    std::string_view type_;  // empty: the lines HELP and TYPE are written
    std::string_view help_;
};

}  // namespace eddy::detail
