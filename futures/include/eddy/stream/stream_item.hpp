// SPDX-License-Identifier: MIT
#pragma once

#include <optional>
#include <source_location>
#include <system_error>
#include <utility>

#include <eddy/error.hpp>
#include <eddy/result.hpp>

namespace eddy {

/// The output of a stream that may fail: an item, the end of the stream, or an error. It is a
/// `result<std::optional<T>>` whose three cases have names.
///
///     auto line = co_await time::try_timeout(30s, lines.next());  // a stream_item<std::string>
///     if (line.is_error()) report(line.error());                  // also errc::timed_out
///     if (line.is_item()) use(line.item());                       // the third case is line.is_end()
///
/// In a loop, `try_` leaves a std::optional, which is empty at the end of the stream:
///
///     while (auto line = co_await try_(time::try_timeout(30s, lines.next()))) use(*line);
/// Thread safety: a plain value.
template <class T>
class [[nodiscard]] stream_item : public result<std::optional<T>> {
    using base = result<std::optional<T>>;

public:
    /// Has the constructors of `result<std::optional<T>>`.
    using base::base;

    /// Returns which of the three cases this is.
    [[nodiscard]] bool is_item() const noexcept { return base::has_value() && base::operator*().has_value(); }
    [[nodiscard]] bool is_end() const noexcept { return base::has_value() && !base::operator*().has_value(); }
    [[nodiscard]] bool is_error() const noexcept { return !base::has_value(); }

    /// Returns the item.
    /// Errors: throws `misuse` unless is_item().
    [[nodiscard]] T& item(std::source_location where = std::source_location::current()) & {
        check(where);
        return **static_cast<base&>(*this);
    }
    [[nodiscard]] const T& item(std::source_location where = std::source_location::current()) const& {
        check(where);
        return **static_cast<const base&>(*this);
    }
    [[nodiscard]] T&& item(std::source_location where = std::source_location::current()) && {
        return std::move(item(where));
    }

private:
    void check(std::source_location where) const {
        if (is_end()) throw misuse("item() of the end of a stream: check is_item() first", where);
        if (is_error())
            throw misuse("item() of an error (" + this->error().message() + "): check is_item() first", where);
    }
};

namespace detail {

template <class T>
inline constexpr bool is_expected<stream_item<T>> = true;

}  // namespace detail
}  // namespace eddy
