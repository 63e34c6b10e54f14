// SPDX-License-Identifier: MIT
#include <eddy/runtime/detail/prometheus_text.hpp>

#include <array>
#include <charconv>
#include <cstddef>
#include <utility>

namespace eddy::detail {
namespace {

using digits = std::array<char, 32>;

template <class Number, class... Format>
std::string_view text_of(Number value, digits& in, Format... format) noexcept {
    return {in.data(), std::to_chars(in.data(), in.data() + in.size(), value, format...).ptr};
}

}  // namespace

metric_labels& metric_labels::add(std::string_view name, std::string_view value) {
    if (!list_.empty()) list_ += ',';
    list_.append(name).append("=\"");
    for (const char one : value) {
        if (one == '\n') {
            list_ += "\\n";
        } else {
            if (one == '\\' || one == '"') list_ += '\\';
            list_ += one;
        }
    }
    list_ += '"';
    return *this;
}

prometheus_text& prometheus_text::begin(std::string_view name, std::string_view type, std::string_view help) {
    name_ = name;
    type_ = type;
    help_ = help;
    return *this;
}

void prometheus_text::append(std::string_view number, const metric_labels& labels, std::string_view suffix) {
    if (!type_.empty()) {
        to_.append("# HELP ").append(name_).append(" ").append(help_).append("\n");
        to_.append("# TYPE ").append(name_).append(" ").append(std::exchange(type_, {})).append("\n");
    }
    to_.append(name_).append(suffix).append(labels.text()).append(" ").append(number).append("\n");
}

prometheus_text& prometheus_text::sample(std::uint64_t value, const metric_labels& labels, std::string_view suffix) {
    digits in;
    append(text_of(value, in), labels, suffix);
    return *this;
}

prometheus_text& prometheus_text::sample(double value, const metric_labels& labels, std::string_view suffix) {
    digits in;
    append(text_of(value, in), labels, suffix);
    return *this;
}

prometheus_text& prometheus_text::histogram(std::span<const double> bounds, std::span<const std::uint64_t> counts,
                                            double sum, const metric_labels& labels) {
    const auto bucket = [&](std::uint64_t count, std::string_view bound) {
        sample(count, metric_labels(labels).add("le", bound), "_bucket");
    };
    std::uint64_t all = 0;
    for (std::size_t i = 0; i < bounds.size(); ++i) {
        digits in;  // fixed: not "5e-04", since labels are compared as text
        bucket(all += counts[i], text_of(bounds[i], in, std::chars_format::fixed));
    }
    bucket(all += counts.back(), "+Inf");
    return sample(sum, labels, "_sum").sample(all, labels, "_count");
}

}  // namespace eddy::detail
