// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <expected>
#include <filesystem>
#include <memory>
#include <new>
#include <stdexcept>
#include <system_error>
#include <type_traits>
#include <utility>

#include <eddy/fs/error.hpp>
#include <eddy/fs/operation.hpp>
#include <eddy/result.hpp>

#include "counters.hpp"

namespace eddy::fs::detail {

/// The operation that a job belongs to, for its errors.
struct call {
    const char* operation;
    std::filesystem::path path;
    std::filesystem::path other;

    call(const char* name, std::filesystem::path first, std::filesystem::path second = {}) noexcept
        : operation(name), path(std::move(first)), other(std::move(second)) {}

    [[nodiscard]] error fail(std::error_code code) const { return error(code, operation, path, other); }
    /// Makes an error that is about one of the two paths.
    [[nodiscard]] std::unexpected<error> fail_at(side failed, std::error_code code) const {
        return std::unexpected(error(code, operation, path, other, failed));
    }

    /// Gives an error code the name of the operation and its paths.
    template <class T>
    [[nodiscard]] result<T> named(std::expected<T, std::error_code>&& from) const {
        if (!from) return result<T>(std::unexpect, fail(from.error()));
        if constexpr (std::is_void_v<T>) {
            return {};
        } else {
            return result<T>(std::in_place, *std::move(from));
        }
    }
    template <class T>
    [[nodiscard]] result<T> named(result<T>&& from) const {
        return std::move(from);
    }
};

template <class T, class F>
class work_of final : public work<T> {
public:
    work_of(call&& of, F&& f) : of_(std::move(of)), f_(std::move(f)) {}

    result<T> run() override try {
        count(counter::jobs);
        return of_.named(f_(std::as_const(of_)));
    } catch (const std::bad_alloc&) {
        return failed(std::make_error_code(std::errc::not_enough_memory));
    } catch (const std::length_error&) {  // of a container
        return failed(std::make_error_code(std::errc::not_enough_memory));
    } catch (const std::system_error& thrown) {  // of std::filesystem, for example
        return failed(thrown.code());
    }
    [[nodiscard]] error fail(std::error_code code) const override { return of_.fail(code); }

private:
    [[nodiscard]] result<T> failed(std::error_code code) const { return result<T>(std::unexpect, fail(code)); }

    const call of_;
    F f_;
};

/// Makes an operation that calls `f` with `of`, on a thread for blocking work. `f` owns its data. It returns an
/// eddy::result<T>, whose error gets the operation's name and paths, or an fs::result<T>.
template <class F>
auto blocking(call of, F f) {
    using output = std::invoke_result_t<F&, const call&>::value_type;
    return operation<output>(std::make_unique<work_of<output, F>>(std::move(of), std::move(f)));
}

}  // namespace eddy::fs::detail
