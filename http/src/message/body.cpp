// SPDX-License-Identifier: MIT
#include <eddy/http/body.hpp>

#include <algorithm>
#include <cstring>

#include <eddy/bytes/bytes_mut.hpp>
#include <eddy/http/error.hpp>
#include <eddy/io/read.hpp>

namespace eddy::detail {

http::body body_access::from_source(std::unique_ptr<body_source> source, std::optional<std::uint64_t> size) noexcept {
    http::body made;
    made.source_ = std::move(source);
    made.size_ = size.value_or(http::body::unknown);
    return made;
}

}  // namespace eddy::detail

namespace eddy::http {
namespace {

constexpr std::size_t read_size = 16 * 1024;

/// Reads the rest of `from` into an `All`, which is a string or a bytes_mut. `append(all, span)` appends a part.
template <class All, class Append>
task<result<All>> collect(body& from, std::size_t limit, Append append) {
    All all;
    const auto scratch = std::make_unique_for_overwrite<std::byte[]>(read_size);
    for (;;) {
        const auto count = co_await io::read(from, std::span(scratch.get(), read_size));
        if (!count) co_return std::unexpected(count.error());
        if (*count == 0) co_return std::move(all);
        if (*count > limit - all.size()) co_return std::unexpected(make_error_code(errc::body_too_large));
        append(all, std::span<const std::byte>(scratch.get(), *count));
    }
}

}  // namespace

eddy::bytes body::bytes_of(std::string&& content) {
    // A short text is copied together with the reference count, into one block of the frame pool.
    constexpr std::size_t most_copied = 256;
    return content.size() <= most_copied ? eddy::bytes::copy_of(content) : eddy::bytes(std::move(content));
}

poll_result<result<std::size_t>> body::poll_read(context& cx, std::span<std::byte> into) {
    if (source_ && size_ != 0) {
        const bool is_known = size_ != unknown;
        if (is_known) into = into.first(static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), size_)));
        auto count = source_->poll_read(cx, into);
        if (!count || !*count) return count;
        if (**count == 0 && !into.empty() && is_known) {
            return result<std::size_t>(std::unexpect, make_error_code(errc::body_too_short));
        }
        if (is_known) size_ -= **count;
        return count;
    }
    if (source_ && source_->may_have_trailers()) return source_->poll_read(cx, into);  // no bytes, but the end
    const auto count = std::min(into.size(), content_.size());
    if (count != 0) std::memcpy(into.data(), content_.data(), count);
    content_.advance(count);
    size_ = content_.size();
    return eddy::ok(count);
}

const headers& body::trailers() {
    static const headers none;
    return source_ ? source_->trailers() : none;
}

task<result<eddy::bytes>> body::read_all(std::size_t limit) {
    if (was_taken_) co_return std::unexpected(make_error_code(errc::body_already_read));
    if (!source_) {
        if (content_.size() > limit) co_return std::unexpected(make_error_code(errc::body_too_large));
        size_ = 0;
        was_taken_ = true;
        co_return std::exchange(content_, {});
    }
    if (size_ != unknown && size_ > limit) co_return std::unexpected(make_error_code(errc::body_too_large));
    const auto append = [](bytes_mut& all, std::span<const std::byte> more) { all.put(more); };
    auto all = co_await collect<bytes_mut>(*this, limit, append);
    was_taken_ = all || all.error() == errc::body_too_large;  // after another error, reads fail as before
    if (!all) co_return std::unexpected(all.error());
    co_return std::move(*all).freeze();
}

task<result<std::string>> body::read_text(std::size_t limit) {
    if (!source_) {
        const auto all = co_await read_all(limit);
        if (!all) co_return std::unexpected(all.error());
        co_return std::string(all->text());
    }
    if (was_taken_) co_return std::unexpected(make_error_code(errc::body_already_read));
    if (size_ != unknown && size_ > limit) co_return std::unexpected(make_error_code(errc::body_too_large));
    const auto append = [](std::string& all, std::span<const std::byte> more) {
        // SAFETY: bytes may be read as char. Their owner is the scratch buffer of collect().
        all.append(reinterpret_cast<const char*>(more.data()), more.size());
    };
    auto all = co_await collect<std::string>(*this, limit, append);
    was_taken_ = all || all.error() == errc::body_too_large;
    co_return std::move(all);
}

}  // namespace eddy::http
