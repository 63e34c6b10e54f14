// SPDX-License-Identifier: MIT
#include "client/exchange.hpp"

#include <utility>

namespace eddy::detail {
namespace {

/// Reads the body of a response.
class exchange_source final : public body_source {
public:
    explicit exchange_source(std::shared_ptr<client_exchange> from) noexcept : from_(std::move(from)) {}
    poll_result<result<std::size_t>> poll_read(context& cx, std::span<std::byte> into) override {
        return from_->poll_read(cx, into);
    }
    bool may_have_trailers() const noexcept override { return from_->may_have_trailers(); }
    http::headers make_trailers() override { return from_->trailers(); }

private:
    std::shared_ptr<client_exchange> from_;
};

}  // namespace

http::body client_exchange::source_of(std::optional<std::uint64_t> size) {
    return http::body::from_source(std::make_unique<exchange_source>(shared_from_this()), size);
}

}  // namespace eddy::detail
