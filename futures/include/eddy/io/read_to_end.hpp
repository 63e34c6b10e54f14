// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <eddy/detail/utf8.hpp>
#include <eddy/future/detail/broken_future.hpp>
#include <eddy/future/detail/budget_guard.hpp>
#include <eddy/io/detail/io_checks.hpp>
#include <eddy/io/detail/io_future.hpp>
#include <eddy/io/detail/spare_bytes.hpp>

namespace eddy::detail {

/// Reads until the end of the reader. The size of a read grows while the reads fill the spare capacity.
template <class R, class C>
class reading_to_end {
public:
    poll_result<result<std::size_t>> poll(R& from, context& cx, C& into) {
        for (;;) {
            budget_guard cost(cx);
            spare_bytes<C> spare(into, read_size_);
            const auto bytes = spare.get();
            const auto count = poll_read_checked(from, cx, bytes);
            if (!count) return not_ready;
            if (!*count) return *count;
            if (**count == 0) return ok(read_);
            spare.keep(**count);
            read_ += **count;
            if (**count == bytes.size()) read_size_ = detail::lesser(read_size_ * 2, max_read_size);
            if (!cost.is_paid()) return not_ready;
        }
    }
    [[nodiscard]] std::size_t count() const noexcept { return read_; }

private:
    static constexpr std::size_t max_read_size = 64 * 1024;

    std::size_t read_ = 0;
    std::size_t read_size_ = 1024;  // bytes; starts small, so that little data costs little memory
};

/// Returns the number of bytes that were appended to `text` since its size was `before`. If these bytes are not UTF-8,
/// removes them and returns an error.
inline result<std::size_t> only_utf8(std::string& text, std::size_t before) {
    if (is_utf8(std::string_view(text).substr(before))) return text.size() - before;
    text.resize(before);
    return io_failure(errc::invalid_utf8);
}

}  // namespace eddy::detail

