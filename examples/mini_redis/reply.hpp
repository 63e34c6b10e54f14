// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "resp_error.hpp"

namespace mini_redis {

/// A reply, for clients and tests. The server writes replies without this class: see reply_writer.
class reply {
public:
    struct nil {
        friend bool operator==(nil, nil) noexcept = default;
    };
    /// A status, such as `+OK`.
    struct status {
        std::string text;
        explicit status(std::string what) : text(std::move(what)) {}
        friend bool operator==(const status&, const status&) = default;
    };
    /// An error, such as `-ERR syntax error`. The first word is the kind of error.
    struct error {
        std::string text;
        explicit error(std::string what) : text(std::move(what)) {}
        friend bool operator==(const error&, const error&) = default;
    };
    using array = std::vector<reply>;

    reply() noexcept = default;
    reply(status what) : value_(std::move(what)) {}
    reply(error what) : value_(std::move(what)) {}
    reply(std::int64_t number) noexcept : value_(number) {}
    reply(std::string bulk) noexcept : value_(std::move(bulk)) {}
    reply(array items) noexcept : value_(std::move(items)) {}

    [[nodiscard]] bool is_nil() const noexcept { return std::holds_alternative<nil>(value_); }
    /// Returns the value as a T, or null if it has another type. T: nil, status, error, std::int64_t, std::string,
    /// array.
    template <class T>
    [[nodiscard]] const T* get_if() const noexcept {
        return std::get_if<T>(&value_);
    }
    template <class T>
    [[nodiscard]] T* get_if() noexcept {
        return std::get_if<T>(&value_);
    }
    template <class V>
    decltype(auto) visit(V&& visitor) const {
        return std::visit(std::forward<V>(visitor), value_);
    }

    friend bool operator==(const reply&, const reply&) = default;

private:
    std::variant<nil, status, error, std::int64_t, std::string, array> value_;
};

}  // namespace mini_redis