namespace eddy::io {

/// The future of read_to_end() with a container.
template <class R, class C>
class [[nodiscard("an operation does nothing until it is awaited")]] read_to_end_future
    : public detail::reading_future<read_to_end_future<R, C>, result<std::size_t>, R> {
public:
    using output_type = result<std::size_t>;

    read_to_end_future(R& from, C& into) noexcept : read_to_end_future::reading_future(from), into_(&into) {}

    /// Returns the number of bytes that were read.
    [[nodiscard]] std::size_t count() const noexcept { return reading_.count(); }

private:
    friend typename read_to_end_future::io_future;
    poll_result<output_type> advance(context& cx) { return reading_.poll(this->from(), cx, *into_); }

    detail::reading_to_end<R, C> reading_;
    C* into_;
};

/// The future of read_to_end() without a container.
template <class R, class C>
class [[nodiscard("an operation does nothing until it is awaited")]] read_all_future
    : public detail::reading_future<read_all_future<R, C>, result<C>, R> {
public:
    using output_type = result<C>;

    explicit read_all_future(R& from) noexcept : read_all_future::reading_future(from) {}

    /// Returns the number of bytes that were read.
    [[nodiscard]] std::size_t count() const noexcept { return reading_.count(); }

private:
    friend typename read_all_future::io_future;
    poll_result<output_type> advance(context& cx) {
        const auto count = reading_.poll(this->from(), cx, got_);
        if (!count) return not_ready;
        if (!*count) return output_type(std::unexpect, count->error());
        return output_type(std::move(got_));
    }

    detail::reading_to_end<R, C> reading_;
    C got_;
};

/// The future of read_to_string() with a string.
template <class R>
class [[nodiscard("an operation does nothing until it is awaited")]] read_to_string_future
    : public detail::reading_future<read_to_string_future<R>, result<std::size_t>, R> {
public:
    using output_type = result<std::size_t>;

    read_to_string_future(R& from, std::string& into) noexcept
        : read_to_string_future::reading_future(from), into_(&into), before_(into.size()) {}

    /// Returns the number of bytes that were read.
    [[nodiscard]] std::size_t count() const noexcept { return reading_.count(); }

private:
    friend typename read_to_string_future::io_future;
    poll_result<output_type> advance(context& cx) {
        auto count = reading_.poll(this->from(), cx, *into_);
        if (!count || !*count) return count;
        return detail::only_utf8(*into_, before_);
    }

    detail::reading_to_end<R, std::string> reading_;
    std::string* into_;
    std::size_t before_;
};

/// The future of read_to_string() without a string.
template <class R>
class [[nodiscard("an operation does nothing until it is awaited")]] read_text_future
    : public detail::reading_future<read_text_future<R>, result<std::string>, R> {
public:
    using output_type = result<std::string>;

    explicit read_text_future(R& from) noexcept : read_text_future::reading_future(from) {}

    /// Returns the number of bytes that were read.
    [[nodiscard]] std::size_t count() const noexcept { return reading_.count(); }

private:
    friend typename read_text_future::io_future;
    poll_result<output_type> advance(context& cx) {
        const auto count = reading_.poll(this->from(), cx, got_);
        if (!count) return not_ready;
        if (!*count) return output_type(std::unexpect, count->error());
        if (auto text = detail::only_utf8(got_, 0); !text) return output_type(std::unexpect, text.error());
        return output_type(std::move(got_));
    }

    detail::reading_to_end<R, std::string> reading_;
    std::string got_;
};

/// Reads until the end and appends the bytes to `into`: a std::string, a vector of bytes, or a bytes_mut. Returns the
/// number of bytes. To limit that number, read from a take().
/// Errors: any error of the reader; errc::count_too_large. Bytes that were read before an error are in `into`.
/// Cancel safety: safe if `into` is kept. It has the bytes that were read. Call this function again to continue.
/// Lifetime: the future borrows the reader and `into`.
/// Cost: `into` grows by 1 KiB at first, and by at most 64 KiB at a time.
template <class R, class C>
[[nodiscard]] auto read_to_end(R&& from, C& into) {
    constexpr bool fits = detail::check_borrowed_reader<R>() && detail::check_growing<C>();
    return detail::make_if<fits, read_to_end_future<std::remove_reference_t<R>, C>>(from, into);
}

/// Reads until the end and returns the bytes.
/// Errors: any error of the reader; errc::count_too_large. Bytes that were read before an error are lost.
/// Cancel safety: not safe. Bytes that were read are lost.
/// Lifetime: the future borrows the reader.
template <class R>
[[nodiscard]] auto read_to_end(R&& from) {
    return detail::make_if<detail::check_borrowed_reader<R>(),
                           read_all_future<std::remove_reference_t<R>, std::vector<std::byte>>>(from);
}

/// Reads UTF-8 text until the end and appends it to `into`. Returns the number of bytes.
/// Errors: errc::invalid_utf8, which leaves `into` as it was and loses the bytes that were read; the errors of
/// read_to_end().
/// Cancel safety: not safe. The bytes that were read are in `into`, and were not checked.
/// Lifetime: the future borrows the reader and `into`.
template <class R>
[[nodiscard]] auto read_to_string(R&& from, std::string& into) {
    return detail::make_if<detail::check_borrowed_reader<R>(), read_to_string_future<std::remove_reference_t<R>>>(from,
                                                                                                                  into);
}

/// Reads UTF-8 text until the end and returns it.
/// Errors: errc::invalid_utf8; the errors of read_to_end(). Bytes that were read before an error are lost.
/// Cancel safety: not safe. Bytes that were read are lost.
/// Lifetime: the future borrows the reader.
template <class R>
[[nodiscard]] auto read_to_string(R&& from) {
    return detail::make_if<detail::check_borrowed_reader<R>(), read_text_future<std::remove_reference_t<R>>>(from);
}

}  // namespace eddy::io
